#include "hardware_device.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "decoder.h"
#include "memory_account.h"
#include "packet_history.h"
#include "simulated_device.h"

extern "C" {
#include <libavutil/pixdesc.h>
}

using rushes::Codec;
using rushes::CodecOptions;
using rushes::DecodePath;
using rushes::Decoder;
using rushes::Demuxer;
using rushes::DeviceCalls;
using rushes::Error;
using rushes::Frame;
using rushes::FrameBuffer;
using rushes::HardwareDevice;
using rushes::Interrupt;
using rushes::Output;
using rushes::ReadResult;
using rushes::Selection;
using rushes::SimulatedDevice;
using rushes::SimulationPlan;

namespace {

std::string clip(const std::string& name) {
  const char* folder = std::getenv("RUSHES_TEST_CLIPS");
  REQUIRE(folder != nullptr);
  return std::string(folder) + "/" + name;
}

/// What a pass gave: rows and pixels of all frames, and the last path.
struct Pass {
  std::vector<double> rows;
  std::vector<std::string> formats;
  std::vector<std::vector<uint8_t>> pixels;
  DecodePath path;
};

void checkSame(const Pass& got, const Pass& wanted) {
  CHECK(got.rows == wanted.rows);
  CHECK(got.formats == wanted.formats);
  CHECK(got.pixels == wanted.pixels);
}

/// Decodes a whole clip, on a device if there are `calls`.
Pass decode(
    const std::string& name, const std::string& type = "",
    std::unique_ptr<DeviceCalls> calls = nullptr,
    const Selection& selection = {}) {
  Interrupt interrupt;
  Decoder decoder({clip(name), {}, 2, false}, interrupt);
  decoder.open();
  if (calls) decoder.useHardware(type, std::move(calls));
  Pass pass;
  pass.path = decoder.path();
  decoder.start(selection, Output{});
  size_t bytes = decoder.nativeFrameBytes();
  for (bool done = false; !done;) {
    std::vector<uint8_t> memory(bytes);
    const FrameBuffer buffer{memory.data(), memory.size()};
    double row[rushes::kFrameColumns];
    const ReadResult read = decoder.read({&buffer, 1}, row);
    if (read.count > 0) {
      memory.resize(static_cast<size_t>(row[rushes::kFrameBytes]));
      pass.rows.insert(pass.rows.end(), row, row + rushes::kFrameColumns);
      pass.formats.push_back(read.formats.at(0));
      pass.pixels.push_back(std::move(memory));
    }
    if (read.path) pass.path = *read.path;
    if (read.needed > 0) bytes = read.needed;
    done = read.done;
  }
  return pass;
}

Pass simulate(
    const std::string& name, const std::string& type, SimulationPlan plan,
    const Selection& selection = {}) {
  return decode(name, type, std::make_unique<SimulatedDevice>(plan), selection);
}

/// A type that this FFmpeg knows; empty if it knows none.
std::string anyType() {
  const AVHWDeviceType type = av_hwdevice_iterate_types(AV_HWDEVICE_TYPE_NONE);
  return type == AV_HWDEVICE_TYPE_NONE ? "" : av_hwdevice_get_type_name(type);
}

/// The device that opens stays open: drivers are unloaded with their last one,
/// and with them what points to memory that they never free, which
/// LeakSanitizer would then take for lost.
bool vulkanOpens() {
  static const AVBufferRef* const kept = [] {
    AVBufferRef* device = nullptr;
    av_hwdevice_ctx_create(
        &device, AV_HWDEVICE_TYPE_VULKAN, nullptr, nullptr, 0);
    return device;
  }();
  return kept != nullptr;
}

bool mentions(const DecodePath& path, const std::string& words) {
  return path.fallbackReason.value_or("").find(words) != std::string::npos;
}

}  // namespace

TEST_CASE("surfaces brought to memory equal the frames of software") {
  if (!vulkanOpens()) {
    MESSAGE("skipped: there is no Vulkan device");
    return;
  }
  for (const char* name :
       {"h264-bframes-audio.mp4", "ten-bit.mp4", "odd-size.mp4",
        "full-range.mp4", "size-change.h264", "vp9.webm", "yuv444.mp4",
        "gray.mkv"}) {
    CAPTURE(name);
    const Pass wanted = decode(name);
    const Pass got = simulate(name, "vulkan", {.surfaces = 3});
    CHECK(got.path.hardware == "vulkan");
    CHECK(got.path.threads == 1);
    CHECK(!got.path.fallbackReason);
    checkSame(got, wanted);
  }
  CHECK(rushes::nativeBytes() == 0);
}

