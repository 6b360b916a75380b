#pragma once

#include <array>

#include "change_meter.h"
#include "scaler.h"

namespace rushes {

/// A decoded frame brought down to the size at which it is measured, as 8-bit
/// 4:2:0 planes that keep the stream's luma values (no change of range).
/// Planes that need no scaling are used where the decoder put them.
/// Owns its planes, or a reference to the frame. Thread-safety: one thread at
/// a time.
class SmallPicture {
 public:
  SmallPicture(int width, int height) : width_(width), height_(height) {}

  /// Takes `frame` over (by reference) and brings its luma down.
  void load(const AVFrame& frame);

  const Plane& luma() const noexcept { return planes_[0]; }
  /// Chroma, brought down at the first call; grey where the stream has none.
  const Plane& u();
  const Plane& v();
  /// What frames are compared by: the luma, and chroma as `sparse` has it.
  FramePlanes planes();

 private:
  void loadPlane(int index);
  void usePlanes(const PlaneSet& planes);
  void loadChroma();
  Plane sparse(int index);

  int width_;
  int height_;
  Frame frame_;
  std::array<Plane, 3> planes_{};
  bool hasChroma_ = false;
  /// Whether luma and chroma can be scaled one by one.
  bool planar_ = false;
  /// Whether it is area_ that scales the frame.
  bool byArea_ = false;
  AreaScaler area_;
  std::array<Converter, 3> converters_;
  std::array<Image, 3> images_;
  std::array<Bytes, 2> sparse_;
};

}  // namespace rushes
