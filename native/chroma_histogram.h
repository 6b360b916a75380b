#pragma once

#include <array>
#include <cstdint>

#include "plane.h"

namespace rushes {

/// How often each level of U and V occurs, in bins of 4 levels from 64 on.
struct ChromaHistogram {
  static constexpr int kBins = 32;
  /// Samples of one plane.
  int64_t count;
  /// Of both planes, one after the other.
  std::array<int32_t, 2 * kBins> bins;
};

/// Of planes of one size.
ChromaHistogram makeChromaHistogram(const Plane& u, const Plane& v);

/// Share of the samples that are not grey (124–131), 0–1.
double colorShare(const ChromaHistogram& histogram);

/// The share that two histograms do not have in common, 0–1: `chromaDistance`
/// in src/chroma-histogram.ts.
double chromaDistance(const ChromaHistogram& a, const ChromaHistogram& b);

}  // namespace rushes
