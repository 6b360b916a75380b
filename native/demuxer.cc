#include "demuxer.h"

#include <array>
#include <cstring>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace rushes {

namespace {

/// Demuxers that take any text for a film of the text itself.
constexpr std::array<std::string_view, 5> kTextArt = {
    "tty", "bin", "xbin", "adf", "idf"};

bool isPicture(const AVStream& stream) {
  return (stream.disposition &
          (AV_DISPOSITION_ATTACHED_PIC | AV_DISPOSITION_TIMED_THUMBNAILS)) != 0;
}

/// Whether the packet is encrypted and nobody has decrypted it. The mov demuxer
/// then hands on how it was done (ISO/IEC 23001-7); Matroska's tells the name
/// of the key, and its packets are no data of the codec any more.
bool isEncrypted(
    const AVFormatContext& context, const AVStream& stream,
    const AVPacket& packet) {
  if (av_packet_get_side_data(&packet, AV_PKT_DATA_ENCRYPTION_INFO, nullptr)) {
    return true;
  }
  // In capitals it would be somebody's tag.
  return std::string_view(context.iformat->name).starts_with("matroska") &&
         av_dict_get(
             stream.metadata, "enc_key_id", nullptr, AV_DICT_MATCH_CASE);
}

bool isVideo(const AVStream& stream) {
  return stream.codecpar->codec_type == AVMEDIA_TYPE_VIDEO &&
         !isPicture(stream);
}

/// For the decoders with which FFmpeg finds out what streams are. Nobody sees
/// their pictures, so that no sample of these has to be right.
class ProbeOptions {
 public:
  explicit ProbeOptions(unsigned streams) : ofStream_(streams) {
    for (AVDictionary*& options : ofStream_) {
      av_dict_set(&options, "skip_idct", "all", 0);
      av_dict_set(&options, "skip_loop_filter", "all", 0);
    }
  }
  ~ProbeOptions() {
    for (AVDictionary*& options : ofStream_) av_dict_free(&options);
  }
  ProbeOptions(const ProbeOptions&) = delete;
  ProbeOptions& operator=(const ProbeOptions&) = delete;

  AVDictionary** get() noexcept { return ofStream_.data(); }

 private:
  std::vector<AVDictionary*> ofStream_;
};

}  // namespace

Demuxer::Demuxer(
    const Source& source, const StreamChoice& choice,
    const Interrupt& interrupt)
    : interrupt_(interrupt), input_(openInput(source, interrupt)) {
  open(source);
  try {
    chooseStream(choice);
  } catch (const Error&) {
    if (input_) input_->check();  // it broke off before the stream came
    throw;
  }
  if (input_ && input_->refusedSeek()) {
    // Whether that mattered, the first packet shows.
    Packet packet;
    if (read(packet)) unread(packet);
  }
}

void Demuxer::open(const Source& source) {
  AVFormatContext* context = avformat_alloc_context();
  checkAlloc(context, "avformat_alloc_context");
  context_.reset(context);
  context->interrupt_callback = {
      &Interrupt::callback, const_cast<Interrupt*>(&interrupt_)};
  if (input_) context->pb = input_->context();
  // Playlists and the like may refer to other files, never to the network;
  // those that came without a path, to no file either.
  const auto* path = std::get_if<std::string>(&source);
  context->protocol_whitelist = av_strdup(path ? "file,crypto,data" : "data");
  const std::string url = path ? "file:" + *path : "";
  LogCapture log;
  // FFmpeg frees the context when opening fails.
  std::ignore = context_.release();
  const int opened =
      avformat_open_input(&context, url.c_str(), nullptr, nullptr);
  if (opened < 0) {
    interrupt_.check();
    checkInput();
  }
  check(opened, "avformat_open_input");
  context_.reset(context);
  for (std::string_view name : kTextArt) {
    if (name == context->iformat->name) {
      check(AVERROR_INVALIDDATA, "avformat_open_input");
    }
  }
  listen(log);
  log.clear();
  ProbeOptions options(context->nb_streams);
  const int found = avformat_find_stream_info(context, options.get());
  interrupt_.check();
  if (found < 0) checkInput();
  check(found, "avformat_find_stream_info");
  listen(log);  // of a small file that was all there is to hear
}

