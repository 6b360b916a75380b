#pragma once

extern "C" {
#include <libavutil/hwcontext.h>
}

#include <memory>
#include <string>

#include "av.h"

namespace rushes {

struct PictureSize {
  int width = 0;
  int height = 0;
  bool operator==(const PictureSize&) const = default;
};

/// Makes pictures smaller on the device on which they lie, by FFmpeg's filter
/// for such devices, so that only the small ones are brought to memory.
///
/// Note [Loading libavfilter]: it is opened when the first device needs it,
/// from where libavcodec lies, so that both are of one FFmpeg. Linked, it would
/// cost everyone who never sees a device 50 ms and 11 MB at start (Debian's,
/// which brings some fifty libraries along). Owns a filter graph, which holds
/// the device. Thread-safety: one thread at a time.
class DeviceScaler {
 public:
  /// Throws kUnsupported where there is no such filter, or no libavfilter.
  explicit DeviceScaler(AVHWDeviceType type);
  ~DeviceScaler();
  DeviceScaler(const DeviceScaler&) = delete;
  DeviceScaler& operator=(const DeviceScaler&) = delete;

  /// FFmpeg's name.
  const std::string& filter() const noexcept { return filter_; }

  /// Puts in the place of `surface` one of `size`, on the same device, with the
  /// same properties. Throws, with `surface` as it was, if that fails.
  void scale(Frame& surface, PictureSize size);

 private:
  struct Graph;

  std::string filter_;
  std::unique_ptr<Graph> graph_;
};

/// The version of libavfilter that this was built for; empty without.
std::string filterLibraryVersion();

}  // namespace rushes
