#include "memory_account.h"

#include <atomic>

namespace rushes {

namespace {

/// Note [Native bytes]. Nothing else depends on its value, so no order of
/// memory accesses is needed.
constinit std::atomic<int64_t> account{0};

}  // namespace

int64_t nativeBytes() noexcept {
  return account.load(std::memory_order_relaxed);
}

void accountBytes(int64_t bytes) noexcept {
  account.fetch_add(bytes, std::memory_order_relaxed);
}

}  // namespace rushes
