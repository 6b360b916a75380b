#pragma once

extern "C" {
#include <libavcodec/avcodec.h>
}

#include <optional>

#include "nal_units.h"

namespace rushes {

/// Tells which packets no other one needs to be decoded right: pictures that
/// nothing refers to, and that change nothing that lasts. A player may drop
/// them, and what it decodes stays the same bit for bit.
///
/// Answers from the bitstream, since flags of containers (FFmpeg's
/// AV_PKT_FLAG_DISPOSABLE) are only as good as the program that wrote them.
/// Where it is not sure, a packet is not disposable: so are all of VP8 and VP9,
/// where a picture that nothing refers to still hands on probabilities,
/// segments or motion vectors.
/// Thread-safety: one thread at a time.
class DisposablePackets {
 public:
  explicit DisposablePackets(const AVCodecParameters& codec);

  /// Has to be asked about every packet in decoding order from where decoding
  /// begins: parameters may change on the way.
  bool contains(const AVPacket& packet);

 private:
  bool isDisposableHevc(ByteSpan packet);
  void seeHevc(ByteSpan unit);

  AVCodecID codec_;
  NalFraming framing_;
  bool everyPacket_ = false;
  /// Whether nothing is known of fields: the second of a frame may be one that
  /// nothing refers to where the first is needed.
  bool mayHaveFields_ = false;
  /// HEVC: of the parameter sets so far.
  std::optional<int> highestTemporalId_;
};

}  // namespace rushes
