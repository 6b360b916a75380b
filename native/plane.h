#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace rushes {

/// One plane of 8-bit samples that somebody else owns.
struct Plane {
  const uint8_t* data;
  /// Samples in a row, and rows; both at least 1.
  int width;
  int height;
  /// Bytes from one row to the next; may be negative.
  ptrdiff_t stride;
};

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

}  // namespace rushes
