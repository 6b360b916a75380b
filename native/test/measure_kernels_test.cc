#include "measure_kernels.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "each_target.h"

using rushes::Moments;
using rushes::RowPair;
using rushes::RowTally;
using rushes::Thumbnail;

namespace {

std::vector<uint8_t> noise(size_t count, unsigned seed) {
  std::minstd_rand random(seed);
  std::vector<uint8_t> samples(count);
  for (uint8_t& sample : samples) sample = random() >> 8 & 255;
  return samples;
}

struct Tallied {
  uint64_t difference;
  uint64_t dark;
  std::vector<uint16_t> columns;
  std::vector<uint32_t> sums;
  std::vector<uint8_t> previous;

  bool operator==(const Tallied&) const = default;
};

/// Rows that end with their last sample, so that a sanitizer sees every read
/// beyond, and lie from the bottom up if `upward`.
Tallied tally(int width, int height, bool upward) {
  const size_t count = static_cast<size_t>(width) * height;
  const std::vector<uint8_t> rows = noise(count, width);
  Tallied made{
      0, 0, std::vector<uint16_t>(width, 7), std::vector<uint32_t>(height),
      noise(count, width + 1000)};
  const RowTally got = rushes::tallyRows(
      {upward ? rows.data() + count - width : rows.data(),
       upward ? -width : width, width, height, made.previous.data(),
       static_cast<uint8_t>(width % 3 == 0 ? 37 : 250)},
      made.columns.data(), made.sums.data());
  made.difference = got.difference;
  made.dark = got.dark;
  return made;
}

/// One sample at a time.
Tallied tallyByDefinition(int width, int height, bool upward) {
  const size_t count = static_cast<size_t>(width) * height;
  const std::vector<uint8_t> rows = noise(count, width);
  const std::vector<uint8_t> before = noise(count, width + 1000);
  Tallied made{
      0, 0, std::vector<uint16_t>(width, 7), std::vector<uint32_t>(height), {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const int value = rows[(upward ? height - 1 - y : y) * width + x];
      made.columns[x] += value;
      made.sums[y] += value;
      made.difference += std::abs(value - before[y * width + x]);
      made.dark += value <= (width % 3 == 0 ? 37 : 250) ? 1 : 0;
      made.previous.push_back(static_cast<uint8_t>(value));
    }
  }
  return made;
}

using Products = std::array<int32_t, Thumbnail::kShifts * Thumbnail::kShifts>;

Products products(
    const std::vector<int16_t>& a, const std::vector<int16_t>& b) {
  int32_t made[Thumbnail::kShifts * Thumbnail::kShifts];
  rushes::sumShiftedProducts(a.data(), b.data(), made);
  Products all;
  std::copy_n(made, all.size(), all.begin());
  return all;
}

/// As if a border of zeros went all around.
Products productsByDefinition(
    const std::vector<int16_t>& a, const std::vector<int16_t>& b) {
  Products all = {};
  for (int i = 0; i < static_cast<int>(all.size()); ++i) {
    const int dx = i % Thumbnail::kShifts - Thumbnail::kShift;
    const int dy = i / Thumbnail::kShifts - Thumbnail::kShift;
    for (int k = 0; k < Thumbnail::kCells; ++k) {
      const int x = k % Thumbnail::kWidth + dx;
      const int y = k / Thumbnail::kWidth + dy;
      const bool inside =
          x >= 0 && x < Thumbnail::kWidth && y >= 0 && y < Thumbnail::kHeight;
      if (inside) all[i] += a[k] * b[y * Thumbnail::kWidth + x];
    }
  }
  return all;
}

/// Runs `check` with whatever instructions there are.
template <typename Check>
void withAllKernels(Check check) {
#if RUSHES_HIGHWAY
  withEachTarget(check);
  plainly([&] {
    check("plain");
    return 0;
  });
#else
  check("plain");
#endif
}

}  // namespace

TEST_CASE("rows are tallied alike by all instructions, whatever their width") {
  std::vector<int> widths = {640, 641, 703, 1920};
  for (int width = 1; width <= 200; ++width) widths.push_back(width);
  for (const int width : widths) {
    const int height = width == 640 ? RowPair::kMost : 1 + width % 5;
    const bool upward = width % 2 == 0;
    const Tallied wanted = tallyByDefinition(width, height, upward);
    withAllKernels([&](const char* name) {
      CAPTURE(std::string(name));
      CAPTURE(width);
      REQUIRE(tally(width, height, upward) == wanted);
    });
  }
}

