#pragma once

#include <atomic>
#include <cstdint>

#include "error.h"

namespace rushes {

/// Tells a decoder's thread to stop what it is doing.
///
/// Work is numbered by passes: `cancel()` stops the passes begun so far and no
/// later one, whenever the thread gets to them.
/// Thread-safety: `cancel`, `close` and `newPass` from the owner's thread,
/// `enter`, `requested` and `check` from the decoder's thread and from inside
/// FFmpeg's calls on it.
class Interrupt {
 public:
  /// Numbers the pass that begins now.
  uint64_t newPass() noexcept { return issued_.fetch_add(1) + 1; }
  uint64_t currentPass() const noexcept { return issued_.load(); }
  void cancel() noexcept { cancelled_.store(issued_.load()); }
  void close() noexcept { closed_.store(true); }

  /// The decoder's thread works for `pass` from now on.
  void enter(uint64_t pass) noexcept { working_.store(pass); }
  bool closed() const noexcept { return closed_.load(); }
  bool requested() const noexcept {
    return closed() || working_.load() <= cancelled_.load();
  }
  /// Throws kClosed or kAborted if a stop was requested.
  void check() const {
    if (closed()) throw Error(ErrorCode::kClosed, "the video was closed");
    if (requested()) throw Error(ErrorCode::kAborted, "the read was aborted");
  }
  /// For AVIOInterruptCB, `self` being the Interrupt.
  static int callback(void* self) noexcept {
    return static_cast<const Interrupt*>(self)->requested() ? 1 : 0;
  }

 private:
  std::atomic<uint64_t> issued_{1};  // pass 1 is the opening
  std::atomic<uint64_t> cancelled_{0};
  std::atomic<uint64_t> working_{1};
  std::atomic<bool> closed_{false};
};

}  // namespace rushes
