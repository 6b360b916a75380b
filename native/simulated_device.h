#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "hardware_device.h"

namespace rushes {

/// What a SimulatedDevice does, and when it stops doing it. Plain data.
struct SimulationPlan {
  /// Where it fails, for good; below 0: nowhere. Numbers count from 0.
  bool failsToOpen = false;
  int64_t failsAtFrame = -1;
  int64_t failsAtTransfer = -1;
  int64_t failsAtScaling = -1;
  /// How many surfaces there are; FFmpeg's Vulkan holds two for itself. 0: the
  /// device is not even opened, and its frames lie in memory.
  int surfaces = 4;
};

/// For tests, on machines whose devices decode nothing: a decoder on a device,
/// made of a software decoder and a real one (`vulkan`, `opencl`) to which its
/// frames are uploaded, in the layouts that decoders on devices have (NV12,
/// P010). Everything above the calls of DeviceCalls is the real thing: real
/// surfaces are brought to memory, and failures come from where FFmpeg reports
/// them. Owns its frame pool. Thread-safety: as DeviceCalls.
class SimulatedDevice final : public DeviceCalls {
 public:
  explicit SimulatedDevice(SimulationPlan plan) : plan_(plan) {}

  int create(AVBufferRef** device, AVHWDeviceType type) override;
  std::optional<DeviceDecoder> decoderFor(
      AVCodecID id, AVHWDeviceType type) override;
  AVPixelFormat choose(
      const AVPixelFormat* offered, AVPixelFormat surface) const override;
  void prepare(AVCodecContext& context) const override;
  int receive(AVCodecContext& context, AVFrame& frame) override;
  int transfer(AVFrame& target, const AVFrame& surface) override;
  void scale(DeviceScaler& scaler, Frame& surface, PictureSize size) override;

 private:
  int upload(AVBufferRef* device, AVFrame& surface);
  int makePool(AVBufferRef* device, const AVFrame& frame);
  bool takeSurface(AVFrame& surface);

  SimulationPlan plan_;
  AVPixelFormat surfaceFormat_ = AV_PIX_FMT_NONE;
  int64_t received_ = 0;
  int64_t transferred_ = 0;
  int64_t scaled_ = 0;
  /// FFmpeg's Vulkan reads it after av_hwframe_transfer_data has returned, and
  /// has until the surface is brought to memory.
  Frame decoded_;
  BufferPtr pool_;
  /// Surfaces in use may outlive the device.
  std::shared_ptr<std::atomic<int>> used_ =
      std::make_shared<std::atomic<int>>(0);
};

}  // namespace rushes
