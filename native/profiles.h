#pragma once

#include <cstdint>
#include <vector>

#include "plane.h"

namespace rushes {

/// Sums of the columns and rows of a plane.
struct Profiles {
  std::vector<uint32_t> columns;
  std::vector<uint32_t> rows;

  void measure(const Plane& plane);
};

/// `displacement` in src/profiles.ts: by how many samples a profile has moved
/// on, by the slopes of the two.
int displacement(
    const std::vector<uint32_t>& current,
    const std::vector<uint32_t>& previous);

}  // namespace rushes
