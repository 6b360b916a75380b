#include "error.h"

extern "C" {
#include <libavutil/error.h>
#include <libavutil/log.h>
}

#include <array>
#include <cstdarg>

namespace rushes {

namespace {

/// The innermost capture of this thread. FFmpeg's log callback has no other
/// way to find its reader.
thread_local LogCapture* innermost = nullptr;

/// A damaged file can log without end; the first lines tell the story.
constexpr size_t kMaxCapturedBytes = 16 * 1024;

}  // namespace

const char* name(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kNotFound:
      return "ERR_NOT_FOUND";
    case ErrorCode::kAccess:
      return "ERR_ACCESS";
    case ErrorCode::kIsDirectory:
      return "ERR_IS_DIRECTORY";
    case ErrorCode::kEmpty:
      return "ERR_EMPTY";
    case ErrorCode::kIo:
      return "ERR_IO";
    case ErrorCode::kInvalidData:
      return "ERR_INVALID_DATA";
    case ErrorCode::kNoVideo:
      return "ERR_NO_VIDEO";
    case ErrorCode::kUnsupported:
      return "ERR_UNSUPPORTED";
    case ErrorCode::kEncrypted:
      return "ERR_ENCRYPTED";
    case ErrorCode::kTruncated:
      return "ERR_TRUNCATED";
    case ErrorCode::kDecode:
      return "ERR_DECODE";
    case ErrorCode::kOutOfMemory:
      return "ERR_OUT_OF_MEMORY";
    case ErrorCode::kClosed:
      return "ERR_CLOSED";
    case ErrorCode::kAborted:
      return "ERR_ABORTED";
    case ErrorCode::kNotSeekable:
      return "ERR_NOT_SEEKABLE";
    case ErrorCode::kFfmpeg:
      break;
  }
  return "ERR_FFMPEG";
}

bool isFatal(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kAborted:
    case ErrorCode::kClosed:
    case ErrorCode::kOutOfMemory:
      return true;
    default:
      return false;
  }
}

ErrorCode toErrorCode(int avCode) noexcept {
  switch (avCode) {
    case AVERROR(ENOENT):
    case AVERROR(ENOTDIR):
      return ErrorCode::kNotFound;
    case AVERROR(EACCES):
    case AVERROR(EPERM):
      return ErrorCode::kAccess;
    case AVERROR(EISDIR):
      return ErrorCode::kIsDirectory;
    case AVERROR(EIO):
    case AVERROR(ESPIPE):
      return ErrorCode::kIo;
    case AVERROR(ENOMEM):
      return ErrorCode::kOutOfMemory;
    case AVERROR_INVALIDDATA:
    case AVERROR_EOF:
      return ErrorCode::kInvalidData;
    case AVERROR_STREAM_NOT_FOUND:
      return ErrorCode::kNoVideo;
    case AVERROR_DECODER_NOT_FOUND:
    case AVERROR_PATCHWELCOME:
    case AVERROR(ENOSYS):
      return ErrorCode::kUnsupported;
    case AVERROR_EXIT:
      return ErrorCode::kAborted;
    default:
      return ErrorCode::kFfmpeg;
  }
}

std::string describe(int avCode) {
  std::array<char, AV_ERROR_MAX_STRING_SIZE> words{};
  av_strerror(avCode, words.data(), words.size());
  return words.data();
}

int check(int result, const char* call) {
  if (result >= 0) return result;
  std::string message = std::string(call) + ": " + describe(result);
  if (innermost != nullptr && !innermost->last().empty()) {
    message += " (" + innermost->last() + ")";
  }
  throw Error(toErrorCode(result), message, result);
}

void checkAlloc(const void* pointer, const char* call) {
  if (pointer == nullptr) check(AVERROR(ENOMEM), call);
}

LogCapture::LogCapture() : outer_(innermost) { innermost = this; }

LogCapture::~LogCapture() { innermost = outer_; }

void LogCapture::clear() noexcept {
  last_.clear();
  all_.clear();
}

std::string LogCapture::lineWith(const char* words) const {
  const size_t at = all_.find(words);
  if (at == std::string::npos) return {};
  const size_t before = all_.rfind('\n', at);
  const size_t begin = before == std::string::npos ? 0 : before + 1;
  return all_.substr(begin, all_.find('\n', at) - begin);
}

void LogCapture::install() { av_log_set_callback(&LogCapture::write); }

void LogCapture::write(
    void* /*object*/, int level, const char* format, va_list args) {
  LogCapture* capture = innermost;
  if (capture == nullptr || level > AV_LOG_ERROR) return;
  std::array<char, 512> line{};
  // The lint check does not follow a va_list through a callback's signature.
  vsnprintf(line.data(), line.size(), format, args);  // NOLINT
  std::string text = line.data();
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) {
    text.pop_back();
  }
  if (text.empty()) return;
  if (capture->all_.size() < kMaxCapturedBytes) capture->all_ += text + '\n';
  capture->last_ = std::move(text);
}

}  // namespace rushes
