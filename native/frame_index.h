#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "demuxer.h"

namespace rushes {

/// One packet of the video stream, as far as its place in the film goes.
struct IndexEntry {
  int64_t pts;
  int64_t duration;
  /// Byte offset in the file; -1 if unknown.
  int64_t position;
  /// Place in decoding order, from 0.
  int64_t order;
  bool key;
};

/// Where every frame of a file is, found by reading all packets and decoding
/// none. In presentation order.
/// Immutable once made, and may then be shared between threads.
class FrameIndex {
 public:
  /// Reads `demuxer` to its end. Nothing if the packets do not tell when
  /// frames are shown (raw streams, AVI with B-frames), so that only decoding
  /// could. Throws what Demuxer::read throws.
  static std::optional<FrameIndex> scan(Demuxer& demuxer);

  /// From frames in presentation order, as `scan` or (then `fromPackets` is
  /// false, and there is no seeking) a whole decoding gave them.
  FrameIndex(std::vector<IndexEntry> frames, bool fromPackets);

  bool fromPackets() const noexcept { return fromPackets_; }
  size_t size() const noexcept { return frames_.size(); }
  const IndexEntry& operator[](size_t frame) const { return frames_[frame]; }

  /// Where decoding has to begin so that `frame` comes out right, `back` key
  /// frames earlier than need be; nothing if from the beginning.
  std::optional<IndexEntry> keyFrameFor(size_t frame, int back) const;

  /// Place in decoding order of the packet with this pts and position; nothing
  /// if there is none.
  std::optional<int64_t> orderOf(int64_t pts, int64_t position) const;

 private:
  std::vector<IndexEntry> frames_;
  /// Indices of key frames, in presentation order.
  std::vector<size_t> keys_;
  bool fromPackets_;
};

}  // namespace rushes
