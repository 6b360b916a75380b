#include "selector.h"

#include <algorithm>
#include <cmath>

namespace rushes {

double slack(double time) noexcept {
  return 1e-9 * std::max(1.0, std::abs(time));
}

bool Selector::isPastEnd(double time) const noexcept {
  return selection_.end && time + slack(time) >= *selection_.end;
}

bool Selector::isBeforeStart(double time) const noexcept {
  return selection_.start && time + slack(time) < *selection_.start;
}

bool Selector::takes(double time) noexcept {
  if (isBeforeStart(time)) return false;
  return seen_++ % selection_.step == 0;
}

double Selector::firstAt(double time, double origin) const noexcept {
  // Targets are origin + k · every.
  return std::ceil((time - slack(time) - origin) / selection_.every);
}

int64_t Selector::answers(double time, double until) noexcept {
  if (!origin_) origin_ = time;
  if (selection_.end) until = std::min(until, *selection_.end);
  const double from = std::max(firstAt(time, *origin_), nextTarget_);
  const double to = firstAt(until, *origin_);
  if (!(to > from)) return 0;
  nextTarget_ = to;
  return static_cast<int64_t>(std::min(to - from, 1e9));
}

bool Selector::canSkip(double time, double later) const noexcept {
  if (selection_.all || selection_.keyFrames) return false;
  if (!hasTargets()) return isBeforeStart(time);
  if (!origin_ || !(later > time)) return false;
  if (selection_.previous) {
    // The first frame of the range is sampled, the last tells where it ends.
    if (nextTarget_ == 0) return isBeforeStart(time);
    if (isPastEnd(later)) return false;
  }
  if (selection_.end) later = std::min(later, *selection_.end);
  return firstAt(later, *origin_) <=
         std::max(firstAt(time, *origin_), nextTarget_);
}

std::optional<double> Selector::nextTarget() const noexcept {
  if (!hasTargets() || !origin_) return std::nullopt;
  if (selection_.all || selection_.previous) return std::nullopt;
  const double target = *origin_ + nextTarget_ * selection_.every;
  if (isPastEnd(target)) return std::nullopt;
  return target;
}

}  // namespace rushes
