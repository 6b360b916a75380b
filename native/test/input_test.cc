#include "input.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "decoder.h"

using rushes::Decoder;
using rushes::Error;
using rushes::ErrorCode;
using rushes::FrameBuffer;
using rushes::Interrupt;
using rushes::MemoryInput;
using rushes::Output;
using rushes::ReadResult;
using rushes::Selection;
using rushes::SharedBytes;
using rushes::Source;
using rushes::StreamBuffer;
using rushes::StreamInput;

namespace {

constexpr size_t kSmallest = 2 * StreamBuffer::kPieceBytes;

std::string clip(const std::string& name) {
  const char* folder = std::getenv("RUSHES_TEST_CLIPS");
  REQUIRE(folder != nullptr);
  return std::string(folder) + "/" + name;
}

std::vector<uint8_t> contents(const std::string& name) {
  std::ifstream file(clip(name), std::ios::binary);
  REQUIRE(file);
  return {std::istreambuf_iterator<char>(file), {}};
}

SharedBytes shared(const std::vector<uint8_t>& bytes) {
  return std::make_shared<const rushes::Bytes>(bytes.begin(), bytes.end());
}

std::vector<uint8_t> counting(size_t size) {
  std::vector<uint8_t> bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(i * 7);
  return bytes;
}

ErrorCode codeOf(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error.code;
  }
  FAIL("nothing was thrown");
  return ErrorCode::kFfmpeg;
}

/// Times and pixels of a pass, and the error that ended it.
struct Pass {
  std::vector<double> pts;
  std::vector<uint8_t> pixels;
  std::string error;
  bool operator==(const Pass&) const = default;
};

Pass readAll(Decoder& decoder) {
  Pass pass;
  try {
    decoder.start(Selection{}, Output{});
    std::vector<uint8_t> memory(decoder.nativeFrameBytes());
    for (bool done = false; !done;) {
      const FrameBuffer buffer{memory.data(), memory.size()};
      std::vector<double> row(rushes::kFrameColumns);
      const ReadResult read = decoder.read({&buffer, 1}, row.data());
      if (read.count > 0) {
        pass.pts.push_back(row[rushes::kFramePts]);
        const auto bytes = static_cast<size_t>(row[rushes::kFrameBytes]);
        pass.pixels.insert(
            pass.pixels.end(), memory.begin(), memory.begin() + bytes);
      }
      if (read.needed > 0) memory.resize(read.needed);
      done = read.done;
    }
  } catch (const Error& error) {
    pass.error = rushes::name(error.code);
  }
  return pass;
}

ReadResult readOne(Decoder& decoder) {
  std::vector<uint8_t> memory(1'000'000);
  const FrameBuffer buffer{memory.data(), memory.size()};
  std::vector<double> row(rushes::kFrameColumns);
  return decoder.read({&buffer, 1}, row.data());
}

Pass readAll(Source source) {
  Interrupt interrupt;
  Decoder decoder({std::move(source), {}, 2, false}, interrupt);
  try {
    decoder.open();
  } catch (const Error& error) {
    return {{}, {}, rushes::name(error.code)};
  }
  return readAll(decoder);
}

/// Pushes `bytes`, `size` at a time, from a thread of its own, waiting for room
/// as JavaScript does; then ends the stream.
class Producer {
 public:
  Producer(std::vector<uint8_t> bytes, size_t size, bool fails = false)
      : thread_([this, bytes = std::move(bytes), size, fails] {
          for (size_t at = 0; at < bytes.size() && !buffer->closed();) {
            const size_t piece = std::min(size, bytes.size() - at);
            if (!buffer->push({bytes.data() + at, piece})) waitForRoom();
            at += piece;
          }
          buffer->end(fails);
        }) {}
  ~Producer() {
    buffer->close();
    thread_.join();
  }

  std::shared_ptr<StreamBuffer> buffer =
      std::make_shared<StreamBuffer>(kSmallest);

 private:
  void waitForRoom() {
    std::mutex mutex;
    std::condition_variable wake;
    bool room = false;
    buffer->whenRoom([&] {
      const std::lock_guard lock(mutex);
      room = true;
      wake.notify_one();
    });
    std::unique_lock lock(mutex);
    wake.wait(lock, [&] { return room; });
  }

  std::thread thread_;
};

}  // namespace

