#pragma once

#include <cstddef>
#include <cstdint>

#include "thumbnail.h"

namespace rushes {

// What is done to every sample that is measured, by the vector instructions of
// this machine (Google Highway). Each kernel gives the same
// integers whichever instructions it is made of; the plain ones, for machines
// without any, are their definition.

/// Some rows of luma, and the same of the frame before.
struct RowPair {
  const uint8_t* rows;
  ptrdiff_t stride;
  int width;
  /// At most kMost: as many samples of 255 as 16 bits hold.
  int height;
  static constexpr int kMost = 257;
  /// `height` rows of `width` samples, one after the other.
  uint8_t* previous;
  /// The highest value that counts as dark.
  uint8_t darkest;
};

struct RowTally {
  /// Σ|ΔY| to the rows of the frame before.
  uint64_t difference;
  /// Samples that are dark.
  uint64_t dark;
};

/// All that is counted in rows of luma, in one pass. Adds them to `columns`,
/// writes the sum of each to `sums`, and puts them in the place of those of the
/// frame before.
RowTally tallyRows(const RowPair& pair, uint16_t* columns, uint32_t* sums);

/// Σ a(x, y) · b(x + dx, y + dy) of two thumbnails where they overlap, for all
/// dy and dx from -kShift to kShift, row by row. Cells are 0 to 255.
void sumShiftedProducts(
    const int16_t* a, const int16_t* b,
    int32_t (&products)[Thumbnail::kShifts * Thumbnail::kShifts]);

/// Σ|a − b|, or, once it is known to be `enough` or more, any part of it that
/// is. Each difference is within 25 bits.
uint64_t sumDifferences(
    const int32_t* a, const int32_t* b, int count, uint64_t enough);

/// Sums over samples, and over their Laplacians.
struct Moments {
  int64_t sum;
  int64_t squares;
  int64_t laplacianSum;
  int64_t laplacianSquares;
};

/// Adds the samples of `row` from `begin` to `end`, each of which has four
/// neighbours.
void addMoments(
    const uint8_t* above, const uint8_t* row, const uint8_t* below, int begin,
    int end, Moments& moments);

/// Σ of the distances of chroma from grey (128, 128), each rounded down.
uint64_t sumDistancesFromGrey(const uint8_t* u, const uint8_t* v, int count);

}  // namespace rushes
