#include "input.h"

#include <fcntl.h>
#include <sys/stat.h>

#ifndef _WIN32
#include <poll.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

namespace rushes {

namespace {

constexpr int kBufferBytes = 64 * 1024;
/// How often a blocked read looks for an interrupt: well below the 100 ms in
/// which an abort has to be felt.
constexpr int kPollMilliseconds = 20;

/// What `path` names.
enum class FileKind { kRegular, kPipe };

FileKind inspectFile(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path file = std::u8string(path.begin(), path.end());
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

}  // namespace

std::unique_ptr<Input> openInput(
    const Source& source, const Interrupt& interrupt) {
  if (const auto* bytes = std::get_if<SharedBytes>(&source)) {
    return std::make_unique<MemoryInput>(*bytes);
  }
  if (const auto* stream =
          std::get_if<std::shared_ptr<StreamBuffer>>(&source)) {
    return std::make_unique<StreamInput>(*stream, interrupt);
  }
  const auto& path = std::get<std::string>(source);
  if (inspectFile(path) == FileKind::kRegular) return nullptr;
  return std::make_unique<PipeInput>(path, interrupt);
}

// ----------------------------------------------------------------- Input

Input::Input(bool seekable) {
  auto* buffer = static_cast<unsigned char*>(av_malloc(kBufferBytes));
  checkAlloc(buffer, "av_malloc");
  context_.reset(avio_alloc_context(
      buffer, kBufferBytes, 0, this, &Input::readPacket, nullptr,
      &Input::seekPacket));
  if (context_ == nullptr) av_free(buffer);
  checkAlloc(context_.get(), "avio_alloc_context");
  // One that cannot seek has the callback all the same, to hear of the wish.
  context_->seekable = seekable ? AVIO_SEEKABLE_NORMAL : 0;
}

int Input::readPacket(void* self, uint8_t* buffer, int size) {
  return static_cast<Input*>(self)->read(buffer, size);
}

int64_t Input::seekPacket(void* self, int64_t offset, int whence) {
  auto& input = *static_cast<Input*>(self);
  whence &= ~AVSEEK_FORCE;
  if (input.seekable()) return input.seek(offset, whence);
  if (whence == AVSEEK_SIZE) return AVERROR(ENOSYS);
  if (whence == SEEK_SET) input.refusedSeek_ = true;
  return AVERROR(ESPIPE);
}

int64_t Input::seek(int64_t /*offset*/, int /*whence*/) {
  return AVERROR(ESPIPE);
}

// ------------------------------------------------------------- PipeInput

#ifdef _WIN32

PipeInput::PipeInput(const std::string&, const Interrupt& interrupt)
    : Input(false), interrupt_(interrupt) {
  throw Error(
      ErrorCode::kUnsupported, "open: Only regular files can be read here");
}
PipeInput::~PipeInput() = default;
int PipeInput::read(uint8_t*, int) { return AVERROR(ENOSYS); }

#else

PipeInput::PipeInput(const std::string& path, const Interrupt& interrupt)
    : Input(false), interrupt_(interrupt) {
  file_ = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (file_ < 0) rushes::check(AVERROR(errno), "open");
}

PipeInput::~PipeInput() { close(file_); }

int PipeInput::read(uint8_t* buffer, int size) {
  for (;;) {
    if (interrupt_.requested()) return AVERROR_EXIT;
    pollfd file{file_, POLLIN, 0};
    const int ready = poll(&file, 1, kPollMilliseconds);
    if (ready < 0 && errno != EINTR) return AVERROR(errno);
    if (ready <= 0) continue;
    const ssize_t bytes = ::read(file_, buffer, size);
    if (bytes > 0) return static_cast<int>(bytes);
    if (bytes == 0) return AVERROR_EOF;
    if (errno != EAGAIN && errno != EINTR) return AVERROR(errno);
  }
}

#endif

// ----------------------------------------------------------- MemoryInput

MemoryInput::MemoryInput(SharedBytes bytes)
    : Input(true), bytes_(std::move(bytes)) {
  if (bytes_ == nullptr) {
    throw Error(ErrorCode::kClosed, "open: The buffer was freed");
  }
  if (bytes_->empty()) {
    throw Error(ErrorCode::kEmpty, "open: The buffer is empty");
  }
}

std::optional<int64_t> MemoryInput::size() const {
  return static_cast<int64_t>(bytes_->size());
}

int MemoryInput::read(uint8_t* buffer, int size) {
  const int64_t left = static_cast<int64_t>(bytes_->size()) - position_;
  if (left <= 0) return AVERROR_EOF;
  const auto bytes = static_cast<int>(std::min<int64_t>(size, left));
  std::memcpy(buffer, bytes_->data() + position_, bytes);
  position_ += bytes;
  return bytes;
}

int64_t MemoryInput::seek(int64_t offset, int whence) {
  const auto size = static_cast<int64_t>(bytes_->size());
  int64_t from = 0;
  if (whence == AVSEEK_SIZE) return size;
  if (whence == SEEK_CUR) from = position_;
  if (whence == SEEK_END) from = size;
  // As in a file, there may be a place behind the end, with nothing to read.
  if (offset < -from || offset > INT64_MAX - from) return AVERROR(EINVAL);
  position_ = from + offset;
  return position_;
}

// ---------------------------------------------------------- StreamBuffer

StreamBuffer::StreamBuffer(size_t capacity)
    : capacity_(std::max(capacity, 2 * kPieceBytes)), ring_(capacity_) {}

bool StreamBuffer::push(std::span<const uint8_t> piece) {
  bool room = false;
  {
    const std::lock_guard lock(mutex_);
    if (closed_ || ended_ || piece.size() > capacity_ - count_) return false;
    const size_t begin = (first_ + count_) % capacity_;
    const size_t upTo = std::min(piece.size(), capacity_ - begin);
    std::copy_n(piece.data(), upTo, ring_.data() + begin);
    std::copy_n(piece.data() + upTo, piece.size() - upTo, ring_.data());
    count_ += piece.size();
    total_ += static_cast<int64_t>(piece.size());
    room = capacity_ - count_ >= kPieceBytes;
  }
  arrived_.notify_one();
  return room;
}

void StreamBuffer::whenRoom(std::function<void()> call) {
  {
    const std::lock_guard lock(mutex_);
    waiting_ = std::move(call);
    call = takeWaiting();
  }
  if (call) call();
}

/// The waiting producer's call, if it has waited long enough. Half of the ring
/// is given out at once, so that threads do not take turns for every piece.
std::function<void()> StreamBuffer::takeWaiting() {
  if (!closed_ && count_ > capacity_ / 2) return {};
  return std::exchange(waiting_, {});
}

void StreamBuffer::end(bool failed) {
  {
    const std::lock_guard lock(mutex_);
    if (ended_) return;
    ended_ = true;
    failed_ = failed;
  }
  arrived_.notify_one();
}

void StreamBuffer::close() {
  std::function<void()> call;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    count_ = 0;
    Bytes().swap(ring_);
    call = takeWaiting();
  }
  arrived_.notify_one();
  if (call) call();
}

bool StreamBuffer::closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

bool StreamBuffer::claim() {
  const std::lock_guard lock(mutex_);
  return !std::exchange(claimed_, true);
}

int StreamBuffer::read(uint8_t* target, int size, const Interrupt& interrupt) {
  size_t bytes = 0;
  std::function<void()> call;
  {
    std::unique_lock lock(mutex_);
    const auto wait = std::chrono::milliseconds(kPollMilliseconds);
    while (count_ == 0 && !ended_ && !closed_ && !interrupt.requested()) {
      arrived_.wait_for(lock, wait);
    }
    if (closed_ || interrupt.requested()) return AVERROR_EXIT;
    if (count_ == 0) return failed_ ? AVERROR(EIO) : AVERROR_EOF;
    bytes = std::min(static_cast<size_t>(size), count_);
    const size_t upTo = std::min(bytes, capacity_ - first_);
    std::copy_n(ring_.data() + first_, upTo, target);
    std::copy_n(ring_.data(), bytes - upTo, target + upTo);
    first_ = (first_ + bytes) % capacity_;
    count_ -= bytes;
    call = takeWaiting();
  }
  if (call) call();
  return static_cast<int>(bytes);
}

std::optional<int64_t> StreamBuffer::total() const {
  const std::lock_guard lock(mutex_);
  if (!ended_ || failed_) return std::nullopt;
  return total_;
}

bool StreamBuffer::failed() const {
  const std::lock_guard lock(mutex_);
  // Not before the bytes that came before it are read.
  return failed_ && count_ == 0;
}

// ----------------------------------------------------------- StreamInput

StreamInput::StreamInput(
    std::shared_ptr<StreamBuffer> buffer, const Interrupt& interrupt)
    : Input(false), buffer_(std::move(buffer)), interrupt_(interrupt) {
  if (!buffer_->claim()) {
    throw Error(
        ErrorCode::kNotSeekable,
        "open: A stream can be read once only, from its beginning; for more "
        "than one pass, an index or single frames, give a file or a buffer");
  }
}

StreamInput::~StreamInput() { buffer_->close(); }

void StreamInput::check() const {
  if (buffer_->failed()) {
    throw Error(
        ErrorCode::kIo, "read: The source of the stream failed", AVERROR(EIO));
  }
  if (buffer_->total() == 0) {
    throw Error(ErrorCode::kEmpty, "open: The stream is empty");
  }
}

int StreamInput::read(uint8_t* buffer, int size) {
  return buffer_->read(buffer, size, interrupt_);
}

}  // namespace rushes
