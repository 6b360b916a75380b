#include "packet_history.h"

#include <utility>

#include "compat.h"

namespace rushes {

void PacketHistory::sent(const Packet& packet) {
  Packet copy;
  check(av_packet_ref(copy.get(), packet.get()), "av_packet_ref");
  bytes_ += copy->size;
  packets_.push_back(std::move(copy));
  accounted_.set(bytes_);
}

void PacketHistory::delivered(const AVFrame& frame) {
  // AV_NOPTS_VALUE is the lowest number.
  rising_ = rising_ && frame.pts > lastPts_;
  lastPts_ = frame.pts;
  ++frames_;
  // Both have to say so: containers call some packets key, such as those of an
  // intra refresh, from which the first frames cannot be decoded.
  if (!compat::isKeyFrame(frame) || frame.pts == AV_NOPTS_VALUE) return;
  for (size_t i = packets_.size(); i-- > 0;) {
    const bool key = (packets_[i]->flags & AV_PKT_FLAG_KEY) != 0;
    if (!key || packets_[i]->pts != frame.pts) continue;
    dropPacketsBefore(i);
    frames_ = 1;
    firstPts_ = frame.pts;
    rising_ = true;
    return;
  }
}

void PacketHistory::dropPacketsBefore(size_t index) {
  for (; index > 0; --index) {
    bytes_ -= packets_.front()->size;
    packets_.pop_front();
  }
  accounted_.set(bytes_);
}

bool PacketHistory::replay(Packet& packet) {
  if (packets_.empty()) return false;
  std::swap(packet, packets_.front());
  packets_.pop_front();
  bytes_ -= packet->size;
  accounted_.set(bytes_);
  return true;
}

bool PacketHistory::wasDelivered(const AVFrame& frame) {
  if (caughtUp()) return false;
  if (rising_) {
    if (frame.pts >= lastPts_) frames_ = 0;
    return frame.pts <= lastPts_;
  }
  // Times that fall or are missing tell nothing: frames are counted. Those
  // that lead up to the key frame were delivered before it.
  const bool timed = frame.pts != AV_NOPTS_VALUE;
  if (firstPts_ && timed && frame.pts < *firstPts_) return true;
  firstPts_.reset();
  --frames_;
  return true;
}

}  // namespace rushes
