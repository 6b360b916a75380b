#include "simulated_device.h"

extern "C" {
#include <libavutil/pixdesc.h>
}

namespace rushes {

namespace {

/// The layout that devices have for such pictures.
AVPixelFormat deviceLayout(const AVFrame& frame) {
  switch (frame.format) {
    case AV_PIX_FMT_YUV420P:
    case AV_PIX_FMT_YUVJ420P:
      return AV_PIX_FMT_NV12;
    case AV_PIX_FMT_YUV420P10:
      // swscale forgets the last column of odd widths on the way there.
      if (frame.width % 2 == 0) return AV_PIX_FMT_P010;
      break;
    default:
      break;
  }
  return static_cast<AVPixelFormat>(frame.format);
}

/// `frame` in the layout of devices, by swscale, which does it without loss.
int convertToLayout(Frame& frame, AVPixelFormat layout) {
  if (frame->format == layout) return 0;
  Frame target;
  target->format = layout;
  target->width = frame->width;
  target->height = frame->height;
  int result = av_frame_get_buffer(target.get(), 0);
  if (result < 0) return result;
  result = av_frame_copy_props(target.get(), frame.get());
  if (result < 0) return result;
  // Full range is a property here, not a format: values are kept.
  const AVPixelFormat from = frame->format == AV_PIX_FMT_YUVJ420P
                                 ? AV_PIX_FMT_YUV420P
                                 : static_cast<AVPixelFormat>(frame->format);
  const SwsContextPtr converter(sws_getContext(
      frame->width, frame->height, from, frame->width, frame->height, layout,
      SWS_POINT, nullptr, nullptr, nullptr));
  if (!converter) return AVERROR(ENOSYS);
  sws_scale(
      converter.get(), frame->data, frame->linesize, 0, frame->height,
      target->data, target->linesize);
  std::swap(frame, target);
  return 0;
}

bool canHold(AVBufferRef* device, AVPixelFormat format) {
  AVHWFramesConstraints* constraints =
      av_hwdevice_get_hwframe_constraints(device, nullptr);
  if (constraints == nullptr) return false;
  bool found = false;
  const AVPixelFormat* each = constraints->valid_sw_formats;
  for (; each != nullptr && *each != AV_PIX_FMT_NONE; ++each) {
    if (*each == format) found = true;
  }
  av_hwframe_constraints_free(&constraints);
  return found;
}

/// A surface that is in use.
struct Lease {
  BufferPtr buffer;
  std::shared_ptr<std::atomic<int>> used;
};

void endLease(void* opaque, uint8_t*) {
  const std::unique_ptr<Lease> lease(static_cast<Lease*>(opaque));
  --*lease->used;
}

}  // namespace

int SimulatedDevice::create(AVBufferRef** device, AVHWDeviceType type) {
  if (plan_.failsToOpen) return AVERROR(ENODEV);
  if (plan_.surfaces == 0) {
    *device = av_hwdevice_ctx_alloc(type);
    return *device == nullptr ? AVERROR(ENOMEM) : 0;
  }
  return DeviceCalls::create(device, type);
}

std::optional<DeviceDecoder> SimulatedDevice::decoderFor(
    AVCodecID id, AVHWDeviceType type) {
  surfaceFormat_ =
      type == AV_HWDEVICE_TYPE_OPENCL ? AV_PIX_FMT_OPENCL : AV_PIX_FMT_VULKAN;
  return DeviceDecoder{avcodec_find_decoder(id), surfaceFormat_};
}

AVPixelFormat SimulatedDevice::choose(
    const AVPixelFormat* offered, AVPixelFormat /*surface*/) const {
  const auto isOnDevice = [](AVPixelFormat format) {
    return (av_pix_fmt_desc_get(format)->flags & AV_PIX_FMT_FLAG_HWACCEL) != 0;
  };
  while (*offered != AV_PIX_FMT_NONE && isOnDevice(*offered)) ++offered;
  return *offered;
}

void SimulatedDevice::prepare(AVCodecContext& context) const {
  // As on devices, where only the right and lower edge are cropped.
  context.apply_cropping = plan_.surfaces == 0 ? 1 : 0;
}

int SimulatedDevice::receive(AVCodecContext& context, AVFrame& frame) {
  const int result = avcodec_receive_frame(&context, decoded_.get());
  if (result < 0) return result;
  if (received_ == plan_.failsAtFrame) return AVERROR_EXTERNAL;
  ++received_;
  if (plan_.surfaces == 0) {
    av_frame_move_ref(&frame, decoded_.get());
    return result;
  }
  context.sw_pix_fmt = static_cast<AVPixelFormat>(decoded_->format);
  return upload(context.hw_device_ctx, frame);
}

int SimulatedDevice::upload(AVBufferRef* device, AVFrame& surface) {
  int result = convertToLayout(decoded_, deviceLayout(*decoded_));
  if (result >= 0) result = makePool(device, *decoded_);
  if (result >= 0) result = av_hwframe_get_buffer(pool_.get(), &surface, 0);
  if (result >= 0 && !takeSurface(surface)) result = AVERROR(ENOMEM);
  if (result >= 0) {
    result = av_hwframe_transfer_data(&surface, decoded_.get(), 0);
  }
  if (result >= 0) result = av_frame_copy_props(&surface, decoded_.get());
  if (result >= 0) result = av_frame_apply_cropping(&surface, 0);
  return result;
}

/// Makes a pool of surfaces like `frame`, unless that is what there is.
int SimulatedDevice::makePool(AVBufferRef* device, const AVFrame& frame) {
  const auto format = static_cast<AVPixelFormat>(frame.format);
  if (pool_) {
    const auto& now = *reinterpret_cast<const AVHWFramesContext*>(pool_->data);
    if (now.sw_format == format && now.width == frame.width &&
        now.height == frame.height) {
      return 0;
    }
  }
  // FFmpeg 5.1 crashes on layouts that Vulkan devices do not have.
  if (!canHold(device, format)) return AVERROR(ENOSYS);
  pool_.reset(av_hwframe_ctx_alloc(device));
  if (!pool_) return AVERROR(ENOMEM);
  auto& frames = *reinterpret_cast<AVHWFramesContext*>(pool_->data);
  frames.format = surfaceFormat_;
  frames.sw_format = format;
  frames.width = frame.width;
  frames.height = frame.height;
  const int result = av_hwframe_ctx_init(pool_.get());
  if (result < 0) pool_.reset();
  return result;
}

/// False if all surfaces are in use.
bool SimulatedDevice::takeSurface(AVFrame& surface) {
  if (*used_ >= plan_.surfaces) return false;
  AVBufferRef*& buffer = surface.buf[0];
  auto lease = std::make_unique<Lease>(Lease{BufferPtr(buffer), used_});
  buffer = av_buffer_create(
      lease->buffer->data, lease->buffer->size, endLease, lease.get(), 0);
  if (buffer == nullptr) return false;
  ++*used_;
  static_cast<void>(lease.release());
  return true;
}

int SimulatedDevice::transfer(AVFrame& target, const AVFrame& surface) {
  if (transferred_ == plan_.failsAtTransfer) return AVERROR_EXTERNAL;
  ++transferred_;
  return DeviceCalls::transfer(target, surface);
}

void SimulatedDevice::scale(
    DeviceScaler& scaler, Frame& surface, PictureSize size) {
  if (scaled_ == plan_.failsAtScaling) {
    check(AVERROR_EXTERNAL, "av_buffersink_get_frame");
  }
  ++scaled_;
  DeviceCalls::scale(scaler, surface, size);
}

}  // namespace rushes
