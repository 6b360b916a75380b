#include "picture.h"

extern "C" {
#include <libavutil/imgutils.h>
}

namespace rushes {

namespace {

constexpr int kAlignment = 64;

}  // namespace

void Image::allocate(AVPixelFormat format, int width, int height) {
  if (format == format_ && width == width_ && height == height_) return;
  PlaneSet planes;
  const int bytes = check(
      av_image_get_buffer_size(format, width, height, kAlignment),
      "av_image_get_buffer_size");
  // swscale's vector code may touch a little beyond the last row.
  buffer_.reset(static_cast<uint8_t*>(av_malloc(bytes + kAlignment)));
  accounted_.set(buffer_ ? bytes + kAlignment : 0);
  checkAlloc(buffer_.get(), "av_malloc");
  check(
      av_image_fill_arrays(
          planes.data.data(), planes.stride.data(), buffer_.get(), format,
          width, height, kAlignment),
      "av_image_fill_arrays");
  planes_ = planes;
  format_ = format;
  width_ = width;
  height_ = height;
}

PictureFormat formatOf(const AVFrame& frame) {
  PictureFormat picture{
      static_cast<AVPixelFormat>(frame.format), frame.width, frame.height,
      frame.colorspace, frame.color_range == AVCOL_RANGE_JPEG};
  const auto plain = [&](AVPixelFormat format) {
    picture.format = format;
    picture.fullRange = true;
  };
  switch (picture.format) {
    case AV_PIX_FMT_YUVJ420P:
      plain(AV_PIX_FMT_YUV420P);
      break;
    case AV_PIX_FMT_YUVJ422P:
      plain(AV_PIX_FMT_YUV422P);
      break;
    case AV_PIX_FMT_YUVJ444P:
      plain(AV_PIX_FMT_YUV444P);
      break;
    case AV_PIX_FMT_YUVJ440P:
      plain(AV_PIX_FMT_YUV440P);
      break;
    case AV_PIX_FMT_YUVJ411P:
      plain(AV_PIX_FMT_YUV411P);
      break;
    default:
      break;
  }
  return picture;
}

PlaneSet planesOf(const AVFrame& frame) {
  PlaneSet planes;
  for (int i = 0; i < 4; ++i) {
    planes.data[i] = frame.data[i];
    planes.stride[i] = frame.linesize[i];
  }
  return planes;
}

}  // namespace rushes
