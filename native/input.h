#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "av.h"
#include "interrupt.h"
#include "memory_account.h"

namespace rushes {

/// A whole file in memory, never changed; shared by all that read it.
using SharedBytes = std::shared_ptr<const Bytes>;

/// Bytes on their way from a producer to the one demuxer that reads them, in
/// a ring of fixed size: the producer has to wait where the reader is slow.
/// Owns the ring until `close`.
/// Thread-safety: all of it, with one producer and one reader.
class StreamBuffer {
 public:
  /// A producer that was told that there is room may push this much.
  static constexpr size_t kPieceBytes = size_t{64} * 1024;
  static constexpr size_t kCapacity = size_t{1024} * 1024;

  explicit StreamBuffer(size_t capacity = kCapacity);

  /// Copies `piece`, which has to fit (nothing of it is kept if it does not,
  /// nor after `end` or `close`). Whether a piece more fits.
  bool push(std::span<const uint8_t> piece);
  /// Calls `call` once, from whichever thread makes it true: when half of the
  /// ring is free, or nobody reads any more.
  void whenRoom(std::function<void()> call);
  /// No more bytes come; `failed` if the producer broke down before the end.
  void end(bool failed);
  /// Drops everything. Nobody reads, or nobody produces, any more.
  void close();
  bool closed() const;

  /// True for the first reader only: what was read is gone.
  bool claim();
  /// Waits for bytes. Their number, AVERROR_EOF at the end, AVERROR(EIO) if
  /// the producer failed, AVERROR_EXIT on an interrupt.
  int read(uint8_t* target, int size, const Interrupt& interrupt);
  /// Whether all that comes has come, how much that was in all, and whether
  /// it broke off.
  std::optional<int64_t> total() const;
  bool failed() const;

 private:
  std::function<void()> takeWaiting();

  const size_t capacity_;
  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  Bytes ring_;
  size_t first_ = 0;
  size_t count_ = 0;
  int64_t total_ = 0;
  std::function<void()> waiting_;
  bool claimed_ = false;
  bool ended_ = false;
  bool failed_ = false;
  bool closed_ = false;
};

/// Where the bytes of a video come from: a path, memory, or a stream.
using Source =
    std::variant<std::string, SharedBytes, std::shared_ptr<StreamBuffer>>;

/// Bytes for a demuxer from something that FFmpeg's own file protocol cannot
/// read, or not be interrupted on. FFmpeg reads it through `context()`.
/// Owns the context and its buffer. Thread-safety: one thread at a time.
class Input {
 public:
  virtual ~Input() = default;
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;

  AVIOContext* context() const noexcept { return context_.get(); }
  bool seekable() const noexcept { return context_->seekable != 0; }
  /// Bytes in all, where that is known by now.
  virtual std::optional<int64_t> size() const { return std::nullopt; }
  /// Called where FFmpeg failed: throws if that was the input's doing.
  virtual void check() const {}

  /// Whether FFmpeg wanted back to bytes that are gone, since the last
  /// `forgetRefusal`.
  bool refusedSeek() const noexcept { return refusedSeek_; }
  void forgetRefusal() noexcept { refusedSeek_ = false; }

 protected:
  explicit Input(bool seekable);

  /// As AVIOContext's read_packet.
  virtual int read(uint8_t* buffer, int size) = 0;
  /// As AVIOContext's seek; only of seekable inputs.
  virtual int64_t seek(int64_t offset, int whence);

 private:
  static int readPacket(void* self, uint8_t* buffer, int size);
  static int64_t seekPacket(void* self, int64_t offset, int whence);

  IoContextPtr context_;
  bool refusedSeek_ = false;
};

/// A pipe or another special file. Owns the open file.
class PipeInput final : public Input {
 public:
  /// Opens `path` without waiting for a writer. `interrupt` has to outlive it.
  PipeInput(const std::string& path, const Interrupt& interrupt);
  ~PipeInput() override;

 protected:
  int read(uint8_t* buffer, int size) override;

 private:
  [[maybe_unused]] const Interrupt& interrupt_;
  [[maybe_unused]] int file_ = -1;
};

/// A place in memory that others may read as well.
class MemoryInput final : public Input {
 public:
  /// Throws kEmpty.
  explicit MemoryInput(SharedBytes bytes);

  std::optional<int64_t> size() const override;

 protected:
  int read(uint8_t* buffer, int size) override;
  int64_t seek(int64_t offset, int whence) override;

 private:
  SharedBytes bytes_;
  int64_t position_ = 0;
};

/// The reading end of a StreamBuffer, which it closes when it goes: nobody
/// else can read the rest.
class StreamInput final : public Input {
 public:
  /// Throws kNotSeekable if the stream was read before. `interrupt` has to
  /// outlive it.
  StreamInput(std::shared_ptr<StreamBuffer> buffer, const Interrupt& interrupt);
  ~StreamInput() override;

  std::optional<int64_t> size() const override { return buffer_->total(); }
  /// Throws kIo if the producer failed, kEmpty if it gave nothing.
  void check() const override;

 protected:
  int read(uint8_t* buffer, int size) override;

 private:
  std::shared_ptr<StreamBuffer> buffer_;
  const Interrupt& interrupt_;
};

/// What reads `source`; null for a regular file, which FFmpeg reads best.
/// Throws kNotFound, kAccess, kIsDirectory or kEmpty before FFmpeg is asked,
/// whose words for these are vaguer.
std::unique_ptr<Input> openInput(
    const Source& source, const Interrupt& interrupt);

}  // namespace rushes
