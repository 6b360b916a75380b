#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "av.h"
#include "demuxer.h"
#include "hardware_device.h"
#include "packet_history.h"

namespace rushes {

/// Says of a packet that it shall not be decoded; asked in decoding order.
using PacketFilter = std::function<bool(const AVPacket&)>;

struct CodecOptions {
  /// 0: one per core.
  int threads = 0;
  /// Other frames are dropped before they cost anything (and frame threads
  /// would not help), as far as the decoder can tell: the caller still has to
  /// look.
  bool keyFramesOnly = false;
  /// Decodes until it fails, if it has not already.
  std::shared_ptr<HardwareDevice> device;
  /// With more bytes than this between key frames, a device is not worth the
  /// memory that falling back would need.
  int64_t maxHistoryBytes = int64_t{64} << 20;
};

/// How packets are being decoded: `NativePath` in src/native.ts.
struct DecodePath {
  std::string decoder;
  int threads = 1;
  /// `frame`, `slice` or `none`.
  std::string threadType;
  /// Type of the device; none for software.
  std::optional<std::string> hardware;
  /// Why a device that was asked for is not used.
  std::optional<std::string> fallbackReason;
  /// The filter that makes frames smaller on the device, if one does.
  std::optional<std::string> scaleFilter;
  /// Why none does that should.
  std::optional<std::string> scaleFallbackReason;
};

/// Turns packets into frames: receives first, sends on EAGAIN, drains at the
/// end. Owns the AVCodecContext and its threads.
///
/// Note [Falling back]: whatever fails on a device, the packets since the last
/// key frame are decoded again in software, frames that were delivered are
/// dropped, and decoding goes on there: no frame is lost or repeated. Damage
/// fails in software, too, and is reported from there.
/// Thread-safety: one thread at a time.
class Codec {
 public:
  /// `stream` has to outlive it.
  Codec(const AVStream& stream, CodecOptions options);

  const AVCodecContext& context() const noexcept { return *context_; }
  DecodePath path() const;

  /// The next frame in presentation order, read from `demuxer` as needed, but
  /// for the packets that `drops` is true for;
  /// false after the last. Throws kDecode for a packet or frame that could not
  /// be decoded, and what `demuxer.read` throws: calling again goes on behind
  /// the damage.
  bool receive(Demuxer& demuxer, Frame& frame, const PacketFilter& drops = {});

  /// Forgets all packets and frames: decoding goes on at another place.
  void flush();

 private:
  void open(const AVCodec& decoder);
  bool usesDevice() const noexcept;
  int receiveFrom(Frame& frame);
  void fallBack(const Error& error);
  bool readPacket(Demuxer& demuxer, const PacketFilter& drops);
  void send(Demuxer& demuxer, const PacketFilter& drops);
  [[noreturn]] void fail(int result, const char* call) const;

  const AVStream& stream_;
  CodecOptions options_;
  CodecContextPtr context_;
  /// While there is a device, and until its work is taken over.
  std::optional<PacketHistory> history_;
  /// How far the device's decoder was behind: known from frames, and not
  /// always from the stream's headers.
  int reorderedFrames_ = 0;
  Packet packet_;
  std::optional<double> packetTime_;
  bool keyPacketsOnly_ = false;
  bool draining_ = false;
  /// The decoder allocates its frames itself; they are counted as they come.
  bool countsReceived_ = false;
};

}  // namespace rushes
