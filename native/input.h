#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "av.h"
#include "interrupt.h"

namespace rushes {

/// Bytes for a demuxer from something FFmpeg's own file protocol cannot be
/// interrupted on: a pipe or another special file. FFmpeg reads it through
/// `context()`.
/// Owns the open file and FFmpeg's buffer.
/// Thread-safety: one thread at a time.
class PipeInput {
 public:
  /// Opens `path` without waiting for a writer. `interrupt` has to outlive it.
  PipeInput(const std::string& path, const Interrupt& interrupt);
  ~PipeInput();
  PipeInput(const PipeInput&) = delete;
  PipeInput& operator=(const PipeInput&) = delete;

  AVIOContext* context() const noexcept { return context_; }

 private:
  static int read(void* self, uint8_t* buffer, int size);

  const Interrupt& interrupt_;
  int file_ = -1;
  AVIOContext* context_ = nullptr;
};

/// What `path` names.
enum class FileKind { kRegular, kPipe };

/// Throws kNotFound, kAccess, kIsDirectory or kEmpty before FFmpeg is asked,
/// whose words for these are vaguer.
FileKind inspectFile(const std::string& path);

}  // namespace rushes