/// Formats that look for the next intact packet behind damage say so in the log
/// alone.
void Demuxer::listen(const LogCapture& log) {
  constexpr std::array<const char*, 4> kLeftOut = {
      "invalid as first byte of an EBML number",  // Matroska
      "Invalid track number",                     // Matroska
      "CRC mismatch!",                            // Ogg
      "Packet mismatch",                          // FLV
  };
  if (log.last().empty()) return;
  // Matroska
  endsPrematurely_ = endsPrematurely_ || log.heard("File ended prematurely");
  for (const char* words : kLeftOut) {
    const std::string line = log.lineWith(words);
    if (line.empty() || loss_) continue;
    loss_.emplace(
        ErrorCode::kInvalidData,
        "av_read_frame: Damaged data was left out (" + line + ")",
        AVERROR_INVALIDDATA);
  }
}

std::optional<Error> Demuxer::takeLoss() {
  return std::exchange(loss_, std::nullopt);
}

/// Called where FFmpeg failed: throws if the input was the reason.
void Demuxer::checkInput() const {
  if (!input_) return;
  input_->check();
  if (input_->refusedSeek()) {
    throw Error(
        ErrorCode::kNotSeekable,
        "read: The demuxer has to go back, which a stream cannot; give a file "
        "or a buffer, or move the tables of an mp4 to its front (ffmpeg "
        "-movflags +faststart)",
        AVERROR(ESPIPE));
  }
}

/// The largest video stream in `language` (any, if empty); below 0 if none.
int Demuxer::largestStream(const std::string& language) const {
  int64_t area = -1;
  int largest = -1;
  for (unsigned i = 0; i < context_->nb_streams; ++i) {
    const AVStream& stream = *context_->streams[i];
    const AVDictionaryEntry* tag =
        av_dict_get(stream.metadata, "language", nullptr, 0);
    const bool speaks =
        language.empty() || (tag != nullptr && language == tag->value);
    const int64_t size =
        static_cast<int64_t>(stream.codecpar->width) * stream.codecpar->height;
    if (!isVideo(stream) || !speaks || size <= area) continue;
    area = size;
    largest = static_cast<int>(i);
  }
  return largest;
}

