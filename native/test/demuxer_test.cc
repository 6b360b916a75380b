#include "demuxer.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "error.h"
#include "interrupt.h"

namespace {

using rushes::Demuxer;
using rushes::Error;
using rushes::ErrorCode;
using rushes::Interrupt;
using rushes::Packet;

std::string clip(const std::string& name) {
  const char* folder = std::getenv("RUSHES_TEST_CLIPS");
  REQUIRE(folder != nullptr);
  return std::string(folder) + "/" + name;
}

std::vector<int64_t> readToEnd(Demuxer& demuxer) {
  std::vector<int64_t> timestamps;
  Packet packet;
  while (demuxer.read(packet)) timestamps.push_back(packet->dts);
  return timestamps;
}

TEST_CASE("an interrupt ends the reads that it was meant for, and no others") {
  Interrupt interrupt;
  // Larger than FFmpeg's buffer, so that later reads have to go to the file.
  Demuxer demuxer(clip("h264-bframes-audio.mp4"), {}, interrupt);
  interrupt.enter(interrupt.newPass());
  const std::vector<int64_t> all = readToEnd(demuxer);
  REQUIRE(all.size() > 20);
  for (size_t before = 0; before < all.size(); ++before) {
    CAPTURE(before);
    REQUIRE(demuxer.seek(all.front()));
    Packet packet;
    for (size_t i = 0; i < before; ++i) REQUIRE(demuxer.read(packet));
    interrupt.cancel();
    ErrorCode code{};
    try {
      demuxer.read(packet);
    } catch (const Error& error) {
      code = error.code;
    }
    CHECK(code == ErrorCode::kAborted);
    interrupt.enter(interrupt.newPass());
    REQUIRE(demuxer.seek(all.front()));
    CHECK(readToEnd(demuxer) == all);
  }
}

}  // namespace
