#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace rushes {

/// One thread that runs tasks in the order they were posted.
/// The thread starts with the first task and ends with `finish` or `stop`.
/// Thread-safety: `post` and `finish` from any thread; `stop` and the
/// destructor from the owner's, not from a task.
class WorkThread {
 public:
  WorkThread() = default;
  ~WorkThread() { stop(); }
  WorkThread(const WorkThread&) = delete;
  WorkThread& operator=(const WorkThread&) = delete;

  /// Tasks must not throw. After `finish` or `stop` a task is
  /// dropped, and false returned.
  bool post(std::function<void()> task);

  /// Takes no more tasks; the thread ends by itself after those it has.
  void finish();

  /// Lets the task under way finish, drops the others and joins the thread.
  void stop();

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  bool finishing_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace rushes
