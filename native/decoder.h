#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "av.h"
#include "change_meter.h"
#include "frame_index.h"
#include "frame_reader.h"
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
  /// Bytes, in place of doubles.
  kMeasureSignature = kMeasureChange + FrameChange::kColumns,
  kMeasureBrightness =
      kMeasureSignature + sizeof(FrameChange::signature) / sizeof(double),
  kMeasureContrast,
  kMeasureSaturation,
  kMeasureSharpness,
  kMeasureHashHigh,
  kMeasureHashLow,
  /// The borders of LumaMeasures begin here.
  kMeasureBorders,
  kMeasureColumns = kMeasureBorders + LumaMeasures::kBorders,
};

/// Fill their columns of a measure row.
void writeChange(const FrameChange& change, double* row);
void writeMeasures(const LumaMeasures& measures, double* row);

/// Columns of an index row: `INDEX_ROW` in src/native.ts.
enum IndexColumn {
  kIndexPts,
  kIndexDuration,
  kIndexPosition,
  kIndexOrder,
  kIndexFlags,
  kIndexColumns,
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
  /// Of frames that keep theirs.
  std::vector<std::string> formats;
  std::vector<Error> errors;
  /// If it has changed.
  std::optional<DecodePath> path;
};

/// A frame's whole journey: reader, choice, scaler or measures.
/// Owns all of them. Thread-safety: one thread at a time, but for the
/// Interrupt, which has to outlive it.
class Decoder {
 public:
  Decoder(ReaderOptions options, const Interrupt& interrupt);

  /// Opens file and codec. Throws what Demuxer and Codec throw.
  void open() { reader_.open(); }
  const VideoInfo& info() const noexcept { return reader_.info(); }
  DecodePath path() const { return reader_.path(); }
  /// Before the first pass: decodes on a device of `type`, for as long as it
  /// works. The path tells.
  void useHardware(const std::string& type, std::unique_ptr<DeviceCalls> calls);
  /// Bytes of one frame as decoded, going by the container.
  int nativeFrameBytes() const;

  /// Where every frame is; made at the first call.
  std::shared_ptr<const FrameIndex> index();
  /// Takes an index made before, of the same file.
  void setIndex(std::shared_ptr<const FrameIndex> index) {
    index_ = std::move(index);
  }

  /// Begins a pass; what was not read of the one before is dropped.
  void start(const Selection& selection, const Output& output);
  /// The same over the frames with these numbers in the index, rising.
  void startAt(std::vector<int64_t> frames, const Output& output);

  /// Fills `buffers` in order, and a row of kFrameColumns for each.
  ReadResult read(std::span<const FrameBuffer> buffers, double* rows);

  /// Measures the next frames of the range, one row of kMeasureColumns each;
  /// those that answer a target are sampled. Without Selection::all, only these
  /// and the ones before them.
  ReadResult measure(double* rows, size_t capacity);

 private:
  void begin(const Output& output);
  FrameIndex indexByDecoding();

  // Which frames.
  bool choose();
  bool chooseByTarget();
  bool chooseByNumber();
  bool isWanted(int64_t pts) const;
  bool canSkip(int64_t pts);
  bool fetch(size_t frame);

  // What to make of them.
  template <typename Step>
  ReadResult collect(size_t capacity, Step step);
  bool writeNext(const FrameBuffer& buffer, double* row, ReadResult& result);
  bool measureNext(double* row);
  bool measureNeeded(double* row);
  bool loadNext();
  bool answers(bool first, bool more);
  void look(const TimedFrame& frame);
  void writeRow(const TimedFrame& frame, bool sampled, double* row);
  void sample(double* row);
  Plane uprightLuma();

  FrameReader reader_;
  const Interrupt& interrupt_;
  std::shared_ptr<const FrameIndex> index_;

  // Of the pass under way.
  bool done_ = false;
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
  /// Times of the last packets on the way to the codec, in decoding order: no
  /// codec here reorders more.
  std::array<double, 16> ahead_{};
  size_t seen_ = 0;
  /// Of a pass by numbers.
  std::vector<int64_t> numbers_;
  size_t nextNumber_ = 0;
  /// Came after frames of the same read; thrown by the next.
  std::optional<Error> pendingError_;

  // Of a measuring pass: the pictures of `current_` and `onScreen_`.
  Orientation orientation_;
  Image turned_;
  std::optional<SmallPicture> currentPicture_;
  std::optional<SmallPicture> picture_;
  ChangeMeter changes_;
  FrameChange change_;
  /// Of one that does not look at all frames.
  struct Sparse {
    /// What was on screen before.
    TimedFrame before;
    bool hasBefore = false;
    bool beforeHasRow = false;
    /// The frame on screen is to be sampled, `current_` has been read.
    bool sampleIsDue = false;
    bool hasMore = false;
  };
  Sparse sparse_;
};

}  // namespace rushes
