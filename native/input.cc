#include "input.h"

#include <fcntl.h>
#include <sys/stat.h>

#ifndef _WIN32
#include <poll.h>
#include <unistd.h>
#endif

#include <cerrno>
#include <filesystem>
#include <system_error>

namespace rushes {

namespace {

constexpr int kBufferBytes = 64 * 1024;
/// How often a blocked read looks for an interrupt: well below the 100 ms in
/// which an abort has to be felt.
[[maybe_unused]] constexpr int kPollMilliseconds = 20;

}  // namespace

FileKind inspectFile(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path file = fs::u8path(path);
  const fs::file_status status = fs::status(file, error);
  if (status.type() == fs::file_type::not_found) {
    check(AVERROR(ENOENT), "open");
  }
  if (error) check(AVERROR(error.value()), "open");
  if (status.type() == fs::file_type::directory) {
    check(AVERROR(EISDIR), "open");
  }
  if (status.type() != fs::file_type::regular) return FileKind::kPipe;
  if (fs::file_size(file, error) == 0 && !error) {
    throw Error(ErrorCode::kEmpty, "open: The file is empty");
  }
  return FileKind::kRegular;
}

#ifdef _WIN32

PipeInput::PipeInput(const std::string&, const Interrupt& interrupt)
    : interrupt_(interrupt) {
  throw Error(
      ErrorCode::kUnsupported, "open: Only regular files can be read here");
}
PipeInput::~PipeInput() = default;
int PipeInput::read(void*, uint8_t*, int) { return AVERROR(ENOSYS); }

#else

PipeInput::PipeInput(const std::string& path, const Interrupt& interrupt)
    : interrupt_(interrupt) {
  file_ = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (file_ < 0) check(AVERROR(errno), "open");
  auto* buffer = static_cast<unsigned char*>(av_malloc(kBufferBytes));
  if (buffer != nullptr) {
    context_ = avio_alloc_context(
        buffer, kBufferBytes, 0, this, &PipeInput::read, nullptr, nullptr);
  }
  if (context_ == nullptr) {
    av_free(buffer);
    close(file_);
    check(AVERROR(ENOMEM), "avio_alloc_context");
  }
}

PipeInput::~PipeInput() {
  av_freep(&context_->buffer);
  avio_context_free(&context_);
  close(file_);
}

int PipeInput::read(void* self, uint8_t* buffer, int size) {
  const auto& input = *static_cast<const PipeInput*>(self);
  for (;;) {
    if (input.interrupt_.requested()) return AVERROR_EXIT;
    pollfd file{input.file_, POLLIN, 0};
    const int ready = poll(&file, 1, kPollMilliseconds);
    if (ready < 0 && errno != EINTR) return AVERROR(errno);
    if (ready <= 0) continue;
    const ssize_t bytes = ::read(input.file_, buffer, size);
    if (bytes > 0) return static_cast<int>(bytes);
    if (bytes == 0) return AVERROR_EOF;
    if (errno != EAGAIN && errno != EINTR) return AVERROR(errno);
  }
}

#endif

}  // namespace rushes
