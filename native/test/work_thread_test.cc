#include "work_thread.h"

#include <doctest/doctest.h>

#include <atomic>
#include <future>

using rushes::WorkThread;

TEST_CASE("tasks run in the order they were posted") {
  std::string order;
  {
    WorkThread thread;
    std::promise<void> last;
    for (const char letter : {'a', 'b', 'c'}) {
      CHECK(thread.post([&order, letter] { order += letter; }));
    }
    CHECK(thread.post([&last] { last.set_value(); }));
    last.get_future().wait();
  }
  CHECK(order == "abc");
}

TEST_CASE("finish lets the tasks posted before run, and takes no more") {
  std::atomic<int> ran = 0;
  WorkThread thread;
  for (int i = 0; i < 100; ++i) thread.post([&ran] { ++ran; });
  thread.post([&ran, &thread] {
    ++ran;
    thread.finish();
  });
  thread.finish();
  CHECK_FALSE(thread.post([&ran] { ++ran; }));
  while (ran < 101) std::this_thread::yield();
  thread.stop();
  CHECK(ran == 101);
}

TEST_CASE("stop waits for the task under way and drops the rest") {
  std::atomic<bool> started = false;
  std::atomic<bool> ended = false;
  bool dropped = true;
  WorkThread thread;
  thread.post([&] {
    started = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ended = true;
  });
  while (!started) std::this_thread::yield();
  thread.post([&] { dropped = false; });
  thread.stop();
  CHECK(ended);
  CHECK(dropped);
}

TEST_CASE("a thread that never had a task stops too") {
  WorkThread thread;
  thread.finish();
  thread.stop();
}
