#include "profiles.h"

#include <algorithm>
#include <cstdlib>

#include "measure_kernels.h"

namespace rushes {

void Profiles::measure(const Plane& plane) {
  const int width = plane.width;
  columns.assign(width, 0);
  rows.resize(plane.height);
  const std::vector<uint8_t> zeros(width);
  std::vector<uint16_t> lines(width);
  for (int y = 0; y < plane.height;) {
    const int stop = std::min(plane.height, y + RowPair::kMost);
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

}  // namespace rushes
