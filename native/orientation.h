#pragma once

#include <cstddef>
#include <cstdint>

namespace rushes {

/// How the stored picture has to be turned to be upright: `quarterTurns`
/// clockwise, then, if `flip`, mirrored left to right.
struct Orientation {
  int quarterTurns = 0;
  bool flip = false;

  bool isUpright() const noexcept { return quarterTurns == 0 && !flip; }
  /// Whether width and height change places.
  bool lies() const noexcept { return (quarterTurns & 1) != 0; }
};

/// What a display matrix (nine numbers, or null) asks for. Other angles than
/// quarter turns are left alone.
Orientation orientationOf(const int32_t* matrix);

/// A plane of pixels that somebody else owns; sizes in pixels, stride in bytes.
struct PixelPlane {
  uint8_t* data;
  ptrdiff_t stride;
  int width;
  int height;
};

/// Upper left corner of one picture in another; may be negative.
struct Corner {
  int left = 0;
  int top = 0;
};

/// Turns `source` and puts it into `target` at `corner`, as far as it fits.
/// A pixel has `bytes` bytes: 1, 3, 4 or 6.
void placePlane(
    const PixelPlane& source, Orientation orientation, const PixelPlane& target,
    Corner corner, int bytes);

}  // namespace rushes
