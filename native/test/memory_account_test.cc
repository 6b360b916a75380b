#include "memory_account.h"

#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "decoder.h"
#include "scaler.h"

using rushes::AccountedBytes;
using rushes::Bytes;
using rushes::nativeBytes;

namespace {

std::string clip(const std::string& name) {
  const char* folder = std::getenv("RUSHES_TEST_CLIPS");
  REQUIRE(folder != nullptr);
  return std::string(folder) + "/" + name;
}

/// Most that was in the account after a read while `name` was decoded, beyond
/// what was there before.
int64_t peakOfDecoding(const std::string& name, int threads) {
  const int64_t before = nativeBytes();
  const rushes::Interrupt interrupt;
  std::optional<rushes::Decoder> decoder;
  decoder.emplace(
      rushes::ReaderOptions{clip(name), {}, threads, false}, interrupt);
  decoder->open();
  std::vector<uint8_t> memory(decoder->nativeFrameBytes());
  const rushes::FrameBuffer buffer{memory.data(), memory.size()};
  std::array<double, rushes::kFrameColumns> row{};
  decoder->start({}, {});
  int64_t peak = 0;
  for (bool done = false; !done;) {
    done = decoder->read({&buffer, 1}, row.data()).done;
    peak = std::max(peak, nativeBytes() - before);
  }
  decoder.reset();
  CHECK(nativeBytes() == before);
  return peak;
}

}  // namespace

TEST_CASE("owners' bytes are in the account until they go") {
  const int64_t before = nativeBytes();
  {
    AccountedBytes outer;
    outer.set(100);
    outer.set(40);
    AccountedBytes inner = std::move(outer);
    CHECK(nativeBytes() == before + 40);
    const Bytes bytes(1000);
    CHECK(nativeBytes() == before + 1040);
    inner = AccountedBytes();
    CHECK(nativeBytes() == before + 1000);
    rushes::Image image;
    image.allocate(AV_PIX_FMT_GRAY8, 64, 64);
    image.allocate(AV_PIX_FMT_GRAY8, 128, 64);
    CHECK(nativeBytes() >= before + 1000 + 128 * 64);
    CHECK(nativeBytes() < before + 1000 + 128 * 64 + 1024);
  }
  CHECK(nativeBytes() == before);
}

TEST_CASE("threads add up") {
  const int64_t before = nativeBytes();
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([] {
        for (int round = 0; round < 10'000; ++round) const Bytes bytes(7);
      });
    }
  }
  CHECK(nativeBytes() == before);
}

TEST_CASE("decoded frames are in the account while anyone refers to them") {
  // 4:2:0: 1.5 bytes a pixel, plus FFmpeg's padding.
  const int64_t small = 96 * 64 * 3 / 2;
  for (const int threads : {1, 4}) {
    CAPTURE(threads);
    // With B-frames the decoder refers to more than the frame it gives.
    CHECK(peakOfDecoding("h264-bframes-audio.mp4", threads) >= 2 * small);
    CHECK(peakOfDecoding("vp9.webm", threads) >= small);
    CHECK(peakOfDecoding("rgb.mp4", threads) >= int64_t{96} * 64 * 3);
  }
}
