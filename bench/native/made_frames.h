#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <random>
#include <vector>

#include "av.h"

extern "C" {
#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
}

// What the benchmarks of this folder have in common.
namespace rushes::bench {

/// Smooth shapes with some noise, as in footage.
inline Frame makeFrame(AVPixelFormat format, int width, int height, int seed) {
  Frame frame;
  frame->format = format;
  frame->width = width;
  frame->height = height;
  frame->colorspace = AVCOL_SPC_BT709;
  check(av_frame_get_buffer(frame.get(), 0), "av_frame_get_buffer");
  for (const AVBufferRef* buffer : frame->buf) {
    // av_write_image_line sets bits and clears none.
    if (buffer != nullptr) std::memset(buffer->data, 0, buffer->size);
  }
  std::minstd_rand random(seed);
  const AVPixFmtDescriptor* layout = av_pix_fmt_desc_get(format);
  const int depth = layout->comp[0].depth;
  std::vector<uint16_t> row(width);
  for (int c = 0; c < 3; ++c) {
    const int right = c > 0 ? layout->log2_chroma_w : 0;
    const int down = c > 0 ? layout->log2_chroma_h : 0;
    const int columns = AV_CEIL_RSHIFT(width, right);
    for (int y = 0; y < AV_CEIL_RSHIFT(height, down); ++y) {
      for (int x = 0; x < columns; ++x) {
        const double wave = std::sin((x << right) * 0.013 + c + seed) *
                            std::cos((y << down) * 0.017 + c);
        const int value = static_cast<int>(
            128 + 90 * wave + static_cast<int>(random() % 16) - 8);
        row[x] = static_cast<uint16_t>(value << (depth - 8));
      }
      av_write_image_line(
          row.data(), frame->data, frame->linesize, layout, 0, y, c, columns);
    }
  }
  return frame;
}

/// In pixels.
struct Size {
  int width;
  int height;
};

/// What is brought down, and to what.
struct Sizes {
  Size from = {1920, 1080};
  Size to = {640, 360};
};

/// Of `[WIDTHxHEIGHT [TO_WIDTHxTO_HEIGHT]]`.
inline Sizes readSizes(int argc, char** argv) {
  Sizes sizes;
  const auto read = [&](int i, Size& size) {
    if (i < argc) std::sscanf(argv[i], "%dx%d", &size.width, &size.height);
  };
  read(1, sizes.from);
  read(2, sizes.to);
  return sizes;
}

/// CPU time of this thread.
inline double cpuMilliseconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 +
         static_cast<double>(now.tv_nsec) / 1e6;
}

}  // namespace rushes::bench
