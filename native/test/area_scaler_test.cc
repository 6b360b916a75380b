#include "area_scaler.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "area_reference.h"
#include "each_target.h"

extern "C" {
#include <libavutil/imgutils.h>
}

namespace reference = rushes::reference;
using rushes::AreaAxis;
using rushes::AreaFilter;
using rushes::AreaScaler;
using rushes::Frame;
using rushes::PlaneSet;

namespace {

constexpr AVPixelFormat kSources[] = {
    AV_PIX_FMT_YUV420P,     AV_PIX_FMT_YUV422P,     AV_PIX_FMT_YUV444P,
    AV_PIX_FMT_NV12,        AV_PIX_FMT_YUV420P10LE, AV_PIX_FMT_YUV422P10LE,
    AV_PIX_FMT_YUV444P10LE, AV_PIX_FMT_P010LE};

constexpr AVPixelFormat kTargets[] = {
    AV_PIX_FMT_RGB24, AV_PIX_FMT_BGR24, AV_PIX_FMT_RGBA, AV_PIX_FMT_GRAY8,
    AV_PIX_FMT_YUV420P};

constexpr AVChromaLocation kLocations[] = {
    AVCHROMA_LOC_UNSPECIFIED, AVCHROMA_LOC_LEFT, AVCHROMA_LOC_CENTER,
    AVCHROMA_LOC_TOPLEFT,     AVCHROMA_LOC_TOP,  AVCHROMA_LOC_BOTTOMLEFT,
    AVCHROMA_LOC_BOTTOM};

/// A picture whose planes end with their last sample, so that a sanitizer sees
/// every read beyond, and whose rows begin anywhere.
class TestPicture {
 public:
  TestPicture(AVPixelFormat format, int width, int height, int padding = 0)
      : layout_(av_pix_fmt_desc_get(format)) {
    frame_->format = format;
    frame_->width = width;
    frame_->height = height;
    frame_->colorspace = AVCOL_SPC_BT709;
    int pixels[4];
    int bytes[4];
    av_image_fill_max_pixsteps(pixels, nullptr, layout_);
    REQUIRE(av_image_fill_linesizes(bytes, format, width) >= 0);
    for (int i = 0; i < av_pix_fmt_count_planes(format); ++i) {
      const int rows =
          i > 0 ? AV_CEIL_RSHIFT(height, layout_->log2_chroma_h) : height;
      const int stride = bytes[i] + padding;
      const size_t size = static_cast<size_t>(stride) * (rows - 1) + bytes[i];
      planes_[i] = std::make_unique<uint8_t[]>(size);
      frame_->data[i] = planes_[i].get();
      frame_->linesize[i] = stride;
    }
  }

  AVFrame& frame() { return *frame_; }
  const AVFrame& frame() const { return *frame_.get(); }

  /// value(component, x, y), x and y in luma samples of the upper left pixel,
  /// is on the scale of 8 bits.
  template <typename Value>
  void fill(Value&& value) {
    const int depth = layout_->comp[0].depth;
    for (int c = 0; c < 3; ++c) {
      const int right = c > 0 ? layout_->log2_chroma_w : 0;
      const int down = c > 0 ? layout_->log2_chroma_h : 0;
      std::vector<uint16_t> row(AV_CEIL_RSHIFT(frame_->width, right));
      for (int y = 0; y < AV_CEIL_RSHIFT(frame_->height, down); ++y) {
        for (size_t x = 0; x < row.size(); ++x) {
          const double sample =
              value(c, static_cast<int>(x) << right, y << down);
          row[x] = static_cast<uint16_t>(std::clamp(
              std::lround(sample * (1 << (depth - 8))), 0L, (1L << depth) - 1));
        }
        av_write_image_line(
            row.data(), frame_->data, frame_->linesize, layout_, 0, y, c,
            static_cast<int>(row.size()));
      }
    }
  }

  void fillWithNoise(int seed) {
    std::minstd_rand random(seed);
    fill([&](int, int, int) { return random() % 256; });
  }

  /// Shapes with soft edges, and grain.
  void fillWithFootage(int seed) {
    std::minstd_rand random(seed);
    fill([&](int c, int x, int y) {
      const double shape =
          std::sin(x * 0.05 + c + seed) * std::cos(y * 0.07 + c);
      return 128 + 90 * shape + static_cast<int>(random() % 17) - 8;
    });
  }

