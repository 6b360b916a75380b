#include "measure.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <utility>

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

/// How many lines from the first on are dark: `sum(i)` is of `length` samples.
template <typename Sum>
int darkLines(int count, int64_t length, Sum sum) {
  constexpr int64_t kBorderLuma = 24;
  int i = 0;
  while (i < count && sum(i) <= kBorderLuma * length) ++i;
  return i;
}

void measureBorders(const Plane& luma, double* borders) {
  const int width = luma.width;
  const int height = luma.height;
  Profiles sums;
  sums.measure(luma);
  const auto column = [&](int i) { return sums.columns[i]; };
  const auto row = [&](int i) { return sums.rows[i]; };
  const int left = darkLines(width, height, column);
  const int top = darkLines(height, width, row);
  const int right = left == width ? 0 : darkLines(width, height, [&](int i) {
    return column(width - 1 - i);
  });
  const int bottom = top == height ? 0 : darkLines(height, width, [&](int i) {
    return row(height - 1 - i);
  });
  borders[LumaMeasures::kLeft] = static_cast<double>(left) / width;
  borders[LumaMeasures::kTop] = static_cast<double>(top) / height;
  borders[LumaMeasures::kRight] = static_cast<double>(right) / width;
  borders[LumaMeasures::kBottom] = static_cast<double>(bottom) / height;
}

/// `displacement` in src/measures.ts: by how many samples a profile has moved
/// on, by the slopes of the two.
int displacement(
    const std::vector<uint32_t>& current,
    const std::vector<uint32_t>& previous) {
  constexpr int kReach = 16;
  constexpr int kMaxReach = 32;
  const int length = static_cast<int>(current.size()) - 1;
  const auto slopes = [length](const std::vector<uint32_t>& sums) {
    std::vector<int32_t> slopes(length);
    for (int i = 0; i < length; ++i) {
      slopes[i] = static_cast<int32_t>(sums[i + 1] - sums[i]);
    }
    return slopes;
  };
  const std::vector<int32_t> a = slopes(current);
  const std::vector<int32_t> b = slopes(previous);
  const int reach = std::min((length + 1) / kReach, kMaxReach);
  int best = 0;
  int64_t leastApart = 0;
  int64_t leastCount = 0;
  for (int i = 0; i <= 2 * reach; ++i) {
    const int shift = i % 2 == 1 ? (i + 1) / 2 : -i / 2;
    const int count = length - std::abs(shift);
    const int32_t* from = a.data() + std::max(0, shift);
    const int32_t* to = b.data() + std::max(0, -shift);
    int64_t apart = 0;
    for (int begin = 0; begin < count; begin += kChunk) {
      const int end = std::min(count, begin + kChunk);
      // 1024 differences of 2 · 255 · 4096 rows at most.
      uint32_t sum = 0;
      for (int x = begin; x < end; ++x) sum += std::abs(from[x] - to[x]);
      apart += sum;
    }
    if (i == 0 || apart * leastCount < leastApart * count) {
      leastApart = apart;
      leastCount = count;
      best = shift;
    }
  }
  return best;
}

double darkShare(const Plane& luma, bool fullRange) {
  // 10 % of the range above black.
  const uint8_t limit = fullRange ? 25 : 37;
  std::vector<uint8_t> counts(luma.width);
  int64_t count = 0;
  for (int y = 0; y < luma.height;) {
    const int stop = std::min(luma.height, y + 255);
    std::fill(counts.begin(), counts.end(), 0);
    for (; y < stop; ++y) {
      const uint8_t* row = luma.data + y * luma.stride;
      uint8_t* line = counts.data();
      for (int x = 0; x < luma.width; ++x) line[x] += row[x] <= limit ? 1 : 0;
    }
    count += std::accumulate(counts.begin(), counts.end(), int64_t{0});
  }
  return static_cast<double>(count) /
         static_cast<double>(static_cast<int64_t>(luma.width) * luma.height);
}

}  // namespace

void Profiles::measure(const Plane& plane) {
  const int width = plane.width;
  columns.assign(width, 0);
  rows.resize(plane.height);
  const std::vector<uint8_t> zeros(width);
  std::vector<uint16_t> lines(width);
  for (int y = 0; y < plane.height;) {
    // 257 samples of 255 are the most that 16 bits hold.
    const int stop = std::min(plane.height, y + 257);
    std::fill(lines.begin(), lines.end(), 0);
    for (; y < stop; ++y) {
      const uint8_t* row = plane.data + y * plane.stride;
      uint16_t* line = lines.data();
      for (int x = 0; x < width; ++x) line[x] += row[x];
      // A difference, because psadbw is made of those only.
      uint32_t sum = 0;
      for (int x = 0; x < width; ++x) sum += std::abs(row[x] - zeros[x]);
      rows[y] = sum;
    }
    for (int x = 0; x < width; ++x) columns[x] += lines[x];
  }
}

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
  measureBorders(luma, measures.borders);
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

void ChangeMeter::makeSignature(
    const Thumbnail& thumbnail, std::array<uint8_t, 144>& signature) {
  for (int j = 0; j < kHeight / 2; ++j) {
    for (int i = 0; i < kWidth / 2; ++i) {
      const int16_t* cell = thumbnail.cells.data() + (2 * j * kWidth) + (2 * i);
      const int sum = cell[0] + cell[1] + cell[kWidth] + cell[kWidth + 1];
      signature[(j * kWidth / 2) + i] = static_cast<uint8_t>((sum + 2) / 4);
    }
  }
}

