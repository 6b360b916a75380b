#pragma once

extern "C" {
#include <libavutil/hwcontext.h>
}

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "av.h"
#include "device_scaler.h"

namespace rushes {

/// A decoder, and the pixel format of its frames that lie on a device.
struct DeviceDecoder {
  const AVCodec* codec = nullptr;
  AVPixelFormat surface = AV_PIX_FMT_NONE;
};

/// The calls into FFmpeg at which a device can fail. These are the real ones;
/// SimulatedDevice puts others in their place, below everything of ours.
/// Thread-safety: as HardwareDevice, which owns it.
class DeviceCalls {
 public:
  virtual ~DeviceCalls() = default;

  /// av_hwdevice_ctx_create.
  virtual int create(AVBufferRef** device, AVHWDeviceType type);
  /// The first decoder of `id` that works on such a device, if any.
  virtual std::optional<DeviceDecoder> decoderFor(
      AVCodecID id, AVHWDeviceType type);
  /// AVCodecContext::get_format: the surface format, if it is offered, else
  /// AV_PIX_FMT_NONE.
  virtual AVPixelFormat choose(
      const AVPixelFormat* offered, AVPixelFormat surface) const;
  /// Of the decoder, before avcodec_open2.
  virtual void prepare(AVCodecContext& context) const;
  /// avcodec_receive_frame.
  virtual int receive(AVCodecContext& context, AVFrame& frame);
  /// av_hwframe_transfer_data.
  virtual int transfer(AVFrame& target, const AVFrame& surface);
  /// DeviceScaler::scale.
  virtual void scale(DeviceScaler& scaler, Frame& surface, PictureSize size);
};

/// What has become of a device.
struct DeviceState {
  /// Why it is not used any more.
  std::optional<std::string> failure;
  /// The filter that has made the last frame smaller on it.
  std::optional<std::string> scaleFilter;
  /// Why none does.
  std::optional<std::string> scaleFailure;
  bool operator==(const DeviceState&) const = default;
};

/// What frames are made smaller for, on the device and, by what is left to do,
/// in memory.
struct ScaledOutput {
  /// 0 × 0: they are not.
  PictureSize size;
  /// Each of its pixels has a colour of its own: RGB.
  bool hasFullChroma = false;
  bool operator==(const ScaledOutput&) const = default;
};

/// A device on which codecs decode, until it fails: then codecs decode in
/// software, and it says why. Frames on it are brought to memory at once, so
/// that no surface is held longer than that takes. Where there is a filter for
/// it, they are made smaller before; when that fails, they are brought to
/// memory as they are, and whoever takes them makes them smaller.
/// Owns the AVHWDeviceContext, to which codecs and frames hold references of
/// their own. Thread-safety: one thread at a time.
class HardwareDevice {
 public:
  /// Opens a device of `type` (FFmpeg's name) for streams of `codec`; where
  /// that is impossible, it has failed from the beginning.
  HardwareDevice(
      std::string type, AVCodecID codec, std::unique_ptr<DeviceCalls> calls);

  const std::string& type() const noexcept { return type_; }
  /// Why it is not used any more.
  const std::optional<std::string>& failure() const noexcept {
    return state_.failure;
  }
  const DeviceState& state() const noexcept { return state_; }
  /// From now on frames are made smaller for such output.
  void scaleFor(const ScaledOutput& output) { output_ = output; }
  const ScaledOutput& output() const noexcept { return output_; }
  /// It is not used any more. The device is freed with the last that needs it.
  void fail(const std::string& reason);

  const AVCodec& decoder() const noexcept { return *decoder_.codec; }
  /// Makes `context`, of `decoder()` and not yet open, decode on this device,
  /// which has to outlive it.
  void attach(AVCodecContext& context);

  /// avcodec_receive_frame with the frame in memory, in the layout that the
  /// software decoder would give it. Negative where that gives a code that is
  /// no failure (EAGAIN, EOF); throws for failures.
  int receive(AVCodecContext& context, Frame& frame);

 private:
  void open(AVCodecID codec);
  PictureSize sizeOnDevice(AVPixelFormat layout) const;
  void shrink();
  void download(const AVCodecContext& context, Frame& frame);
  static AVPixelFormat chooseFormat(
      AVCodecContext* context, const AVPixelFormat* offered);

  std::string type_;
  std::unique_ptr<DeviceCalls> calls_;
  BufferPtr context_;
  DeviceDecoder decoder_;
  DeviceState state_;
  ScaledOutput output_;
  std::unique_ptr<DeviceScaler> scaler_;
  Frame surface_;
};

/// FFmpeg's names of the device types that it was built with.
std::vector<std::string> builtInDevices();

/// Opens a device of `type` and closes it; why not, if that fails. Drivers may
/// crash or hang.
std::optional<std::string> whyNotOpen(const std::string& type);

/// Turns `frame`, whose chroma samples lie in pairs (NV12, P010 …), into the
/// planar layout `planar` of the same samples; false, and nothing done, if
/// these do not correspond.
bool makePlanar(Frame& frame, AVPixelFormat planar);

}  // namespace rushes