void Demuxer::chooseStream(const StreamChoice& choice) {
  AVFormatContext& context = *context_;
  const int streams = static_cast<int>(context.nb_streams);
  int streamIndex = choice.index;
  if (streamIndex >= 0) {
    if (streamIndex >= streams || !isVideo(*context.streams[streamIndex])) {
      throw Error(
          ErrorCode::kNoVideo,
          "stream " + std::to_string(streamIndex) + " is not a video stream");
    }
  } else if (!choice.language.empty()) {
    streamIndex = largestStream(choice.language);
    if (streamIndex < 0) {
      throw Error(
          ErrorCode::kNoVideo,
          "the file has no video stream in the language " + choice.language);
    }
  } else {
    streamIndex =
        av_find_best_stream(&context, AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
    if (streamIndex < 0 || isPicture(*context.streams[streamIndex])) {
      streamIndex = largestStream({});
    }
    if (streamIndex < 0) {
      throw Error(ErrorCode::kNoVideo, "the file has no video stream");
    }
  }
  for (int i = 0; i < streams; ++i) {
    if (i != streamIndex) context.streams[i]->discard = AVDISCARD_ALL;
  }
  stream_ = context.streams[streamIndex];
}

void Demuxer::unread(Packet& packet) {
  std::swap(unread_, packet);
  hasUnread_ = true;
  if (order_) --*order_;
}

bool Demuxer::read(Packet& packet) {
  if (hasUnread_) {
    std::swap(unread_, packet);
    hasUnread_ = false;
    if (order_) ++*order_;
    return true;
  }
  LogCapture log;
  forgetInterrupt();
  for (;;) {
    packet.unref();
    if (input_) input_->forgetRefusal();
    const int result = av_read_frame(context_.get(), packet.get());
    listen(log);
    if (interrupt_.requested()) {
      order_.reset();  // whatever was read is lost
      interrupt_.check();
    }
    if (result == AVERROR(EAGAIN)) continue;
    if (result < 0) checkInput();
    if (result == AVERROR_EOF) {
      if (endsEarly() || endsPrematurely_) {
        throw Error(
            ErrorCode::kTruncated,
            "av_read_frame: The file ends before its tables say it does",
            AVERROR_EOF);
      }
      return false;
    }
    if (result < 0 && endsEarly()) {
      throw Error(
          ErrorCode::kTruncated,
          "av_read_frame: The file ends before its tables say it does (" +
              (log.last().empty() ? describe(result) : log.last()) + ")",
          result);
    }
    check(result, "av_read_frame");
    if (packet->stream_index != stream_->index) continue;
    if (isEncrypted(*context_, *stream_, *packet.get())) {
      throw Error(
          ErrorCode::kEncrypted, "av_read_frame: The stream is encrypted");
    }
    corruptPacket_ = (packet->flags & AV_PKT_FLAG_CORRUPT) != 0;
    if (order_) ++*order_;
    const int64_t dts =
        packet->dts != AV_NOPTS_VALUE ? packet->dts : packet->pts;
    if (dts != AV_NOPTS_VALUE) lastDts_ = dts;
    return true;
  }
}

/// What reads a file remembers that an interrupt ended its last read, and would
/// end later ones as well, which are none of that interrupt's business.
void Demuxer::forgetInterrupt() const noexcept {
  AVIOContext* io = context_->pb;
  if (io == nullptr || io->error != AVERROR_EXIT) return;
  io->error = 0;
  io->eof_reached = 0;
}

std::optional<bool> Demuxer::hasKeyFrameAhead(
    int64_t pts, int64_t margin) const {
  const int entries = avformat_index_get_entries_count(stream_);
  const AVIndexEntry* last = avformat_index_get_entry(stream_, entries - 1);
  if (last == nullptr || last->timestamp < pts || !lastDts_) {
    return std::nullopt;
  }
  const AVIndexEntry* key = avformat_index_get_entry_from_timestamp(
      stream_, pts, AVSEEK_FLAG_BACKWARD);
  return key != nullptr && key->timestamp > *lastDts_ + margin;
}

bool Demuxer::endsEarly() const {
  if (corruptPacket_) return true;  // the last packet was cut in two
  int64_t size = AVERROR(ENOSYS);
  if (input_) {
    size = input_->size().value_or(size);
  } else if (context_->pb != nullptr) {
    size = avio_size(context_->pb);
  }
  if (size <= 0) return false;
  // Formats that carry a table of packets put it into FFmpeg's index.
  const int entries = avformat_index_get_entries_count(stream_);
  for (int i = entries - 1; i >= 0 && i >= entries - 16; --i) {
    const AVIndexEntry* entry = avformat_index_get_entry(stream_, i);
    if (entry != nullptr && entry->pos + entry->size > size) return true;
  }
  return false;
}

bool Demuxer::isCutShort() const noexcept {
  const AVIOContext* io = context_->pb;
  return corruptPacket_ && io != nullptr && io->eof_reached != 0;
}

std::optional<Error> Demuxer::brokeOff() const {
  try {
    if (input_) input_->check();
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

bool Demuxer::seekable() const noexcept {
  return (input_ == nullptr || input_->seekable()) && hasTimestamps();
}

bool Demuxer::seek(int64_t pts) {
  forgetInterrupt();
  corruptPacket_ = false;
  endsPrematurely_ = false;
  loss_.reset();
  hasUnread_ = false;
  order_.reset();
  lastDts_.reset();
  const int result = avformat_seek_file(
      context_.get(), stream_->index, INT64_MIN, pts, pts, 0);
  interrupt_.check();
  return result >= 0;
}

}  // namespace rushes
