#include "scaler.h"

extern "C" {
#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
}

#include <doctest/doctest.h>

#include <cstring>
#include <vector>

using rushes::Frame;
using rushes::Orientation;
using rushes::Output;
using rushes::OutputFormat;
using rushes::Scaler;

namespace {

Frame makeFrame(AVPixelFormat format, int width, int height) {
  Frame frame;
  frame->format = format;
  frame->width = width;
  frame->height = height;
  REQUIRE(av_frame_get_buffer(frame.get(), 0) >= 0);
  for (int plane = 0; plane < 4 && frame->data[plane] != nullptr; ++plane) {
    const bool halved = (plane == 1 || plane == 2) &&
                        av_pix_fmt_desc_get(format)->log2_chroma_h == 1;
    const int rows = halved ? (height + 1) / 2 : height;
    for (int i = 0; i < rows * frame->linesize[plane]; ++i) {
      frame->data[plane][i] = static_cast<uint8_t>(i * 31 + plane * 7);
    }
  }
  return frame;
}

Output sized(OutputFormat format, int width, int height) {
  Output output;
  output.format = format;
  output.scaleWidth = output.width = width;
  output.scaleHeight = output.height = height;
  return output;
}

constexpr OutputFormat kFormats[] = {
    OutputFormat::kRgb24, OutputFormat::kRgba, OutputFormat::kBgr24,
    OutputFormat::kGray8, OutputFormat::kYuv420p};

/// What `scaler` writes, checked not to touch a byte beyond.
std::vector<uint8_t> write(Scaler& scaler, const AVFrame& frame) {
  constexpr size_t kGuard = 256;
  const size_t bytes = scaler.bytes(frame);
  std::vector<uint8_t> memory(bytes + kGuard, 0xA5);
  scaler.write(frame, memory.data());
  for (size_t i = bytes; i < memory.size(); ++i) REQUIRE(memory[i] == 0xA5);
  memory.resize(bytes);
  return memory;
}

/// The 3x2 picture 1 2 3 / 4 5 6, turned, as one string of its rows.
std::string turned(Orientation orientation) {
  Frame frame = makeFrame(AV_PIX_FMT_GRAY8, 3, 2);
  frame->color_range = AVCOL_RANGE_JPEG;
  for (int y = 0; y < 2; ++y) {
    for (int x = 0; x < 3; ++x) {
      frame->data[0][y * frame->linesize[0] + x] =
          static_cast<uint8_t>('1' + y * 3 + x);
    }
  }
  Output output = sized(OutputFormat::kGray8, 3, 2);
  output.orientation = orientation;
  if (orientation.quarterTurns % 2 != 0) std::swap(output.width, output.height);
  Scaler scaler(output);
  const std::vector<uint8_t> rows = write(scaler, *frame);
  std::string text;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (i > 0 && i % output.width == 0) text += '/';
    text += static_cast<char>(rows[i]);
  }
  return text;
}

}  // namespace

TEST_CASE("no byte beyond the frame is written, whatever size and format") {
  for (const AVPixelFormat source :
       {AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUV444P10LE, AV_PIX_FMT_NV12,
        AV_PIX_FMT_GBRP, AV_PIX_FMT_YUVA420P}) {
    for (const OutputFormat format : kFormats) {
      for (int width = 1; width <= 130; width += width < 70 ? 1 : 7) {
        for (const int factor : {1, 3}) {
          const Frame frame = makeFrame(source, width * factor, 10 * factor);
          Scaler scaler(sized(format, width, 10));
          write(scaler, *frame);
        }
      }
    }
  }
}

TEST_CASE("a frame written in place equals one written by way of a copy") {
  const Frame frame = makeFrame(AV_PIX_FMT_YUV420P, 192, 96);
  for (const OutputFormat format : kFormats) {
    Scaler whole(sized(format, 64, 32));
    const std::vector<uint8_t> direct = write(whole, *frame);
    // One row more than the picture has keeps it from being written in place.
    Output padded = sized(format, 64, 32);
    padded.height = 34;
    padded.top = 2;
    if (format == OutputFormat::kYuv420p) continue;  // never in place
    Scaler placed(padded);
    const std::vector<uint8_t> copied = write(placed, *frame);
    const size_t black = copied.size() - direct.size();
    CHECK(std::equal(direct.begin(), direct.end(), copied.begin() + black));
  }
}

TEST_CASE("all eight orientations turn clockwise, then mirror") {
  CHECK(turned({0, false}) == "123/456");
  CHECK(turned({1, false}) == "41/52/63");
  CHECK(turned({2, false}) == "654/321");
  CHECK(turned({3, false}) == "36/25/14");
  CHECK(turned({0, true}) == "321/654");
  CHECK(turned({1, true}) == "14/25/36");
  CHECK(turned({2, true}) == "456/123");
  CHECK(turned({3, true}) == "63/52/41");
}

TEST_CASE("bars are black, in the range of the output") {
  Frame frame = makeFrame(AV_PIX_FMT_YUV420P, 32, 16);
  for (const bool full : {false, true}) {
    frame->color_range = full ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
    Output output = sized(OutputFormat::kYuv420p, 32, 16);
    output.height = 24;
    output.top = 4;
    Scaler scaler(output);
    const std::vector<uint8_t> picture = write(scaler, *frame);
    CHECK(picture[0] == (full ? 0 : 16));
    CHECK(picture[32 * 24] == 128);
  }
  Output output = sized(OutputFormat::kRgba, 32, 16);
  output.width = 40;
  output.left = 4;
  Scaler scaler(output);
  const std::vector<uint8_t> picture = write(scaler, *frame);
  CHECK(picture[0] == 0);
  CHECK(picture[3] == 255);
}

TEST_CASE("what does not fit is cut off evenly") {
  Frame frame = makeFrame(AV_PIX_FMT_GRAY8, 6, 4);
  frame->color_range = AVCOL_RANGE_JPEG;
  Output output = sized(OutputFormat::kGray8, 6, 4);
  output.width = 2;
  output.height = 2;
  output.left = -2;
  output.top = -1;
  Scaler scaler(output);
  const std::vector<uint8_t> picture = write(scaler, *frame);
  const auto at = [&](int x, int y) {
    return frame->data[0][y * frame->linesize[0] + x];
  };
  CHECK(
      picture == std::vector<uint8_t>{at(2, 1), at(3, 1), at(2, 2), at(3, 2)});
}

TEST_CASE("native output keeps planes as they are, rows without padding") {
  const Frame frame = makeFrame(AV_PIX_FMT_YUV420P, 33, 17);
  Scaler scaler(Output{});
  const std::vector<uint8_t> picture = write(scaler, *frame);
  REQUIRE(picture.size() == 33 * 17 + 2 * 17 * 9);
  CHECK(
      std::memcmp(
          picture.data() + 33, frame->data[0] + frame->linesize[0], 33) == 0);
}
