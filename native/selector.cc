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

int64_t Selector::answers(double time, double until) noexcept {
  if (!origin_) origin_ = selection_.start.value_or(time);
  if (selection_.end) until = std::min(until, *selection_.end);
  // The first target that is not before `at`: targets are origin + k · every.
  const auto firstAt = [&](double at) {
    return std::ceil((at - slack(at) - *origin_) / selection_.every);
  };
  const double from = std::max(firstAt(time), nextTarget_);
  const double to = firstAt(until);
  if (!(to > from)) return 0;
  nextTarget_ = to;
  return static_cast<int64_t>(std::min(to - from, 1e9));
}

}  // namespace rushes
