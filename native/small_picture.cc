#include "small_picture.h"

extern "C" {
#include <libavutil/pixdesc.h>
}

#include <algorithm>
#include <cstring>

namespace rushes {

namespace {

/// The grey format whose samples are those of one plane of `layout`, or none
/// where a plane holds more than one component.
AVPixelFormat planeFormat(const AVPixFmtDescriptor& layout) {
  constexpr int kOther = AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_HWACCEL |
                         AV_PIX_FMT_FLAG_BITSTREAM | AV_PIX_FMT_FLAG_FLOAT |
                         AV_PIX_FMT_FLAG_PAL;
  if ((layout.flags & kOther) != 0) return AV_PIX_FMT_NONE;
  const int bytes = (layout.comp[0].depth + 7) / 8;
  const int components = layout.nb_components >= 3 ? 3 : 1;
  for (int i = 0; i < components; ++i) {
    const AVComponentDescriptor& component = layout.comp[i];
    if (component.plane != i || component.step != bytes ||
        component.shift != 0 || component.offset != 0) {
      return AV_PIX_FMT_NONE;
    }
  }
  const bool bigEndian = (layout.flags & AV_PIX_FMT_FLAG_BE) != 0;
  switch (layout.comp[0].depth) {
    case 8:
      return AV_PIX_FMT_GRAY8;
    case 10:
      return bigEndian ? AV_PIX_FMT_GRAY10BE : AV_PIX_FMT_GRAY10LE;
    case 12:
      return bigEndian ? AV_PIX_FMT_GRAY12BE : AV_PIX_FMT_GRAY12LE;
    case 16:
      return bigEndian ? AV_PIX_FMT_GRAY16BE : AV_PIX_FMT_GRAY16LE;
    default:
      return AV_PIX_FMT_NONE;
  }
}

int halved(int size) { return (size + 1) / 2; }

/// The samples of a row at these places, the upper 8 bits of each, which lie
/// `shift` bits up.
template <typename Sample>
void takeSamples(
    const uint8_t* row, const int* places, int count, int shift, uint8_t* out) {
  const auto* samples = reinterpret_cast<const Sample*>(row);
  const auto at = [&](int i) {
    return static_cast<uint8_t>(samples[places[i]] >> shift);
  };
  int i = 0;
  // All of a group are read before one is written, which might, for all that
  // the compiler knows, change what is read.
  constexpr int kGroup = 8;
  for (; i + kGroup <= count; i += kGroup) {
    std::array<uint8_t, kGroup> group;
    for (int k = 0; k < kGroup; ++k) group[k] = at(i + k);
    std::memcpy(out + i, group.data(), kGroup);
  }
  for (; i < count; ++i) out[i] = at(i);
}

}  // namespace

void SmallPicture::load(const AVFrame& frame) {
  frame_.unref();
  check(av_frame_ref(frame_.get(), &frame), "av_frame_ref");
  const PictureFormat from = formatOf(frame);
  const AVPixFmtDescriptor* layout = av_pix_fmt_desc_get(from.format);
  planar_ = planeFormat(*layout) != AV_PIX_FMT_NONE;
  hasChroma_ = false;
  byArea_ = AreaScaler::supports(frame, AV_PIX_FMT_YUV420P, width_, height_);
  if (byArea_) {
    images_[0].allocate(AV_PIX_FMT_YUV420P, width_, height_);
    usePlanes(images_[0].planes());
    area_.prepare(frame, AV_PIX_FMT_YUV420P, width_, height_);
    const PlaneSet& target = images_[0].planes();
    area_.writeLuma(frame, target.data[0], target.stride[0]);
    return;
  }
  if (planar_) {
    loadPlane(0);
    return;
  }
  // Packed, semi-planar or RGB: all three planes at once.
  PictureFormat to{
      AV_PIX_FMT_YUV420P, width_, height_, from.matrix, from.fullRange};
  if ((layout->flags & AV_PIX_FMT_FLAG_RGB) != 0) {
    to.matrix = AVCOL_SPC_UNSPECIFIED;
    to.fullRange = false;
  }
  images_[0].allocate(to.format, width_, height_);
  converters_[0].run(from, planesOf(frame), to, images_[0].planes());
  usePlanes(images_[0].planes());
  hasChroma_ = true;
}

void SmallPicture::usePlanes(const PlaneSet& planes) {
  planes_[0] = {planes.data[0], width_, height_, planes.stride[0]};
  for (int i = 1; i < 3; ++i) {
    planes_[i] = {
        planes.data[i], halved(width_), halved(height_), planes.stride[i]};
  }
}

void SmallPicture::loadPlane(int index) {
  const PictureFormat whole = formatOf(*frame_);
  const AVPixFmtDescriptor* layout = av_pix_fmt_desc_get(whole.format);
  const bool chroma = index > 0;
  const int width = chroma ? halved(width_) : width_;
  const int height = chroma ? halved(height_) : height_;
  if (chroma && layout->nb_components < 3) {
    images_[index].allocate(AV_PIX_FMT_GRAY8, width, height);
    const PlaneSet& grey = images_[index].planes();
    std::memset(
        grey.data[0], 128, static_cast<size_t>(grey.stride[0]) * height);
    planes_[index] = {grey.data[0], width, height, grey.stride[0]};
    return;
  }
  PictureFormat from = whole;
  from.format = planeFormat(*layout);
  if (chroma) {
    from.width = AV_CEIL_RSHIFT(whole.width, layout->log2_chroma_w);
    from.height = AV_CEIL_RSHIFT(whole.height, layout->log2_chroma_h);
  }
  const uint8_t* data = frame_->data[index];
  const int stride = frame_->linesize[index];
  if (from.format == AV_PIX_FMT_GRAY8 && from.width == width &&
      from.height == height) {
    planes_[index] = {data, width, height, stride};
    return;
  }
  from.matrix = AVCOL_SPC_UNSPECIFIED;
  from.fullRange = true;  // on both sides: values are kept
  PictureFormat to{
      AV_PIX_FMT_GRAY8, width, height, AVCOL_SPC_UNSPECIFIED, true};
  images_[index].allocate(AV_PIX_FMT_GRAY8, width, height);
  const PlaneSet& target = images_[index].planes();
  PlaneSet source;
  source.data[0] = const_cast<uint8_t*>(data);
  source.stride[0] = stride;
  converters_[index].run(from, source, to, target);
  planes_[index] = {target.data[0], width, height, target.stride[0]};
}

void SmallPicture::loadChroma() {
  if (hasChroma_) return;
  hasChroma_ = true;
  if (byArea_) {
    const PlaneSet& target = images_[0].planes();
    area_.writeChroma(
        *frame_, {target.data[1], target.data[2]},
        {target.stride[1], target.stride[2]});
    return;
  }
  loadPlane(1);
  loadPlane(2);
}

FramePlanes SmallPicture::planes() {
  return {luma(), sparse(1), sparse(2), formatOf(*frame_).fullRange};
}

/// Samples of a chroma plane taken at regular places, of which 160x90 are
/// enough to tell how its levels are distributed, while scaling a plane of a
/// large picture would cost more than all measures together.
Plane SmallPicture::sparse(int index) {
  constexpr int kWidth = 160;
  constexpr int kHeight = 90;
  /// Rows that are on their way while one is sampled.
  constexpr int kAhead = 4;
  const AVPixFmtDescriptor* layout =
      av_pix_fmt_desc_get(formatOf(*frame_).format);
  const int depth = layout->comp[0].depth;
  const bool bigEndian = (layout->flags & AV_PIX_FMT_FLAG_BE) != 0;
  if (!planar_ || layout->nb_components < 3 || (depth > 8 && bigEndian)) {
    loadChroma();
    return planes_[index];
  }
  const int width = AV_CEIL_RSHIFT(frame_->width, layout->log2_chroma_w);
  const int height = AV_CEIL_RSHIFT(frame_->height, layout->log2_chroma_h);
  const int columns = std::min(width, kWidth);
  const int rows = std::min(height, kHeight);
  Bytes& samples = sparse_[index - 1];
  samples.resize(static_cast<size_t>(columns) * rows);
  std::array<int, kWidth> places;
  for (int i = 0; i < columns; ++i) {
    places[i] = (2 * i + 1) * width / (2 * columns);
  }
  const auto rowAt = [&](int j) {
    const ptrdiff_t y = (2 * j + 1) * height / (2 * rows);
    return frame_->data[index] + y * frame_->linesize[index];
  };
  const int bytes = width * (depth > 8 ? 2 : 1);
  uint8_t* out = samples.data();
  for (int j = 0; j < rows; ++j, out += columns) {
    // The rows lie too far apart for the processor to see them coming.
    if (j + kAhead < rows) {
      const uint8_t* ahead = rowAt(j + kAhead);
      for (int x = 0; x < bytes; x += 64) __builtin_prefetch(ahead + x);
    }
    if (depth == 8) {
      takeSamples<uint8_t>(rowAt(j), places.data(), columns, 0, out);
    } else {
      takeSamples<uint16_t>(rowAt(j), places.data(), columns, depth - 8, out);
    }
  }
  return {samples.data(), columns, rows, columns};
}

const Plane& SmallPicture::u() {
  loadChroma();
  return planes_[1];
}

const Plane& SmallPicture::v() {
  loadChroma();
  return planes_[2];
}

}  // namespace rushes
