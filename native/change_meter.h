#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>

#include "chroma_histogram.h"
#include "measure_kernels.h"
#include "memory_account.h"
#include "plane.h"
#include "profiles.h"
#include "thumbnail.h"

namespace rushes {

/// What ChangeMeter looks at: `FramePlanes` in src/change-meter.ts.
struct FramePlanes {
  Plane luma;
  /// Chroma of one size, whatever that is: only its distribution counts.
  Plane u;
  Plane v;
  /// Whether luma runs from 0 to 255 instead of from 16 to 235.
  bool fullRange;
};

/// How much a frame differs from those decoded before it, and what it looks
/// like from afar: what src/detectors/ go by. But for kColor, kDark, kVariance
/// and the signature, all 0 for the first frame.
struct FrameChange {
  /// `FrameChange` in src/measures.ts, in the same order.
  enum Column {
    /// Mean |ΔY| to the previous frame, 0–255: YDIF of FFmpeg's
    /// vf_signalstats.c. Where the size changed, of the thumbnails.
    kDifference,
    /// How little the frame has in common with the previous one, 0 (same) to 2
    /// (inverted); unrelated pictures come to about 1. See Note [Mismatch]
    /// in thumbnail.h.
    kMismatch,
    /// How much of the frame is not found in the previous one, 0–1, of the
    /// thumbnails: Note [Residual] in src/block-matching.ts.
    kResidual,
    /// The smallest mismatch (without displacement) to a frame two or more
    /// back, such that those between lasted ChangeMeter::kFlash at most: small
    /// where the picture comes back after a flash.
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
    /// Of the luma of the thumbnail's cells, 0–16256.
    kVariance,
    kColumns,
  };
  double columns[kColumns] = {};
  /// Mean luma of 16x9 cells, row by row.
  std::array<uint8_t, 144> signature = {};
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

  /// What one pass over the luma comes to, beside its profiles.
  struct Survey {
    Thumbnail thumbnail;
    RowTally tally;
  };

  Survey survey(const FramePlanes& planes, double time);
  static void makeSignature(
      const Thumbnail& thumbnail, std::array<uint8_t, 144>& signature);
  void compare(const Survey& current, bool sameSize, double* columns) const;
  void recall(const Thumbnail& current, double* columns) const;

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
