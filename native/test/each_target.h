#pragma once

#include <cstdint>
#if RUSHES_HIGHWAY
#include <hwy/targets.h>

/// Runs `check` with each set of instructions that this machine has, and last
/// with none of them.
template <typename Check>
void withEachTarget(Check&& check) {
  const int64_t all = hwy::SupportedTargets();
  for (int bit = 0; bit < 63; ++bit) {
    const int64_t target = all & (int64_t{1} << bit);
    if (target == 0) continue;
    hwy::GetChosenTarget().Update(target);
    check(hwy::TargetName(target));
  }
  hwy::GetChosenTarget().Update(all);
}

/// What `make` makes with the plain kernels.
template <typename Make>
auto plainly(Make&& make) {
  hwy::GetChosenTarget().Update(0);
  auto made = make();
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  return made;
}
#endif
