#pragma once

#include <array>
#include <cstdint>

namespace rushes {

/// A frame from afar.
struct Thumbnail {
  /// Size in cells.
  static constexpr int kWidth = 32;
  static constexpr int kHeight = 18;
  static constexpr int kCells = kWidth * kHeight;
  /// By how many cells it is displaced at most, and displacements along one
  /// axis.
  static constexpr int kShift = 4;
  static constexpr int kShifts = 2 * kShift + 1;

  /// When it is shown, in seconds.
  double time;
  /// Mean luma of each cell, rounded. 16 bits wide for multiplying.
  std::array<int16_t, kCells> cells;
  /// Of all cells and of their squares.
  int32_t sum;
  int32_t squares;
};

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

/// Of the luma of the cells.
double variance(const Thumbnail& thumbnail);

/// The mismatch of two pictures that have not moved.
double mismatch(const Thumbnail& a, const Thumbnail& b);

/// The smallest mismatch over all displacements of the whole picture.
double displacedMismatch(const Thumbnail& a, const Thumbnail& b);

}  // namespace rushes
