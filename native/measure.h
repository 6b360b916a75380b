#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "measure_kernels.h"
#include "memory_account.h"

namespace rushes {

// Note [Exact measures]: everything here is summed in integers and divided once
// at the end, so that `src/measures.ts`, the readable reference, comes to the
// same doubles, bit for bit. That needs -ffp-contract=off.

/// One plane of 8-bit samples that somebody else owns.
struct Plane {
  const uint8_t* data;
  /// Samples in a row, and rows; both at least 1.
  int width;
  int height;
  /// Bytes from one row to the next; may be negative.
  ptrdiff_t stride;
};

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

/// What ChangeMeter looks at: `FramePlanes` in src/measures.ts.
struct FramePlanes {
  Plane luma;
  /// Chroma of one size, whatever that is: only its distribution counts.
  Plane u;
  Plane v;
  /// Whether luma runs from 0 to 255 instead of from 16 to 235.
  bool fullRange;
};

/// How much a frame differs from those decoded before it, and what it looks
/// like from afar: what src/detectors/ go by. But for kColor, kDark and the
/// signature, all 0 for the first frame.
struct FrameChange {
  /// `FrameChange` in src/measures.ts, in the same order.
  enum Column {
    /// Mean |ΔY| to the previous frame, 0–255: YDIF of FFmpeg's
    /// vf_signalstats.c. Where the size changed, of the thumbnails.
    kDifference,
    /// How little the frame has in common with the previous one, 0 (same) to 2
    /// (inverted); unrelated pictures come to about 1. See Note [Mismatch].
    kMismatch,
    /// How much of the frame is not found in the previous one, 0–1,
    /// of the thumbnails: Note [Residual] in src/block-matching.ts.
    kResidual,
    /// The smallest mismatch (without displacement) to a frame two or more
    /// back,
    /// such that those between lasted ChangeMeter::kFlash at most: small where
    /// the picture comes back after a flash.
    kRecall,
    /// How many frames back that one was; 0 if there was none.
    kRecallAge,
    /// How differently chroma is distributed from the previous frame, 0–1.
    kChroma,
    /// Share of the chroma samples that are not grey (124–131), 0–1.
    kColor,
    /// How far the picture as a whole has moved to the right and down since
    /// the previous frame, as shares of its size.
    kShiftX,
    kShiftY,
    /// Share of the samples that are nearly black, 0–1: up to 10 % of the
    /// range, as in FFmpeg's vf_blackdetect.c.
    kDark,
    kColumns,
  };
  double columns[kColumns] = {};
  /// Mean luma of 16x9 cells, row by row.
  std::array<uint8_t, 144> signature = {};
};

/// Sums of the columns and rows of a plane.
struct Profiles {
  std::vector<uint32_t> columns;
  std::vector<uint32_t> rows;

  void measure(const Plane& plane);
};

/// Compares each decoded frame with those before it.
/// Owns copies of what it needs of them: one luma plane and its profiles, and
/// the thumbnails of kFlash seconds. Thread-safety: one thread at a time.
class ChangeMeter {
 public:
  /// Seconds that a flash may last: shorter than any shot that a viewer could
  /// make out.
  static constexpr double kFlash = 0.25;

  /// Compares the next frame, shown at `time` (seconds), with those before it.
  FrameChange next(const FramePlanes& planes, double time);

  /// Forgets what came before: the next frame is a first frame again.
  void reset();

 private:
  /// How many thumbnails are kept at most: kFlash at 240 frames a second.
  static constexpr size_t kMemory = 61;

  struct Thumbnail {
    double time;
    /// Mean luma of each cell, rounded. 16 bits wide for multiplying.
    std::array<int16_t, Thumb::kCells> cells;
    /// Of all cells and of their squares.
    int32_t sum;
    int32_t squares;
  };

  /// How often each level of U and V occurs, in bins of 4 levels from 64 on.
  struct ChromaHistogram {
    static constexpr int kBins = 32;
    int64_t count;
    std::array<int32_t, 2 * kBins> bins;
  };

  /// What one pass over the luma comes to, beside its profiles.
  struct Survey {
    Thumbnail thumbnail;
    RowTally tally;
  };

  Survey survey(const FramePlanes& planes, double time);
  static void makeSignature(
      const Thumbnail& thumbnail, std::array<uint8_t, 144>& signature);
  static ChromaHistogram makeChromaHistogram(const Plane& u, const Plane& v);
  static double colorShare(const ChromaHistogram& histogram);
  static double chromaDistance(
      const ChromaHistogram& a, const ChromaHistogram& b);
  void compare(const Survey& current, bool sameSize, double* columns) const;
  void recall(const Thumbnail& current, double* columns) const;
  static double mismatch(const Thumbnail& a, const Thumbnail& b);
  static double shiftedMismatch(const Thumbnail& a, const Thumbnail& b);

  /// Newest first.
  std::deque<Thumbnail> thumbnails_;
  /// The previous luma, row by row, until `survey` puts the next in its place.
  Bytes previous_;
  int width_ = 0;
  int height_ = 0;
  /// Of the previous frame and the one at hand, which change places.
  Profiles previousProfiles_;
  Profiles profiles_;
  ChromaHistogram chroma_ = {};
};

}  // namespace rushes
