#pragma once

#include <napi.h>

#include <cstdio>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "error.h"
#include "work_thread.h"

namespace rushes {

/// Makes an Error with the fields of `NativeFailure` (src/native.ts).
inline Napi::Object toJs(Napi::Env env, const Error& error) {
  Napi::Object object = Napi::Error::New(env, error.what()).Value();
  object["code"] = Napi::String::New(env, name(error.code));
  if (error.avCode != 0)
    object["avCode"] = Napi::Number::New(env, error.avCode);
  if (error.time) object["time"] = Napi::Number::New(env, *error.time);
  return object;
}

/// Work under way for a promise. Made and settled on JavaScript's thread, its
/// `work` runs on another in between.
class Job {
 public:
  explicit Job(Napi::Env env) : deferred_(Napi::Promise::Deferred::New(env)) {}
  virtual ~Job() = default;
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  Napi::Promise promise() const { return deferred_.Promise(); }

  /// Whether a thread is at it; one that waits for something else does not
  /// keep the process alive.
  bool started = false;

  /// Keeps `value` alive until the job is settled.
  void keep(const Napi::Object& value) {
    kept_.push_back(Napi::Persistent(value));
  }

  void run() noexcept {
    try {
      work();
    } catch (const Error& error) {
      error_ = error;
    } catch (const std::bad_alloc&) {
      error_ = Error(ErrorCode::kOutOfMemory, "Cannot allocate memory");
    } catch (const std::exception& error) {
      error_ = Error(ErrorCode::kFfmpeg, error.what());
    }
  }

  void settle(Napi::Env env) {
    if (error_) {
      deferred_.Reject(toJs(env, *error_));
    } else {
      deferred_.Resolve(result(env));
    }
  }

  /// The environment is going: what it owned is not ours to release.
  void abandon() noexcept {
    for (Napi::ObjectReference& reference : kept_) reference.SuppressDestruct();
  }

 protected:
  virtual void work() = 0;
  virtual Napi::Value result(Napi::Env env) = 0;

 private:
  Napi::Promise::Deferred deferred_;
  std::vector<Napi::ObjectReference> kept_;
  std::optional<Error> error_;
};

/// A Job from two functions: `work` gives a value, `convert` makes it a
/// JavaScript one.
template <typename Work, typename Convert>
class FunctionJob final : public Job {
 public:
  FunctionJob(Napi::Env env, Work work, Convert convert)
      : Job(env), work_(std::move(work)), convert_(std::move(convert)) {}

 protected:
  void work() override { value_.emplace(work_()); }
  Napi::Value result(Napi::Env env) override { return convert_(env, *value_); }

 private:
  Work work_;
  Convert convert_;
  std::optional<std::invoke_result_t<Work>> value_;
};

/// Brings finished jobs back to JavaScript's thread; one for each environment
/// (main thread or worker). While jobs are under way it keeps the process
/// alive, and not else.
/// Thread-safety: `finished` from any thread, the rest on JavaScript's.
class Completions {
 public:
  explicit Completions(Napi::Env env) {
    function_ = Function::New(
        env, "rushes", 0, 1, this, [](Napi::Env, void*, Completions*) {});
    function_.Unref(env);
  }
  Completions(const Completions&) = delete;
  Completions& operator=(const Completions&) = delete;

  /// Runs `job` on `thread`; its promise is settled later.
  Napi::Promise start(
      Napi::Env env, WorkThread& thread, std::shared_ptr<Job> job) {
    Napi::Promise promise = job->promise();
    job->started = true;
    if (underWay_++ == 0) function_.Ref(env);
    const bool posted = thread.post([this, job] {
      job->run();
      finished(job);
    });
    // The thread is ending: the job runs here, where it sees that at once.
    if (!posted) {
      job->run();
      finished(std::move(job));
    }
    return promise;
  }

  /// Settles the promise of a job that has been run, or needs no running.
  void finished(std::shared_ptr<Job> job) {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    finished_.push_back(std::move(job));
    function_.NonBlockingCall();
  }

  /// No thread may be running jobs any more.
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    for (const std::shared_ptr<Job>& job : finished_) job->abandon();
    finished_.clear();
    function_.Abort();
  }

 private:
  static void drain(Napi::Env env, Napi::Function, Completions* self, void*) {
    if (env == nullptr) return;
    std::deque<std::shared_ptr<Job>> jobs;
    {
      const std::lock_guard lock(self->mutex_);
      jobs.swap(self->finished_);
    }
    for (const std::shared_ptr<Job>& job : jobs) {
      if (job->started && --self->underWay_ == 0) self->function_.Unref(env);
      job->settle(env);
    }
  }

  using Function =
      Napi::TypedThreadSafeFunction<Completions, void, &Completions::drain>;

  Function function_;
  std::mutex mutex_;
  std::deque<std::shared_ptr<Job>> finished_;
  bool closed_ = false;
  int underWay_ = 0;
};

}  // namespace rushes
