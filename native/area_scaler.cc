#include "area_scaler.h"

extern "C" {
#include <libavutil/pixdesc.h>
}

#include <algorithm>
#include <climits>
#include <cmath>
#include <optional>

namespace rushes {

namespace {

/// What is known of a source format; none that is not planar or semi-planar
/// YUV of 8 or 10 bits in this order of bytes.
struct Source {
  SampleLayout layout;
  int bits;
  bool semiPlanar;
  bool halvesWidth;
  bool halvesHeight;
};

std::optional<Source> sourceOf(AVPixelFormat format) {
  switch (format) {
    case AV_PIX_FMT_YUV420P:
      return {{SampleLayout::kByte, 8, false, true, true}};
    case AV_PIX_FMT_YUV422P:
      return {{SampleLayout::kByte, 8, false, true, false}};
    case AV_PIX_FMT_YUV444P:
      return {{SampleLayout::kByte, 8, false, false, false}};
    case AV_PIX_FMT_NV12:
      return {{SampleLayout::kByte, 8, true, true, true}};
    case AV_PIX_FMT_YUV420P10LE:
      return {{SampleLayout::kWord, 10, false, true, true}};
    case AV_PIX_FMT_YUV422P10LE:
      return {{SampleLayout::kWord, 10, false, true, false}};
    case AV_PIX_FMT_YUV444P10LE:
      return {{SampleLayout::kWord, 10, false, false, false}};
    case AV_PIX_FMT_P010LE:
      return {{SampleLayout::kHighWord, 10, true, true, true}};
    default:
      return std::nullopt;
  }
}

/// How many times smaller a picture may become: the error of fine sums of
/// rows, at most half a unit (1/128 level) a row, has to stay well below half
/// a level. Chroma that is halved on top of it needs twice as many.
constexpr int64_t kMostRows = 32;
/// No more than keeps the weights of columns exact to a hundredth.
constexpr int64_t kMostColumns = 128;

constexpr int kByteLevel = 64;

struct ChromaSites {
  ChromaSite x;
  ChromaSite y;
};

/// Where FFmpeg says that chroma lies. Unspecified is left, as in MPEG-2 and
/// all that came after.
ChromaSites sitesOf(AVChromaLocation location) {
  using enum ChromaSite;
  switch (location) {
    case AVCHROMA_LOC_CENTER:
      return {kBetween, kBetween};
    case AVCHROMA_LOC_TOPLEFT:
      return {kFirst, kFirst};
    case AVCHROMA_LOC_TOP:
      return {kBetween, kFirst};
    case AVCHROMA_LOC_BOTTOMLEFT:
      return {kFirst, kSecond};
    case AVCHROMA_LOC_BOTTOM:
      return {kBetween, kSecond};
    default:
      return {kFirst, kBetween};
  }
}

int16_t fixed(double value, int one) {
  return static_cast<int16_t>(std::lround(value * one));
}

}  // namespace

bool AreaScaler::supports(
    const AVFrame& frame, AVPixelFormat format, int width, int height) {
  const std::optional<Source> source = sourceOf(formatOf(frame).format);
  if (!source || !areaKernelsAreFast()) return false;
  if (width > frame.width || height > frame.height) return false;
  if (width == frame.width && height == frame.height) return false;
  return frame.height <= height * kMostRows &&
         frame.width <= width * kMostColumns &&
         (format == AV_PIX_FMT_YUV420P || format == AV_PIX_FMT_GRAY8 ||
          format == AV_PIX_FMT_RGB24 || format == AV_PIX_FMT_BGR24 ||
          format == AV_PIX_FMT_RGBA);
}

void AreaScaler::prepare(
    const AVFrame& frame, AVPixelFormat format, int width, int height) {
  const Task task{
      formatOf(frame), frame.chroma_location, format, width, height};
  if (task == task_) return;
  task_ = task;
  luma_ = makeChannel(
      plainAxis(frame.width, width), plainAxis(frame.height, height), 1);
  if (format != AV_PIX_FMT_GRAY8) makeChroma();
  makeMatrix();
  const size_t longest =
      std::max(luma_.width, chroma_.width * chroma_.interleaved);
  line_.assign(longest + kLinePadding, 0);
  for (Line& half : split_) half.assign(chroma_.width + kLinePadding, 0);
  for (SignedLine& line : averaged_) line.assign(width + kLinePadding, 0);
}

AreaScaler::Channel AreaScaler::makeChannel(
    const AreaAxis& columns, const AreaAxis& rows, int interleaved) const {
  const Source source = *sourceOf(task_.from.format);
  const int white = (1 << source.bits) - 1;
  Channel channel;
  channel.layout = source.layout;
  channel.interleaved = interleaved;
  channel.width = columns.source;
  const int simple = INT16_MAX / white;
  channel.rows = makeAreaFilter(rows, simple);
  const int64_t total = channel.rows.total;
  int64_t summedWhite = white * total;
  if (total > simple) {
    channel.weighing = RowWeights::kFine;
    summedWhite = ((summedWhite << (16 - source.bits)) + (1 << 15)) >> 16;
  } else if (std::any_of(
                 channel.rows.weights.begin(), channel.rows.weights.end(),
                 [](uint16_t weight) { return weight != 1; })) {
    channel.weighing = RowWeights::kSimple;
  }
  channel.columns = makeAreaColumns(
      makeAreaFilter(columns), static_cast<int>(summedWhite),
      (white * kByteLevel) >> (source.bits - 8));
  return channel;
}

void AreaScaler::makeChroma() {
  const Source source = *sourceOf(task_.from.format);
  const ChromaSites sites = sitesOf(task_.site);
  const bool halved = task_.format == AV_PIX_FMT_YUV420P;
  chroma_ = makeChannel(
      chromaAxis(
          task_.from.width, task_.width, source.halvesWidth, halved, sites.x),
      chromaAxis(
          task_.from.height, task_.height, source.halvesHeight, halved,
          sites.y),
      source.semiPlanar ? 2 : 1);
}

void AreaScaler::makeMatrix() {
  matrix_ = {0, fixed(1, 1 << 14), 0, 0, 0, 0};
  // Of yuv420p the values are kept as coded.
  if (task_.format == AV_PIX_FMT_YUV420P) return;
  const bool full = task_.from.fullRange;
  const int bits = sourceOf(task_.from.format)->bits;
  // The highest value of full range is 255 with 8 bits, 255.75 with 10.
  const double most = full ? 255.0 * (1 << (bits - 8)) / ((1 << bits) - 1) : 1;
  // swscale's factors are for limited range: 224 levels of chroma.
  const int* factors = sws_getCoefficients(task_.from.matrix);
  const auto factor = [&](int i) {
    return fixed(
        factors[i] / 65536.0 * (full ? 224.0 / 255 * most : 1), 1 << 13);
  };
  matrix_.black = static_cast<int16_t>(full ? 0 : 16 * kByteLevel);
  matrix_.lumaGain = fixed(full ? most : 255.0 / 219, 1 << 14);
  matrix_.redV = factor(0);
  matrix_.blueU = factor(1);
  matrix_.greenU = factor(2);
  matrix_.greenV = factor(3);
}

void AreaScaler::averageRow(
    const Channel& channel, const uint8_t* plane, ptrdiff_t stride, int j,
    int16_t* first, int16_t* second) {
  const AreaFilter& rows = channel.rows;
  const uint16_t* weights = &rows.weights[rows.begin[j]];
  sumRows(
      {channel.layout, plane + rows.first[j] * stride, stride,
       channel.width * channel.interleaved, channel.weighing, weights,
       rows.taps(j)},
      line_.data());
  if (channel.interleaved == 1) {
    averageColumns(line_.data(), channel.columns, first);
    return;
  }
  splitPairs(line_.data(), channel.width, split_[0].data(), split_[1].data());
  averageColumns(split_[0].data(), channel.columns, first);
  averageColumns(split_[1].data(), channel.columns, second);
}

void AreaScaler::chromaRow(const AVFrame& frame, int j) {
  int16_t* u = averaged_[1].data();
  int16_t* v = averaged_[2].data();
  averageRow(chroma_, frame.data[1], frame.linesize[1], j, u, v);
  if (chroma_.interleaved == 1) {
    averageRow(chroma_, frame.data[2], frame.linesize[2], j, v, nullptr);
  }
}

void AreaScaler::write(const AVFrame& frame, const PlaneSet& target) {
  if (task_.format == AV_PIX_FMT_YUV420P) {
    writeChroma(
        frame, {target.data[1], target.data[2]},
        {target.stride[1], target.stride[2]});
  }
  if (task_.format == AV_PIX_FMT_YUV420P || task_.format == AV_PIX_FMT_GRAY8) {
    writeLuma(frame, target.data[0], target.stride[0]);
    return;
  }
  const RgbLayout layout = task_.format == AV_PIX_FMT_RGBA ? RgbLayout::kRgba
                           : task_.format == AV_PIX_FMT_BGR24
                               ? RgbLayout::kBgr24
                               : RgbLayout::kRgb24;
  uint8_t* out = target.data[0];
  int16_t* y = averaged_[0].data();
  for (int j = 0; j < task_.height; ++j, out += target.stride[0]) {
    averageRow(luma_, frame.data[0], frame.linesize[0], j, y, nullptr);
    chromaRow(frame, j);
    toRgb(
        y, averaged_[1].data(), averaged_[2].data(), matrix_, layout,
        task_.width, out);
  }
}

void AreaScaler::writeLuma(
    const AVFrame& frame, uint8_t* out, ptrdiff_t stride) {
  int16_t* y = averaged_[0].data();
  for (int j = 0; j < luma_.height(); ++j, out += stride) {
    averageRow(luma_, frame.data[0], frame.linesize[0], j, y, nullptr);
    toBytes(y, matrix_, luma_.columns.width, out);
  }
}

void AreaScaler::writeChroma(
    const AVFrame& frame, const std::array<uint8_t*, 2>& out,
    const std::array<int, 2>& stride) {
  for (int j = 0; j < chroma_.height(); ++j) {
    chromaRow(frame, j);
    for (int i = 0; i < 2; ++i) {
      toBytes(
          averaged_[i + 1].data(), matrix_, chroma_.columns.width,
          out[i] + static_cast<ptrdiff_t>(j) * stride[i]);
    }
  }
}

}  // namespace rushes
