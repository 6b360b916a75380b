#include "chroma_histogram.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>

namespace rushes {
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

ChromaHistogram makeChromaHistogram(const Plane& u, const Plane& v) {
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

double colorShare(const ChromaHistogram& histogram) {
  constexpr size_t kBins = ChromaHistogram::kBins;
  const auto& bins = histogram.bins;
  const int64_t all = 2 * histogram.count;
  // The two bins in the middle.
  const int64_t grey =
      bins[15] + bins[16] + bins[kBins + 15] + bins[kBins + 16];
  return static_cast<double>(all - grey) / static_cast<double>(all);
}

double chromaDistance(const ChromaHistogram& a, const ChromaHistogram& b) {
  int64_t apart = 0;
  for (size_t i = 0; i < a.bins.size(); ++i) {
    apart += std::abs(a.bins[i] * b.count - b.bins[i] * a.count);
  }
  return static_cast<double>(apart) /
         static_cast<double>(4 * a.count * b.count);
}

}  // namespace rushes
