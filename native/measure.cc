#include "measure.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <utility>

#include "block_matching.h"

namespace rushes {
namespace {

__extension__ typedef __int128 Int128;

/// How `length` samples are shared out among `count` cells: cell i begins at
/// floor(i * length / count) and holds at least one sample, so that pictures
/// smaller than the grid repeat theirs.
template <int count>
struct Cells {
  std::array<int, count> begin;
  std::array<int, count> end;

  explicit Cells(int length) {
    const auto first = [length](int i) {
      return static_cast<int>(static_cast<int64_t>(i) * length / count);
    };
    for (int i = 0; i < count; ++i) begin[i] = first(i);
    for (int i = 0; i < count; ++i) {
      end[i] = std::max(begin[i] + 1, first(i + 1));
    }
  }

  int length(int i) const { return end[i] - begin[i]; }

  /// Adds each cell's part of `line` to `sums`.
  void add(const uint16_t* line, int64_t* sums) const {
    for (int i = 0; i < count; ++i) {
      uint32_t sum = 0;
      for (int x = begin[i]; x < end[i]; ++x) sum += line[x];
      sums[i] += sum;
    }
  }
};

/// Variance from the sums of n values and of their squares: (n Σx² − (Σx)²)/n².
double variance(int64_t n, int64_t sum, int64_t squares) {
  const Int128 numerator =
      static_cast<Int128>(n) * squares - static_cast<Int128>(sum) * sum;
  return static_cast<double>(numerator) /
         static_cast<double>(static_cast<Int128>(n) * n);
}

uint64_t differenceHash(const Plane& luma) {
  constexpr int kColumns = 9;
  constexpr int kRows = 8;
  const Cells<kColumns> columns(luma.width);
  const Cells<kRows> rows(luma.height);
  std::vector<uint16_t> lines(luma.width);
  uint64_t hash = 0;
  for (int j = 0; j < kRows; ++j) {
    std::array<int64_t, kColumns> sums = {};
    for (int y = rows.begin[j]; y < rows.end[j];) {
      const int stop = std::min(rows.end[j], y + RowPair::kMost);
      std::fill(lines.begin(), lines.end(), 0);
      for (; y < stop; ++y) {
        const uint8_t* row = luma.data + y * luma.stride;
        uint16_t* line = lines.data();
        for (int x = 0; x < luma.width; ++x) line[x] += row[x];
      }
      columns.add(lines.data(), sums.data());
    }
    for (int i = 0; i + 1 < kColumns; ++i) {
      // sum / area < sum / area, without dividing; they are equally high.
      const Int128 left = static_cast<Int128>(sums[i]) * columns.length(i + 1);
      const Int128 right = static_cast<Int128>(sums[i + 1]) * columns.length(i);
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
    // Not better from there on: apart / count >= leastApart / leastCount.
    const int64_t enough =
        i == 0 ? INT64_MAX : (leastApart * count + leastCount - 1) / leastCount;
    const auto apart =
        static_cast<int64_t>(sumDifferences(from, to, count, enough));
    if (apart < enough) {
      leastApart = apart;
      leastCount = count;
      best = shift;
    }
  }
  return best;
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

namespace {
/// Adds the samples of row y.
void addRow(const Plane& luma, int y, Moments& moments) {
  const int width = luma.width;
  const auto rowAt = [&](int j) {
    return luma.data + reflect101(j, luma.height) * luma.stride;
  };
  const uint8_t* above = rowAt(y - 1);
  const uint8_t* row = rowAt(y);
  const uint8_t* below = rowAt(y + 1);
  addMoments(above, row, below, 1, width - 1, moments);
  const auto addBorder = [&](int x) {
    const int left = row[reflect101(x - 1, width)];
    const int right = row[reflect101(x + 1, width)];
    const int laplacian = above[x] + below[x] + left + right - 4 * row[x];
    moments.sum += row[x];
    moments.squares += row[x] * row[x];
    moments.laplacianSum += laplacian;
    moments.laplacianSquares += laplacian * laplacian;
  };
  addBorder(0);
  if (width > 1) addBorder(width - 1);
}
}  // namespace

LumaMeasures measureLuma(const Plane& luma) {
  Moments moments = {};
  for (int y = 0; y < luma.height; ++y) addRow(luma, y, moments);
  const int64_t n = static_cast<int64_t>(luma.width) * luma.height;
  LumaMeasures measures;
  measures.brightness =
      static_cast<double>(moments.sum) / static_cast<double>(n);
  measures.contrast = std::sqrt(variance(n, moments.sum, moments.squares));
  measures.sharpness =
      variance(n, moments.laplacianSum, moments.laplacianSquares);
  measures.hash = differenceHash(luma);
  measureBorders(luma, measures.borders);
  return measures;
}

double meanSaturation(const Plane& u, const Plane& v) {
  uint64_t sum = 0;
  for (int y = 0; y < u.height; ++y) {
    sum += sumDistancesFromGrey(
        u.data + y * u.stride, v.data + y * v.stride, u.width);
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
  for (int i = 0; i < Thumb::kCells; ++i) products += a.cells[i] * b.cells[i];
  return mismatchOf(
      Thumb::kCells, a.sum, a.squares, b.sum, b.squares, products);
}

namespace {
/// Sums of the cells above and to the left of each corner of a thumbnail, and
/// of their squares: a rectangle's are had from four (F. Crow, "Summed-area
/// tables for texture mapping", SIGGRAPH 1984).
class SummedAreas {
 public:
  explicit SummedAreas(const int16_t* cells) {
    for (int y = 0; y < Thumb::kHeight; ++y) {
      int32_t sum = 0;
      int32_t square = 0;
      for (int x = 0; x < Thumb::kWidth; ++x) {
        const int32_t cell = *cells++;
        sum += cell;
        square += cell * cell;
        sums_[y + 1][x + 1] = sums_[y][x + 1] + sum;
        squares_[y + 1][x + 1] = squares_[y][x + 1] + square;
      }
    }
  }

  int32_t sum(int left, int top, int right, int bottom) const {
    return of(sums_, left, top, right, bottom);
  }
  int32_t squares(int left, int top, int right, int bottom) const {
    return of(squares_, left, top, right, bottom);
  }

 private:
  using Table = int32_t[Thumb::kHeight + 1][Thumb::kWidth + 1];

  static int32_t of(
      const Table& table, int left, int top, int right, int bottom) {
    return table[bottom][right] - table[top][right] - table[bottom][left] +
           table[top][left];
  }

  Table sums_ = {};
  Table squares_ = {};
};
}  // namespace

double ChangeMeter::shiftedMismatch(const Thumbnail& a, const Thumbnail& b) {
  int32_t products[Thumb::kShifts * Thumb::kShifts];
  sumShiftedProducts(a.cells.data(), b.cells.data(), products);
  const SummedAreas areasA(a.cells.data());
  const SummedAreas areasB(b.cells.data());
  double best = 2;
  const int32_t* product = products;
  for (int dy = -Thumb::kShift; dy <= Thumb::kShift; ++dy) {
    for (int dx = -Thumb::kShift; dx <= Thumb::kShift; ++dx) {
      const int left = std::max(0, -dx);
      const int right = std::min(Thumb::kWidth, Thumb::kWidth - dx);
      const int top = std::max(0, -dy);
      const int bottom = std::min(Thumb::kHeight, Thumb::kHeight - dy);
      const int n = (right - left) * (bottom - top);
      best = std::min(
          best,
          mismatchOf(
              n, areasA.sum(left, top, right, bottom),
              areasA.squares(left, top, right, bottom),
              areasB.sum(left + dx, top + dy, right + dx, bottom + dy),
              areasB.squares(left + dx, top + dy, right + dx, bottom + dy),
              *product++));
    }
  }
  return best;
}

/// Everything that is counted in luma, a row of thumbnail cells at a time, so
/// that each sample is read once. Fills `profiles_` and puts the luma in the
/// place of the previous one.
ChangeMeter::Survey ChangeMeter::survey(
    const FramePlanes& planes, double time) {
  const Plane& luma = planes.luma;
  // 10 % of the range above black.
  const uint8_t darkest = planes.fullRange ? 25 : 37;
  const Cells<Thumb::kWidth> columns(luma.width);
  const Cells<Thumb::kHeight> rows(luma.height);
  profiles_.columns.assign(luma.width, 0);
  profiles_.rows.resize(luma.height);
  previous_.resize(static_cast<size_t>(luma.width) * luma.height);
  std::vector<uint16_t> lines(luma.width);
  Survey survey = {{time, {}, 0, 0}, {0, 0}};
  Thumbnail& thumbnail = survey.thumbnail;
  std::array<int64_t, Thumb::kWidth> sums;
  for (int j = 0; j < Thumb::kHeight; ++j) {
    // Cells of pictures lower than the grid repeat those above.
    const bool repeats = j > 0 && rows.begin[j] < rows.end[j - 1];
    if (!repeats) sums.fill(0);
    for (int y = rows.begin[j]; y < rows.end[j] && !repeats;) {
      const int height = std::min(rows.end[j] - y, RowPair::kMost);
      std::fill(lines.begin(), lines.end(), 0);
      const RowTally tally = tallyRows(
          {luma.data + y * luma.stride, luma.stride, luma.width, height,
           previous_.data() + static_cast<size_t>(y) * luma.width, darkest},
          lines.data(), &profiles_.rows[y]);
      survey.tally.difference += tally.difference;
      survey.tally.dark += tally.dark;
      columns.add(lines.data(), sums.data());
      for (int x = 0; x < luma.width; ++x) profiles_.columns[x] += lines[x];
      y += height;
    }
    for (int i = 0; i < Thumb::kWidth; ++i) {
      const int area = columns.length(i) * rows.length(j);
      const int mean = static_cast<int>((2 * sums[i] + area) / (2 * area));
      thumbnail.cells[j * Thumb::kWidth + i] = static_cast<int16_t>(mean);
      thumbnail.sum += mean;
      thumbnail.squares += mean * mean;
    }
  }
  return survey;
}

void ChangeMeter::makeSignature(
    const Thumbnail& thumbnail, std::array<uint8_t, 144>& signature) {
  for (int j = 0; j < Thumb::kHeight / 2; ++j) {
    for (int i = 0; i < Thumb::kWidth / 2; ++i) {
      const int16_t* cell =
          thumbnail.cells.data() + (2 * j * Thumb::kWidth) + (2 * i);
      const int sum =
          cell[0] + cell[1] + cell[Thumb::kWidth] + cell[Thumb::kWidth + 1];
      signature[(j * Thumb::kWidth / 2) + i] =
          static_cast<uint8_t>((sum + 2) / 4);
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
      int32_t count = 0;
      for (const auto& lane : counts) count += lane[level];
      bins[kChromaBins.of[level]] += count;
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
  const bool sameSize = luma.width == width_ && luma.height == height_;
  const Survey current = survey(planes, time);
  const ChromaHistogram chroma = makeChromaHistogram(planes.u, planes.v);
  FrameChange change;
  makeSignature(current.thumbnail, change.signature);
  double* columns = change.columns;
  if (!thumbnails_.empty()) {
    compare(current, sameSize, columns);
    columns[FrameChange::kChroma] = chromaDistance(chroma, chroma_);
  }
  const auto samples =
      static_cast<double>(static_cast<int64_t>(luma.width) * luma.height);
  columns[FrameChange::kColor] = colorShare(chroma);
  columns[FrameChange::kDark] =
      static_cast<double>(current.tally.dark) / samples;
  thumbnails_.push_front(current.thumbnail);
  if (thumbnails_.size() > kMemory) thumbnails_.pop_back();
  std::swap(profiles_, previousProfiles_);
  width_ = luma.width;
  height_ = luma.height;
  chroma_ = chroma;
  return change;
}

/// Fills the columns that tell of the previous luma, whose size is `width_` by
/// `height_`.
void ChangeMeter::compare(
    const Survey& current, bool sameSize, double* columns) const {
  const Thumbnail& thumbnail = current.thumbnail;
  const Thumbnail& last = thumbnails_.front();
  if (sameSize) {
    columns[FrameChange::kDifference] =
        static_cast<double>(current.tally.difference) /
        static_cast<double>(static_cast<int64_t>(width_) * height_);
    columns[FrameChange::kShiftX] =
        static_cast<double>(
            displacement(profiles_.columns, previousProfiles_.columns)) /
        width_;
    columns[FrameChange::kShiftY] =
        static_cast<double>(
            displacement(profiles_.rows, previousProfiles_.rows)) /
        height_;
  } else {
    int32_t sum = 0;
    for (int i = 0; i < Thumb::kCells; ++i) {
      sum += std::abs(thumbnail.cells[i] - last.cells[i]);
    }
    columns[FrameChange::kDifference] =
        static_cast<double>(sum) / Thumb::kCells;
  }
  const double mismatch = shiftedMismatch(thumbnail, last);
  columns[FrameChange::kMismatch] = mismatch;
  columns[FrameChange::kResidual] =
      residualOf(thumbnail.cells.data(), last.cells.data(), mismatch);
  recall(thumbnail, columns);
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

void ChangeMeter::reset() { thumbnails_.clear(); }

}  // namespace rushes
