#pragma once

#include <functional>
#include <optional>

#include "av.h"
#include "demuxer.h"

namespace rushes {

/// Says of a packet that it shall not be decoded; asked in decoding order.
using PacketFilter = std::function<bool(const AVPacket&)>;

/// Turns packets into frames: receives first, sends on EAGAIN, drains at the
/// end. Owns the AVCodecContext and its threads.
/// Thread-safety: one thread at a time.
class Codec {
 public:
  /// `threads` 0 takes one per core. With `keyFramesOnly` other frames are
  /// dropped before they cost anything (and frame threads would not help), as
  /// far as the decoder can tell: the caller still has to look.
  Codec(const AVStream& stream, int threads, bool keyFramesOnly);

  const AVCodecContext& context() const noexcept { return *context_; }

  /// The next frame in presentation order, read from `demuxer` as needed, but
  /// for the packets that `drops` is true for;
  /// false after the last. Throws kDecode for a packet or frame that could not
  /// be decoded, and what `demuxer.read` throws: calling again goes on behind
  /// the damage.
  bool receive(Demuxer& demuxer, Frame& frame, const PacketFilter& drops = {});

  /// Forgets all packets and frames: decoding goes on at another place.
  void flush();

 private:
  void send(Demuxer& demuxer, const PacketFilter& drops);
  [[noreturn]] void fail(int result, const char* call) const;

  CodecContextPtr context_;
  AVRational timeBase_;
  Packet packet_;
  std::optional<double> packetTime_;
  bool keyPacketsOnly_ = false;
  bool draining_ = false;
  /// The decoder allocates its frames itself; they are counted as they come.
  bool countsReceived_ = false;
};

}  // namespace rushes
