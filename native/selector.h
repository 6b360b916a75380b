#pragma once

#include <cstdint>
#include <optional>

namespace rushes {

/// Which frames a pass yields; times are seconds on the stream's own clock.
/// `NativeSelection` in src/native.ts.
struct Selection {
  std::optional<double> start;
  std::optional<double> end;
  /// Every nth frame of the range.
  int64_t step = 1;
  /// Distance of targets in seconds; 0 for none. Each target is answered by
  /// the frame on screen then.
  double every = 0;
  bool keyFrames = false;
  /// Every frame from before the range on is looked at, whatever it answers.
  bool all = false;
  /// With targets: the frame before each that answers one is needed, too, and
  /// the first and the last of the range.
  bool previous = false;
};

/// Decides frame by frame, knowing only times. Plain data, no FFmpeg.
///
/// Note [Time slack]: times reach us as doubles, a target often as k · every.
/// A frame counts as on screen at t from `slack(t)` before its own time: far
/// below any time base's tick, far above the rounding of doubles.
class Selector {
 public:
  explicit Selector(const Selection& selection)
      : selection_(selection), origin_(selection.start) {}

  bool looksAtAll() const noexcept { return selection_.all; }
  /// How many later frames it takes to do without one: see `canSkip`.
  int framesBetween() const noexcept { return selection_.previous ? 2 : 1; }

  bool hasTargets() const noexcept { return selection_.every > 0; }

  /// Whether a frame shown from `time` on lies behind the range, so that
  /// reading may stop.
  bool isPastEnd(double time) const noexcept;
  bool isBeforeStart(double time) const noexcept;
  /// Where the range begins, or `time` where it has no beginning.
  double startOr(double time) const noexcept {
    return selection_.start.value_or(time);
  }

  /// Whether the pass can do without a frame at `time` if another one comes at
  /// `later`: it lies before the range, or no target in between. Nothing is
  /// counted.
  bool canSkip(double time, double later) const noexcept;

  /// The first target that is not answered yet, unless it lies behind the range
  /// or is not known before the first frame, or nothing may be jumped over.
  std::optional<double> nextTarget() const noexcept;

  /// Without targets: whether the next frame, at `time` and inside the range,
  /// is wanted. Counts it for `step`.
  bool takes(double time) noexcept;

  /// With targets: how many of them fall into the span [time, until) in which
  /// one frame is on screen. Frames have to come in order.
  int64_t answers(double time, double until) noexcept;

 private:
  /// Number of the first target that is not before `time`; whole.
  double firstAt(double time, double origin) const noexcept;

  Selection selection_;
  int64_t seen_ = 0;
  /// The first target: `start`, or the time of the first frame.
  std::optional<double> origin_;
  /// Number of the first target not answered yet; whole.
  double nextTarget_ = 0;
};

/// See Note [Time slack]; seconds.
double slack(double time) noexcept;

}  // namespace rushes
