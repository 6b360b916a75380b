#include "measure.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "measure_kernels.h"
#include "profiles.h"

namespace rushes {
namespace {

__extension__ typedef __int128 Int128;

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

}  // namespace rushes
