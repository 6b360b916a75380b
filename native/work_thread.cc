#include "work_thread.h"

#include <utility>

namespace rushes {

bool WorkThread::post(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || finishing_) return false;
    tasks_.push_back(std::move(task));
    if (!thread_.joinable()) thread_ = std::thread(&WorkThread::run, this);
  }
  wake_.notify_one();
  return true;
}

void WorkThread::finish() {
  {
    const std::lock_guard lock(mutex_);
    finishing_ = true;
  }
  wake_.notify_one();
}

void WorkThread::stop() {
  std::deque<std::function<void()>> dropped;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    dropped.swap(tasks_);
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void WorkThread::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(
        lock, [&] { return stopping_ || finishing_ || !tasks_.empty(); });
    if (stopping_ || tasks_.empty()) return;
    const std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    lock.lock();
  }
}

}  // namespace rushes