  /// Upside down: the last row comes first.
  void flip() {
    for (int i = 0; i < 4 && frame_->data[i] != nullptr; ++i) {
      const int rows =
          i > 0 ? AV_CEIL_RSHIFT(frame_->height, layout_->log2_chroma_h)
                : frame_->height;
      frame_->data[i] += static_cast<ptrdiff_t>(rows - 1) * frame_->linesize[i];
      frame_->linesize[i] = -frame_->linesize[i];
    }
  }

 private:
  const AVPixFmtDescriptor* layout_;
  Frame frame_;
  std::unique_ptr<uint8_t[]> planes_[4];
};

/// What is made of `picture`, at an address that is aligned to nothing; a
/// sanitizer sees what is written beyond.
std::vector<uint8_t> scale(
    const TestPicture& picture, AVPixelFormat format, int width, int height) {
  const int bytes = av_image_get_buffer_size(format, width, height, 1);
  std::vector<uint8_t> memory(bytes + 1);
  PlaneSet target;
  av_image_fill_arrays(
      target.data.data(), target.stride.data(), memory.data() + 1, format,
      width, height, 1);
  AreaScaler scaler;
  scaler.prepare(picture.frame(), format, width, height);
  scaler.write(picture.frame(), target);
  memory.erase(memory.begin());
  return memory;
}

/// What swscale makes of it at its most accurate.
std::vector<uint8_t> scaleBySws(
    const TestPicture& picture, AVPixelFormat format, int width, int height) {
  const AVFrame& frame = picture.frame();
  rushes::SwsContextPtr context(sws_getContext(
      frame.width, frame.height, static_cast<AVPixelFormat>(frame.format),
      width, height, format,
      SWS_AREA | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP,
      nullptr, nullptr, nullptr));
  REQUIRE(context);
  const int* matrix = sws_getCoefficients(frame.colorspace);
  sws_setColorspaceDetails(
      context.get(), matrix, frame.color_range == AVCOL_RANGE_JPEG ? 1 : 0,
      matrix, format == AV_PIX_FMT_GRAY8 ? 1 : 0, 0, 1 << 16, 1 << 16);
  rushes::Image image;
  image.allocate(format, width, height);
  sws_scale(
      context.get(), frame.data, frame.linesize, 0, frame.height,
      image.planes().data.data(), image.planes().stride.data());
  std::vector<uint8_t> out(av_image_get_buffer_size(format, width, height, 1));
  av_image_copy_to_buffer(
      out.data(), static_cast<int>(out.size()), image.planes().data.data(),
      image.planes().stride.data(), format, width, height, 1);
  return out;
}

struct Size {
  int width;
  int height;
};
struct Resize {
  Size from;
  Size to;
};

/// Simple ratios, odd ones, none in one direction, the extremes of both.
constexpr Resize kResizes[] = {
    {{192, 108}, {64, 36}},  {{192, 108}, {96, 54}},   {{192, 108}, {48, 27}},
    {{192, 108}, {128, 72}}, {{192, 108}, {32, 18}},   {{193, 107}, {64, 36}},
    {{171, 99}, {170, 98}},  {{101, 37}, {67, 37}},    {{64, 64}, {64, 17}},
    {{35, 21}, {1, 1}},      {{3, 5}, {2, 3}},         {{2, 2}, {1, 1}},
    {{1, 9}, {1, 4}},        {{2000, 3}, {333, 2}},    {{1000, 2}, {17, 1}},
    {{67, 64}, {40, 2}},     {{480, 270}, {427, 240}}, {{255, 255}, {16, 16}}};

#if RUSHES_HIGHWAY
TEST_CASE("all vector instructions give what the plain kernels give") {
  int cases = 0;
  for (const AVPixelFormat source : kSources) {
    for (const Resize& size : kResizes) {
      const int padding = cases % 3 * 2;
      TestPicture picture(source, size.from.width, size.from.height, padding);
      picture.fillWithNoise(cases);
      picture.frame().chroma_location = kLocations[cases % 7];
      picture.frame().color_range =
          cases % 2 == 0 ? AVCOL_RANGE_MPEG : AVCOL_RANGE_JPEG;
      if (cases % 5 == 0) picture.flip();
      for (const AVPixelFormat target : kTargets) {
        const auto make = [&] {
          return scale(picture, target, size.to.width, size.to.height);
        };
        const std::vector<uint8_t> wanted = plainly(make);
        withEachTarget([&](const char* name) {
          CAPTURE(std::string(name));
          CAPTURE(std::string(av_get_pix_fmt_name(source)));
          CAPTURE(std::string(av_get_pix_fmt_name(target)));
          CAPTURE(size.from.width);
          CAPTURE(size.to.width);
          REQUIRE(make() == wanted);
        });
      }
      ++cases;
    }
  }
}
#endif

}  // namespace

