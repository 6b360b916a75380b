#include "block_matching.h"

#include <algorithm>
#include <array>
#include <climits>
#include <cstdlib>

#include "thumbnail.h"

namespace rushes {
namespace {

/// As in src/block-matching.ts.
constexpr int kColumns = Thumbnail::kWidth;
constexpr int kRows = Thumbnail::kHeight;
constexpr int kBlock = 4;
constexpr int kArea = kBlock * kBlock;
constexpr int kAcross = kColumns / kBlock;
constexpr int kDown = kRows / kBlock;
constexpr int kFloor = kArea * kArea;
constexpr int kRounds = 8;
constexpr int kUnit = 4096;
constexpr double kFar = 0.1;
constexpr int kFarX = 18;
constexpr int kFarY = 6;

struct Vector {
  int x = 0;
  int y = 0;
};

/// The cells of a block, which fit two vector registers.
using Block = std::array<int16_t, kArea>;

Block blockAt(const int16_t* cells, int left, int top) {
  Block block;
  for (int y = 0; y < kBlock; ++y) {
    const int16_t* row = cells + (top + y) * kColumns + left;
    for (int x = 0; x < kBlock; ++x) block[y * kBlock + x] = row[x];
  }
  return block;
}

/// Of the values from their mean, summed, times kArea. Each is 255 at most, so
/// that the 16-fold deviation of one fits 16 bits, and so does that of a
/// difference.
int deviation(const Block& values) {
  int16_t sum = 0;
  for (const int16_t value : values) sum = static_cast<int16_t>(sum + value);
  int total = 0;
  for (const int16_t value : values) {
    total += std::abs(static_cast<int16_t>(kArea * value - sum));
  }
  return total;
}

/// Of the values less their mean, summed, times kArea: up to 17 million.
int squares(const Block& values) {
  int sum = 0;
  int total = 0;
  for (const int16_t value : values) {
    sum += value;
    total += value * value;
  }
  return kArea * total - sum * sum;
}

Block differencesOf(const Block& a, const Block& b) {
  Block differences;
  for (int i = 0; i < kArea; ++i) {
    differences[i] = static_cast<int16_t>(a[i] - b[i]);
  }
  return differences;
}

/// Looks for where a block was.
class Search {
 public:
  Search(const int16_t* current, const int16_t* previous, int left, int top)
      : block_(blockAt(current, left, top)),
        previous_(previous),
        left_(left),
        top_(top) {}

  void run(const Vector* starts, int count) {
    for (int i = 0; i < count && least_ > kFloor; ++i) tryOne(starts[i]);
    for (int round = 0; round < kRounds && least_ > kFloor; ++round) {
      const Vector from = best_;
      tryOne({from.x + 1, from.y});
      tryOne({from.x - 1, from.y});
      tryOne({from.x, from.y + 1});
      tryOne({from.x, from.y - 1});
      if (best_.x == from.x && best_.y == from.y) break;
    }
  }

  const Vector& best() const noexcept { return best_; }

  /// What the block adds to the residual, in kUnit-ths.
  int residual() const {
    const Block found = blockAt(previous_, left_ + best_.x, top_ + best_.y);
    const int apart =
        std::max(0, squares(differencesOf(block_, found)) - kFloor);
    const int all = squares(block_) + squares(found) + 2 * kFloor;
    return std::min(kUnit, static_cast<int>(int64_t{kUnit} * apart / all));
  }

 private:
  void tryOne(const Vector& vector) {
    const int left = left_ + vector.x;
    const int top = top_ + vector.y;
    if (left < 0 || left > kColumns - kBlock || top < 0 ||
        top > kRows - kBlock) {
      return;
    }
    const int cost =
        deviation(differencesOf(block_, blockAt(previous_, left, top)));
    if (cost >= least_) return;
    least_ = cost;
    best_ = vector;
  }

  Block block_;
  const int16_t* previous_;
  int left_;
  int top_;
  Vector best_;
  int least_ = INT_MAX;
};

using Cells = std::array<uint8_t, kColumns * kRows>;

/// The cells from `left` on, `width` in each row, from column `to` on; 0 beside
/// them.
void copyColumns(
    const int16_t* cells, int left, int width, int to, Cells& copy) {
  copy.fill(0);
  for (int y = 0; y < kRows; ++y) {
    const int16_t* row = cells + y * kColumns + left;
    uint8_t* target = copy.data() + y * kColumns + to;
    for (int x = 0; x < width; ++x) target[x] = static_cast<uint8_t>(row[x]);
  }
}

/// Σ|a − b| of whole rows, where a and b, displaced by y rows, overlap.
int differenceAt(const Cells& a, const Cells& b, int y) {
  const uint8_t* from = a.data() + std::max(0, -y) * kColumns;
  const uint8_t* other = b.data() + std::max(0, y) * kColumns;
  const int count = (kRows - std::abs(y)) * kColumns;
  // GCC and Clang make psadbw (uabal on Arm) of this.
  uint32_t sum = 0;
  for (int i = 0; i < count; ++i) sum += std::abs(from[i] - other[i]);
  return static_cast<int>(sum);
}

Vector farDisplacement(const int16_t* current, const int16_t* previous) {
  Vector best;
  int leastApart = INT_MAX;
  int leastCount = 1;
  for (int x = -kFarX; x <= kFarX; ++x) {
    // Only the columns that overlap, so that the others do not differ.
    const int left = std::max(0, -x);
    const int width = kColumns - std::abs(x);
    Cells a;
    Cells b;
    copyColumns(current, left, width, left, a);
    copyColumns(previous, left + x, width, left, b);
    for (int y = -kFarY; y <= kFarY; ++y) {
      const int apart = differenceAt(a, b, y);
      const int count = width * (kRows - std::abs(y));
      const int64_t more =
          int64_t{apart} * leastCount - int64_t{leastApart} * count;
      const int length = std::abs(x) + std::abs(y);
      if (more > 0 ||
          (more == 0 && length >= std::abs(best.x) + std::abs(best.y))) {
        continue;
      }
      best = {x, y};
      leastApart = apart;
      leastCount = count;
    }
  }
  return best;
}

}  // namespace

double residualOf(
    const int16_t* current, const int16_t* previous, double mismatch) {
  const Vector far =
      mismatch > kFar ? farDisplacement(current, previous) : Vector{};
  std::array<Vector, kAcross * kDown> vectors;
  int sum = 0;
  for (int j = 0; j < kDown; ++j) {
    for (int i = 0; i < kAcross; ++i) {
      const int k = j * kAcross + i;
      std::array<Vector, 5> starts = {Vector{}, far};
      int count = 2;
      if (i > 0) starts[count++] = vectors[k - 1];
      if (j > 0) starts[count++] = vectors[k - kAcross];
      if (j > 0 && i + 1 < kAcross) starts[count++] = vectors[k - kAcross + 1];
      Search search(current, previous, i * kBlock, j * kBlock);
      search.run(starts.data(), count);
      vectors[k] = search.best();
      sum += search.residual();
    }
  }
  return static_cast<double>(sum) / (kUnit * kAcross * kDown);
}

}  // namespace rushes