TEST_CASE("a device that runs out of surfaces in mid-stream is left") {
  if (!vulkanOpens()) {
    MESSAGE("skipped: there is no Vulkan device");
    return;
  }
  const Pass got = simulate("keyframes.mp4", "vulkan", {.surfaces = 1});
  CHECK(mentions(got.path, "Cannot allocate memory"));
  checkSame(got, decode("keyframes.mp4"));
}

TEST_CASE("a device that fails at a transfer is left, and no frame is lost") {
  if (!vulkanOpens()) {
    MESSAGE("skipped: there is no Vulkan device");
    return;
  }
  for (const int64_t at : {0, 1, 60}) {
    const Pass got =
        simulate("h264-bframes-audio.mp4", "vulkan", {.failsAtTransfer = at});
    CHECK(mentions(got.path, "vulkan: av_hwframe_transfer_data: "));
    CHECK(!got.path.hardware);
    CHECK(got.path.threads == 2);
    checkSame(got, decode("h264-bframes-audio.mp4"));
  }
}

TEST_CASE("frames made smaller on a device do not show in another pass") {
  if (!vulkanOpens() || rushes::filterLibraryVersion().empty()) {
    MESSAGE("skipped: there is no Vulkan device, or no libavfilter");
    return;
  }
  const Pass wanted = decode("keyframes.mp4");
  Interrupt interrupt;
  Decoder decoder({clip("keyframes.mp4"), {}, 2, false}, interrupt);
  decoder.open();
  decoder.useHardware(
      "vulkan", std::make_unique<SimulatedDevice>(SimulationPlan{}));
  Output small;
  small.format = rushes::OutputFormat::kGray8;
  small.width = small.scaleWidth = 48;
  small.height = small.scaleHeight = 32;
  small.scalesOnDevice = true;
  Selection later;
  later.start = 2.1;
  std::vector<uint8_t> memory(decoder.nativeFrameBytes());
  const FrameBuffer buffer{memory.data(), memory.size()};
  double row[rushes::kFrameColumns];
  decoder.start(later, small);
  ReadResult read = decoder.read({&buffer, 1}, row);
  REQUIRE(read.path);
  CHECK(read.path->scaleFilter == "scale_vulkan");
  CHECK(!read.path->scaleFallbackReason);
  CHECK(row[rushes::kFrameBytes] == 48 * 32);
  // The key frame to which this seeks is decoded, and not asked for.
  decoder.start(later, small);
  decoder.startAt({60}, Output{});
  read = decoder.read({&buffer, 1}, row);
  REQUIRE(read.count == 1);
  REQUIRE(read.path);
  CHECK(!read.path->scaleFilter);
  CHECK(memory == wanted.pixels.at(60));
}

TEST_CASE("a type of device without a filter scales nothing, and says so") {
  const auto make = [](AVHWDeviceType type) {
    return std::make_unique<rushes::DeviceScaler>(type);
  };
  CHECK_THROWS_AS(make(AV_HWDEVICE_TYPE_OPENCL), const Error&);
}

TEST_CASE("wherever a device fails, frames come once, in order and unchanged") {
  const std::string type = anyType();
  if (type.empty()) {
    MESSAGE("skipped: this FFmpeg was built without devices");
    return;
  }
  // Reordered frames and several key frames; times that are counted; delays of
  // other decoders; frames of changing size.
  for (const char* name :
       {"h264-bframes-audio.mp4", "keyframes.mp4", "size-change.h264",
        "start-offset.ts", "mpeg2.ts", "vp9.webm"}) {
    CAPTURE(name);
    const Pass wanted = decode(name);
    const auto frames = static_cast<int64_t>(wanted.pixels.size());
    for (int64_t at = 0; at < frames; at += 3) {
      CAPTURE(at);
      const Pass got =
          simulate(name, type, {.failsAtFrame = at, .surfaces = 0});
      CHECK(mentions(got.path, type + ": avcodec_receive_frame: "));
      checkSame(got, wanted);
    }
    // At the number behind the last frame it does not fail.
    const Pass whole =
        simulate(name, type, {.failsAtFrame = frames, .surfaces = 0});
    CHECK(whole.path.hardware == type);
    checkSame(whole, wanted);
  }
  CHECK(rushes::nativeBytes() == 0);
}

