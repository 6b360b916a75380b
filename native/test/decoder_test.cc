#include "decoder.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

using rushes::Decoder;
using rushes::Error;
using rushes::ErrorCode;
using rushes::FrameBuffer;
using rushes::Interrupt;
using rushes::Output;
using rushes::OutputFormat;
using rushes::ReadResult;
using rushes::Selection;

namespace {

/// One of the clips that test/fixtures/generate.mjs makes.
std::string clip(const std::string& name) {
  const char* folder = std::getenv("RUSHES_TEST_CLIPS");
  REQUIRE(folder != nullptr);
  return std::string(folder) + "/" + name;
}

/// A decoder with its interrupt, opened on a clip.
struct Opened {
  explicit Opened(const std::string& path, bool skipErrors = false)
      : decoder({path, {}, 2, skipErrors}, interrupt) {
    decoder.open();
  }
  Interrupt interrupt;
  Decoder decoder;
};

/// One frame of a pass, as far as the tests look at it.
struct Seen {
  double pts;
  bool key;
  std::vector<uint8_t> pixels;
  bool operator==(const Seen&) const = default;
};

/// Reads a whole pass, `size` frames at a time, in the stream's own format.
std::vector<Seen> readAll(
    Decoder& decoder, const Selection& selection = {}, size_t size = 4) {
  decoder.start(selection, Output{});
  std::vector<Seen> seen;
  size_t bytes = decoder.nativeFrameBytes();
  for (bool done = false; !done;) {
    std::vector<std::vector<uint8_t>> memory(size, std::vector<uint8_t>(bytes));
    std::vector<FrameBuffer> buffers;
    for (auto& each : memory) buffers.push_back({each.data(), each.size()});
    std::vector<double> rows(size * rushes::kFrameColumns);
    const ReadResult read = decoder.read(buffers, rows.data());
    for (size_t i = 0; i < read.count; ++i) {
      const double* row = rows.data() + i * rushes::kFrameColumns;
      memory[i].resize(static_cast<size_t>(row[rushes::kFrameBytes]));
      seen.push_back(
          {row[rushes::kFramePts],
           (static_cast<int>(row[rushes::kFrameFlags]) & rushes::kKeyFrame) !=
               0,
           memory[i]});
    }
    if (read.needed > 0) bytes = read.needed;
    done = read.done;
  }
  return seen;
}

ErrorCode codeOf(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error.code;
  }
  FAIL("no error");
  return ErrorCode::kFfmpeg;
}

}  // namespace

TEST_CASE("frames come in presentation order, the same at every batch size") {
  Opened opened(clip("h264-bframes-audio.mp4"));
  const std::vector<Seen> frames = readAll(opened.decoder);
  REQUIRE(frames.size() > 100);
  CHECK(frames.front().key);
  for (size_t i = 1; i < frames.size(); ++i) {
    REQUIRE(frames[i - 1].pts < frames[i].pts);
  }
  for (const size_t size : {1, 3, 1000}) {
    CHECK(readAll(opened.decoder, {}, size) == frames);
  }
}

TEST_CASE("a range equals the same span of the whole") {
  for (const char* name : {"keyframes.mp4", "vp9.webm", "start-offset.ts"}) {
    Opened opened(clip(name));
    const AVRational base = opened.decoder.info().timeBase;
    const std::vector<Seen> all = readAll(opened.decoder);
    for (size_t from = 0; from + 3 < all.size(); from += 7) {
      Selection selection;
      selection.start = all[from].pts * base.num / base.den;
      selection.end = all[from + 3].pts * base.num / base.den;
      const std::vector<Seen> part = readAll(opened.decoder, selection);
      CHECK(
          part ==
          std::vector<Seen>(all.begin() + from, all.begin() + from + 3));
    }
  }
}

TEST_CASE("a size change asks for larger buffers and loses nothing") {
  Opened opened(clip("size-change.h264"));
  const std::vector<Seen> frames = readAll(opened.decoder);
  size_t sizes = 1;
  for (size_t i = 1; i < frames.size(); ++i) {
    if (frames[i].pixels.size() != frames[i - 1].pixels.size()) ++sizes;
  }
  CHECK(sizes > 1);
  CHECK(readAll(opened.decoder, {}, 1) == frames);
}

TEST_CASE("what cannot be opened says why") {
  const auto open = [](const std::string& name) {
    return codeOf([&] { Opened{clip(name)}; });
  };
  CHECK(open("no-such-file.mp4") == ErrorCode::kNotFound);
  CHECK(open("") == ErrorCode::kIsDirectory);
  CHECK(open("empty.mp4") == ErrorCode::kEmpty);
  CHECK(open("text.txt") == ErrorCode::kInvalidData);
  CHECK(open("garbage.mp4") == ErrorCode::kInvalidData);
  CHECK(open("audio-only.m4a") == ErrorCode::kNoVideo);
}

TEST_CASE("a truncated file yields its frames, then says that it is cut") {
  Opened strict(clip("truncated.mp4"));
  std::vector<Seen> frames;
  strict.decoder.start({}, Output{});
  std::vector<uint8_t> memory(strict.decoder.nativeFrameBytes());
  const FrameBuffer buffer{memory.data(), memory.size()};
  double row[rushes::kFrameColumns];
  size_t count = 0;
  const ErrorCode code = codeOf([&] {
    for (;;) count += strict.decoder.read({&buffer, 1}, row).count;
  });
  CHECK(code == ErrorCode::kTruncated);
  CHECK(count > 0);
  Opened lenient(clip("truncated.mp4"), true);
  CHECK(readAll(lenient.decoder).size() >= count);
}

TEST_CASE("measures do not depend on how many rows are asked for") {
  Opened opened(clip("cuts.mp4"));
  Output output;
  output.scaleWidth = output.width = 64;
  output.scaleHeight = output.height = 36;
  Selection selection;
  selection.every = 0.5;
  const auto measureAll = [&](size_t capacity) {
    opened.decoder.start(selection, output);
    std::vector<double> all;
    for (bool done = false; !done;) {
      std::vector<double> rows(capacity * rushes::kMeasureColumns);
      const ReadResult read = opened.decoder.measure(rows.data(), capacity);
      rows.resize(read.count * rushes::kMeasureColumns);
      all.insert(all.end(), rows.begin(), rows.end());
      done = read.done;
    }
    return all;
  };
  const std::vector<double> whole = measureAll(10000);
  CHECK(measureAll(1) == whole);
  CHECK(measureAll(7) == whole);
  int sampled = 0;
  for (size_t i = 0; i < whole.size(); i += rushes::kMeasureColumns) {
    const int flags = static_cast<int>(whole[i + rushes::kMeasureFlags]);
    if ((flags & rushes::kSampled) != 0) ++sampled;
  }
  CHECK(sampled > 2);
}

TEST_CASE("an interrupt ends a pass and not the next") {
  Opened opened(clip("h264-bframes-audio.mp4"));
  const std::vector<Seen> frames = readAll(opened.decoder);
  opened.interrupt.enter(opened.interrupt.newPass());
  opened.interrupt.cancel();
  CHECK(codeOf([&] { readAll(opened.decoder); }) == ErrorCode::kAborted);
  opened.interrupt.enter(opened.interrupt.newPass());
  CHECK(readAll(opened.decoder) == frames);
  opened.interrupt.close();
  CHECK(codeOf([&] { readAll(opened.decoder); }) == ErrorCode::kClosed);
}
