#include "orientation.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

namespace rushes {

namespace {

/// A walk over the source in the order of the turned picture's pixels: where
/// its upper left corner comes from, and the steps in the source for a step to
/// the right and one down.
struct Walk {
  int x, y;
  int rightX, rightY;
  int downX, downY;
};

Walk walkOf(Orientation orientation, int width, int height) {
  const int right = width - 1;
  const int bottom = height - 1;
  Walk walk{};
  switch (orientation.quarterTurns & 3) {
    case 0:
      walk = {0, 0, 1, 0, 0, 1};
      break;
    case 1:
      walk = {0, bottom, 0, -1, 1, 0};
      break;
    case 2:
      walk = {right, bottom, -1, 0, 0, -1};
      break;
    default:
      walk = {right, 0, 0, 1, -1, 0};
      break;
  }
  if (orientation.flip) {
    const int across = (orientation.lies() ? height : width) - 1;
    walk.x += across * walk.rightX;
    walk.y += across * walk.rightY;
    walk.rightX = -walk.rightX;
    walk.rightY = -walk.rightY;
  }
  return walk;
}

template <int kBytes>
void place(
    const PixelPlane& source, Orientation orientation, const PixelPlane& target,
    Corner corner) {
  const Walk walk = walkOf(orientation, source.width, source.height);
  const int width = orientation.lies() ? source.height : source.width;
  const int height = orientation.lies() ? source.width : source.height;
  const int firstX = std::max(0, corner.left);
  const int lastX = std::min(target.width, corner.left + width);
  const int firstY = std::max(0, corner.top);
  const int lastY = std::min(target.height, corner.top + height);
  const ptrdiff_t step = walk.rightX * kBytes + walk.rightY * source.stride;
  for (int y = firstY; y < lastY && firstX < lastX; ++y) {
    const int u = firstX - corner.left;
    const int v = y - corner.top;
    const uint8_t* from =
        source.data +
        (walk.y + u * walk.rightY + v * walk.downY) * source.stride +
        static_cast<ptrdiff_t>(walk.x + u * walk.rightX + v * walk.downX) *
            kBytes;
    uint8_t* to = target.data + y * target.stride + firstX * kBytes;
    if (step == kBytes) {
      std::memcpy(to, from, static_cast<size_t>(lastX - firstX) * kBytes);
      continue;
    }
    for (int x = firstX; x < lastX; ++x, from += step, to += kBytes) {
      std::memcpy(to, from, kBytes);
    }
  }
}

}  // namespace

/// A display matrix maps stored to shown positions; its four signs name one of
/// eight orientations (ISO/IEC 14496-12, 8.2.2; layout as in
/// libavutil/display.h). Any other angle is left alone.
Orientation orientationOf(const int32_t* matrix) {
  if (matrix == nullptr) return {};
  const auto sign = [](int64_t value, int64_t scale) {
    if (std::llabs(value) * 16 < scale) return 0;
    return value > 0 ? 1 : -1;
  };
  const int64_t scale = std::max(
      {std::llabs(matrix[0]), std::llabs(matrix[1]), std::llabs(matrix[3]),
       std::llabs(matrix[4])});
  if (scale == 0) return {};
  // Shown x = a·x + c·y, shown y = b·x + d·y.
  const std::array<int, 4> signs = {
      sign(matrix[0], scale), sign(matrix[1], scale), sign(matrix[3], scale),
      sign(matrix[4], scale)};
  struct Known {
    std::array<int, 4> signs;
    Orientation orientation;
  };
  static constexpr std::array<Known, 8> kKnown = {{
      {{1, 0, 0, 1}, {0, false}},
      {{0, 1, -1, 0}, {1, false}},
      {{-1, 0, 0, -1}, {2, false}},
      {{0, -1, 1, 0}, {3, false}},
      {{-1, 0, 0, 1}, {0, true}},
      {{0, 1, 1, 0}, {1, true}},
      {{1, 0, 0, -1}, {2, true}},
      {{0, -1, -1, 0}, {3, true}},
  }};
  for (const Known& candidate : kKnown) {
    if (candidate.signs == signs) return candidate.orientation;
  }
  return {};
}

void placePlane(
    const PixelPlane& source, Orientation orientation, const PixelPlane& target,
    Corner corner, int bytes) {
  switch (bytes) {
    case 1:
      return place<1>(source, orientation, target, corner);
    case 3:
      return place<3>(source, orientation, target, corner);
    case 6:
      return place<6>(source, orientation, target, corner);
    default:
      return place<4>(source, orientation, target, corner);
  }
}

}  // namespace rushes
