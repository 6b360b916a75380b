#include "nal_units.h"

#include <cstddef>
#include <cstring>

namespace rushes {

ByteSpan afterStartCode(ByteSpan data) noexcept {
  // The 1 is rarer than zeros, and memchr is fast.
  for (size_t from = 2; from < data.size();) {
    const void* found = std::memchr(&data[from], 1, data.size() - from);
    if (found == nullptr) break;
    const size_t at = static_cast<const uint8_t*>(found) - data.data();
    if (data[at - 1] == 0 && data[at - 2] == 0) return data.subspan(at + 1);
    from = at + 1;
  }
  return {};
}

NalFraming::NalFraming(const AVCodecParameters& codec) noexcept {
  const ByteSpan extradata = extradataOf(codec);
  // Both records begin with their version, 1; start codes with a 0.
  const bool hevc = codec.codec_id == AV_CODEC_ID_HEVC;
  const size_t lengthAt = hevc ? 21 : 4;  // lengthSizeMinusOne, two bits
  if (extradata.size() > lengthAt + 1 && extradata[0] == 1) {
    lengthBytes_ = (extradata[lengthAt] & 3) + 1;
  }
}

ByteSpan NalFraming::next(ByteSpan& packet) const noexcept {
  if (lengthBytes_ > 0) {
    if (packet.size() <= lengthBytes_) return {};
    size_t length = 0;
    for (size_t i = 0; i < lengthBytes_; ++i) length = length << 8 | packet[i];
    packet = packet.subspan(lengthBytes_);
    if (length > packet.size()) return {};
    const ByteSpan unit = packet.first(length);
    packet = packet.subspan(length);
    return unit;
  }
  const ByteSpan unit = afterStartCode(packet);
  const ByteSpan rest = afterStartCode(unit);
  if (rest.empty()) {
    packet = {};
    return unit;
  }
  packet = {rest.data() - 3, rest.size() + 3};
  return unit.first(packet.data() - unit.data());
}

}  // namespace rushes
