// Included by each file of kernels, once per set of vector instructions, so
// without a guard. The file says its name first:
//
//   #undef HWY_TARGET_INCLUDE
//   #define HWY_TARGET_INCLUDE "area_kernels.cc"
//   #include "vector_targets.h"
//
// What stands between HWY_BEFORE_NAMESPACE() and HWY_AFTER_NAMESPACE() is
// compiled for each set, and HWY_DYNAMIC_DISPATCH takes the one that suits this
// machine. Where RUSHES_PLAIN is 1 there are no vector instructions: the plain
// kernels are the definition of the others, and all there is without Highway.

#if RUSHES_HIGHWAY
// Each target has to be there in a build, but none needs to be: Highway's SSSE3
// hardly differs from SSE4, and its SVE has not been run.
#ifndef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
// The plain kernels too: tests compare with them.
#define HWY_COMPILE_ALL_ATTAINABLE
#endif
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>
#else
#define HWY_TARGET 0
#define HWY_SCALAR 0
#define HWY_EMU128 0
#define HWY_NAMESPACE plain
#define HWY_BEFORE_NAMESPACE() static_assert(true)
#define HWY_AFTER_NAMESPACE() static_assert(true)
#define HWY_ONCE 1
#define HWY_EXPORT(name) using plain::name
#define HWY_DYNAMIC_DISPATCH(name) name
#endif

#undef RUSHES_PLAIN
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
#define RUSHES_PLAIN 1
#else
#define RUSHES_PLAIN 0
#endif
