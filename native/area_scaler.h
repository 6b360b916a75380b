#pragma once

#include <array>
#include <vector>

#include "area_filter.h"
#include "area_kernels.h"
#include "picture.h"

namespace rushes {

/// Brings planar and semi-planar YUV of 8 and 10 bits down to a smaller 8-bit
/// picture, colour conversion included, in one pass: each output row is summed
/// from its source rows, averaged along its columns and coloured before the
/// next one is begun, so that all between lies in the first cache.
/// See Note [Area averages]; chroma goes straight to the grid of the output,
/// from where the frame says that it lies.
/// Owns tables and three lines. Thread-safety: one thread at a time.
class AreaScaler {
 public:
  /// Whether it makes `format` from frames like this one, and faster than
  /// swscale would: it only ever makes them smaller.
  static bool supports(
      const AVFrame& frame, AVPixelFormat format, int width, int height);

  /// What `write*` makes from now on, of frames like this one. Costs nothing
  /// while neither changes.
  void prepare(
      const AVFrame& frame, AVPixelFormat format, int width, int height);

  /// Writes `frame` in the prepared format: yuv420p, gray8 (whose range is full
  /// whatever the frame's), rgb24, bgr24 or rgba. Not a byte beyond the last
  /// row is read or written; planes need no alignment.
  void write(const AVFrame& frame, const PlaneSet& target);

  /// One part of yuv420p, the prepared format.
  void writeLuma(const AVFrame& frame, uint8_t* out, ptrdiff_t stride);
  void writeChroma(
      const AVFrame& frame, const std::array<uint8_t*, 2>& out,
      const std::array<int, 2>& stride);

 private:
  using Line = std::vector<uint16_t, AccountedAllocator<uint16_t>>;
  using SignedLine = std::vector<int16_t, AccountedAllocator<int16_t>>;

  /// What frames and output have to have in common to share tables.
  struct Task {
    PictureFormat from;
    AVChromaLocation site = AVCHROMA_LOC_UNSPECIFIED;
    AVPixelFormat format = AV_PIX_FMT_NONE;
    int width = 0;
    int height = 0;

    bool operator==(const Task&) const = default;
  };

  /// How one plane of the source becomes one or two of the output.
  struct Channel {
    SampleLayout layout = SampleLayout::kByte;
    /// 2 where two channels alternate in the source plane.
    int interleaved = 1;
    /// Samples in a row of the source plane.
    int width = 0;
    AreaFilter rows;
    RowWeights weighing = RowWeights::kNone;
    AreaColumns columns;

    int height() const { return static_cast<int>(rows.first.size()); }
  };

  Channel makeChannel(
      const AreaAxis& columns, const AreaAxis& rows, int interleaved) const;
  void makeChroma();
  void makeMatrix();
  /// Output row j of a plane; `second` where two channels alternate.
  void averageRow(
      const Channel& channel, const uint8_t* plane, ptrdiff_t stride, int j,
      int16_t* first, int16_t* second);
  void chromaRow(const AVFrame& frame, int j);

  Task task_;
  Channel luma_;
  Channel chroma_;
  ColorMatrix matrix_{};
  Line line_;
  std::array<Line, 2> split_;
  std::array<SignedLine, 3> averaged_;
};

}  // namespace rushes
