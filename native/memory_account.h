#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace rushes {

/// Note [Native bytes]: V8 does not see what native code allocates, so what
/// may be large is counted: decoded frames (as long as anyone, decoder or
/// caller, holds a reference), pictures on their way through the scaler,
/// sources in memory, stream rings. Not counted: what FFmpeg keeps for itself
/// (tables, packets on their way to frame threads, freed frames that wait in
/// its pools, the frames that libdav1d refers to).
///
/// The account is the one mutable static of the library, on purpose: it is
/// compared with the resident set, which the threads of a process share, too;
/// it refers to no environment; and a buffer may be freed on any thread, after
/// the decoder that made it.

/// Bytes in the account now, of all environments of the process.
/// Thread-safety: any thread.
int64_t nativeBytes() noexcept;

/// Adds to the account; a negative number takes away. Thread-safety: any.
void accountBytes(int64_t bytes) noexcept;

/// A part of the account that goes with its owner. Move-only.
/// Thread-safety: one thread at a time.
class AccountedBytes {
 public:
  AccountedBytes() = default;
  AccountedBytes(AccountedBytes&& other) noexcept
      : bytes_(std::exchange(other.bytes_, 0)) {}
  AccountedBytes& operator=(AccountedBytes&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~AccountedBytes() { set(0); }

  /// What the owner holds from now on.
  void set(int64_t bytes) noexcept {
    accountBytes(bytes - bytes_);
    bytes_ = bytes;
  }

 private:
  int64_t bytes_ = 0;
};

/// std::allocator whose memory is in the account.
template <typename T>
struct AccountedAllocator {
  using value_type = T;

  AccountedAllocator() = default;
  template <typename Other>
  // NOLINTNEXTLINE(google-explicit-constructor): as std::allocator's
  AccountedAllocator(const AccountedAllocator<Other>&) noexcept {}

  T* allocate(size_t count) {
    T* memory = std::allocator<T>().allocate(count);
    accountBytes(static_cast<int64_t>(count * sizeof(T)));
    return memory;
  }
  void deallocate(T* memory, size_t count) noexcept {
    accountBytes(-static_cast<int64_t>(count * sizeof(T)));
    std::allocator<T>().deallocate(memory, count);
  }
  friend bool operator==(const AccountedAllocator&, const AccountedAllocator&) =
      default;
};

/// Bytes that are in the account.
using Bytes = std::vector<uint8_t, AccountedAllocator<uint8_t>>;

}  // namespace rushes