TEST_CASE("a device may fail behind a seek and among key frames") {
  const std::string type = anyType();
  if (type.empty()) return;
  Selection later;
  later.start = 2.1;
  Selection keys;
  keys.keyFrames = true;
  for (const Selection& selection : {later, keys}) {
    const Pass wanted = decode("keyframes.mp4", "", nullptr, selection);
    for (int64_t at = 0; at < 6; ++at) {
      checkSame(
          simulate(
              "keyframes.mp4", type, {.failsAtFrame = at, .surfaces = 0},
              selection),
          wanted);
    }
  }
}

TEST_CASE("a device that cannot be used says why") {
  const std::string name = "upright.mp4";
  const Pass wanted = decode(name);
  const auto failing = [&](const std::string& type, const std::string& words,
                           std::unique_ptr<DeviceCalls> calls) {
    const Pass got = decode(name, type, std::move(calls));
    CHECK(!got.path.hardware);
    CAPTURE(got.path.fallbackReason.value_or(""));
    CHECK(mentions(got.path, type + ": " + words));
    checkSame(got, wanted);
  };
  const auto real = [] { return std::make_unique<DeviceCalls>(); };
  failing("no-such-type", "this FFmpeg was built without it", real());
  const auto hasType = [](AVHWDeviceType wanted) {
    AVHWDeviceType type = AV_HWDEVICE_TYPE_NONE;
    while ((type = av_hwdevice_iterate_types(type)) != AV_HWDEVICE_TYPE_NONE) {
      if (type == wanted) return true;
    }
    return false;
  };
  if (hasType(AV_HWDEVICE_TYPE_OPENCL)) {
    failing("opencl", "this FFmpeg decodes no h264 on it", real());
  }
  if (!anyType().empty()) {
    failing(
        anyType(), "av_hwdevice_ctx_create: No such device",
        std::make_unique<SimulatedDevice>(SimulationPlan{.failsToOpen = true}));
  }
}

TEST_CASE("a decoder that refuses the stream on its device is left") {
  // FFmpeg's own decoder with its own hwaccel, on a device that was allocated
  // and never opened: get_format is called, the hwaccel fails to begin, and
  // get_format is called again without it.
  struct Unopened final : DeviceCalls {
    int create(AVBufferRef** device, AVHWDeviceType type) override {
      *device = av_hwdevice_ctx_alloc(type);
      return *device == nullptr ? AVERROR(ENOMEM) : 0;
    }
  };
  if (!DeviceCalls().decoderFor(AV_CODEC_ID_H264, AV_HWDEVICE_TYPE_VDPAU)) {
    MESSAGE("skipped: this FFmpeg was built without VDPAU");
    return;
  }
  const Pass got =
      decode("keyframes.mp4", "vdpau", std::make_unique<Unopened>());
  CHECK(mentions(got.path, "vdpau: avcodec_send_packet: "));
  checkSame(got, decode("keyframes.mp4"));
}

TEST_CASE("the surface format is chosen, or none at all") {
  const DeviceCalls calls;
  const AVPixelFormat offered[] = {
      AV_PIX_FMT_VAAPI, AV_PIX_FMT_CUDA, AV_PIX_FMT_YUV420P, AV_PIX_FMT_NONE};
  CHECK(calls.choose(offered, AV_PIX_FMT_CUDA) == AV_PIX_FMT_CUDA);
  CHECK(calls.choose(offered, AV_PIX_FMT_VULKAN) == AV_PIX_FMT_NONE);
  CHECK(calls.choose(offered + 2, AV_PIX_FMT_CUDA) == AV_PIX_FMT_NONE);
}

TEST_CASE("a device is left before falling back would need too much memory") {
  const std::string type = anyType();
  if (type.empty()) return;
  const auto decodeWith = [&](int64_t maxHistoryBytes) {
    Interrupt interrupt;
    Demuxer demuxer(clip("h264-bframes-audio.mp4"), {}, interrupt);
    CodecOptions options;
    options.threads = 2;
    options.device = std::make_shared<HardwareDevice>(
        type, AV_CODEC_ID_H264,
        std::make_unique<SimulatedDevice>(SimulationPlan{.surfaces = 0}));
    options.maxHistoryBytes = maxHistoryBytes;
    Codec codec(demuxer.stream(), options);
    Frame frame;
    std::vector<int64_t> times;
    while (codec.receive(demuxer, frame)) times.push_back(frame->pts);
    return std::pair(times, codec.path());
  };
  const auto [all, whole] = decodeWith(int64_t{1} << 40);
  CHECK(whole.hardware == type);
  for (const int64_t bytes : {0, 1000, 5000}) {
    const auto [times, path] = decodeWith(bytes);
    CHECK(mentions(path, "too many bytes lie between key frames"));
    CHECK(times == all);
  }
}

