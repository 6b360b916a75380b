#pragma once

#include <optional>

#include "area_scaler.h"
#include "av.h"
#include "picture.h"
#include "stream_info.h"
#include "tone_map.h"

namespace rushes {

/// Layout of an output frame; `PixelFormat` in src/frame.ts.
enum class OutputFormat {
  kRgb24,
  kRgba,
  kBgr24,
  kGray8,
  kYuv420p,
  kRgb48le,
  kNative,
};

/// How to make one output frame: `NativeOutput` in src/native.ts. Plain data.
struct Output {
  OutputFormat format = OutputFormat::kNative;
  /// Size to which the whole stored picture is scaled, before it is turned.
  int scaleWidth = 0;
  int scaleHeight = 0;
  Orientation orientation;
  /// Size of the output, and where the turned picture's upper left corner lies
  /// in it: negative crops, positive leaves black.
  int width = 0;
  int height = 0;
  int left = 0;
  int top = 0;
  /// Whether high dynamic range is brought down in 8-bit RGB and grey.
  bool toneMap = true;
  /// Whether a device on which frames are decoded may make them smaller.
  bool scalesOnDevice = false;
};

/// One swscale context, made anew only when a side changes.
/// Thread-safety: one thread at a time.
class Converter {
 public:
  void run(
      const PictureFormat& from, const PlaneSet& source,
      const PictureFormat& to, const PlaneSet& target);

 private:
  SwsContextPtr context_;
  PictureFormat from_;
  PictureFormat to_;
};

/// Turns decoded frames into output frames: AreaScaler makes the common ones
/// smaller. Of others the planes are scaled first by swscale (area averaging,
/// in the stream's own chroma layout) and colour is converted on the small
/// picture. Then the picture is turned and placed.
/// Owns its intermediate pictures. Thread-safety: one thread at a time.
class Scaler {
 public:
  explicit Scaler(const Output& output) : output_(output) {}

  /// Whether frames come out in the pixel format that they have.
  bool keepsFormat() const noexcept {
    return output_.format == OutputFormat::kNative;
  }

  /// Bytes that `write` needs for this frame; rows are not padded.
  int bytes(const AVFrame& frame) const;

  /// Writes `frame` to `out`, `bytes(frame)` long.
  void write(const AVFrame& frame, uint8_t* out);

 private:
  bool scalesByArea(const AVFrame& frame) const;
  bool mapsTones(const AVFrame& frame) const;
  void convertToneMapped(const AVFrame& frame, const PlaneSet& target);
  void convertTo(
      AVPixelFormat format, const AVFrame& frame, const PlaneSet& target);
  void paintBlack(const AVFrame& frame, uint8_t* out) const;
  void place(const PlaneSet& source, const PlaneSet& target) const;
  bool writesInPlace(bool byArea) const noexcept;

  Output output_;
  AreaScaler area_;
  Converter scale_;
  Converter color_;
  Image scaled_;
  Image upright_;
  Image wide_;
  std::optional<ToneMap> toneMap_;
};

}  // namespace rushes
