#pragma once

#include <array>
#include <optional>
#include <vector>

#include "av.h"
#include "memory_account.h"
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
};

/// Planes of a picture that somebody else owns, as FFmpeg passes them around.
struct PlaneSet {
  std::array<uint8_t*, 4> data{};
  std::array<int, 4> stride{};
};

/// A picture of our own, rows aligned for SIMD. Move-only.
class Image {
 public:
  /// Makes room, reusing it while nothing changes.
  void allocate(AVPixelFormat format, int width, int height);
  const PlaneSet& planes() const noexcept { return planes_; }

 private:
  struct FreeBuffer {
    void operator()(uint8_t* buffer) const noexcept { av_free(buffer); }
  };
  std::unique_ptr<uint8_t, FreeBuffer> buffer_;
  AccountedBytes accounted_;
  PlaneSet planes_;
  AVPixelFormat format_ = AV_PIX_FMT_NONE;
  int width_ = 0;
  int height_ = 0;
};

/// One side of a conversion.
struct PictureFormat {
  AVPixelFormat format = AV_PIX_FMT_NONE;
  int width = 0;
  int height = 0;
  /// Matrix for YUV, as AVColorSpace.
  int matrix = AVCOL_SPC_UNSPECIFIED;
  bool fullRange = false;

  bool operator==(const PictureFormat&) const = default;
};

/// What `frame` holds; the deprecated yuvj formats as yuv of full range.
PictureFormat formatOf(const AVFrame& frame);

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

/// Turns decoded frames into output frames: scales the planes first (area
/// averaging, in the stream's own chroma layout), converts colour on the small
/// picture, then turns and places it.
/// Owns its intermediate pictures. Thread-safety: one thread at a time.
class Scaler {
 public:
  explicit Scaler(const Output& output) : output_(output) {}

  /// Bytes that `write` needs for this frame; rows are not padded.
  int bytes(const AVFrame& frame) const;

  /// Writes `frame` to `out`, `bytes(frame)` long.
  void write(const AVFrame& frame, uint8_t* out);

 private:
  void convert(const AVFrame& frame, const PlaneSet& target);
  void convertTo(
      AVPixelFormat format, const AVFrame& frame, const PlaneSet& target);
  void paintBlack(const AVFrame& frame, uint8_t* out) const;
  void place(const PlaneSet& source, const PlaneSet& target) const;
  bool writesInPlace() const noexcept;

  Output output_;
  Converter scale_;
  Converter color_;
  Image scaled_;
  Image upright_;
  Image wide_;
  std::optional<ToneMap> toneMap_;
};

}  // namespace rushes
