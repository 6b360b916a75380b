// Included before everything in the private FFmpeg and the prebuilt addon: these functions
// have new versions in glibc 2.29, which differ in error handling alone, and would
// otherwise be all that keeps the addon from systems as old as those that Node supports.
#ifndef __ASSEMBLER__

#if defined(__x86_64__)
#define RUSHES_OLD(name) __asm__(".symver " #name ", " #name "@GLIBC_2.2.5");
#elif defined(__aarch64__)
#define RUSHES_OLD(name) __asm__(".symver " #name ", " #name "@GLIBC_2.17");
#endif
#ifdef RUSHES_OLD
RUSHES_OLD(exp)
RUSHES_OLD(log)
RUSHES_OLD(pow)
RUSHES_OLD(exp2)
RUSHES_OLD(log2)
#endif

// std::condition_variable would wait with a function of glibc 2.30; before, with that of 2.3.
#ifdef __cplusplus
#include <bits/c++config.h>
#undef _GLIBCXX_USE_PTHREAD_COND_CLOCKWAIT
#endif

#endif
