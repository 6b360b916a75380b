#include "measure.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

namespace rushes {
namespace {

__extension__ typedef __int128 Int128;

/// Cell boundaries when `length` samples are shared out among `count` cells:
/// cell i begins at floor(i * length / count) and holds at least one sample, so
/// that pictures smaller than the grid repeat theirs.
int cellBegin(int i, int count, int length) {
  return static_cast<int>(static_cast<int64_t>(i) * length / count);
}
int cellEnd(int i, int count, int length) {
  return std::max(
      cellBegin(i, count, length) + 1, cellBegin(i + 1, count, length));
}

/// Samples whose squares, times 255 * 4 squared, add up within 32 bits.
constexpr int kChunk = 1024;

/// Variance from the sums of n values and of their squares: (n Σx² − (Σx)²)/n².
double variance(int64_t n, int64_t sum, int64_t squares) {
  const Int128 numerator =
      static_cast<Int128>(n) * squares - static_cast<Int128>(sum) * sum;
  return static_cast<double>(numerator) /
         static_cast<double>(static_cast<Int128>(n) * n);
}

/// Sums of the cells of a grid, row by row, into `sums`.
void cellSums(const Plane& plane, int columns, int rows, int64_t* sums) {
  std::vector<uint16_t> lines(plane.width);
  std::fill(sums, sums + columns * rows, 0);
  for (int j = 0; j < rows; ++j) {
    const int bottom = cellEnd(j, rows, plane.height);
    for (int y = cellBegin(j, rows, plane.height); y < bottom;) {
      // 257 samples of 255 are the most that 16 bits hold.
      const int stop = std::min(bottom, y + 257);
      std::fill(lines.begin(), lines.end(), 0);
      for (; y < stop; ++y) {
        const uint8_t* row = plane.data + y * plane.stride;
        uint16_t* line = lines.data();
        for (int x = 0; x < plane.width; ++x) line[x] += row[x];
      }
      for (int i = 0; i < columns; ++i) {
        const int end = cellEnd(i, columns, plane.width);
        uint32_t sum = 0;
        for (int x = cellBegin(i, columns, plane.width); x < end; ++x) {
          sum += lines[x];
        }
        sums[j * columns + i] += sum;
      }
    }
  }
}

int cellArea(const Plane& plane, int columns, int rows, int i, int j) {
  return (cellEnd(i, columns, plane.width) -
          cellBegin(i, columns, plane.width)) *
         (cellEnd(j, rows, plane.height) - cellBegin(j, rows, plane.height));
}

uint64_t differenceHash(const Plane& luma) {
  constexpr int kColumns = 9;
  constexpr int kRows = 8;
  int64_t sums[kColumns * kRows];
  cellSums(luma, kColumns, kRows, sums);
  uint64_t hash = 0;
  for (int j = 0; j < kRows; ++j) {
    for (int i = 0; i + 1 < kColumns; ++i) {
      // sum / area < sum / area, without dividing.
      const Int128 left = static_cast<Int128>(sums[j * kColumns + i]) *
                          cellArea(luma, kColumns, kRows, i + 1, j);
      const Int128 right = static_cast<Int128>(sums[j * kColumns + i + 1]) *
                           cellArea(luma, kColumns, kRows, i, j);
      hash = hash << 1 | (left < right ? 1 : 0);
    }
  }
  return hash;
}

/// BORDER_REFLECT_101: the row or column beyond the border is the one before
/// it.
int reflect101(int i, int length) {
  if (length == 1) return 0;
  if (i < 0) return -i;
  return i < length ? i : 2 * length - 2 - i;
}

double meanAbsoluteDifference(const Plane& a, const uint8_t* b) {
  int64_t sum = 0;
  for (int y = 0; y < a.height; ++y) {
    const uint8_t* row = a.data + y * a.stride;
    const uint8_t* other = b + static_cast<ptrdiff_t>(y) * a.width;
    // GCC and Clang make psadbw (uabal on Arm) of this.
    uint32_t line = 0;
    for (int x = 0; x < a.width; ++x) line += std::abs(row[x] - other[x]);
    sum += line;
  }
  return static_cast<double>(sum) /
         static_cast<double>(static_cast<int64_t>(a.width) * a.height);
}

}  // namespace

LumaMeasures measureLuma(const Plane& luma) {
  const int width = luma.width;
  const int height = luma.height;
  int64_t sum = 0;
  int64_t squares = 0;
  int64_t laplacianSum = 0;
  int64_t laplacianSquares = 0;
  std::vector<int16_t> laplacian(width);
  for (int y = 0; y < height; ++y) {
    const uint8_t* row = luma.data + y * luma.stride;
    const uint8_t* above = luma.data + reflect101(y - 1, height) * luma.stride;
    const uint8_t* below = luma.data + reflect101(y + 1, height) * luma.stride;
    const auto at = [&](int x, int left, int right) {
      return static_cast<int16_t>(
          above[x] + below[x] + row[left] + row[right] - 4 * row[x]);
    };
    laplacian[0] = at(0, reflect101(-1, width), reflect101(1, width));
    laplacian[width - 1] =
        at(width - 1, reflect101(width - 2, width), reflect101(width, width));
    int16_t* line = laplacian.data();
    for (int x = 1; x < width - 1; ++x) line[x] = at(x, x - 1, x + 1);
    for (int begin = 0; begin < width; begin += kChunk) {
      const int end = std::min(width, begin + kChunk);
      int32_t s = 0;
      int32_t s2 = 0;
      int32_t l = 0;
      int32_t l2 = 0;
      for (int x = begin; x < end; ++x) {
        const int16_t value = row[x];
        s += value;
        s2 += value * value;
        l += line[x];
        l2 += line[x] * line[x];
      }
      sum += s;
      squares += s2;
      laplacianSum += l;
      laplacianSquares += l2;
    }
  }
  const int64_t n = static_cast<int64_t>(width) * height;
  LumaMeasures measures;
  measures.brightness = static_cast<double>(sum) / static_cast<double>(n);
  measures.contrast = std::sqrt(variance(n, sum, squares));
  measures.sharpness = variance(n, laplacianSum, laplacianSquares);
  measures.hash = differenceHash(luma);
  return measures;
}

namespace {

/// floor(hypot(i, j)) for 0 <= i, j <= 128.
struct Hypotenuses {
  uint8_t floor[129][129];
  constexpr Hypotenuses() : floor() {
    for (int i = 0; i <= 128; ++i) {
      int root = i;
      for (int j = 0; j <= 128; ++j) {
        while ((root + 1) * (root + 1) <= i * i + j * j) ++root;
        floor[i][j] = static_cast<uint8_t>(root);
      }
    }
  }
};
constexpr Hypotenuses kHypotenuses;

}  // namespace

double meanSaturation(const Plane& u, const Plane& v) {
  int64_t sum = 0;
  for (int y = 0; y < u.height; ++y) {
    const uint8_t* uRow = u.data + y * u.stride;
    const uint8_t* vRow = v.data + y * v.stride;
    for (int x = 0; x < u.width; ++x) {
      sum +=
          kHypotenuses.floor[std::abs(uRow[x] - 128)][std::abs(vRow[x] - 128)];
    }
  }
  return static_cast<double>(sum) /
         static_cast<double>(static_cast<int64_t>(u.width) * u.height);
}

// Note [Mismatch]: the part of two pictures' variance that they do not share,
//
//   (Σ(a' − b')² + N·m) / (Σa'² + Σb'² + N·m + N·c),   m = (ā − b̄)² / 32,
//
// where a' and b' are the N samples less their means ā and b̄. It is
// 1 − correlation for pictures of equal contrast, so that a cut between two
// dark shots counts as much as one between bright ones, while a change of
// exposure hardly counts. c = 16 (a deviation of four grey levels) keeps noise
// on flat pictures from counting; m makes a cut from one flat picture to
// another count. Thumbnails of 32x18 cells do not see small movements; of
// larger ones of the whole picture (pans) the displacement that explains most
// is taken, and the pictures are compared where they overlap.
namespace {
double mismatchOf(
    int64_t n, int64_t sumA, int64_t squaresA, int64_t sumB, int64_t squaresB,
    int64_t products) {
  const int64_t varianceA = n * squaresA - sumA * sumA;
  const int64_t varianceB = n * squaresB - sumB * sumB;
  const int64_t covariance = n * products - sumA * sumB;
  const int64_t means = (sumA - sumB) * (sumA - sumB);
  // All times 32 to stay in integers.
  const int64_t apart = 32 * (varianceA + varianceB - 2 * covariance) + means;
  const int64_t all = 32 * (varianceA + varianceB + 16 * n * n) + means;
  return static_cast<double>(apart) / static_cast<double>(all);
}
}  // namespace

double ChangeMeter::mismatch(const Thumbnail& a, const Thumbnail& b) {
  int32_t products = 0;
  for (int i = 0; i < kWidth * kHeight; ++i)
    products += a.cells[i] * b.cells[i];
  return mismatchOf(
      kWidth * kHeight, a.sum, a.squares, b.sum, b.squares, products);
}

double ChangeMeter::shiftedMismatch(const Thumbnail& a, const Thumbnail& b) {
  double best = 2;
  for (int dy = -kShift; dy <= kShift; ++dy) {
    for (int dx = -kShift; dx <= kShift; ++dx) {
      const int left = std::max(0, -dx);
      const int right = std::min(kWidth, kWidth - dx);
      const int top = std::max(0, -dy);
      const int bottom = std::min(kHeight, kHeight - dy);
      int32_t sumA = 0;
      int32_t sumB = 0;
      int32_t squaresA = 0;
      int32_t squaresB = 0;
      int32_t products = 0;
      for (int y = top; y < bottom; ++y) {
        const int16_t* rowA = a.cells.data() + y * kWidth;
        const int16_t* rowB = b.cells.data() + (y + dy) * kWidth + dx;
        for (int x = left; x < right; ++x) {
          sumA += rowA[x];
          sumB += rowB[x];
          squaresA += rowA[x] * rowA[x];
          squaresB += rowB[x] * rowB[x];
          products += rowA[x] * rowB[x];
        }
      }
      const int n = (right - left) * (bottom - top);
      best = std::min(
          best, mismatchOf(n, sumA, squaresA, sumB, squaresB, products));
    }
  }
  return best;
}

ChangeMeter::Thumbnail ChangeMeter::makeThumbnail(
    const Plane& luma, double time) {
  int64_t sums[kWidth * kHeight];
  cellSums(luma, kWidth, kHeight, sums);
  Thumbnail thumbnail = {time, {}, 0, 0};
  for (int j = 0; j < kHeight; ++j) {
    for (int i = 0; i < kWidth; ++i) {
      const int area = cellArea(luma, kWidth, kHeight, i, j);
      const int k = j * kWidth + i;
      const int mean = static_cast<int>((2 * sums[k] + area) / (2 * area));
      thumbnail.cells[k] = static_cast<int16_t>(mean);
      thumbnail.sum += mean;
      thumbnail.squares += mean * mean;
    }
  }
  return thumbnail;
}

FrameChange ChangeMeter::next(const Plane& luma, double time) {
  const Thumbnail current = makeThumbnail(luma, time);
  FrameChange change;
  if (!thumbnails_.empty()) {
    const Thumbnail& last = thumbnails_.front();
    double* columns = change.columns;
    if (luma.width == width_ && luma.height == height_) {
      columns[FrameChange::kDifference] =
          meanAbsoluteDifference(luma, previous_.data());
    } else {
      int32_t sum = 0;
      for (int i = 0; i < kWidth * kHeight; ++i) {
        sum += std::abs(current.cells[i] - last.cells[i]);
      }
      columns[FrameChange::kDifference] =
          static_cast<double>(sum) / (kWidth * kHeight);
    }
    columns[FrameChange::kMismatch] = shiftedMismatch(current, last);
    double& recall = columns[FrameChange::kRecall];
    double& age = columns[FrameChange::kRecallAge];
    for (size_t i = 1; i < thumbnails_.size(); ++i) {
      if (!(time - thumbnails_[i - 1].time <= kFlash)) break;
      const double value = mismatch(current, thumbnails_[i]);
      if (age == 0 || value < recall) {
        recall = value;
        age = static_cast<double>(i + 1);
      }
    }
  }
  thumbnails_.push_front(current);
  if (thumbnails_.size() > kMemory) thumbnails_.pop_back();
  width_ = luma.width;
  height_ = luma.height;
  previous_.resize(static_cast<size_t>(width_) * height_);
  for (int y = 0; y < height_; ++y) {
    std::memcpy(
        previous_.data() + static_cast<size_t>(y) * width_,
        luma.data + y * luma.stride, width_);
  }
  return change;
}

void ChangeMeter::reset() { thumbnails_.clear(); }

}  // namespace rushes
