#include "disposable.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <initializer_list>
#include <set>
#include <string>
#include <vector>

#include "demuxer.h"
#include "interrupt.h"

using rushes::ByteSpan;
using rushes::CodecContextPtr;
using rushes::Demuxer;
using rushes::DisposablePackets;
using rushes::Frame;
using rushes::Interrupt;
using rushes::Packet;

namespace {

std::string clip(const std::string& name) {
  const char* folder = std::getenv("RUSHES_TEST_CLIPS");
  REQUIRE(folder != nullptr);
  return std::string(folder) + "/" + name;
}

using PtsSet = std::set<int64_t>;

/// Pts of all packets that are not disposable, and of all.
struct Packets {
  PtsSet kept;
  PtsSet all;
};

Packets packetsOf(const std::string& path) {
  const Interrupt interrupt;
  Demuxer demuxer(path, {}, interrupt);
  DisposablePackets disposable(*demuxer.stream().codecpar);
  Packets packets;
  Packet packet;
  while (demuxer.read(packet)) {
    packets.all.insert(packet->pts);
    if (!disposable.contains(*packet.get())) packets.kept.insert(packet->pts);
  }
  return packets;
}

/// What libavcodec itself takes for needed: pts of the frames that are left
/// when its decoder skips those that nothing refers to.
PtsSet referencesOf(const std::string& path) {
  const Interrupt interrupt;
  Demuxer demuxer(path, {}, interrupt);
  const AVCodecParameters& parameters = *demuxer.stream().codecpar;
  const AVCodec* decoder = avcodec_find_decoder(parameters.codec_id);
  const CodecContextPtr codec(avcodec_alloc_context3(decoder));
  avcodec_parameters_to_context(codec.get(), &parameters);
  codec->skip_frame = AVDISCARD_NONREF;
  REQUIRE(avcodec_open2(codec.get(), decoder, nullptr) == 0);
  PtsSet seen;
  Packet packet;
  Frame frame;
  for (bool more = true; more;) {
    more = demuxer.read(packet);
    REQUIRE(
        avcodec_send_packet(codec.get(), more ? packet.get() : nullptr) == 0);
    while (avcodec_receive_frame(codec.get(), frame.get()) == 0) {
      seen.insert(frame->best_effort_timestamp);
    }
  }
  return seen;
}

/// A packet, asked about with parameters of a codec.
struct Stream {
  explicit Stream(AVCodecID codec) { parameters.codec_id = codec; }
  bool disposes(std::vector<uint8_t> bytes) {
    if (!disposable) disposable.emplace(parameters);
    Packet packet;
    packet->data = bytes.data();
    packet->size = static_cast<int>(bytes.size());
    return disposable->contains(*packet.get());
  }
  AVCodecParameters parameters{};
  std::optional<DisposablePackets> disposable;
};

std::vector<uint8_t> operator+(
    std::vector<uint8_t> a, const std::vector<uint8_t>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

std::vector<uint8_t> unit(std::initializer_list<uint8_t> bytes) {
  return std::vector<uint8_t>{0, 0, 0, 1} + std::vector<uint8_t>(bytes);
}

std::vector<uint8_t> hevc(int type, int temporalId) {
  return unit(
      {static_cast<uint8_t>(type << 1), static_cast<uint8_t>(temporalId + 1),
       0x80, 0x44});
}

/// A sequence parameter set for so many sub-layers.
std::vector<uint8_t> hevcSps(int subLayers) {
  return unit({33 << 1, 1, static_cast<uint8_t>((subLayers - 1) << 1), 0x40});
}

}  // namespace

TEST_CASE("disposable packets are those that libavcodec skips as nonref") {
  // The clips with B-pictures: H.264 in three containers, MPEG-2.
  for (const char* name :
       {"h264-bframes-audio.mp4", "cuts.mp4", "start-offset.ts", "mpeg2.ts"}) {
    CAPTURE(name);
    const Packets packets = packetsOf(clip(name));
    CHECK(packets.kept == referencesOf(clip(name)));
    CHECK(packets.kept.size() < packets.all.size());
  }
}

TEST_CASE("packets of VP9 hand on more than pictures") {
  const Packets packets = packetsOf(clip("vp9.webm"));
  CHECK(packets.kept == packets.all);
}

TEST_CASE("H.264: pictures with nal_ref_idc 0 and nothing that lasts") {
  const auto delimiter = unit({9, 0x50});
  const auto sei = unit({6, 1, 1, 0x80});
  const auto slice = unit({0x01, 0x9a, 0x11});
  const auto reference = unit({0x21, 0x9a, 0x11});
  const auto parameters = unit({0x68, 0xce, 0x38});
  Stream stream(AV_CODEC_ID_H264);
  stream.parameters.field_order = AV_FIELD_PROGRESSIVE;
  CHECK(stream.disposes(delimiter + sei + slice + slice));
  CHECK_FALSE(stream.disposes(delimiter + reference));
  CHECK_FALSE(stream.disposes(slice + reference));
  CHECK_FALSE(stream.disposes(parameters + slice));
  CHECK_FALSE(stream.disposes(delimiter + sei));
  CHECK_FALSE(stream.disposes({}));

  Stream fields(AV_CODEC_ID_H264);
  CHECK_FALSE(fields.disposes(slice));

  // With lengths before the units, as in an mp4.
  std::vector<uint8_t> avcc = {1, 100, 0, 31, 0xff, 0xe1, 0};
  Stream lengths(AV_CODEC_ID_H264);
  lengths.parameters.field_order = AV_FIELD_PROGRESSIVE;
  lengths.parameters.extradata = avcc.data();
  lengths.parameters.extradata_size = static_cast<int>(avcc.size());
  CHECK(lengths.disposes({0, 0, 0, 2, 0x01, 0x9a, 0, 0, 0, 1, 0x01}));
  CHECK_FALSE(lengths.disposes({0, 0, 0, 2, 0x01, 0x9a, 0, 0, 0, 1, 0x61}));
  CHECK_FALSE(lengths.disposes({0, 0, 0, 9, 0x01, 0x9a}));
  CHECK_FALSE(lengths.disposes({0, 0, 0, 0, 0x01, 0x9a}));
}

TEST_CASE("HEVC: non-reference pictures of the highest sub-layer") {
  constexpr int kTrailN = 0;
  constexpr int kTrailR = 1;
  constexpr int kIdr = 19;
  constexpr int kEndOfSequence = 36;
  Stream stream(AV_CODEC_ID_HEVC);
  CHECK_FALSE(stream.disposes(hevc(kTrailN, 0)));  // nothing known yet
  CHECK_FALSE(stream.disposes(hevcSps(1) + hevc(kIdr, 0)));
  CHECK(stream.disposes(hevc(kTrailN, 0)));
  CHECK_FALSE(stream.disposes(hevc(kTrailR, 0)));
  CHECK_FALSE(stream.disposes(hevc(kTrailN, 0) + hevc(kEndOfSequence, 0)));
  CHECK_FALSE(stream.disposes(hevc(32, 0) + hevcSps(2) + hevc(kIdr, 0)));
  CHECK_FALSE(stream.disposes(hevc(kTrailN, 0)));
  CHECK(stream.disposes(hevc(kTrailN, 1)));
}

TEST_CASE("HEVC: sub-layers as an hvcC record tells them") {
  std::vector<uint8_t> hvcc(22, 0);
  hvcc[0] = 1;
  hvcc[21] = 3;
  const std::vector<uint8_t> sps = {33 << 1, 1, 1 << 1, 0x40};  // two of them
  hvcc = hvcc + std::vector<uint8_t>{1, 33, 0, 1, 0, 4} + sps;
  const auto stream = [&] {
    Stream made(AV_CODEC_ID_HEVC);
    made.parameters.extradata = hvcc.data();
    made.parameters.extradata_size = static_cast<int>(hvcc.size());
    return made;
  };
  CHECK(stream().disposes({0, 0, 0, 3, 0, 2, 0x80}));
  CHECK_FALSE(stream().disposes({0, 0, 0, 3, 0, 1, 0x80}));
  hvcc.pop_back();  // cut short: nothing is known
  CHECK_FALSE(stream().disposes({0, 0, 0, 3, 0, 2, 0x80}));
}

TEST_CASE("MPEG-2: B-pictures without quantiser matrices") {
  const auto picture = [](int type) {
    return std::vector<uint8_t>{
        0, 0, 1, 0, 0, static_cast<uint8_t>(type << 3), 0xff, 0xff};
  };
  const std::vector<uint8_t> coding = {0, 0, 1, 0xb5, 0x8f, 0xff};
  const std::vector<uint8_t> matrices = {0, 0, 1, 0xb5, 0x38, 0x10};
  const std::vector<uint8_t> sequence = {0, 0, 1, 0xb3, 0x14, 0x00};
  const std::vector<uint8_t> slice = {0, 0, 1, 1, 0x2a, 0x44};
  Stream stream(AV_CODEC_ID_MPEG2VIDEO);
  CHECK(stream.disposes(picture(3) + coding + slice));
  CHECK_FALSE(stream.disposes(picture(2) + coding + slice));
  CHECK_FALSE(stream.disposes(picture(3) + coding + matrices + slice));
  CHECK_FALSE(stream.disposes(sequence + picture(3) + coding + slice));
  CHECK_FALSE(stream.disposes(picture(3) + coding));
}

TEST_CASE("MPEG-4: a B-VOP alone") {
  const std::vector<uint8_t> b = {0, 0, 1, 0xb6, 0x90, 0x44};
  const std::vector<uint8_t> p = {0, 0, 1, 0xb6, 0x50, 0x44};
  Stream stream(AV_CODEC_ID_MPEG4);
  CHECK(stream.disposes(b));
  CHECK_FALSE(stream.disposes(p));
  CHECK_FALSE(stream.disposes(p + b));
}

TEST_CASE("codecs of which each packet stands alone") {
  CHECK(Stream(AV_CODEC_ID_PRORES).disposes({1, 2, 3}));
  CHECK_FALSE(Stream(AV_CODEC_ID_MJPEG).disposes({0xff, 0xd8}));
  CHECK_FALSE(Stream(AV_CODEC_ID_AV1).disposes({0x12, 0}));
}
