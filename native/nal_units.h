#pragma once

extern "C" {
#include <libavcodec/avcodec.h>
}

#include <cstddef>
#include <cstdint>
#include <span>

namespace rushes {

using ByteSpan = std::span<const uint8_t>;

inline ByteSpan extradataOf(const AVCodecParameters& codec) noexcept {
  return {codec.extradata, static_cast<size_t>(codec.extradata_size)};
}

/// What follows the first start code (00 00 01) in `data`; empty if there is
/// none with at least one byte behind it.
ByteSpan afterStartCode(ByteSpan data) noexcept;

/// How the packets of an H.264 or HEVC stream are cut into NAL units: by start
/// codes (Annex B), or by a length before each unit (ISO/IEC 14496-15), as the
/// stream's extradata says.
/// Immutable.
class NalFraming {
 public:
  explicit NalFraming(const AVCodecParameters& codec) noexcept;

  /// Whether the extradata is a record of ISO/IEC 14496-15: avcC or hvcC.
  bool hasLengths() const noexcept { return lengthBytes_ > 0; }

  /// Calls `visit(unit)`, a unit being not empty and beginning with its header,
  /// for as long as it returns true. False if it did not, or if the packet is
  /// no row of units. Behind a unit of Annex B trailing zeros may follow.
  template <typename Visit>
  bool all(ByteSpan packet, Visit visit) const {
    while (!packet.empty()) {
      const ByteSpan unit = next(packet);
      if (unit.empty() || !visit(unit)) return false;
    }
    return true;
  }

 private:
  /// Takes the first unit off; empty if there is none.
  ByteSpan next(ByteSpan& packet) const noexcept;

  /// 0 for start codes.
  size_t lengthBytes_ = 0;
};

}  // namespace rushes