namespace {
/// Bins of 4 levels from 64 on; what lies outside counts for the outermost.
struct ChromaBins {
  uint8_t of[256];
  constexpr ChromaBins() : of() {
    for (int level = 0; level < 256; ++level) {
      of[level] = static_cast<uint8_t>(std::clamp((level >> 2) - 16, 0, 31));
    }
  }
};
constexpr ChromaBins kChromaBins;
}  // namespace

ChangeMeter::ChromaHistogram ChangeMeter::makeChromaHistogram(
    const Plane& u, const Plane& v) {
  constexpr int kLanes = 4;
  ChromaHistogram histogram = {static_cast<int64_t>(u.width) * u.height, {}};
  int32_t* bins = histogram.bins.data();
  for (const Plane* plane : {&u, &v}) {
    // Neighbours are mostly alike, and counting one level twice over has to
    // wait for memory.
    std::array<std::array<int32_t, 256>, kLanes> counts = {};
    for (int y = 0; y < plane->height; ++y) {
      const uint8_t* row = plane->data + y * plane->stride;
      int x = 0;
      for (; x + kLanes <= plane->width; x += kLanes) {
        for (int i = 0; i < kLanes; ++i) ++counts[i][row[x + i]];
      }
      for (; x < plane->width; ++x) ++counts[0][row[x]];
    }
    for (int level = 0; level < 256; ++level) {
      for (const auto& lane : counts) {
        bins[kChromaBins.of[level]] += lane[level];
      }
    }
    bins += ChromaHistogram::kBins;
  }
  return histogram;
}

double ChangeMeter::colorShare(const ChromaHistogram& histogram) {
  constexpr size_t kBins = ChromaHistogram::kBins;
  const auto& bins = histogram.bins;
  const int64_t all = 2 * histogram.count;
  // The two bins in the middle.
  const int64_t grey =
      bins[15] + bins[16] + bins[kBins + 15] + bins[kBins + 16];
  return static_cast<double>(all - grey) / static_cast<double>(all);
}

double ChangeMeter::chromaDistance(
    const ChromaHistogram& a, const ChromaHistogram& b) {
  int64_t apart = 0;
  for (size_t i = 0; i < a.bins.size(); ++i) {
    apart += std::abs(a.bins[i] * b.count - b.bins[i] * a.count);
  }
  return static_cast<double>(apart) /
         static_cast<double>(4 * a.count * b.count);
}

FrameChange ChangeMeter::next(const FramePlanes& planes, double time) {
  const Plane& luma = planes.luma;
  const Thumbnail current = makeThumbnail(luma, time);
  const ChromaHistogram chroma = makeChromaHistogram(planes.u, planes.v);
  FrameChange change;
  makeSignature(current, change.signature);
  profiles_.measure(luma);
  double* columns = change.columns;
  if (!thumbnails_.empty()) {
    compare(current, luma, columns);
    columns[FrameChange::kChroma] = chromaDistance(chroma, chroma_);
  }
  columns[FrameChange::kColor] = colorShare(chroma);
  columns[FrameChange::kDark] = darkShare(luma, planes.fullRange);
  keep(current, luma);
  chroma_ = chroma;
  return change;
}

/// Fills the columns that tell of the previous luma.
void ChangeMeter::compare(
    const Thumbnail& current, const Plane& luma, double* columns) const {
  const Thumbnail& last = thumbnails_.front();
  if (luma.width == width_ && luma.height == height_) {
    columns[FrameChange::kDifference] =
        meanAbsoluteDifference(luma, previous_.data());
    columns[FrameChange::kShiftX] =
        static_cast<double>(
            displacement(profiles_.columns, previousProfiles_.columns)) /
        luma.width;
    columns[FrameChange::kShiftY] =
        static_cast<double>(
            displacement(profiles_.rows, previousProfiles_.rows)) /
        luma.height;
  } else {
    int32_t sum = 0;
    for (int i = 0; i < kWidth * kHeight; ++i) {
      sum += std::abs(current.cells[i] - last.cells[i]);
    }
    columns[FrameChange::kDifference] =
        static_cast<double>(sum) / (kWidth * kHeight);
  }
  columns[FrameChange::kMismatch] = shiftedMismatch(current, last);
  recall(current, columns);
}

void ChangeMeter::recall(const Thumbnail& current, double* columns) const {
  double& best = columns[FrameChange::kRecall];
  double& age = columns[FrameChange::kRecallAge];
  for (size_t i = 1; i < thumbnails_.size(); ++i) {
    if (!(current.time - thumbnails_[i - 1].time <= kFlash)) break;
    const double value = mismatch(current, thumbnails_[i]);
    if (age == 0 || value < best) {
      best = value;
      age = static_cast<double>(i + 1);
    }
  }
}

void ChangeMeter::keep(const Thumbnail& current, const Plane& luma) {
  thumbnails_.push_front(current);
  if (thumbnails_.size() > kMemory) thumbnails_.pop_back();
  std::swap(profiles_, previousProfiles_);
  width_ = luma.width;
  height_ = luma.height;
  previous_.resize(static_cast<size_t>(width_) * height_);
  for (int y = 0; y < height_; ++y) {
    std::memcpy(
        previous_.data() + static_cast<size_t>(y) * width_,
        luma.data + y * luma.stride, width_);
  }
}

void ChangeMeter::reset() { thumbnails_.clear(); }

}  // namespace rushes
