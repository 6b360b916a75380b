#pragma once

// Area averaging in double precision, written straight from Note [Area
// averages] and from the definitions of colour: what AreaScaler and swscale
// are measured against.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "picture.h"

extern "C" {
#include <libavutil/pixdesc.h>
}

namespace rushes::reference {

/// Samples row by row.
struct Samples {
  int width;
  int height;
  std::vector<double> values;

  Samples(int w, int h)
      : width(w), height(h), values(static_cast<size_t>(w) * h) {}
  double& at(int x, int y) {
    return values[static_cast<size_t>(y) * width + x];
  }
  double at(int x, int y) const {
    return values[static_cast<size_t>(y) * width + x];
  }
};

/// One component of a frame: 0 is luma.
inline Samples component(const AVFrame& frame, int index) {
  const PictureFormat format = formatOf(frame);
  const AVPixFmtDescriptor* layout = av_pix_fmt_desc_get(format.format);
  const int right = index > 0 ? layout->log2_chroma_w : 0;
  const int down = index > 0 ? layout->log2_chroma_h : 0;
  Samples samples(
      AV_CEIL_RSHIFT(frame.width, right), AV_CEIL_RSHIFT(frame.height, down));
  std::vector<uint16_t> row(samples.width);
  for (int y = 0; y < samples.height; ++y) {
    av_read_image_line(
        row.data(), const_cast<const uint8_t**>(frame.data), frame.linesize,
        layout, 0, y, index, samples.width, 0);
    for (int x = 0; x < samples.width; ++x) samples.at(x, y) = row[x];
  }
  return samples;
}

/// Mean over [centre - width / 2, centre + width / 2) of a function that is
/// value(k) on [k, k + 1), and goes on beyond 0 and count.
template <typename Value>
double boxMean(Value&& value, int count, double centre, double width) {
  const double begin = centre - width / 2;
  const double end = centre + width / 2;
  double sum = 0;
  for (double k = std::floor(begin); k < end; ++k) {
    const double covered = std::min(end, k + 1) - std::max(begin, k);
    sum += covered * value(std::clamp(static_cast<int>(k), 0, count - 1));
  }
  return sum / width;
}

/// One axis: output sample i of `count` is centred at centre(i).
struct Axis {
  int count;
  double width;
  double scale;
  double first;
  double centre(int i) const { return first + i * scale; }
};

inline Samples average(const Samples& source, const Axis& x, const Axis& y) {
  Samples wide(x.count, source.height);
  for (int j = 0; j < source.height; ++j) {
    for (int i = 0; i < x.count; ++i) {
      wide.at(i, j) = boxMean(
          [&](int k) { return source.at(k, j); }, source.width, x.centre(i),
          x.width);
    }
  }
  Samples small(x.count, y.count);
  for (int j = 0; j < y.count; ++j) {
    for (int i = 0; i < x.count; ++i) {
      small.at(i, j) = boxMean(
          [&](int k) { return wide.at(i, k); }, source.height, y.centre(j),
          y.width);
    }
  }
  return small;
}

/// The axis along which `from` samples of luma become `to`.
inline Axis lumaAxis(int from, int to) {
  const double ratio = static_cast<double>(from) / to;
  return {to, ratio, ratio, ratio / 2};
}

/// Chroma that has half the samples of luma, if `halved`; `site` is where its
/// sample 0 lies, in luma samples, 1 being between the first two. The output
/// has a sample for each of luma, or, if `halves`, for each two, at the same
/// place among them.
inline Axis chromaAxis(
    int from, int to, bool halved, bool halves, double site) {
  const double ratio = static_cast<double>(from) / to;
  const int every = halves ? 2 : 1;
  // The first output sample, in luma samples of the source.
  const double place = (halves ? site : 0.5) * ratio;
  const double scale = ratio * every / (halved ? 2 : 1);
  const double first = halved ? (place - site) / 2 + 0.5 : place;
  return {(to + every - 1) / every, std::max(scale, 1.0), scale, first};
}

struct Site {
  double x;
  double y;
};

inline Site siteOf(AVChromaLocation location) {
  const bool centred = location == AVCHROMA_LOC_CENTER ||
                       location == AVCHROMA_LOC_TOP ||
                       location == AVCHROMA_LOC_BOTTOM;
  const bool top =
      location == AVCHROMA_LOC_TOP || location == AVCHROMA_LOC_TOPLEFT;
  const bool bottom =
      location == AVCHROMA_LOC_BOTTOM || location == AVCHROMA_LOC_BOTTOMLEFT;
  return {centred ? 1 : 0.5, top ? 0.5 : bottom ? 1.5 : 1};
}

/// The three components at the size of the output, in the codes of the source.
inline std::vector<Samples> smallComponents(
    const AVFrame& frame, int width, int height, bool halvesChroma) {
  const AVPixFmtDescriptor* layout =
      av_pix_fmt_desc_get(formatOf(frame).format);
  const Site site = siteOf(frame.chroma_location);
  std::vector<Samples> components;
  components.push_back(average(
      component(frame, 0), lumaAxis(frame.width, width),
      lumaAxis(frame.height, height)));
  for (int i = 1; i <= 2; ++i) {
    components.push_back(average(
        component(frame, i),
        chromaAxis(
            frame.width, width, layout->log2_chroma_w == 1, halvesChroma,
            site.x),
        chromaAxis(
            frame.height, height, layout->log2_chroma_h == 1, halvesChroma,
            site.y)));
  }
  return components;
}

/// Kr and Kb of ITU-T H.273, table 4.
struct Weights {
  double red;
  double blue;
};
inline Weights weightsOf(AVColorSpace matrix) {
  switch (matrix) {
    case AVCOL_SPC_BT709:
      return {0.2126, 0.0722};
    case AVCOL_SPC_BT2020_NCL:
    case AVCOL_SPC_BT2020_CL:
      return {0.2627, 0.0593};
    case AVCOL_SPC_SMPTE240M:
      return {0.212, 0.087};
    case AVCOL_SPC_FCC:
      return {0.30, 0.11};
    default:
      return {0.299, 0.114};
  }
}

/// Output samples of 8 bits, not rounded: rgb24, gray8 (of full range) or
/// yuv420p plane by plane.
inline std::vector<double> scaled(
    const AVFrame& frame, AVPixelFormat format, int width, int height) {
  const PictureFormat from = formatOf(frame);
  const int bits = av_pix_fmt_desc_get(from.format)->comp[0].depth;
  const bool halves = format == AV_PIX_FMT_YUV420P;
  const std::vector<Samples> small =
      smallComponents(frame, width, height, halves);
  const double one = 1 << (bits - 8);
  const auto clip = [](double value) { return std::clamp(value, 0.0, 255.0); };
  std::vector<double> out;
  if (halves) {
    for (const Samples& plane : small) {
      for (const double value : plane.values) out.push_back(clip(value / one));
    }
    return out;
  }
  const double most = (1 << bits) - 1;
  const double black = from.fullRange ? 0 : 16 * one;
  const double lumaRange = from.fullRange ? most : 219 * one;
  const double chromaRange = from.fullRange ? most : 224 * one;
  const Weights weights = weightsOf(frame.colorspace);
  for (size_t i = 0; i < small[0].values.size(); ++i) {
    const double y = (small[0].values[i] - black) / lumaRange;
    const double u = (small[1].values[i] - 128 * one) / chromaRange;
    const double v = (small[2].values[i] - 128 * one) / chromaRange;
    if (format == AV_PIX_FMT_GRAY8) {
      out.push_back(clip(255 * y));
      continue;
    }
    const double red = y + 2 * (1 - weights.red) * v;
    const double blue = y + 2 * (1 - weights.blue) * u;
    const double green = (y - weights.red * red - weights.blue * blue) /
                         (1 - weights.red - weights.blue);
    for (const double part : {red, green, blue})
      out.push_back(clip(255 * part));
  }
  return out;
}

/// Of bytes against exact values, in dB.
inline double psnr(const std::vector<double>& exact, const uint8_t* bytes) {
  double squares = 0;
  for (size_t i = 0; i < exact.size(); ++i) {
    squares += (bytes[i] - exact[i]) * (bytes[i] - exact[i]);
  }
  return 10 *
         std::log10(255.0 * 255 * static_cast<double>(exact.size()) / squares);
}

}  // namespace rushes::reference