TEST_CASE("paired chroma is taken apart without changing a sample") {
  struct Layouts {
    AVPixelFormat paired;
    AVPixelFormat planar;
    int shift;  // of samples in `paired`
  };
  std::mt19937 random(7);
  for (const auto& [paired, planar, shift] :
       {Layouts{AV_PIX_FMT_NV12, AV_PIX_FMT_YUV420P, 0},
        Layouts{AV_PIX_FMT_NV12, AV_PIX_FMT_YUVJ420P, 0},
        Layouts{AV_PIX_FMT_NV16, AV_PIX_FMT_YUV422P, 0},
        Layouts{AV_PIX_FMT_NV24, AV_PIX_FMT_YUV444P, 0},
        Layouts{AV_PIX_FMT_P010, AV_PIX_FMT_YUV420P10, 6},
        Layouts{AV_PIX_FMT_P016, AV_PIX_FMT_YUV420P16, 0},
        Layouts{AV_PIX_FMT_P016, AV_PIX_FMT_YUV420P12, 4},
        Layouts{AV_PIX_FMT_P210, AV_PIX_FMT_YUV422P10, 6},
        Layouts{AV_PIX_FMT_P410, AV_PIX_FMT_YUV444P10, 6}}) {
    CAPTURE(av_get_pix_fmt_name(paired));
    const AVPixFmtDescriptor& layout = *av_pix_fmt_desc_get(planar);
    const bool wide = layout.comp[0].depth > 8;
    for (const int side : {2, 33, 64}) {
      Frame frame;
      frame->format = paired;
      frame->width = side;
      frame->height = side + 1;
      frame->pts = 42;
      REQUIRE(av_frame_get_buffer(frame.get(), 0) >= 0);
      const int chromaWidth = AV_CEIL_RSHIFT(side, layout.log2_chroma_w);
      const int chromaHeight = AV_CEIL_RSHIFT(side + 1, layout.log2_chroma_h);
      // Sample x of a row, counted in samples.
      const auto sample = [&](const Frame& of, int plane, int x, int y) {
        uint8_t* row = of->data[plane] + ptrdiff_t{of->linesize[plane]} * y;
        uint16_t value = 0;
        std::memcpy(&value, row + x * (wide ? 2 : 1), wide ? 2 : 1);
        return value;
      };
      for (int plane = 0; plane < 2; ++plane) {
        const int width = plane == 0 ? side : 2 * chromaWidth;
        const int height = plane == 0 ? side + 1 : chromaHeight;
        for (int y = 0; y < height; ++y) {
          for (int x = 0; x < width; ++x) {
            const auto value = static_cast<uint16_t>(random() << shift);
            uint8_t* row =
                frame->data[plane] + ptrdiff_t{frame->linesize[plane]} * y;
            std::memcpy(row + x * (wide ? 2 : 1), &value, wide ? 2 : 1);
          }
        }
      }
      Frame whole;
      REQUIRE(av_frame_ref(whole.get(), frame.get()) >= 0);
      REQUIRE(rushes::makePlanar(frame, planar));
      CHECK(frame->format == planar);
      CHECK(frame->pts == 42);
      bool same = true;
      for (int y = 0; y < side + 1; ++y) {
        for (int x = 0; x < side; ++x) {
          same =
              same && sample(frame, 0, x, y) == sample(whole, 0, x, y) >> shift;
        }
      }
      for (int y = 0; y < chromaHeight; ++y) {
        for (int x = 0; x < 2 * chromaWidth; ++x) {
          same = same && sample(frame, 1 + x % 2, x / 2, y) ==
                             sample(whole, 1, x, y) >> shift;
        }
      }
      CHECK(same);
    }
  }
  Frame other;
  other->format = AV_PIX_FMT_NV12;
  for (const AVPixelFormat planar :
       {AV_PIX_FMT_YUV420P10, AV_PIX_FMT_YUV422P, AV_PIX_FMT_NONE,
        AV_PIX_FMT_GBRP, AV_PIX_FMT_NV12, AV_PIX_FMT_GRAY8}) {
    CHECK_FALSE(rushes::makePlanar(other, planar));
  }
}
