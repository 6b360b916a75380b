#pragma once

#include <optional>
#include <stdexcept>
#include <string>

namespace rushes {

/// Why a call failed. `name()` gives the code that JavaScript sees
/// (`MediaErrorCode` in src/errors.ts, plus `ERR_ABORTED`).
enum class ErrorCode {
  kNotFound,
  kAccess,
  kIsDirectory,
  kEmpty,
  kIo,
  kInvalidData,
  kNoVideo,
  kUnsupported,
  kEncrypted,
  kTruncated,
  kDecode,
  kOutOfMemory,
  kClosed,
  kAborted,
  kNotSeekable,
  kFfmpeg,
};

const char* name(ErrorCode code) noexcept;

/// Errors that end a pass whatever the caller said of damage.
bool isFatal(ErrorCode code) noexcept;

/// A failure of the world: file, data, memory. The message is
/// `call: FFmpeg's words`.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message, int avCode = 0)
      : std::runtime_error(message), code(code), avCode(avCode) {}

  ErrorCode code;
  /// FFmpeg's negative code; 0 if no FFmpeg call failed.
  int avCode;
  /// Presentation time in seconds near which it happened.
  std::optional<double> time;
};

/// The one translation of FFmpeg's codes into ours.
ErrorCode toErrorCode(int avCode) noexcept;

/// FFmpeg's words for `avCode`.
std::string describe(int avCode);

/// Passes `result` on, or throws an Error made of `call` and FFmpeg's words if
/// it is negative.
int check(int result, const char* call);

/// Throws kOutOfMemory if `pointer` is null.
void checkAlloc(const void* pointer, const char* call);

/// While it lives, keeps the last line that FFmpeg logs as an error on this
/// thread, so that a message can say "moov atom not found" and not only
/// "Invalid data found". Scopes nest.
/// Thread-safety: lives and dies on one thread; other threads are not heard.
class LogCapture {
 public:
  LogCapture();
  ~LogCapture();
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;

  const std::string& last() const noexcept { return last_; }
  /// Whether any line held `words`.
  bool heard(const char* words) const { return all_.find(words) != all_.npos; }
  /// The first line that held `words`; empty if none did.
  std::string lineWith(const char* words) const;
  void clear() noexcept;

  /// Sends FFmpeg's log to the captures, and nowhere else. Once per process;
  /// more often does no harm.
  static void install();

 private:
  static void write(void* object, int level, const char* format, va_list args);

  std::string last_;
  std::string all_;
  LogCapture* outer_;
};

}  // namespace rushes