TEST_CASE("pictures are exact averages, and better than swscale's") {
  // Rounding to whole levels alone gives 58.9 dB; an accurate converter that
  // puts chroma a quarter of a sample off gives less than 45.
  constexpr double kLeast = 54;
  int cases = 0;
  for (const AVPixelFormat source : kSources) {
    for (const Resize& size : kResizes) {
      TestPicture picture(source, size.from.width, size.from.height);
      picture.fillWithFootage(cases);
      AVFrame& frame = picture.frame();
      frame.chroma_location = kLocations[cases % 7];
      frame.color_range = cases % 3 == 0 ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
      ++cases;
      for (const AVPixelFormat target :
           {AV_PIX_FMT_RGB24, AV_PIX_FMT_GRAY8, AV_PIX_FMT_YUV420P}) {
        CAPTURE(std::string(av_get_pix_fmt_name(source)));
        CAPTURE(std::string(av_get_pix_fmt_name(target)));
        CAPTURE(size.from.width);
        CAPTURE(size.from.height);
        CAPTURE(size.to.width);
        CAPTURE(frame.chroma_location);
        const int width = size.to.width;
        const int height = size.to.height;
        const std::vector<double> exact =
            reference::scaled(frame, target, width, height);
        const std::vector<uint8_t> ours = scale(picture, target, width, height);
        double worst = 0;
        for (size_t i = 0; i < exact.size(); ++i) {
          worst = std::max(worst, std::abs(ours[i] - exact[i]));
        }
        // The half of rounding, and little more; of colour it is luma's and
        // chroma's.
        CHECK(worst < 0.75);
        if (width * height < 64) continue;
        const double quality = reference::psnr(exact, ours.data());
        CHECK(quality > kLeast);
        CHECK(
            quality >
            reference::psnr(
                exact, scaleBySws(picture, target, width, height).data()) -
                0.5);
      }
    }
  }
}

TEST_CASE("every matrix is that of the standard") {
  for (const AVColorSpace matrix :
       {AVCOL_SPC_BT709, AVCOL_SPC_FCC, AVCOL_SPC_BT470BG, AVCOL_SPC_SMPTE170M,
        AVCOL_SPC_SMPTE240M, AVCOL_SPC_BT2020_NCL, AVCOL_SPC_UNSPECIFIED}) {
    for (const AVColorRange range : {AVCOL_RANGE_MPEG, AVCOL_RANGE_JPEG}) {
      for (const AVPixelFormat source :
           {AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUV420P10LE}) {
        TestPicture picture(source, 96, 96);
        picture.frame().colorspace = matrix;
        picture.frame().color_range = range;
        // Blocks of one colour, so that only colour is compared.
        std::minstd_rand random(1);
        std::vector<int> levels(3 * 64);
        for (int& level : levels) level = static_cast<int>(random() % 256);
        picture.fill([&](int c, int x, int y) {
          return levels[c * 64 + y / 12 * 8 + x / 12];
        });
        const std::vector<double> exact =
            reference::scaled(picture.frame(), AV_PIX_FMT_RGB24, 24, 24);
        const std::vector<uint8_t> ours =
            scale(picture, AV_PIX_FMT_RGB24, 24, 24);
        CAPTURE(matrix);
        CAPTURE(range);
        for (size_t i = 0; i < exact.size(); ++i) {
          // swscale's factors of FCC and 240M are rounded to three digits.
          REQUIRE(std::abs(ours[i] - exact[i]) < 0.8);
        }
      }
    }
  }
}

