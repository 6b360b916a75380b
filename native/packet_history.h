#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "av.h"
#include "memory_account.h"

namespace rushes {

/// What a decoder was sent, as far as another one needs it to go on in its
/// place without losing or repeating a frame: the packets since the last key
/// frame that was delivered, and how many frames were since then.
///
/// Thread-safety: one thread at a time.
class PacketHistory {
 public:
  /// The packet that is about to be sent.
  void sent(const Packet& packet);
  /// A frame came out and was handed on.
  void delivered(const AVFrame& frame);
  /// Bytes of packets held.
  int64_t bytes() const noexcept { return bytes_; }

  /// Takes the next packet to send again; false when there are no more.
  bool replay(Packet& packet);
  /// Whether this frame, from the other decoder, was delivered before.
  bool wasDelivered(const AVFrame& frame);
  /// Whether all that was delivered before has come again.
  bool caughtUp() const noexcept { return frames_ == 0; }

 private:
  void dropPacketsBefore(size_t index);

  std::deque<Packet> packets_;
  int64_t bytes_ = 0;
  AccountedBytes accounted_;
  // Of what was delivered, from the key frame in the first packet on.
  int64_t frames_ = 0;
  std::optional<int64_t> firstPts_;
  int64_t lastPts_ = AV_NOPTS_VALUE;
  bool rising_ = true;
};

}  // namespace rushes
