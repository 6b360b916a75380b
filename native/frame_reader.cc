#include "frame_reader.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "compat.h"
#include "selector.h"

namespace rushes {

namespace {

/// A seek that lands too late is tried again from this much earlier, in
/// seconds; then the file is read from its beginning.
constexpr std::array<double, 4> kStepsBack = {0, 1, 5, 25};

/// How many frames may come before the key frame that a seek promised.
constexpr int kMaxFramesBeforeKeyFrame = 64;

/// A pass that could not begin has neither demuxer nor codec; reads that were
/// posted behind it end with this.
Error notOpen() {
  return {ErrorCode::kIo, "open: The source could not be opened again"};
}

}  // namespace

FrameReader::FrameReader(ReaderOptions options, const Interrupt& interrupt)
    : options_(std::move(options)), interrupt_(interrupt) {}

void FrameReader::open() {
  rewind();
  info_ = describeVideo(*demuxer_);
  info_.codedWidth = std::max(codec().coded_width, info_.width);
  info_.codedHeight = std::max(codec().coded_height, info_.height);
}

const AVStream& FrameReader::stream() const {
  if (!demuxer_) throw notOpen();
  return demuxer_->stream();
}

const AVCodecContext& FrameReader::codec() const {
  if (!codec_) throw notOpen();
  return codec_->context();
}

DecodePath FrameReader::path() const {
  if (!codec_) throw notOpen();
  return codec_->path();
}

void FrameReader::useDevice(std::shared_ptr<HardwareDevice> device) {
  device_ = std::move(device);
  codec_.reset();
  restartCodec();
  told_ = {};
}

void FrameReader::scaleOnDevice(const ScaledOutput& output) {
  if (!device_ || device_->output() == output) return;
  device_->scaleFor(output);
  // What was decoded ahead has another size.
  if (landed_) rewind();
}

std::optional<DecodePath> FrameReader::takeNewPath() {
  if (!codec_ || !device_ || device_->state() == told_) return std::nullopt;
  told_ = device_->state();
  return codec_->path();
}

double FrameReader::seconds(int64_t ticks) const {
  const AVRational timeBase = stream().time_base;
  return static_cast<double>(ticks) * timeBase.num / timeBase.den;
}

// ---------------------------------------------------------- where to begin

void FrameReader::begin(std::optional<double> start, bool keyFramesOnly) {
  const bool sameCodec = keyFramesOnly_ == keyFramesOnly;
  keyFramesOnly_ = keyFramesOnly;
  skipping_ = true;
  if (!sameCodec) codec_.reset();
  forget();
  errors_.clear();
  if (!demuxer_) rewind();  // opening again failed the last time
  if (start && *start > info_.startTime.value_or(0)) {
    seekTo(*start);
  } else if (!fresh_) {
    rewind();
  }
  if (!codec_) restartCodec();
}

bool FrameReader::hurry(double time) {
  if (!lastPts_ || !isWorthSeeking(time)) return false;
  const int64_t before = *lastPts_;
  forget();
  seekTo(time);
  if (!landed_ || landed_->pts <= before) {  // in vain
    trustsTables_ = false;
    farAhead_ *= 2;
  }
  return true;
}

bool FrameReader::isWorthSeeking(double time) const {
  if (!demuxer_->seekable() || keyFramesOnly_) return false;
  const AVRational timeBase = stream().time_base;
  const double ticks = time * timeBase.den / timeBase.num;
  if (std::abs(ticks) > 9e18) return false;
  // Frames on their way through the decoder cost more than a few to come.
  const int near = codec().thread_count + codec().has_b_frames;
  std::optional<bool> key;
  if (trustsTables_) {
    key = demuxer_->hasKeyFrameAhead(
        static_cast<int64_t>(ticks), near * frameDuration());
  }
  return key.value_or(time - seconds(*lastPts_) > farAhead_);
}

/// Nothing of what was read counts any more.
void FrameReader::forget() {
  landed_.reset();
  nextPts_.reset();
  lastPts_.reset();
  decoded_ = 0;
  fileError_.reset();
}

void FrameReader::rewind() {
  codec_.reset();
  demuxer_.reset();  // first, so that no two files are open
  demuxer_ =
      std::make_unique<Demuxer>(options_.source, options_.stream, interrupt_);
  disposable_.emplace(*demuxer_->stream().codecpar);
  restartCodec();
  fresh_ = true;
  fromStart_ = true;
  landed_.reset();
  nextPts_.reset();
  lastPts_.reset();
}

void FrameReader::restartCodec() {
  hasSkipped_ = false;
  hasFailed_ = false;
  keyPts_.reset();
  if (codec_) {
    codec_->flush();
    return;
  }
  // Without timestamps, time is known by counting every frame.
  const bool keyFramesOnly = keyFramesOnly_ && demuxer_->hasTimestamps();
  codec_ = std::make_unique<Codec>(
      demuxer_->stream(), CodecOptions{
                              .threads = options_.threads,
                              .keyFramesOnly = keyFramesOnly,
                              .device = device_});
}

void FrameReader::seekTo(double time) {
  if (demuxer_->seekable()) {
    const AVRational timeBase = stream().time_base;
    for (const double back : kStepsBack) {
      const double ticks =
          std::floor((time - back + slack(time)) * timeBase.den / timeBase.num);
      fresh_ = false;
      if (std::abs(ticks) > 9e18 ||
          !demuxer_->seek(static_cast<int64_t>(ticks))) {
        break;
      }
      restartCodec();
      fromStart_ = false;
      if (landsBefore(time)) return;
    }
  }
  if (!fresh_) rewind();
}

bool FrameReader::landsBefore(double time) {
  landed_.emplace();
  try {
    for (int i = 0; i < kMaxFramesBeforeKeyFrame; ++i) {
      if (!codec_->receive(*demuxer_, landed_->frame)) break;
      stamp(*landed_);
      if (compat::isKeyFrame(*landed_->frame)) {
        if (landed_->time <= time + slack(time)) return true;
        break;
      }
    }
  } catch (const Error& error) {
    if (isFatal(error.code)) throw;
  }
  landed_.reset();
  nextPts_.reset();
  return false;
}

void FrameReader::approach(const FrameIndex& index, size_t frame, int attempt) {
  // A pass over key frames leaves a codec that decodes nothing else.
  if (std::exchange(keyFramesOnly_, false)) codec_.reset();
  if (!demuxer_ || !codec_) rewind();  // opening again failed
  const bool damaged = fromStart_ && hasFailed_;
  skipping_ = attempt == 0 && !damaged;
  if (attempt == 0) errorsBefore_ = errors_.size();
  errors_.erase(errors_.begin() + errorsBefore_, errors_.end());
  const IndexEntry& target = index[frame];
  const std::optional<IndexEntry> key = index.keyFrameFor(frame, attempt);
  if (attempt == 0) {
    const std::optional<int64_t> at = demuxer_->order();
    const bool ahead = !lastPts_ || target.pts > *lastPts_;
    // Frames on their way through the decoder cost more than a few to come.
    const int near = codec().thread_count + codec().has_b_frames;
    if (at && ahead && damaged && detours_ > 1) return;
    if (at && ahead && (!key || key->order <= *at + near)) return;
  }
  if (attempt == kAttempts - 1) ++detours_;
  if (!key || attempt == kAttempts - 1 || !jumpTo(index, *key)) {
    if (!fresh_) rewind();
  }
}

/// Continues at the packet of `key`; false if the container did not get there.
bool FrameReader::jumpTo(const FrameIndex& index, const IndexEntry& key) {
  if (!demuxer_->seekable()) return false;
  fresh_ = false;
  try {
    if (!demuxer_->seek(key.pts)) return false;
    Packet packet;
    while (demuxer_->read(packet)) {
      const std::optional<int64_t> order =
          index.orderOf(packet->pts, packet->pos);
      if (order && *order > key.order) return false;
      if (!order || *order < key.order) continue;
      demuxer_->unread(packet);
      demuxer_->setOrder(key.order);
      restartCodec();
      forget();
      keyPts_ = key.pts;
      fromStart_ = false;
      return true;
    }
  } catch (const Error& error) {
    if (isFatal(error.code)) throw;
  }
  return false;
}

// ------------------------------------------------------ frames one by one

bool FrameReader::next(TimedFrame& frame) {
  if (landed_) {
    std::swap(frame, *landed_);
    landed_.reset();
    ++decoded_;
    return true;
  }
  if (!codec_) throw notOpen();
  fresh_ = false;
  do {
    interrupt_.check();
    if (!receive(frame.frame)) {
      finish();
      return false;
    }
    stamp(frame);
    ++decoded_;
    if (keyPts_ && frame.pts >= *keyPts_) {
      // Containers may mark what is none.
      hasFailed_ = hasFailed_ || !compat::isKeyFrame(*frame.frame);
      keyPts_.reset();
    }
  } while (keyFramesOnly_ && !compat::isKeyFrame(*frame.frame));
  return true;
}

bool FrameReader::receive(Frame& frame) {
  for (;;) {
    try {
      const bool received = codec_->receive(
          *demuxer_, frame,
          [this](const AVPacket& packet) { return skips(packet); });
      if (!received) admitLoss();
      return received;
    } catch (const Error& error) {
      if (isFatal(error.code)) throw;
      hasFailed_ = true;
      const bool encrypted = error.code == ErrorCode::kEncrypted;
      if (error.code == ErrorCode::kDecode && demuxer_->isCutShort()) {
        // Of a packet cut in two, which the demuxer reports: some decoders make
        // a picture of it, others none, by how many threads they have.
      } else if (options_.skipErrors && !encrypted) {
        errors_.push_back(error);
      } else if (demuxer_->brokeOff() && !encrypted) {
        // Not the damage that this did to the last packet.
        fileError_ = demuxer_->brokeOff();
      } else if (error.code == ErrorCode::kDecode) {
        throw;
      } else {
        // The codec still holds frames, such as those of a clear beginning.
        fileError_ = error;
      }
    }
    interrupt_.check();
  }
}

/// At the end of the file: what its format left out is damage, too.
void FrameReader::admitLoss() {
  const std::optional<Error> loss = demuxer_->takeLoss();
  if (!loss) return;
  if (options_.skipErrors) {
    errors_.push_back(*loss);
  } else if (!fileError_) {
    fileError_ = loss;
  }
}

bool FrameReader::skips(const AVPacket& packet) {
  const bool disposable = disposable_->contains(packet);
  if (!skippable_ || packet.pts == AV_NOPTS_VALUE) return false;
  const bool skipped =
      skippable_(packet.pts) && disposable && skipping_ && !hasFailed_;
  hasSkipped_ = hasSkipped_ || skipped;
  return skipped;
}

bool FrameReader::isDoubtful(const TimedFrame& frame) const {
  const bool damaged = frame.frame->decode_error_flags != 0 ||
                       (frame.frame->flags & AV_FRAME_FLAG_CORRUPT) != 0;
  return (hasSkipped_ || !fromStart_) && (hasFailed_ || damaged);
}

/// Called at the end of the file.
void FrameReader::finish() {
  if (fileError_) throw *std::exchange(fileError_, std::nullopt);
  if (decoded_ > 0 || !fromStart_) return;
  if (!errors_.empty()) throw errors_.front();
  throw Error(
      ErrorCode::kInvalidData, "the stream holds no frame that can be decoded");
}

/// Of the average frame, in ticks; 0 if not known.
int64_t FrameReader::frameDuration() const {
  const AVRational rate = compat::averageFrameRate(stream());
  if (rate.num <= 0 || rate.den <= 0) return 0;
  const int64_t ticks = av_rescale_q(1, av_inv_q(rate), stream().time_base);
  return std::max<int64_t>(ticks, 0);
}

void FrameReader::stamp(TimedFrame& frame) {
  const AVStream& stream = this->stream();
  frame.pts = frame.frame->best_effort_timestamp;
  if (frame.pts == AV_NOPTS_VALUE) {
    // Streams without timestamps play at their frame rate.
    const int64_t first =
        stream.start_time != AV_NOPTS_VALUE ? stream.start_time : 0;
    frame.pts = nextPts_.value_or(first);
  }
  frame.duration = compat::frameDuration(*frame.frame, stream);
  if (frame.duration <= 0) frame.duration = frameDuration();
  frame.time = seconds(frame.pts);
  frame.end = seconds(frame.pts + frame.duration);
  nextPts_ = frame.pts + frame.duration;
  lastPts_ = frame.pts;
}

}  // namespace rushes
