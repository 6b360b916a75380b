#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "av.h"
#include "codec.h"
#include "demuxer.h"
#include "interrupt.h"
#include "measure.h"
#include "scaler.h"
#include "selector.h"
#include "small_picture.h"
#include "stream_info.h"

namespace rushes {

/// Columns of a frame row: `FRAME_ROW` in src/native.ts.
enum FrameColumn {
  kFramePts,
  kFrameDuration,
  kFrameFlags,
  kFrameWidth,
  kFrameHeight,
  kFrameFormat,
  kFrameBytes,
  kFrameTargets,
  kFrameColumns,
};

/// Columns of a measure row: `MEASURE_ROW` in src/native.ts.
enum MeasureColumn {
  kMeasurePts,
  kMeasureDuration,
  kMeasureFlags,
  /// The columns of FrameChange begin here.
  kMeasureChange,
  kMeasureBrightness = kMeasureChange + FrameChange::kColumns,
  kMeasureContrast,
  kMeasureSaturation,
  kMeasureSharpness,
  kMeasureHashHigh,
  kMeasureHashLow,
  kMeasureColumns,
};

/// Bits of `kFrameFlags` and `kMeasureFlags`.
enum FrameFlag { kKeyFrame = 1, kSampled = 2 };

/// Memory for one output frame that somebody else owns.
struct FrameBuffer {
  uint8_t* data;
  size_t bytes;
};

/// What a read came to: `NativeRead` in src/native.ts.
struct ReadResult {
  size_t count = 0;
  bool done = false;
  int needed = 0;
  std::vector<std::string> formats;
  std::vector<Error> errors;
};

/// One decoded frame with its time sorted out.
struct TimedFrame {
  Frame frame;
  int64_t pts = 0;
  int64_t duration = 0;
  double time = 0;
  double end = 0;
};

struct DecoderOptions {
  std::string path;
  /// Below 0: the best video stream.
  int streamIndex = -1;
  /// 0: one per core.
  int threads = 0;
  /// Damage is reported in `ReadResult::errors` and decoding goes on behind it,
  /// instead of throwing.
  bool skipErrors = false;
};

/// A frame's whole journey: demuxer, codec, choice, scaler or measures.
/// Owns all of them. Thread-safety: one thread at a time, but for the
/// Interrupt, which has to outlive it.
class Decoder {
 public:
  Decoder(DecoderOptions options, const Interrupt& interrupt);

  /// Opens file and codec. Throws what Demuxer and Codec throw.
  void open();
  const VideoInfo& info() const noexcept { return info_; }
  const AVCodecContext& codec() const { return codec_->context(); }
  /// Bytes of one frame as decoded, going by the container.
  int nativeFrameBytes() const;

  /// Begins a pass; what was not read of the one before is dropped.
  void start(const Selection& selection, const Output& output);

  /// Fills `buffers` in order, and a row of kFrameColumns for each.
  ReadResult read(std::span<const FrameBuffer> buffers, double* rows);

  /// Measures the next frames of the range, one row of kMeasureColumns each;
  /// those that answer a target are sampled.
  ReadResult measure(double* rows, size_t capacity);

 private:
  // Frames one by one.
  bool decode(TimedFrame& frame);
  bool receive(Frame& frame);
  void stamp(TimedFrame& frame);
  void finish();
  double seconds(int64_t ticks) const noexcept;

  // Which of them.
  bool choose();
  bool chooseByTarget();

  // Where to begin.
  void rewind();
  void seekTo(double time);
  bool landsBefore(double time);
  void openCodec();

  // What to make of them.
  template <typename Step>
  ReadResult collect(size_t capacity, Step step);
  bool writeNext(const FrameBuffer& buffer, double* row, ReadResult& result);
  bool measureNext(double* row);
  bool loadNext();
  void sample(double* row);
  Plane uprightLuma();

  DecoderOptions options_;
  const Interrupt& interrupt_;
  std::unique_ptr<Demuxer> demuxer_;
  std::unique_ptr<Codec> codec_;
  VideoInfo info_{};

  // Of the pass under way.
  /// Nothing was read since the file was opened.
  bool fresh_ = false;
  bool fromStart_ = true;
  bool done_ = false;
  bool keyFramesOnly_ = false;
  std::optional<Selector> selector_;
  std::optional<Scaler> scaler_;
  TimedFrame current_;
  /// With targets: the frame on screen, which is judged when the next comes.
  TimedFrame onScreen_;
  bool hasOnScreen_ = false;
  /// The frame to hand over; it may have to wait for a larger buffer.
  TimedFrame chosen_;
  bool hasChosen_ = false;
  int64_t chosenTargets_ = 0;
  /// The key frame at which a seek landed.
  std::optional<TimedFrame> landed_;
  std::optional<int64_t> nextPts_;
  int64_t decoded_ = 0;
  std::vector<Error> errors_;
  /// Ended the file; thrown when the frames before it are out.
  std::optional<Error> fileError_;
  /// Came after frames of the same read; thrown by the next.
  std::optional<Error> pendingError_;

  // Of a measuring pass: the pictures of `current_` and `onScreen_`.
  Orientation orientation_;
  Image turned_;
  std::optional<SmallPicture> currentPicture_;
  std::optional<SmallPicture> picture_;
  ChangeMeter changes_;
  FrameChange change_;
};

}  // namespace rushes
