#include "hardware_device.h"

extern "C" {
#include <libavutil/pixdesc.h>
}

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

namespace rushes {

namespace {

/// Of the built-in type with this name. Throws if there is none.
AVHWDeviceType findType(const std::string& name) {
  for (const std::string& each : builtInDevices()) {
    if (each == name) return av_hwdevice_find_type_by_name(name.c_str());
  }
  throw Error(ErrorCode::kUnsupported, "this FFmpeg was built without it");
}

/// The surface format of `codec` on devices of `type`.
AVPixelFormat surfaceOf(const AVCodec& codec, AVHWDeviceType type) {
  const AVCodecHWConfig* config = nullptr;
  for (int i = 0; (config = avcodec_get_hw_config(&codec, i)) != nullptr; ++i) {
    if (config->device_type == type &&
        (config->methods & AV_CODEC_HW_CONFIG_METHOD_HW_DEVICE_CTX) != 0) {
      return config->pix_fmt;
    }
  }
  return AV_PIX_FMT_NONE;
}

/// A plane of samples, or of pairs of them. Strides are in bytes.
struct SamplePlane {
  uint8_t* data;
  int stride;
};

/// Sample `Step` * x of `from`, without its lowest `shift` bits, becomes sample
/// x of `to`. `Step` is known to the compiler so that it can use vectors.
template <typename Sample, int Step>
void copySamples(
    const SamplePlane& from, const SamplePlane& to, int width, int height,
    int shift) {
  for (int y = 0; y < height; ++y) {
    const auto* source = reinterpret_cast<const Sample*>(
        from.data + static_cast<ptrdiff_t>(y) * from.stride);
    auto* target = reinterpret_cast<Sample*>(
        to.data + static_cast<ptrdiff_t>(y) * to.stride);
    for (int x = 0; x < width; ++x) {
      if constexpr (sizeof(Sample) == 1) {
        target[x] = source[x * Step];
      } else {
        target[x] = source[x * Step] >> shift;
      }
    }
  }
}

/// Whether `planar` holds the same samples as `format`, one plane for each
/// component. Where `format` has 16 bits, lower ones may be padding.
bool correspond(
    const AVPixFmtDescriptor& format, const AVPixFmtDescriptor& planar) {
  const auto isYuv = [](const AVPixFmtDescriptor& layout) {
    const uint64_t other = AV_PIX_FMT_FLAG_BE | AV_PIX_FMT_FLAG_RGB |
                           AV_PIX_FMT_FLAG_HWACCEL | AV_PIX_FMT_FLAG_BITSTREAM;
    return layout.nb_components == 3 && (layout.flags & other) == 0;
  };
  const auto pairsChroma = [](const AVPixFmtDescriptor& layout) {
    return layout.comp[0].plane == 0 && layout.comp[1].plane == 1 &&
           layout.comp[2].plane == 1 &&
           layout.comp[1].step == 2 * layout.comp[0].step;
  };
  const int depth = format.comp[0].depth;
  const int wanted = planar.comp[0].depth;
  return isYuv(format) && isYuv(planar) && pairsChroma(format) &&
         planar.comp[1].plane == 1 && planar.comp[2].plane == 2 &&
         planar.comp[0].shift == 0 &&
         format.log2_chroma_w == planar.log2_chroma_w &&
         format.log2_chroma_h == planar.log2_chroma_h &&
         (depth == wanted || (depth == 16 && wanted > 8));
}

}  // namespace

int DeviceCalls::create(AVBufferRef** device, AVHWDeviceType type) {
  return av_hwdevice_ctx_create(device, type, nullptr, nullptr, 0);
}

std::optional<DeviceDecoder> DeviceCalls::decoderFor(
    AVCodecID id, AVHWDeviceType type) {
  void* position = nullptr;
  const AVCodec* codec = nullptr;
  while ((codec = av_codec_iterate(&position)) != nullptr) {
    if (codec->id != id || av_codec_is_decoder(codec) == 0) continue;
    const AVPixelFormat surface = surfaceOf(*codec, type);
    if (surface != AV_PIX_FMT_NONE) return DeviceDecoder{codec, surface};
  }
  return std::nullopt;
}

AVPixelFormat DeviceCalls::choose(
    const AVPixelFormat* offered, AVPixelFormat surface) const {
  for (; *offered != AV_PIX_FMT_NONE; ++offered) {
    if (*offered == surface) return surface;
  }
  // Not what else is offered: that would be software with one thread.
  return AV_PIX_FMT_NONE;
}

void DeviceCalls::prepare(AVCodecContext& /*context*/) const {}

int DeviceCalls::receive(AVCodecContext& context, AVFrame& frame) {
  return avcodec_receive_frame(&context, &frame);
}

int DeviceCalls::transfer(AVFrame& target, const AVFrame& surface) {
  return av_hwframe_transfer_data(&target, &surface, 0);
}

void DeviceCalls::scale(
    DeviceScaler& scaler, Frame& surface, PictureSize size) {
  scaler.scale(surface, size);
}

HardwareDevice::HardwareDevice(
    std::string type, AVCodecID codec, std::unique_ptr<DeviceCalls> calls)
    : type_(std::move(type)), calls_(std::move(calls)) {
  const LogCapture log;
  try {
    open(codec);
  } catch (const Error& error) {
    fail(error.what());
  }
}

void HardwareDevice::open(AVCodecID codec) {
  const AVHWDeviceType type = findType(type_);
  const std::optional<DeviceDecoder> decoder = calls_->decoderFor(codec, type);
  if (!decoder) {
    throw Error(
        ErrorCode::kUnsupported, std::string("this FFmpeg decodes no ") +
                                     avcodec_get_name(codec) + " on it");
  }
  decoder_ = *decoder;
  AVBufferRef* context = nullptr;
  check(calls_->create(&context, type), "av_hwdevice_ctx_create");
  context_.reset(context);
}

void HardwareDevice::fail(const std::string& reason) {
  state_ = {};
  state_.failure = type_ + ": " + reason;
  scaler_.reset();
  context_.reset();
  surface_.unref();
}

void HardwareDevice::attach(AVCodecContext& context) {
  context.hw_device_ctx = av_buffer_ref(context_.get());
  checkAlloc(context.hw_device_ctx, "av_buffer_ref");
  context.get_format = chooseFormat;
  context.opaque = this;
  // The device is what works in parallel; frame threads would only hold more
  // of its surfaces.
  context.thread_count = 1;
  // The one that is on its way to memory, and one that a filter still reads.
  // Filters that keep more (scale_vulkan: four for each queue, since FFmpeg
  // 6.1) are of devices whose surfaces are not numbered.
  context.extra_hw_frames = 2;
  calls_->prepare(context);
}

AVPixelFormat HardwareDevice::chooseFormat(
    AVCodecContext* context, const AVPixelFormat* offered) {
  const auto* self = static_cast<const HardwareDevice*>(context->opaque);
  return self->calls_->choose(offered, self->decoder_.surface);
}

int HardwareDevice::receive(AVCodecContext& context, Frame& frame) {
  const int result = calls_->receive(context, *surface_);
  if (result == AVERROR(EAGAIN) || result == AVERROR_EOF) return result;
  check(result, "avcodec_receive_frame");
  if (surface_->hw_frames_ctx == nullptr) {
    // Decoders that wrap a driver may give frames in memory on their own.
    std::swap(frame, surface_);
  } else {
    shrink();
    download(context, frame);
  }
  surface_.unref();
  return result;
}

/// The size to which the surface, whose samples lie in memory as in `layout`,
/// is made smaller; its own where it is not.
///
/// Note [Chroma on devices]: filters keep the layout of a surface, and with
/// 4:2:0 its chroma would have half the samples of the output's, while software
/// makes one for each pixel of RGB output of the many that there are. So
/// the device makes pictures twice as large along such an axis, and what is
/// left is done in memory.
PictureSize HardwareDevice::sizeOnDevice(AVPixelFormat layout) const {
  const PictureSize whole{surface_->width, surface_->height};
  // Filters do not see what is cropped at the left and at the top.
  const bool isCropped = surface_->crop_left > 0 || surface_->crop_top > 0;
  PictureSize size = output_.size;
  if (size == PictureSize{} || isCropped || state_.scaleFailure) return whole;
  if (output_.hasFullChroma) {
    const AVPixFmtDescriptor& chroma = *av_pix_fmt_desc_get(layout);
    size.width <<= chroma.log2_chroma_w;
    size.height <<= chroma.log2_chroma_h;
  }
  const bool fits = size.width <= whole.width && size.height <= whole.height;
  return fits ? size : whole;
}

/// Makes the surface smaller if that is wanted, and possible.
void HardwareDevice::shrink() {
  const auto& frames = *reinterpret_cast<const AVHWFramesContext*>(
      surface_->hw_frames_ctx->data);
  const PictureSize size = sizeOnDevice(frames.sw_format);
  if (size == PictureSize{surface_->width, surface_->height}) {
    return state_.scaleFilter.reset();
  }
  std::string name = "scale";
  try {
    if (!scaler_) {
      scaler_ = std::make_unique<DeviceScaler>(frames.device_ctx->type);
    }
    name = scaler_->filter();
    calls_->scale(*scaler_, surface_, size);
    state_.scaleFilter = name;
  } catch (const Error& error) {
    scaler_.reset();
    state_.scaleFilter.reset();
    state_.scaleFailure = name + ": " + error.what();
  }
}

void HardwareDevice::download(const AVCodecContext& context, Frame& frame) {
  frame.unref();
  check(calls_->transfer(*frame, *surface_), "av_hwframe_transfer_data");
  check(
      av_frame_copy_props(frame.get(), surface_.get()), "av_frame_copy_props");
  // On a surface only the right and lower edge could be cropped.
  check(av_frame_apply_cropping(frame.get(), 0), "av_frame_apply_cropping");
  makePlanar(frame, context.sw_pix_fmt);
}

std::vector<std::string> builtInDevices() {
  std::vector<std::string> names;
  AVHWDeviceType type = AV_HWDEVICE_TYPE_NONE;
  while ((type = av_hwdevice_iterate_types(type)) != AV_HWDEVICE_TYPE_NONE) {
    names.emplace_back(av_hwdevice_get_type_name(type));
  }
  return names;
}

std::optional<std::string> whyNotOpen(const std::string& type) {
  const LogCapture log;
  try {
    AVBufferRef* device = nullptr;
    check(
        DeviceCalls().create(&device, findType(type)),
        "av_hwdevice_ctx_create");
    const BufferPtr opened(device);
    return std::nullopt;
  } catch (const Error& error) {
    return error.what();
  }
}

bool makePlanar(Frame& frame, AVPixelFormat planar) {
  const AVPixFmtDescriptor* from =
      av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame->format));
  const AVPixFmtDescriptor* to = av_pix_fmt_desc_get(planar);
  if (frame->format == planar || from == nullptr || to == nullptr ||
      !correspond(*from, *to)) {
    return false;
  }
  check(av_frame_make_writable(frame.get()), "av_frame_make_writable");
  const bool wide = to->comp[0].depth > 8;
  const int shift =
      from->comp[0].depth + from->comp[0].shift - to->comp[0].depth;
  if (shift > 0) {
    const SamplePlane luma{frame->data[0], frame->linesize[0]};
    copySamples<uint16_t, 1>(luma, luma, frame->width, frame->height, shift);
  }
  // Both chroma planes, one above the other.
  Frame chroma;
  const int width = AV_CEIL_RSHIFT(frame->width, to->log2_chroma_w);
  const int height = AV_CEIL_RSHIFT(frame->height, to->log2_chroma_h);
  chroma->format = wide ? AV_PIX_FMT_GRAY16 : AV_PIX_FMT_GRAY8;
  chroma->width = width;
  chroma->height = 2 * height;
  check(av_frame_get_buffer(chroma.get(), 0), "av_frame_get_buffer");
  const int stride = chroma->linesize[0];
  const auto copy = wide ? copySamples<uint16_t, 2> : copySamples<uint8_t, 2>;
  std::array<uint8_t*, 2> planes{};
  for (int i = 0; i < 2; ++i) {
    planes[i] = chroma->data[0] + static_cast<ptrdiff_t>(i) * height * stride;
    uint8_t* pairs = frame->data[1] + from->comp[1 + i].offset;
    copy(
        {pairs, frame->linesize[1]}, {planes[i], stride}, width, height, shift);
  }
  // The frame owns them from here on.
  AVBufferRef** free =
      std::find(std::begin(frame->buf), std::end(frame->buf), nullptr);
  std::swap(*free, chroma->buf[0]);
  for (int i = 0; i < 2; ++i) {
    frame->data[1 + i] = planes[i];
    frame->linesize[1 + i] = stride;
  }
  frame->format = planar;
  return true;
}

}  // namespace rushes
