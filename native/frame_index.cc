#include "frame_index.h"

#include <algorithm>
#include <cstddef>
#include <span>

#include "nal_units.h"

namespace rushes {

namespace {

/// How many pictures a VP8 frame shows (RFC 6386, 9.1: show_frame is bit 4 of
/// the first byte).
int shownByVp8(ByteSpan data) {
  return data.empty() || (data[0] & 0x10) != 0 ? 1 : 0;
}

/// Whether a VP9 frame is shown (VP9 bitstream specification 0.6, 6.2:
/// frame_marker, profile bits, show_existing_frame, frame_type, show_frame).
bool isShownVp9(ByteSpan data) {
  if (data.empty()) return false;
  const unsigned bits = data[0];
  const bool profile3 = (bits & 0x30) == 0x30;  // one reserved bit more
  const int showExisting = profile3 ? 2 : 3;
  const int showFrame = showExisting - 2;
  return ((bits >> showExisting) & 1) != 0 || ((bits >> showFrame) & 1) != 0;
}

/// Pictures that a VP9 packet shows: the frames of a superframe (Annex B) are
/// looked at one by one.
int shownByVp9(ByteSpan data) {
  if (data.empty()) return 0;
  const uint8_t marker = data.back();
  if ((marker & 0xe0) == 0xc0) {
    const size_t frames = (marker & 7) + 1;
    const size_t bytes = ((marker >> 3) & 3) + 1;
    const size_t indexBytes = 2 + bytes * frames;
    if (data.size() >= indexBytes && data[data.size() - indexBytes] == marker) {
      int shown = 0;
      size_t at = 0;
      const uint8_t* size = &data[data.size() - indexBytes + 1];
      for (size_t i = 0; i < frames; ++i, size += bytes) {
        size_t length = 0;
        for (size_t b = 0; b < bytes; ++b) {
          length |= static_cast<size_t>(size[b]) << (8 * b);
        }
        if (at + length > data.size()) return 1;
        if (isShownVp9(data.subspan(at, length))) ++shown;
        at += length;
      }
      return shown;
    }
  }
  return isShownVp9(data) ? 1 : 0;
}

/// How many pictures come of a packet; almost always one.
int shownBy(const AVPacket& packet, AVCodecID codec) {
  if ((packet.flags & AV_PKT_FLAG_DISCARD) != 0) return 0;
  const ByteSpan data(packet.data, static_cast<size_t>(packet.size));
  if (codec == AV_CODEC_ID_VP8) return shownByVp8(data);
  if (codec == AV_CODEC_ID_VP9) return shownByVp9(data);
  return 1;
}

/// Whether an HEVC packet is a leading picture that is skipped if decoding
/// began at the key frame before it: NAL unit types RASL_N and RASL_R
/// (ITU-T H.265, table 7-1).
bool isRasl(const AVPacket& packet, const NalFraming& framing) {
  bool rasl = false;
  framing.all(
      {packet.data, static_cast<size_t>(packet.size)}, [&](ByteSpan unit) {
        const int type = (unit[0] >> 1) & 0x3f;
        rasl = type == 8 || type == 9;
        return type >= 32;  // what comes before the picture
      });
  return rasl;
}

}  // namespace

std::optional<FrameIndex> FrameIndex::scan(Demuxer& demuxer) {
  if (!demuxer.hasTimestamps()) return std::nullopt;
  const AVCodecParameters& codec = *demuxer.stream().codecpar;
  const AVCodecID id = codec.codec_id;
  const NalFraming framing(codec);
  std::vector<IndexEntry> frames;
  Packet packet;
  std::optional<int64_t> firstKeyPts;
  for (int64_t order = 0; demuxer.read(packet); ++order) {
    const bool key = (packet->flags & AV_PKT_FLAG_KEY) != 0;
    if (packet->size == 0) continue;
    const int shown = shownBy(*packet.get(), id);
    if (shown == 0) continue;
    if (shown > 1 || packet->pts == AV_NOPTS_VALUE) return std::nullopt;
    if (key && !firstKeyPts) firstKeyPts = packet->pts;
    if (id == AV_CODEC_ID_HEVC && firstKeyPts && packet->pts < *firstKeyPts &&
        isRasl(*packet.get(), framing)) {
      continue;
    }
    frames.push_back({packet->pts, packet->duration, packet->pos, order, key});
  }
  std::stable_sort(
      frames.begin(), frames.end(),
      [](const IndexEntry& a, const IndexEntry& b) { return a.pts < b.pts; });
  return FrameIndex(std::move(frames), true);
}

FrameIndex::FrameIndex(std::vector<IndexEntry> frames, bool fromPackets)
    : frames_(std::move(frames)), fromPackets_(fromPackets) {
  for (size_t i = 0; fromPackets && i < frames_.size(); ++i) {
    if (frames_[i].key) keys_.push_back(i);
  }
}

std::optional<IndexEntry> FrameIndex::keyFrameFor(
    size_t frame, int back) const {
  // The last key frame shown no later. It is decoded earlier, too, but for
  // leading pictures, which need the key frame before: their pts is smaller.
  auto key = std::upper_bound(keys_.begin(), keys_.end(), frame);
  while (key != keys_.begin()) {
    --key;
    if (frames_[*key].order > frames_[frame].order) continue;
    if (back-- > 0) continue;
    return frames_[*key];
  }
  return std::nullopt;
}

std::optional<int64_t> FrameIndex::orderOf(
    int64_t pts, int64_t position) const {
  auto entry = std::lower_bound(
      frames_.begin(), frames_.end(), pts,
      [](const IndexEntry& a, int64_t value) { return a.pts < value; });
  for (; entry != frames_.end() && entry->pts == pts; ++entry) {
    if (position < 0 || entry->position < 0 || entry->position == position) {
      return entry->order;
    }
  }
  return std::nullopt;
}

}  // namespace rushes
