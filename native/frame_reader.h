#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "av.h"
#include "codec.h"
#include "demuxer.h"
#include "disposable.h"
#include "frame_index.h"
#include "interrupt.h"
#include "stream_info.h"

namespace rushes {

/// One decoded frame with its time sorted out.
struct TimedFrame {
  Frame frame;
  int64_t pts = 0;
  int64_t duration = 0;
  double time = 0;
  double end = 0;
};

struct ReaderOptions {
  Source source;
  StreamChoice stream;
  /// 0: one per core.
  int threads = 0;
  /// Damage is kept for `takeErrors` and decoding goes on behind it, instead
  /// of throwing.
  bool skipErrors = false;
};

/// Demuxer and codec as one row of frames, from any place of the file.
/// Owns both. Thread-safety: one thread at a time, but for the Interrupt,
/// which has to outlive it.
class FrameReader {
 public:
  FrameReader(ReaderOptions options, const Interrupt& interrupt);

  /// Throws what Demuxer and Codec throw.
  void open();
  const VideoInfo& info() const noexcept { return info_; }
  /// Throw where opening again has failed.
  const AVStream& stream() const;
  const AVCodecContext& codec() const;
  DecodePath path() const;
  const ReaderOptions& options() const noexcept { return options_; }
  double seconds(int64_t ticks) const;

  /// Decodes on `device` from the next pass on, for as long as it works.
  void useDevice(std::shared_ptr<HardwareDevice> device);
  /// Between passes: from now on the device makes frames so small.
  void scaleOnDevice(const ScaledOutput& output);
  /// The path, if it has changed since it was last asked for.
  std::optional<DecodePath> takeNewPath();

  /// Continues at the beginning, or so that no frame from `start` (seconds) on
  /// is missed; frames before it may come first.
  void begin(std::optional<double> start, bool keyFramesOnly);

  /// Which frames of the pass nobody will look at, by pts; asked in decoding
  /// order. Those of them that no other frame needs either are not decoded.
  using Skippable = std::function<bool(int64_t pts)>;
  void skipWhere(Skippable skippable) { skippable_ = std::move(skippable); }

  /// Continues closer to `time` (seconds), which lies ahead, if a key frame on
  /// the way is worth a jump; says whether. No frame on screen from then on is
  /// missed; frames before it may come first, also some that came before.
  bool hurry(double time);

  /// Continues so that frame `frame` of `index` comes, unless it will come
  /// anyway before long; frames before it may come first. Each `attempt` (from
  /// 0) starts further back; at `kAttempts` - 1, at the beginning of the file.
  /// Only the first skips frames.
  void approach(const FrameIndex& index, size_t frame, int attempt);
  static constexpr int kAttempts = 3;

  /// The next frame in presentation order; false after the last. Throws for
  /// damage (unless it is skipped), and if the whole file holds no frame.
  bool next(TimedFrame& frame);

  /// Whether `frame` might look otherwise had everything before it been
  /// decoded: where there is damage, it may have been patched with any earlier
  /// frame.
  bool isDoubtful(const TimedFrame& frame) const;

  void addError(Error error) { errors_.push_back(std::move(error)); }
  /// Damage gone past since the last call.
  std::vector<Error> takeErrors() { return std::exchange(errors_, {}); }

 private:
  bool receive(Frame& frame);
  void admitLoss();
  void stamp(TimedFrame& frame);
  int64_t frameDuration() const;
  void finish();
  void rewind();
  void seekTo(double time);
  bool isWorthSeeking(double time) const;
  bool landsBefore(double time);
  void restartCodec();
  void forget();
  bool jumpTo(const FrameIndex& index, const IndexEntry& key);
  bool skips(const AVPacket& packet);

  ReaderOptions options_;
  const Interrupt& interrupt_;
  std::unique_ptr<Demuxer> demuxer_;
  std::unique_ptr<Codec> codec_;
  std::shared_ptr<HardwareDevice> device_;
  /// What was last told of `device_`.
  DeviceState told_;
  VideoInfo info_{};
  bool keyFramesOnly_ = false;
  /// Nothing was read since the file was opened.
  bool fresh_ = false;
  bool fromStart_ = true;
  /// The key frame at which a seek landed.
  std::optional<TimedFrame> landed_;
  std::optional<int64_t> nextPts_;
  std::optional<int64_t> lastPts_;
  int64_t decoded_ = 0;
  Skippable skippable_;
  std::optional<DisposablePackets> disposable_;
  bool skipping_ = true;
  /// Since decoding last began somewhere.
  bool hasSkipped_ = false;
  bool hasFailed_ = false;
  /// Of the key frame to which a jump went, until it comes.
  std::optional<int64_t> keyPts_;
  /// Whether the container's tables of key frames have been right so far.
  bool trustsTables_ = true;
  /// Without them a jump of so many seconds is tried.
  double farAhead_ = kFarAhead;
  static constexpr double kFarAhead = 10;
  /// How often a file had to be decoded from its beginning for one frame.
  int detours_ = 0;
  /// How many `errors_` there were before the first attempt.
  size_t errorsBefore_ = 0;
  std::vector<Error> errors_;
  /// Ended the file; thrown when the frames before it are out.
  std::optional<Error> fileError_;
};

}  // namespace rushes
