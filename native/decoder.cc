#include "decoder.h"

extern "C" {
#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
}

#include <algorithm>
#include <cmath>
#include <utility>

#include "compat.h"

namespace rushes {

namespace {

/// A seek that lands too late is tried again from this much earlier, in
/// seconds; then the file is read from its beginning.
constexpr std::array<double, 4> kStepsBack = {0, 1, 5, 25};

/// How many frames may come before the key frame that a seek promised.
constexpr int kMaxFramesBeforeKeyFrame = 64;

/// Errors that end a pass whatever the caller said of damage.
bool isFatal(ErrorCode code) {
  switch (code) {
    case ErrorCode::kAborted:
    case ErrorCode::kClosed:
    case ErrorCode::kOutOfMemory:
    case ErrorCode::kEncrypted:
      return true;
    default:
      return false;
  }
}

}  // namespace

Decoder::Decoder(DecoderOptions options, const Interrupt& interrupt)
    : options_(std::move(options)), interrupt_(interrupt) {}

void Decoder::open() {
  demuxer_ = std::make_unique<Demuxer>(
      options_.path, options_.streamIndex, interrupt_);
  info_ = describeVideo(*demuxer_);
  openCodec();
  info_.codedWidth = std::max(codec().coded_width, info_.width);
  info_.codedHeight = std::max(codec().coded_height, info_.height);
  fresh_ = true;
}

void Decoder::openCodec() {
  codec_ = std::make_unique<Codec>(
      demuxer_->stream(), options_.threads,
      // Without timestamps, time is known by counting every frame.
      keyFramesOnly_ && demuxer_->hasTimestamps());
}

int Decoder::nativeFrameBytes() const {
  const AVCodecParameters& codec = *demuxer_->stream().codecpar;
  const int bytes = av_image_get_buffer_size(
      static_cast<AVPixelFormat>(codec.format), codec.width, codec.height, 1);
  return std::max(bytes, 0);
}

double Decoder::seconds(int64_t ticks) const noexcept {
  const AVRational timeBase = demuxer_->stream().time_base;
  return static_cast<double>(ticks) * timeBase.num / timeBase.den;
}

// ---------------------------------------------------------------- begin

void Decoder::start(const Selection& selection, const Output& output) {
  selector_.emplace(selection);
  scaler_.emplace(output);
  orientation_ = output.orientation;
  if (output.scaleWidth > 0) {
    currentPicture_.emplace(output.scaleWidth, output.scaleHeight);
    picture_.emplace(output.scaleWidth, output.scaleHeight);
  }
  changes_.reset();
  done_ = false;
  hasOnScreen_ = false;
  hasChosen_ = false;
  landed_.reset();
  nextPts_.reset();
  decoded_ = 0;
  errors_.clear();
  fileError_.reset();
  pendingError_.reset();
  const bool sameCodec = keyFramesOnly_ == selection.keyFrames;
  keyFramesOnly_ = selection.keyFrames;
  const double begins = info_.startTime.value_or(0);
  if (selection.start && *selection.start > begins) {
    seekTo(*selection.start);
  } else if (!fresh_) {
    rewind();
  } else if (!sameCodec) {
    openCodec();
  }
}

void Decoder::rewind() {
  codec_.reset();
  demuxer_.reset();  // first, so that no two files are open
  demuxer_ = std::make_unique<Demuxer>(
      options_.path, options_.streamIndex, interrupt_);
  openCodec();
  fresh_ = true;
  fromStart_ = true;
  landed_.reset();
}

void Decoder::seekTo(double time) {
  if (demuxer_->seekable()) {
    const AVRational timeBase = demuxer_->stream().time_base;
    for (const double back : kStepsBack) {
      const double ticks =
          std::floor((time - back + slack(time)) * timeBase.den / timeBase.num);
      fresh_ = false;
      if (std::abs(ticks) > 9e18 ||
          !demuxer_->seek(static_cast<int64_t>(ticks))) {
        break;
      }
      openCodec();
      fromStart_ = false;
      if (landsBefore(time)) return;
    }
  }
  if (!fresh_) rewind();
}

bool Decoder::landsBefore(double time) {
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

// ------------------------------------------------------ frames one by one

bool Decoder::decode(TimedFrame& frame) {
  if (landed_) {
    std::swap(frame, *landed_);
    landed_.reset();
    ++decoded_;
    return true;
  }
  fresh_ = false;
  do {
    interrupt_.check();
    if (!receive(frame.frame)) {
      finish();
      return false;
    }
    stamp(frame);
    ++decoded_;
  } while (keyFramesOnly_ && !compat::isKeyFrame(*frame.frame));
  return true;
}

bool Decoder::receive(Frame& frame) {
  for (;;) {
    try {
      return codec_->receive(*demuxer_, frame);
    } catch (const Error& error) {
      if (isFatal(error.code)) throw;
      if (options_.skipErrors) {
        errors_.push_back(error);
      } else if (error.code == ErrorCode::kDecode) {
        throw;
      } else {
        fileError_ = error;  // the codec still holds frames
      }
    }
    interrupt_.check();
  }
}

/// Called at the end of the file.
void Decoder::finish() {
  if (fileError_) throw *std::exchange(fileError_, std::nullopt);
  if (decoded_ > 0 || !fromStart_) return;
  if (!errors_.empty()) throw errors_.front();
  throw Error(
      ErrorCode::kInvalidData, "the stream holds no frame that can be decoded");
}

void Decoder::stamp(TimedFrame& frame) {
  const AVStream& stream = demuxer_->stream();
  frame.pts = frame.frame->best_effort_timestamp;
  if (frame.pts == AV_NOPTS_VALUE) {
    // Streams without timestamps play at their frame rate.
    const int64_t first =
        stream.start_time != AV_NOPTS_VALUE ? stream.start_time : 0;
    frame.pts = nextPts_.value_or(first);
  }
  frame.duration = compat::frameDuration(*frame.frame);
  const AVRational rate = stream.avg_frame_rate;
  if (frame.duration <= 0 && rate.num > 0 && rate.den > 0) {
    frame.duration = av_rescale_q(1, av_inv_q(rate), stream.time_base);
  }
  frame.duration = std::max<int64_t>(frame.duration, 0);
  frame.time = seconds(frame.pts);
  frame.end = seconds(frame.pts + frame.duration);
  nextPts_ = frame.pts + frame.duration;
}

// ------------------------------------------------------------ which ones

bool Decoder::choose() {
  if (hasChosen_) return true;
  if (selector_->hasTargets()) return chooseByTarget();
  while (decode(chosen_)) {
    if (selector_->isPastEnd(chosen_.time)) return false;
    if (selector_->takes(chosen_.time)) {
      chosenTargets_ = 1;
      hasChosen_ = true;
      return true;
    }
  }
  return false;
}

bool Decoder::chooseByTarget() {
  for (;;) {
    const bool more = decode(current_);
    if (!hasOnScreen_) {
      if (!more) return false;
      std::swap(onScreen_, current_);
      hasOnScreen_ = true;
      continue;
    }
    if (more && selector_->isPastEnd(onScreen_.time)) return false;
    const double until = more ? current_.time : onScreen_.end;
    chosenTargets_ = selector_->answers(onScreen_.time, until);
    hasChosen_ = chosenTargets_ > 0;
    if (hasChosen_) std::swap(chosen_, onScreen_);
    if (more) {
      std::swap(onScreen_, current_);
    } else {
      hasOnScreen_ = false;
    }
    if (hasChosen_) return true;
    if (!more) return false;
  }
}

// ------------------------------------------------- what to make of them

/// Runs `step` until it has made `capacity` rows, has no more to make, or
/// fails; a failure waits until the rows before it are handed over.
template <typename Step>
ReadResult Decoder::collect(size_t capacity, Step step) {
  ReadResult result;
  if (pendingError_) {
    done_ = true;
    throw *std::exchange(pendingError_, std::nullopt);
  }
  try {
    while (result.count < capacity && !done_ && result.needed == 0) {
      done_ = !step(result);
    }
  } catch (const Error& error) {
    if (result.count == 0 || isFatal(error.code)) {
      done_ = true;
      throw;
    }
    pendingError_ = error;
  }
  result.done = done_;
  result.errors = std::exchange(errors_, {});
  return result;
}

ReadResult Decoder::read(std::span<const FrameBuffer> buffers, double* rows) {
  return collect(buffers.size(), [&](ReadResult& result) {
    return writeNext(
        buffers[result.count], rows + result.count * kFrameColumns, result);
  });
}

bool Decoder::writeNext(
    const FrameBuffer& buffer, double* row, ReadResult& result) {
  if (!choose()) return false;
  const AVFrame& frame = *chosen_.frame;
  const int bytes = scaler_->bytes(frame);
  if (static_cast<size_t>(bytes) > buffer.bytes) {
    result.needed = bytes;
    return true;
  }
  scaler_->write(frame, buffer.data);
  const char* format =
      av_get_pix_fmt_name(static_cast<AVPixelFormat>(frame.format));
  if (result.formats.empty() || result.formats.back() != format) {
    result.formats.emplace_back(format);
  }
  row[kFramePts] = static_cast<double>(chosen_.pts);
  row[kFrameDuration] = static_cast<double>(chosen_.duration);
  row[kFrameFlags] = compat::isKeyFrame(frame) ? kKeyFrame : 0;
  row[kFrameWidth] = frame.width;
  row[kFrameHeight] = frame.height;
  row[kFrameFormat] = static_cast<double>(result.formats.size() - 1);
  row[kFrameBytes] = bytes;
  row[kFrameTargets] = static_cast<double>(chosenTargets_);
  ++result.count;
  hasChosen_ = false;
  chosen_.frame.unref();
  return true;
}

ReadResult Decoder::measure(double* rows, size_t capacity) {
  return collect(capacity, [&](ReadResult& result) {
    if (!measureNext(rows + result.count * kMeasureColumns)) return false;
    ++result.count;
    return true;
  });
}

/// Decodes the next frame of the range and compares it with the one before.
bool Decoder::loadNext() {
  if (!decode(current_) || selector_->isPastEnd(current_.time)) return false;
  currentPicture_->load(*current_.frame);
  return true;
}

bool Decoder::measureNext(double* row) {
  const auto advance = [&] {
    std::swap(onScreen_, current_);
    std::swap(picture_, currentPicture_);
    change_ = changes_.next(picture_->luma(), onScreen_.time);
  };
  if (!hasOnScreen_) {
    if (!loadNext()) return false;
    advance();
    hasOnScreen_ = true;
  }
  bool more = loadNext();
  // What left the screen before the range began is only compared with.
  while (more && selector_->isBeforeStart(current_.time)) {
    advance();
    more = loadNext();
  }
  const double until = more ? current_.time : onScreen_.end;
  row[kMeasurePts] = static_cast<double>(onScreen_.pts);
  row[kMeasureDuration] = static_cast<double>(onScreen_.duration);
  const int key = compat::isKeyFrame(*onScreen_.frame) ? kKeyFrame : 0;
  row[kMeasureFlags] = key;
  std::copy_n(change_.columns, FrameChange::kColumns, row + kMeasureChange);
  std::fill(row + kMeasureBrightness, row + kMeasureColumns, 0.0);
  if (selector_->answers(onScreen_.time, until) > 0) {
    row[kMeasureFlags] = key | kSampled;
    sample(row);
  }
  hasOnScreen_ = more;
  if (more) advance();
  return true;
}

/// The sampled luma the way up it is shown, which its hash depends on.
Plane Decoder::uprightLuma() {
  const Plane& luma = picture_->luma();
  if (orientation_.isUpright()) return luma;
  Plane upright = luma;
  if (orientation_.lies()) std::swap(upright.width, upright.height);
  turned_.allocate(AV_PIX_FMT_GRAY8, upright.width, upright.height);
  const PlaneSet& planes = turned_.planes();
  upright.data = planes.data[0];
  upright.stride = planes.stride[0];
  placePlane(
      {const_cast<uint8_t*>(luma.data), luma.stride, luma.width, luma.height},
      orientation_,
      {planes.data[0], upright.stride, upright.width, upright.height}, {}, 1);
  return upright;
}

void Decoder::sample(double* row) {
  const LumaMeasures measures = measureLuma(uprightLuma());
  row[kMeasureBrightness] = measures.brightness;
  row[kMeasureContrast] = measures.contrast;
  row[kMeasureSaturation] = meanSaturation(picture_->u(), picture_->v());
  row[kMeasureSharpness] = measures.sharpness;
  row[kMeasureHashHigh] = static_cast<double>(measures.hash >> 32);
  row[kMeasureHashLow] = static_cast<double>(measures.hash & 0xffffffffU);
}

}  // namespace rushes
