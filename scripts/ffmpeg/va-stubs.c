// Stands in for libva and libva-drm when the private FFmpeg is linked, and opens the real
// ones when a VAAPI device is first asked for, so that the addon loads without them.
//
// FFmpeg calls vaGetDisplayDRM before anything else of libva: it fills the table through
// which all other functions jump.
#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>

// What FFmpeg's decoder side calls (libavutil/hwcontext_vaapi.c, libavcodec/vaapi_*.c).
#define FUNCTIONS(X)      \
  X(vaBeginPicture)       \
  X(vaCreateBuffer)       \
  X(vaCreateConfig)       \
  X(vaCreateContext)      \
  X(vaCreateImage)        \
  X(vaCreateSurfaces)     \
  X(vaDeriveImage)        \
  X(vaDestroyBuffer)      \
  X(vaDestroyConfig)      \
  X(vaDestroyContext)     \
  X(vaDestroyImage)       \
  X(vaDestroySurfaces)    \
  X(vaEndPicture)         \
  X(vaErrorStr)           \
  X(vaGetConfigAttributes) \
  X(vaGetImage)           \
  X(vaInitialize)         \
  X(vaMapBuffer)          \
  X(vaMaxNumEntrypoints)  \
  X(vaMaxNumImageFormats) \
  X(vaMaxNumProfiles)     \
  X(vaPutImage)           \
  X(vaQueryConfigEntrypoints) \
  X(vaQueryConfigProfiles) \
  X(vaQueryImageFormats)  \
  X(vaQuerySurfaceAttributes) \
  X(vaQueryVendorString)  \
  X(vaRenderPicture)      \
  X(vaSetDriverName)      \
  X(vaSetErrorCallback)   \
  X(vaSetInfoCallback)    \
  X(vaSyncSurface)        \
  X(vaTerminate)          \
  X(vaUnmapBuffer)

// `used` and a name for the assembler: only the jumps below refer to these.
#define POINTER(name) \
  __attribute__((used, visibility("hidden"))) void* rushes_##name = NULL;
FUNCTIONS(POINTER)

#if defined(__x86_64__)
#define JUMP(name) "jmp *rushes_" #name "(%rip)\n"
#elif defined(__aarch64__)
#define JUMP(name)                     \
  "adrp x16, rushes_" #name "\n"       \
  "ldr x16, [x16, :lo12:rushes_" #name "]\n" \
  "br x16\n"
#else
#error "no jump written for this architecture"
#endif
#define TRAMPOLINE(name)                                   \
  __asm__(".text\n.globl " #name "\n.hidden " #name "\n"   \
          ".type " #name ", %function\n" #name ":\n" JUMP(name));
FUNCTIONS(TRAMPOLINE)

static void* (*get_display_drm)(int);

static void open_libraries(void) {
  void* va = dlopen("libva.so.2", RTLD_NOW | RTLD_LOCAL);
  void* drm = va == NULL ? NULL : dlopen("libva-drm.so.2", RTLD_NOW | RTLD_LOCAL);
  if (drm == NULL) return;
#define FIND(name) \
  if ((rushes_##name = dlsym(va, #name)) == NULL) return;
  FUNCTIONS(FIND)
  get_display_drm = (void* (*)(int))dlsym(drm, "vaGetDisplayDRM");
}

// A VADisplay, or null, which FFmpeg takes for a device that cannot be opened.
__attribute__((visibility("hidden"))) void* vaGetDisplayDRM(int fd) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, open_libraries);
  return get_display_drm == NULL ? NULL : get_display_drm(fd);
}
