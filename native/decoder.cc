#include "decoder.h"

extern "C" {
#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
}

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "compat.h"

namespace rushes {

void writeChange(const FrameChange& change, double* row) {
  std::copy_n(change.columns, FrameChange::kColumns, row + kMeasureChange);
  std::memcpy(
      row + kMeasureSignature, change.signature.data(),
      sizeof(change.signature));
}

void writeMeasures(const LumaMeasures& measures, double* row) {
  row[kMeasureBrightness] = measures.brightness;
  row[kMeasureContrast] = measures.contrast;
  row[kMeasureSharpness] = measures.sharpness;
  row[kMeasureHashHigh] = static_cast<double>(measures.hash >> 32);
  row[kMeasureHashLow] = static_cast<double>(measures.hash & 0xffffffffU);
  std::copy_n(measures.borders, LumaMeasures::kBorders, row + kMeasureBorders);
}

Decoder::Decoder(ReaderOptions options, const Interrupt& interrupt)
    : reader_(std::move(options), interrupt), interrupt_(interrupt) {}

int Decoder::nativeFrameBytes() const {
  const AVCodecParameters& codec = *reader_.stream().codecpar;
  const int bytes = av_image_get_buffer_size(
      static_cast<AVPixelFormat>(codec.format), codec.width, codec.height, 1);
  return std::max(bytes, 0);
}

void Decoder::useHardware(
    const std::string& type, std::unique_ptr<DeviceCalls> calls) {
  reader_.useDevice(std::make_shared<HardwareDevice>(
      type, reader_.codec().codec_id, std::move(calls)));
}

std::shared_ptr<const FrameIndex> Decoder::index() {
  if (index_) return index_;
  const ReaderOptions& options = reader_.options();
  Demuxer demuxer(options.source, options.stream, interrupt_);
  std::optional<FrameIndex> scanned = FrameIndex::scan(demuxer);
  if (!scanned) scanned = indexByDecoding();
  index_ = std::make_shared<const FrameIndex>(*std::move(scanned));
  return index_;
}

FrameIndex Decoder::indexByDecoding() {
  FrameReader reader(reader_.options(), interrupt_);
  reader.open();
  std::vector<IndexEntry> frames;
  TimedFrame frame;
  while (reader.next(frame)) {
    const auto order = static_cast<int64_t>(frames.size());
    frames.push_back(
        {frame.pts, frame.duration, -1, order,
         compat::isKeyFrame(*frame.frame)});
  }
  return {std::move(frames), false};
}

void Decoder::start(const Selection& selection, const Output& output) {
  begin(output);
  reader_.begin(selection.start, selection.keyFrames);
  selector_.emplace(selection);
  ahead_.fill(-std::numeric_limits<double>::infinity());
  reader_.skipWhere([this](int64_t pts) { return canSkip(pts); });
}

void Decoder::startAt(std::vector<int64_t> frames, const Output& output) {
  begin(output);
  index();
  numbers_ = std::move(frames);
  nextNumber_ = 0;
  selector_.emplace(Selection{});
  if (index_->fromPackets()) {
    reader_.skipWhere([this](int64_t pts) { return !isWanted(pts); });
  }
}

/// What every pass begins with. Until there is a selector none is under way.
void Decoder::begin(const Output& output) {
  selector_.reset();
  numbers_.clear();
  reader_.skipWhere({});
  ScaledOutput onDevice;
  if (output.scalesOnDevice) {
    onDevice.size = {output.scaleWidth, output.scaleHeight};
    onDevice.hasFullChroma = output.format != OutputFormat::kYuv420p &&
                             output.format != OutputFormat::kGray8;
  }
  reader_.scaleOnDevice(onDevice);
  scaler_.emplace(output);
  orientation_ = output.orientation;
  if (output.scaleWidth > 0) {
    currentPicture_.emplace(output.scaleWidth, output.scaleHeight);
    picture_.emplace(output.scaleWidth, output.scaleHeight);
  }
  changes_.reset();
  done_ = false;
  hasOnScreen_ = false;
  sparse_ = {};
  hasChosen_ = false;
  pendingError_.reset();
}

// ------------------------------------------------------------ which ones

bool Decoder::choose() {
  if (hasChosen_) return true;
  if (index_ && !numbers_.empty()) return chooseByNumber();
  if (selector_->hasTargets()) return chooseByTarget();
  while (reader_.next(chosen_)) {
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
    const std::optional<double> target = selector_->nextTarget();
    if (target && reader_.hurry(*target)) hasOnScreen_ = false;
    const bool more = reader_.next(current_);
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

bool Decoder::chooseByNumber() {
  for (; nextNumber_ < numbers_.size(); ++nextNumber_) {
    const auto frame = static_cast<size_t>(numbers_[nextNumber_]);
    if (fetch(frame)) {
      ++nextNumber_;
      return true;
    }
    Error error(
        ErrorCode::kDecode,
        "frame " + std::to_string(frame) + " could not be decoded");
    error.time = reader_.seconds((*index_)[frame].pts);
    if (!reader_.options().skipErrors) throw error;
    reader_.addError(std::move(error));
  }
  return false;
}

/// Whether a pass by time can do without the frame with this pts: it is enough
/// to know of one shown later, still before the next target (two, where the
/// frame before it counts as well). Those that others refer to come before them
/// in decoding order, so it has often been seen.
bool Decoder::canSkip(int64_t pts) {
  const double time = reader_.seconds(pts);
  ahead_[seen_++ % ahead_.size()] = time;
  const auto later = std::ranges::count_if(
      ahead_, [&](double other) { return selector_->canSkip(time, other); });
  return later >= selector_->framesBetween();
}

/// Whether the pass by numbers yields a frame with this pts.
bool Decoder::isWanted(int64_t pts) const {
  const auto ptsOf = [this](int64_t number) {
    return (*index_)[static_cast<size_t>(number)].pts;
  };
  const auto frame = std::ranges::lower_bound(numbers_, pts, {}, ptsOf);
  return frame != numbers_.end() && ptsOf(*frame) == pts;
}

/// Decodes up to this frame of the index; false if it does not come out.
bool Decoder::fetch(size_t frame) {
  const int64_t pts = (*index_)[frame].pts;
  for (int attempt = 0; attempt < FrameReader::kAttempts; ++attempt) {
    reader_.approach(*index_, frame, attempt);
    while (reader_.next(chosen_) && chosen_.pts <= pts) {
      if (chosen_.pts < pts) continue;
      if (reader_.isDoubtful(chosen_)) {
        attempt = FrameReader::kAttempts - 2;
        break;
      }
      chosenTargets_ = 1;
      hasChosen_ = true;
      return true;
    }
  }
  return false;
}

// ------------------------------------------------- what to make of them

/// Runs `step` until it has made `capacity` rows, has no more to make, or
/// fails; a failure waits until the rows before it are handed over.
template <typename Step>
ReadResult Decoder::collect(size_t capacity, Step step) {
  ReadResult result;
  if (!selector_) {
    // Posted behind the beginning of a pass that failed.
    throw Error(ErrorCode::kIo, "read: No pass was begun");
  }
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
  result.errors = reader_.takeErrors();
  result.path = reader_.takeNewPath();
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
  if (scaler_->keepsFormat()) {
    const char* format =
        av_get_pix_fmt_name(static_cast<AVPixelFormat>(frame.format));
    if (result.formats.empty() || result.formats.back() != format) {
      result.formats.emplace_back(format);
    }
    row[kFrameFormat] = static_cast<double>(result.formats.size() - 1);
  }
  row[kFramePts] = static_cast<double>(chosen_.pts);
  row[kFrameDuration] = static_cast<double>(chosen_.duration);
  row[kFrameFlags] = compat::isKeyFrame(frame) ? kKeyFrame : 0;
  row[kFrameWidth] = frame.width;
  row[kFrameHeight] = frame.height;
  row[kFrameBytes] = bytes;
  row[kFrameTargets] = static_cast<double>(chosenTargets_);
  ++result.count;
  hasChosen_ = false;
  chosen_.frame.unref();
  return true;
}

ReadResult Decoder::measure(double* rows, size_t capacity) {
  return collect(capacity, [&](ReadResult& result) {
    double* row = rows + result.count * kMeasureColumns;
    const bool made =
        selector_->looksAtAll() ? measureNext(row) : measureNeeded(row);
    if (made) ++result.count;
    return made;
  });
}

/// Decodes the next frame of the range and compares it with the one before.
bool Decoder::loadNext() {
  if (!reader_.next(current_) || selector_->isPastEnd(current_.time))
    return false;
  currentPicture_->load(*current_.frame);
  return true;
}

bool Decoder::measureNext(double* row) {
  const auto advance = [&] {
    std::swap(onScreen_, current_);
    std::swap(picture_, currentPicture_);
    change_ = changes_.next(picture_->planes(), onScreen_.time);
  };
  const bool first = !hasOnScreen_;
  if (first) {
    // What is shown before the range begins is only compared with.
    do {
      if (!loadNext()) return false;
      advance();
    } while (selector_->isBeforeStart(onScreen_.time));
    hasOnScreen_ = true;
  }
  const bool more = loadNext();
  writeRow(onScreen_, answers(first, more), row);
  hasOnScreen_ = more;
  if (more) advance();
  return true;
}

/// Whether the frame on screen is to be sampled.
bool Decoder::answers(bool first, bool more) {
  // The first frame also answers for what was on screen as the range began.
  const double from =
      first ? selector_->startOr(onScreen_.time) : onScreen_.time;
  return selector_->answers(from, more ? current_.time : onScreen_.end) > 0;
}

void Decoder::writeRow(const TimedFrame& frame, bool sampled, double* row) {
  row[kMeasurePts] = static_cast<double>(frame.pts);
  row[kMeasureDuration] = static_cast<double>(frame.duration);
  const int key = compat::isKeyFrame(*frame.frame) ? kKeyFrame : 0;
  row[kMeasureFlags] = key | (sampled ? kSampled : 0);
  writeChange(change_, row);
  std::fill(row + kMeasureBrightness, row + kMeasureColumns, 0.0);
  if (sampled) sample(row);
}

/// A row for each frame that is sampled and for the one before it, from which
/// its movement is reckoned; of the others only for the last, which tells where
/// the range ends. No other picture is made smaller.
bool Decoder::measureNeeded(double* row) {
  for (;;) {
    const bool first = !hasOnScreen_ && !sparse_.hasBefore;
    if (first) {
      do {
        if (!reader_.next(onScreen_) || selector_->isPastEnd(onScreen_.time)) {
          return false;
        }
      } while (selector_->isBeforeStart(onScreen_.time));
      hasOnScreen_ = true;
    }
    if (!hasOnScreen_) return false;
    if (!sparse_.sampleIsDue) {
      sparse_.hasMore =
          reader_.next(current_) && !selector_->isPastEnd(current_.time);
      sparse_.sampleIsDue = answers(first, sparse_.hasMore);
      if (sparse_.sampleIsDue && sparse_.hasBefore && !sparse_.beforeHasRow) {
        changes_.reset();
        look(sparse_.before);
        writeRow(sparse_.before, false, row);
        sparse_.beforeHasRow = true;
        return true;
      }
    }
    const bool sampled = std::exchange(sparse_.sampleIsDue, false);
    const bool hasRow = sampled || !sparse_.hasMore;
    if (hasRow) {
      look(onScreen_);
      writeRow(onScreen_, sampled, row);
    }
    std::swap(sparse_.before, onScreen_);
    std::swap(onScreen_, current_);
    sparse_.hasBefore = true;
    sparse_.beforeHasRow = hasRow;
    hasOnScreen_ = sparse_.hasMore;
    if (hasRow) return true;
  }
}

void Decoder::look(const TimedFrame& frame) {
  picture_->load(*frame.frame);
  change_ = changes_.next(picture_->planes(), frame.time);
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
  writeMeasures(measureLuma(uprightLuma()), row);
  row[kMeasureSaturation] = meanSaturation(picture_->u(), picture_->v());
}

}  // namespace rushes
