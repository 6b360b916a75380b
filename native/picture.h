#pragma once

#include <array>
#include <memory>

#include "av.h"
#include "memory_account.h"

namespace rushes {

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

/// Where the planes of `frame` lie.
PlaneSet planesOf(const AVFrame& frame);

}  // namespace rushes
