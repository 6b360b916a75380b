#pragma once

#include <cstdint>

#include "plane.h"

namespace rushes {

// Note [Exact measures]: everything here is summed in integers and divided once
// at the end, so that `src/measures.ts`, the readable reference, comes to the
// same doubles, bit for bit. That needs -ffp-contract=off.

/// What is measured on the luma of a sampled frame.
struct LumaMeasures {
  /// Mean, 0–255.
  double brightness;
  /// Population standard deviation, 0–127.5.
  double contrast;
  /// Variance of the Laplacian, 0 and up: Pech-Pacheco et al., "Diatom
  /// autofocusing in brightfield microscopy", ICPR 2000. The kernel is
  /// 0 1 0 / 1 -4 1 / 0 1 0, the border BORDER_REFLECT_101, as in OpenCV's
  /// Laplacian with ksize 1; an axis of one sample reflects onto itself.
  double sharpness;
  /// 64-bit difference hash (N. Krawetz, "Kind of Like That", 2013): whether
  /// each of 9x8 cells is darker than its right neighbour, row by row, the
  /// upper left one in the most significant bit.
  uint64_t hash;
  /// Lines on each side whose mean is at most 24 (FFmpeg's vf_cropdetect.c), as
  /// a share of the width or height. Of a dark picture left and top alone.
  enum Border { kLeft, kTop, kRight, kBottom, kBorders };
  double borders[kBorders];
};

LumaMeasures measureLuma(const Plane& luma);

/// Mean distance of chroma from grey, 0–181, each distance rounded down: SATAVG
/// of FFmpeg's vf_signalstats.c. `u` and `v` have one size.
double meanSaturation(const Plane& u, const Plane& v);

}  // namespace rushes
