#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "area_filter.h"

namespace rushes {

// What AreaScaler does to one row at a time, by the vector instructions of this
// machine (Google Highway). Each kernel gives the same integers whichever
// instructions it is made of; the plain ones, for machines without any, are
// their definition.

/// How the samples of a source row lie in memory.
enum class SampleLayout {
  /// One byte each.
  kByte,
  /// 16 bits, little-endian, the value in the lower bits.
  kWord,
  /// 16 bits, little-endian, ten of them from the top: P010.
  kHighWord,
};

/// Lines of samples between kernels may be read and written this far beyond
/// their width.
constexpr size_t kLinePadding = 64;

/// How rows are weighed. Sums are 15 bits whichever it is.
enum class RowWeights {
  /// All weights are 1.
  kNone,
  /// Of small weights the products are exact.
  kSimple,
  /// Of each product of a sample, shifted to the top of 16 bits, and a weight
  /// the upper 16 bits are summed. What is cut off is half a unit on average,
  /// which is made up for.
  kFine,
};

/// A weighted sum of rows.
struct RowSum {
  SampleLayout layout;
  const uint8_t* data;
  ptrdiff_t stride;
  /// Samples in a row. Not a byte beyond is read.
  int width;
  RowWeights weighing;
  /// One for each row.
  const uint16_t* weights;
  int rows;
};

/// The values that become black and white, and colour.
///
/// Samples are 16-bit integers, 64 for each of 256 levels: chroma less 128
/// levels times `redV` / 8192 and so on are added to (luma - black) * luma
/// gain / 16384.
struct ColorMatrix {
  int16_t black;
  int16_t lumaGain;
  int16_t redV;
  int16_t greenU;
  int16_t greenV;
  int16_t blueU;
};

enum class RgbLayout { kRgb24, kBgr24, kRgba };

/// Whether the kernels are made of vector instructions here.
bool areaKernelsAreFast();

/// The sum of the rows, sample by sample.
void sumRows(const RowSum& sum, uint16_t* out);

/// Averages a line along its columns; `line` is at most 32767 everywhere.
void averageColumns(
    const uint16_t* line, const AreaColumns& columns, int16_t* out);

/// Takes apart `pairs` pairs of samples.
void splitPairs(const uint16_t* line, int pairs, uint16_t* a, uint16_t* b);

/// One byte for each sample, by the luma part of `matrix`. Writes `width`
/// bytes, not one more.
void toBytes(
    const int16_t* y, const ColorMatrix& matrix, int width, uint8_t* out);

/// Writes `width` pixels, not a byte more.
void toRgb(
    const int16_t* y, const int16_t* u, const int16_t* v,
    const ColorMatrix& matrix, RgbLayout layout, int width, uint8_t* out);

}  // namespace rushes
