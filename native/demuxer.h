#pragma once

#include <memory>
#include <optional>
#include <string>

#include "av.h"
#include "input.h"
#include "interrupt.h"

namespace rushes {

/// Which stream to read: the one with this index, else the largest video in
/// this language, else the best video by FFmpeg's rules.
struct StreamChoice {
  int index = -1;
  /// As tagged, ISO 639-2: `eng`.
  std::string language;
};

/// Opens a source, chooses its video stream and reads that stream's packets.
/// Owns the AVFormatContext. Thread-safety: one thread at a time; an Interrupt
/// from any thread.
class Demuxer {
 public:
  /// An attached picture is never chosen. `interrupt` has to outlive the
  /// demuxer.
  Demuxer(
      const Source& source, const StreamChoice& choice,
      const Interrupt& interrupt);

  AVFormatContext& context() const noexcept { return *context_; }
  AVStream& stream() const noexcept { return *stream_; }

  /// The stream's next packet; false at the end of the file. Throws kTruncated
  /// where the file ends before its own tables say it does, and kEncrypted for
  /// a packet that would have to be decrypted first.
  bool read(Packet& packet);

  /// Gives `packet`, the last one read, back: the next `read` returns it.
  void unread(Packet& packet);

  /// Place of the next packet in decoding order, from 0; nothing after a seek.
  std::optional<int64_t> order() const noexcept { return order_; }
  void setOrder(int64_t order) noexcept { order_ = order; }

  /// Time in ticks of the last packet read, in decoding order where known.
  std::optional<int64_t> lastDts() const noexcept { return lastDts_; }

  /// Whether the container's tables tell of a key frame at or before `pts` that
  /// lies more than `margin` ticks ahead; nothing where they do not reach so
  /// far.
  std::optional<bool> hasKeyFrameAhead(int64_t pts, int64_t margin) const;

  /// Whether the end of the file has cut the last packet read in two; the next
  /// `read` says so with kTruncated.
  bool isCutShort() const noexcept;

  /// What the format's reader has left out since the last `seek`, to go on with
  /// the next intact packet; tells it once.
  std::optional<Error> takeLoss();

  /// Why a stream of bytes broke off, if it has been read to there.
  std::optional<Error> brokeOff() const;

  /// Whether the stream says when its frames are shown; raw streams do not.
  bool hasTimestamps() const noexcept {
    return (context_->iformat->flags & AVFMT_NOTIMESTAMPS) == 0 &&
           stream_->start_time != AV_NOPTS_VALUE;
  }

  /// Whether `seek` can work: not on a pipe or stream, nor without timestamps.
  bool seekable() const noexcept;

  /// Continues at a key frame that the container's tables place at or before
  /// `pts`; where it really landed is for the caller to verify. False if the
  /// container could not.
  bool seek(int64_t pts);

 private:
  void open(const Source& source);
  void chooseStream(const StreamChoice& choice);
  int largestStream(const std::string& language) const;
  void forgetInterrupt() const noexcept;
  void checkInput() const;
  void listen(const LogCapture& log);
  bool endsEarly() const;

  const Interrupt& interrupt_;
  // Before the context that reads through it: freed after it.
  std::unique_ptr<Input> input_;
  FormatContextPtr context_;
  AVStream* stream_ = nullptr;
  bool corruptPacket_ = false;
  bool endsPrematurely_ = false;
  std::optional<Error> loss_;
  std::optional<int64_t> order_ = 0;
  std::optional<int64_t> lastDts_;
  Packet unread_;
  bool hasUnread_ = false;
};

}  // namespace rushes