TEST_CASE("MemoryInput reads and seeks as a file does") {
  const std::vector<uint8_t> bytes = counting(300'000);
  MemoryInput input(shared(bytes));
  AVIOContext* context = input.context();
  CHECK(input.seekable());
  CHECK(avio_size(context) == 300'000);
  std::vector<uint8_t> got(1000);
  for (const int64_t place : {0, 299'000, 150'000, 149'999, 1, 299'999}) {
    REQUIRE(avio_seek(context, place, SEEK_SET) == place);
    const int read = avio_read(context, got.data(), 1000);
    REQUIRE(read == std::min<int64_t>(1000, 300'000 - place));
    CHECK(std::equal(got.begin(), got.begin() + read, bytes.begin() + place));
  }
  CHECK(avio_seek(context, 400'000, SEEK_SET) == 400'000);
  CHECK(avio_read(context, got.data(), 1) == AVERROR_EOF);
  CHECK(avio_seek(context, -1, SEEK_SET) < 0);
}

TEST_CASE("MemoryInput refuses an empty buffer") {
  CHECK(codeOf([] { MemoryInput input(shared({})); }) == ErrorCode::kEmpty);
  CHECK(codeOf([] { MemoryInput input(nullptr); }) == ErrorCode::kClosed);
}

TEST_CASE("a decoder reads memory as it reads the file, as often as it likes") {
  for (const char* name : {"h264-bframes-audio.mp4", "mpeg2.ts", "gray.mkv"}) {
    CAPTURE(name);
    const Pass wanted = readAll(clip(name));
    REQUIRE(wanted.pts.size() >= 10);
    Interrupt interrupt;
    Decoder decoder({shared(contents(name)), {}, 2, false}, interrupt);
    decoder.open();
    CHECK(decoder.index()->size() == wanted.pts.size());
    CHECK(readAll(decoder) == wanted);
    CHECK(readAll(decoder) == wanted);
  }
}

TEST_CASE("StreamBuffer passes bytes on in order, whatever the sizes") {
  const std::vector<uint8_t> bytes = counting(1'000'003);
  for (const size_t pushed : {size_t{1001}, StreamBuffer::kPieceBytes}) {
    for (const int taken : {997, 70'000}) {
      Producer producer(bytes, pushed);
      Interrupt interrupt;
      std::vector<uint8_t> got;
      std::vector<uint8_t> part(taken);
      int read = 0;
      while ((read = producer.buffer->read(part.data(), taken, interrupt)) >
             0) {
        got.insert(got.end(), part.begin(), part.begin() + read);
      }
      CHECK(read == AVERROR_EOF);
      CHECK(got == bytes);
      CHECK(producer.buffer->total() == 1'000'003);
    }
  }
}

TEST_CASE("StreamBuffer holds no more than its capacity") {
  StreamBuffer buffer(kSmallest);
  const std::vector<uint8_t> piece = counting(StreamBuffer::kPieceBytes);
  CHECK(buffer.push(piece));
  CHECK_FALSE(buffer.push(piece));
  int calls = 0;
  buffer.whenRoom([&] { ++calls; });
  CHECK_FALSE(buffer.push(piece));  // dropped: it does not fit
  CHECK(calls == 0);
  Interrupt interrupt;
  std::vector<uint8_t> target(kSmallest);
  const int most = static_cast<int>(kSmallest);
  CHECK(buffer.read(target.data(), most / 2 - 1, interrupt) == most / 2 - 1);
  CHECK(calls == 0);
  CHECK(buffer.read(target.data(), 1, interrupt) == 1);
  CHECK(calls == 1);
  CHECK(buffer.read(target.data(), most, interrupt) == most / 2);
  CHECK(calls == 1);
}

TEST_CASE("StreamBuffer gives what came before a failure, then fails") {
  StreamBuffer buffer;
  buffer.push(counting(10));
  buffer.end(true);
  Interrupt interrupt;
  std::vector<uint8_t> target(100);
  CHECK_FALSE(buffer.failed());
  CHECK(buffer.read(target.data(), 100, interrupt) == 10);
  CHECK(buffer.failed());
  CHECK(buffer.read(target.data(), 100, interrupt) == AVERROR(EIO));
  CHECK_FALSE(buffer.total());
}

TEST_CASE("a read that waits for bytes notices an interrupt and a close") {
  using namespace std::chrono_literals;
  for (const bool close : {true, false}) {
    StreamBuffer buffer;
    Interrupt interrupt;
    std::thread stopper([&] {
      std::this_thread::sleep_for(30ms);
      if (close) {
        buffer.close();
      } else {
        interrupt.cancel();
      }
    });
    uint8_t byte = 0;
    CHECK(buffer.read(&byte, 1, interrupt) == AVERROR_EXIT);
    stopper.join();
  }
}

TEST_CASE("a producer that waits for room hears of a close") {
  StreamBuffer buffer(kSmallest);
  for (int i = 0; i < 2; ++i) buffer.push(counting(StreamBuffer::kPieceBytes));
  int calls = 0;
  buffer.whenRoom([&] { ++calls; });
  buffer.close();
  CHECK(calls == 1);
  CHECK_FALSE(buffer.push(counting(1)));
  buffer.whenRoom([&] { ++calls; });
  CHECK(calls == 2);
}

TEST_CASE("a stream has one reader, and is closed when that one goes") {
  auto buffer = std::make_shared<StreamBuffer>();
  const Interrupt interrupt;
  {
    StreamInput input(buffer, interrupt);
    CHECK_FALSE(input.seekable());
    CHECK(avio_size(input.context()) < 0);
    CHECK_FALSE(input.refusedSeek());
    CHECK(codeOf([&] {
            StreamInput second(buffer, interrupt);
          }) == ErrorCode::kNotSeekable);
    CHECK_FALSE(buffer->closed());
  }
  CHECK(buffer->closed());
}

TEST_CASE("a decoder reads a stream as it reads the file, once") {
  for (const char* name :
       {"start-offset.ts", "mpeg2.ts", "gray.mkv", "vp9.webm"}) {
    const Pass wanted = readAll(clip(name));
    for (const size_t size : {size_t{1}, StreamBuffer::kPieceBytes}) {
      CAPTURE(name);
      CAPTURE(size);
      Producer producer(contents(name), size);
      Interrupt interrupt;
      Decoder decoder({producer.buffer, {}, 2, false}, interrupt);
      decoder.open();
      CHECK(codeOf([&] { decoder.index(); }) == ErrorCode::kNotSeekable);
      CHECK(readAll(decoder) == wanted);
      // Again and again: nothing is left of the first pass to fall over.
      for (int i = 0; i < 2; ++i) {
        CHECK(readAll(decoder).error == "ERR_NOT_SEEKABLE");
        CHECK(codeOf([&] { readOne(decoder); }) == ErrorCode::kIo);
        CHECK(codeOf([&] { decoder.index(); }) == ErrorCode::kNotSeekable);
      }
    }
  }
}

TEST_CASE("a stream that fails gives the frames before it and then kIo") {
  std::vector<uint8_t> bytes = contents("mpeg2.ts");
  const size_t frames = readAll(clip("mpeg2.ts")).pts.size();
  bytes.resize(bytes.size() * 3 / 4);
  Producer producer(bytes, 5000, true);
  const Pass pass = readAll(producer.buffer);
  CHECK(pass.error == "ERR_IO");
  CHECK(pass.pts.size() > 0);
  CHECK(pass.pts.size() < frames);
}

TEST_CASE("streams that hold no video say what is wrong") {
  Producer nothing({}, 1);
  CHECK(readAll(nothing.buffer).error == "ERR_EMPTY");
  Producer failing({}, 1, true);
  CHECK(readAll(failing.buffer).error == "ERR_IO");
  Producer garbage(contents("garbage.mp4"), 999);
  CHECK(readAll(garbage.buffer).error == "ERR_INVALID_DATA");
  Producer text(contents("text.txt"), 999);
  CHECK(readAll(text.buffer).error == "ERR_INVALID_DATA");
}

TEST_CASE("a decoder whose file is gone at the second pass says so") {
  const std::string path = clip("gray.mkv") + ".copy";
  const auto write = [&] {
    const std::vector<uint8_t> bytes = contents("gray.mkv");
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  write();
  Interrupt interrupt;
  Decoder decoder({path, {}, 2, false}, interrupt);
  decoder.open();
  const Pass wanted = readAll(decoder);
  std::remove(path.c_str());
  CHECK(readAll(decoder).error == "ERR_NOT_FOUND");
  // Reads that were posted behind the beginning of that pass.
  CHECK(codeOf([&] { readOne(decoder); }) == ErrorCode::kIo);
  write();
  CHECK(readAll(decoder) == wanted);
  CHECK(decoder.index()->size() == wanted.pts.size());
  std::remove(path.c_str());
}

TEST_CASE("key frames from a start without seeking, in a fresh decoder") {
  Producer producer(contents("mpeg2.ts"), 5000);
  Interrupt interrupt;
  Decoder decoder({producer.buffer, {}, 2, false}, interrupt);
  decoder.open();
  Selection selection;
  selection.start = 0.5;
  selection.keyFrames = true;
  decoder.start(selection, Output{});
  CHECK(readOne(decoder).count <= 1);
}