TEST_CASE("chroma stays where it is, wherever the stream has it") {
  // Chroma that rises evenly over the picture; only a shift changes its
  // averages. U rises to the right, V downwards.
  constexpr int kFrom = 180;
  for (const int to : {90, 60, 45, 120, 71}) {
    for (const AVChromaLocation location : kLocations) {
      TestPicture picture(AV_PIX_FMT_YUV420P10LE, kFrom, kFrom);
      AVFrame& frame = picture.frame();
      frame.chroma_location = location;
      const reference::Site site = reference::siteOf(
          location == AVCHROMA_LOC_UNSPECIFIED ? AVCHROMA_LOC_LEFT : location);
      // What U is at a place on the picture, and V with x and y exchanged: the
      // small part is there so that rounding goes either way.
      const auto rising = [](double along, double across) {
        return 80 + 0.437 * along + 0.0137 * across;
      };
      picture.fill([&](int c, int x, int y) {
        if (c == 0) return 126.0;
        return c == 1 ? rising(x + site.x, y + site.y)
                      : rising(y + site.y, x + site.x);
      });
      const double ratio = static_cast<double>(kFrom) / to;
      const int half = (to + 1) / 2;
      const std::vector<uint8_t> planes =
          scale(picture, AV_PIX_FMT_YUV420P, to, to);
      const uint8_t* u = planes.data() + static_cast<ptrdiff_t>(to) * to;
      const uint8_t* v = u + static_cast<ptrdiff_t>(half) * half;
      const std::vector<uint8_t> rgb = scale(picture, AV_PIX_FMT_RGB24, to, to);
      CAPTURE(location);
      CAPTURE(to);
      // Mean errors, so that rounding cancels out, away from the borders,
      // beyond which the outermost sample goes on. A quarter of a chroma sample
      // to either side would be 0.22 levels of chroma, and 0.39 of red.
      constexpr int kBorder = 6;
      double errors[4] = {};
      for (int j = kBorder; j < half - kBorder; ++j) {
        for (int i = kBorder; i < half - kBorder; ++i) {
          const double x = (2 * i + site.x) * ratio;
          const double y = (2 * j + site.y) * ratio;
          errors[0] += u[half * j + i] - rising(x, y);
          errors[1] += v[half * j + i] - rising(y, x);
        }
      }
      const double count = std::pow(half - 2 * kBorder, 2);
      CHECK(std::abs(errors[0] / count) < 0.05);
      CHECK(std::abs(errors[1] / count) < 0.05);
      const double luma = (126 - 16) * 255.0 / 219;
      const double range = 255.0 / 224;
      for (int j = kBorder; j < to - kBorder; ++j) {
        for (int i = kBorder; i < to - kBorder; ++i) {
          const double x = (i + 0.5) * ratio;
          const double y = (j + 0.5) * ratio;
          const uint8_t* pixel = &rgb[3 * (to * j + i)];
          errors[2] +=
              pixel[0] - (luma + 1.5748 * range * (rising(y, x) - 128));
          errors[3] +=
              pixel[2] - (luma + 1.8556 * range * (rising(x, y) - 128));
        }
      }
      const double pixels = std::pow(to - 2 * kBorder, 2);
      CHECK(std::abs(errors[2] / pixels) < 0.08);
      CHECK(std::abs(errors[3] / pixels) < 0.08);
    }
  }
}

TEST_CASE("flat pictures keep their level, and black and white are exact") {
  for (const AVPixelFormat source : kSources) {
    for (const Resize& size : kResizes) {
      for (const bool full : {false, true}) {
        const int black = full ? 0 : 16;
        const double white = !full ? 235
                             : av_pix_fmt_desc_get(source)->comp[0].depth == 8
                                 ? 255
                                 : 255.75;
        for (const double level : {static_cast<double>(black), 110.0, white}) {
          TestPicture picture(source, size.from.width, size.from.height);
          picture.frame().color_range =
              full ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
          picture.fill([&](int c, int, int) { return c == 0 ? level : 128.0; });
          const double wanted = 255 * (level - black) / (white - black);
          const std::vector<uint8_t> rgb =
              scale(picture, AV_PIX_FMT_RGB24, size.to.width, size.to.height);
          // Black and white are exact. 32 rows of the least favourable weights
          // add up to an eighth of a level.
          const bool extreme = wanted < 0.01 || wanted > 254.99;
          for (const uint8_t byte : rgb) {
            REQUIRE(std::abs(byte - wanted) < (extreme ? 0.01 : 0.65));
          }
          const std::vector<uint8_t> planes =
              scale(picture, AV_PIX_FMT_YUV420P, size.to.width, size.to.height);
          REQUIRE(planes[0] == std::min(255L, std::lround(level)));
          REQUIRE(planes.back() == 128);
        }
      }
    }
  }
}

