#include "disposable.h"

extern "C" {
#include <libavcodec/codec_desc.h>
}

#include <algorithm>
#include <cstddef>

namespace rushes {

namespace {

/// Each packet stands alone. Not so in JPEG, whose tables may come only once.
bool standsAlone(AVCodecID codec) {
  const AVCodecDescriptor* about = avcodec_descriptor_get(codec);
  return about != nullptr && (about->props & AV_CODEC_PROP_INTRA_ONLY) != 0 &&
         codec != AV_CODEC_ID_MJPEG && codec != AV_CODEC_ID_MJPEGB;
}

/// ITU-T H.264, 7.4.1 and table 7-1: slices whose nal_ref_idc is 0, among units
/// that say nothing about other pictures.
bool isDisposableH264(const NalFraming& framing, ByteSpan packet) {
  bool picture = false;
  const bool all = framing.all(packet, [&](ByteSpan unit) {
    const int referenceIdc = unit[0] >> 5 & 3;
    const int type = unit[0] & 0x1f;
    picture = picture || type == 1;
    constexpr int kSlice = 1;
    constexpr int kSei = 6;
    constexpr int kDelimiter = 9;
    constexpr int kFiller = 12;
    return (type == kSlice && referenceIdc == 0) || type == kSei ||
           type == kDelimiter || type == kFiller;
  });
  return all && picture;
}

/// ITU-T H.262, 6.2: one picture of type B (picture_coding_type 3) with the
/// picture coding extension (8), and no quantiser matrices, which would last.
bool isDisposableMpeg2(ByteSpan packet) {
  bool picture = false;
  for (ByteSpan at = afterStartCode(packet); !at.empty();
       at = afterStartCode(at)) {
    const int code = at[0];
    if (code >= 0x01 && code <= 0xaf) return picture;  // the first slice
    if (code == 0x00) {
      if (at.size() < 3 || (at[2] >> 3 & 7) != 3) return false;
      picture = true;
    } else if (code == 0xb5) {
      if (at.size() < 2 || at[1] >> 4 != 8) return false;
    } else if (code != 0xb2) {  // user data
      return false;
    }
  }
  return false;
}

/// ISO/IEC 14496-2, 6.2.5: nothing but one VOP of vop_coding_type B. (Packets
/// that hold more than one VOP are those of "packed" AVI files.)
bool isDisposableMpeg4(ByteSpan packet) {
  const ByteSpan vop = afterStartCode(packet);
  return vop.size() > 1 && vop[0] == 0xb6 && vop[1] >> 6 == 2 &&
         afterStartCode(vop).empty();
}

// ITU-T H.265, table 7-1.
constexpr int kHevcLastPicture = 31;
constexpr int kHevcLastSubLayerNonReference = 14;
constexpr int kHevcSps = 33;
constexpr int kHevcDelimiter = 35;
constexpr int kHevcFiller = 38;
constexpr int kHevcPrefixSei = 39;
constexpr int kHevcSuffixSei = 40;
/// Dolby Vision's description of the picture that it comes with.
constexpr int kDolbyVision = 62;

int hevcType(ByteSpan unit) { return unit[0] >> 1 & 0x3f; }

/// Calls `visit` for the units in an hvcC record (ISO/IEC 14496-15, 8.3.3.1).
template <typename Visit>
void visitHvcc(ByteSpan record, Visit visit) {
  size_t at = 22;  // numOfArrays
  if (record.size() <= at) return;
  for (int arrays = record[at++]; arrays > 0; --arrays) {
    if (at + 3 > record.size()) return;
    int units = record[at + 1] << 8 | record[at + 2];
    for (at += 3; units > 0; --units) {
      if (at + 2 > record.size()) return;
      const size_t length = record[at] << 8 | record[at + 1];
      at += 2;
      if (length == 0 || at + length > record.size()) return;
      visit(record.subspan(at, length));
      at += length;
    }
  }
}

}  // namespace

DisposablePackets::DisposablePackets(const AVCodecParameters& codec)
    : codec_(codec.codec_id),
      framing_(codec),
      everyPacket_(standsAlone(codec.codec_id)),
      mayHaveFields_(codec.field_order != AV_FIELD_PROGRESSIVE) {
  if (codec_ != AV_CODEC_ID_HEVC) return;
  if (framing_.hasLengths()) {
    visitHvcc(extradataOf(codec), [&](ByteSpan unit) { seeHevc(unit); });
  } else {
    framing_.all(extradataOf(codec), [&](ByteSpan unit) {
      seeHevc(unit);
      return true;
    });
  }
}

bool DisposablePackets::contains(const AVPacket& packet) {
  if (packet.size <= 0) return false;
  const ByteSpan data(packet.data, static_cast<size_t>(packet.size));
  switch (codec_) {
    case AV_CODEC_ID_H264:
      return !mayHaveFields_ && isDisposableH264(framing_, data);
    case AV_CODEC_ID_HEVC:
      return isDisposableHevc(data);
    case AV_CODEC_ID_MPEG1VIDEO:
    case AV_CODEC_ID_MPEG2VIDEO:
      return isDisposableMpeg2(data);
    case AV_CODEC_ID_MPEG4:
      return isDisposableMpeg4(data);
    default:
      return everyPacket_;
  }
}

/// sps_max_sub_layers_minus1 (7.3.2.2.1).
void DisposablePackets::seeHevc(ByteSpan unit) {
  if (hevcType(unit) != kHevcSps || unit.size() < 3) return;
  highestTemporalId_ =
      std::max(highestTemporalId_.value_or(0), unit[2] >> 1 & 7);
}

/// Sub-layer non-reference pictures are not referred to by pictures of the same
/// sub-layer, but may be by those of a higher one.
bool DisposablePackets::isDisposableHevc(ByteSpan packet) {
  bool picture = false;
  bool lasting = false;
  const bool all = framing_.all(packet, [&](ByteSpan unit) {
    if (unit.size() < 2) return false;
    const int type = hevcType(unit);
    if (type <= kHevcLastPicture) {
      const int temporalId = (unit[1] & 7) - 1;
      picture = true;
      return type <= kHevcLastSubLayerNonReference && type % 2 == 0 &&
             temporalId == highestTemporalId_;
    }
    seeHevc(unit);
    lasting = lasting || (type != kHevcDelimiter && type != kHevcFiller &&
                          type != kHevcPrefixSei && type != kHevcSuffixSei &&
                          type != kDolbyVision);
    return true;
  });
  return all && picture && !lasting;
}

}  // namespace rushes