TEST_CASE("thumbnails are multiplied alike by all instructions") {
  for (unsigned seed = 0; seed < 5; ++seed) {
    const std::vector<uint8_t> cells = noise(2 * Thumbnail::kCells, seed);
    std::vector<int16_t> a(cells.begin(), cells.begin() + Thumbnail::kCells);
    std::vector<int16_t> b(cells.begin() + Thumbnail::kCells, cells.end());
    if (seed == 0) {  // as large as it can be
      std::fill(a.begin(), a.end(), 255);
      b = a;
    }
    const Products wanted = productsByDefinition(a, b);
    withAllKernels([&](const char* name) {
      CAPTURE(std::string(name));
      CHECK(products(a, b) == wanted);
    });
  }
}

TEST_CASE("differences are summed as far as they count") {
  std::minstd_rand random(3);
  std::uniform_int_distribution<int32_t> slope(-(1 << 23), 1 << 23);
  for (int count = 0; count <= 700; count += count < 150 ? 1 : 37) {
    std::vector<int32_t> a(count);
    std::vector<int32_t> b(count);
    for (int32_t& value : a) value = slope(random);
    for (int32_t& value : b) value = slope(random);
    uint64_t all = 0;
    for (int i = 0; i < count; ++i) all += std::abs(a[i] - b[i]);
    withAllKernels([&](const char* name) {
      CAPTURE(std::string(name));
      CAPTURE(count);
      const auto sum = [&](uint64_t enough) {
        return rushes::sumDifferences(a.data(), b.data(), count, enough);
      };
      CHECK(sum(all + 1) == all);
      CHECK(sum(all) == all);
      CHECK(sum(all / 2) >= all / 2);
      CHECK(sum(all / 2) <= all);
    });
  }
}

TEST_CASE("samples and Laplacians are summed alike by all instructions") {
  std::vector<int> widths = {640, 1027, 2600};
  for (int width = 3; width <= 150; ++width) widths.push_back(width);
  for (const int width : widths) {
    std::vector<uint8_t> rows = noise(size_t{3} * width, width);
    if (width == 2600) {  // Laplacians as large as can be
      for (int i = 0; i < 3 * width; ++i) {
        rows[i] = (i % width + i / width) % 2 == 0 ? 0 : 255;
      }
    }
    const uint8_t* row = rows.data() + width;
    std::array<int64_t, 4> wanted = {1, 2, 3, 4};
    for (int x = 1; x < width - 1; ++x) {
      const int laplacian = row[x - width] + row[x + width] + row[x - 1] +
                            row[x + 1] - 4 * row[x];
      wanted[0] += row[x];
      wanted[1] += row[x] * row[x];
      wanted[2] += laplacian;
      wanted[3] += laplacian * laplacian;
    }
    withAllKernels([&](const char* name) {
      CAPTURE(std::string(name));
      CAPTURE(width);
      Moments got = {1, 2, 3, 4};
      rushes::addMoments(rows.data(), row, row + width, 1, width - 1, got);
      REQUIRE(got.sum == wanted[0]);
      REQUIRE(got.squares == wanted[1]);
      REQUIRE(got.laplacianSum == wanted[2]);
      REQUIRE(got.laplacianSquares == wanted[3]);
    });
  }
}

TEST_CASE("distances from grey are rounded down alike by all instructions") {
  std::vector<uint8_t> levels(256);
  for (int i = 0; i < 256; ++i) levels[i] = static_cast<uint8_t>(i);
  for (int u = 0; u < 256; ++u) {
    const std::vector<uint8_t> us(256, static_cast<uint8_t>(u));
    // All levels, and then fewer, so that each has its turn at the end.
    for (const int count : {256, 255 - u}) {
      uint64_t wanted = 0;
      for (int v = 0; v < count; ++v) {
        const int square = (u - 128) * (u - 128) + (v - 128) * (v - 128);
        int root = 0;
        while ((root + 1) * (root + 1) <= square) ++root;
        wanted += root;
      }
      withAllKernels([&](const char* name) {
        CAPTURE(std::string(name));
        CAPTURE(u);
        CAPTURE(count);
        REQUIRE(
            rushes::sumDistancesFromGrey(us.data(), levels.data(), count) ==
            wanted);
      });
    }
  }
}