TEST_CASE("one scaler follows a stream that changes its size and format") {
  AreaScaler scaler;
  std::vector<uint8_t> out(3 * 32 * 18);
  PlaneSet target;
  target.data[0] = out.data();
  target.stride[0] = 3 * 32;
  for (const AVPixelFormat source :
       {AV_PIX_FMT_YUV420P, AV_PIX_FMT_P010LE, AV_PIX_FMT_YUV420P}) {
    for (const Size& from : {Size{96, 54}, Size{331, 187}}) {
      TestPicture picture(source, from.width, from.height);
      picture.fillWithNoise(1);
      scaler.prepare(picture.frame(), AV_PIX_FMT_RGB24, 32, 18);
      scaler.write(picture.frame(), target);
      CHECK(out == scale(picture, AV_PIX_FMT_RGB24, 32, 18));
    }
  }
}

TEST_CASE("what is not made smaller, or too small, is left to swscale") {
  const auto supports = [](AVPixelFormat source, Size from, AVPixelFormat to,
                           Size size) {
    Frame frame;
    frame->format = source;
    frame->width = from.width;
    frame->height = from.height;
    return AreaScaler::supports(*frame, to, size.width, size.height);
  };
  const AVPixelFormat yuv = AV_PIX_FMT_YUV420P;
  const AVPixelFormat rgb = AV_PIX_FMT_RGB24;
  CHECK(supports(yuv, {64, 36}, rgb, {32, 18}) == rushes::areaKernelsAreFast());
  CHECK(
      supports(AV_PIX_FMT_YUVJ420P, {64, 36}, rgb, {64, 18}) ==
      rushes::areaKernelsAreFast());
  CHECK_FALSE(supports(yuv, {64, 36}, rgb, {64, 36}));
  CHECK_FALSE(supports(yuv, {64, 36}, rgb, {65, 18}));
  CHECK_FALSE(supports(yuv, {64, 360}, rgb, {32, 10}));
  CHECK_FALSE(supports(yuv, {64, 36}, AV_PIX_FMT_RGB48LE, {32, 18}));
  CHECK_FALSE(supports(AV_PIX_FMT_YUVA420P, {64, 36}, rgb, {32, 18}));
  CHECK_FALSE(supports(AV_PIX_FMT_GBRP, {64, 36}, rgb, {32, 18}));
}

TEST_CASE("weights add up to the same for each sample, border or not") {
  for (const int simple : {32, 128, AreaFilter::kFine}) {
    for (int source = 1; source <= 64; ++source) {
      for (int target = 1; target <= source; ++target) {
        for (const bool halved : {false, true}) {
          const AreaAxis axis = halved
                                    ? rushes::chromaAxis(
                                          source, target, true, target % 2 == 0,
                                          rushes::ChromaSite::kFirst)
                                    : rushes::plainAxis(source, target);
          const AreaFilter filter = rushes::makeAreaFilter(axis, simple);
          REQUIRE(filter.total <= AreaFilter::kFine);
          CHECK(
              (filter.total <= simple || filter.total > AreaFilter::kFine / 2));
          REQUIRE(static_cast<int>(filter.first.size()) == axis.target);
          for (int i = 0; i < axis.target; ++i) {
            int sum = 0;
            for (int t = 0; t < filter.taps(i); ++t) {
              sum += filter.weights[filter.begin[i] + t];
            }
            REQUIRE(sum == filter.total);
            REQUIRE(filter.first[i] >= 0);
            REQUIRE(filter.first[i] + filter.taps(i) <= axis.source);
          }
        }
      }
    }
  }
}
