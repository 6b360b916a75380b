#include "thumbnail.h"

#include <algorithm>

#include "measure_kernels.h"

namespace rushes {
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

/// Sums of the cells above and to the left of each corner of a thumbnail, and
/// of their squares: a rectangle's are had from four (F. Crow, "Summed-area
/// tables for texture mapping", SIGGRAPH 1984).
class SummedAreas {
 public:
  explicit SummedAreas(const int16_t* cells) {
    for (int y = 0; y < Thumbnail::kHeight; ++y) {
      int32_t sum = 0;
      int32_t square = 0;
      for (int x = 0; x < Thumbnail::kWidth; ++x) {
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
  using Table = int32_t[Thumbnail::kHeight + 1][Thumbnail::kWidth + 1];

  static int32_t of(
      const Table& table, int left, int top, int right, int bottom) {
    return table[bottom][right] - table[top][right] - table[bottom][left] +
           table[top][left];
  }

  Table sums_ = {};
  Table squares_ = {};
};

}  // namespace

double variance(const Thumbnail& thumbnail) {
  constexpr int64_t n = Thumbnail::kCells;
  const int64_t sum = thumbnail.sum;
  return static_cast<double>(n * thumbnail.squares - sum * sum) /
         static_cast<double>(n * n);
}

double mismatch(const Thumbnail& a, const Thumbnail& b) {
  int32_t products = 0;
  for (int i = 0; i < Thumbnail::kCells; ++i) {
    products += a.cells[i] * b.cells[i];
  }
  return mismatchOf(
      Thumbnail::kCells, a.sum, a.squares, b.sum, b.squares, products);
}

double displacedMismatch(const Thumbnail& a, const Thumbnail& b) {
  int32_t products[Thumbnail::kShifts * Thumbnail::kShifts];
  sumShiftedProducts(a.cells.data(), b.cells.data(), products);
  const SummedAreas areasA(a.cells.data());
  const SummedAreas areasB(b.cells.data());
  double best = 2;
  const int32_t* product = products;
  for (int dy = -Thumbnail::kShift; dy <= Thumbnail::kShift; ++dy) {
    for (int dx = -Thumbnail::kShift; dx <= Thumbnail::kShift; ++dx) {
      const int left = std::max(0, -dx);
      const int right = std::min(Thumbnail::kWidth, Thumbnail::kWidth - dx);
      const int top = std::max(0, -dy);
      const int bottom = std::min(Thumbnail::kHeight, Thumbnail::kHeight - dy);
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

}  // namespace rushes
