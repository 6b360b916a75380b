#include "block_matching.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstdlib>
#include <random>
#include <vector>

#include "thumbnail.h"

using rushes::residualOf;

namespace {

constexpr int kColumns = rushes::Thumbnail::kWidth;
constexpr int kRows = rushes::Thumbnail::kHeight;

using Cells = std::vector<int16_t>;

template <typename Value>
Cells cells(Value value) {
  Cells cells;
  for (int y = 0; y < kRows; ++y) {
    for (int x = 0; x < kColumns; ++x) {
      cells.push_back(static_cast<int16_t>(value(x, y)));
    }
  }
  return cells;
}

/// Tiles of random luma, the same for the same seed, moved by dx columns.
Cells tiles(unsigned seed, int dx = 0, int light = 40) {
  return cells([=](int x, int y) {
    std::mt19937 random(seed + (x + dx + 60) / 3 * 1009 + y / 3 * 9176);
    return light + std::uniform_int_distribution(0, 150)(random);
  });
}

double between(const Cells& a, const Cells& b, double mismatch) {
  return residualOf(b.data(), a.data(), mismatch);
}

}  // namespace

TEST_CASE("nothing is left of a picture that comes again, in any light") {
  CHECK(between(tiles(1), tiles(1), 0) == 0);
  CHECK(between(tiles(1), tiles(1, 0, 100), 0.9) == 0);
  const auto flat = [](int, int) { return 255; };
  CHECK(between(cells(flat), cells(flat), 0.9) == 0);
}

TEST_CASE("most is left of a picture that follows another") {
  for (unsigned seed = 1; seed < 20; ++seed) {
    CHECK(between(tiles(seed), tiles(seed + 100), 0.9) > 0.25);
  }
}

TEST_CASE("a picture is found far away where the mismatch tells to look") {
  for (const int dx : {-17, -12, 12, 17}) {
    // Of eight columns of blocks as many were not in view, and add 1 at most.
    const int columns = (std::abs(dx) + 3) / 4;
    const double newShare = columns / 8.0;
    const double told = between(tiles(1), tiles(1, dx), 0.11);
    CHECK(told < newShare);
    CHECK(told + 0.1 < between(tiles(1), tiles(1, dx), 0.1));
  }
}

TEST_CASE("the residual of the largest differences does not overflow") {
  const auto board = [](int x, int y) { return 255 * ((x + y) % 2); };
  const auto black = [](int, int) { return 0; };
  CHECK(between(cells(black), cells(board), 0.9) > 0.99);
  CHECK(between(cells(black), cells(board), 0.9) <= 1);
}
