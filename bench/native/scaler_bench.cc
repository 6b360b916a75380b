// What bringing a picture down costs, one thread: AreaScaler beside swscale.
//
//   cmake -S . -B build-native/bench -G Ninja -DRUSHES_BENCH=ON
//   cmake --build build-native/bench --target rushes_scaler_bench
//   build-native/bench/rushes_scaler_bench [WIDTHxHEIGHT [TO_WIDTHxTO_HEIGHT]]
//
// Each round times every scaler over frames that do not fit the caches nearest
// to the core, one scaler after the other; the median of the rounds is shown,
// in CPU milliseconds a frame, beside the PSNR of what was made against
// averages in double precision.

#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "area_scaler.h"
#include "made_frames.h"
#include "scaler.h"
#include "test/area_reference.h"

extern "C" {
#include <libavutil/imgutils.h>
}

namespace {

using namespace rushes;
using bench::cpuMilliseconds;
using bench::makeFrame;

SwsContextPtr makeSws(
    int width, int height, AVPixelFormat from, int toWidth, int toHeight,
    AVPixelFormat to, int flags) {
  SwsContextPtr context(sws_getContext(
      width, height, from, toWidth, toHeight, to, flags, nullptr, nullptr,
      nullptr));
  checkAlloc(context.get(), "sws_getContext");
  const int* matrix = sws_getCoefficients(AVCOL_SPC_BT709);
  sws_setColorspaceDetails(
      context.get(), matrix, 0, matrix, to == AV_PIX_FMT_GRAY8 ? 1 : 0, 0,
      1 << 16, 1 << 16);
  return context;
}

/// swscale's flags that come nearest to an exact average.
constexpr int kAccurate =
    SWS_AREA | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP;

struct Candidate {
  std::string name;
  std::function<void(const AVFrame&, const PlaneSet&)> run;
  std::vector<double> milliseconds;
};

class Bench {
 public:
  Bench(int width, int height, int toWidth, int toHeight)
      : width_(width),
        height_(height),
        toWidth_(toWidth),
        toHeight_(toHeight) {}

  void run(AVPixelFormat from, AVPixelFormat to) {
    constexpr int kFrames = 8;  // 25 MB of 1080p
    constexpr int kRounds = 15;
    std::vector<Frame> frames;
    for (int i = 0; i < kFrames; ++i) {
      frames.push_back(makeFrame(from, width_, height_, i));
    }
    std::vector<Candidate> candidates = makeCandidates(from, to);
    Image target;
    target.allocate(to, toWidth_, toHeight_);
    std::printf(
        "%s %dx%d -> %s %dx%d\n", av_get_pix_fmt_name(from), width_, height_,
        av_get_pix_fmt_name(to), toWidth_, toHeight_);
    const std::vector<double> exact =
        reference::scaled(*frames[0], to, toWidth_, toHeight_);
    std::vector<double> quality;
    for (Candidate& candidate : candidates) {
      candidate.run(*frames[0], target.planes());
      quality.push_back(reference::psnr(exact, packed(to, target).data()));
    }
    for (int round = 0; round < kRounds; ++round) {
      for (Candidate& candidate : candidates) {
        const double begin = cpuMilliseconds();
        for (const Frame& frame : frames) {
          candidate.run(*frame, target.planes());
        }
        candidate.milliseconds.push_back((cpuMilliseconds() - begin) / kFrames);
      }
    }
    for (size_t i = 0; i < candidates.size(); ++i) {
      std::vector<double>& times = candidates[i].milliseconds;
      std::nth_element(times.begin(), times.begin() + kRounds / 2, times.end());
      std::printf(
          "  %-34s %6.3f ms  %5.1f dB\n", candidates[i].name.c_str(),
          times[kRounds / 2], quality[i]);
    }
  }

 private:
  std::vector<uint8_t> packed(AVPixelFormat format, const Image& image) const {
    const int bytes = av_image_get_buffer_size(format, toWidth_, toHeight_, 1);
    std::vector<uint8_t> out(bytes);
    av_image_copy_to_buffer(
        out.data(), bytes, image.planes().data.data(),
        image.planes().stride.data(), format, toWidth_, toHeight_, 1);
    return out;
  }

  std::vector<Candidate> makeCandidates(AVPixelFormat from, AVPixelFormat to) {
    std::vector<Candidate> candidates;
    candidates.push_back(
        {"AreaScaler",
         [this, to](const AVFrame& frame, const PlaneSet& target) {
           area_.prepare(frame, to, toWidth_, toHeight_);
           area_.write(frame, target);
         },
         {}});
    const auto add = [&](const char* name, int flags) {
      std::shared_ptr<SwsContext> context =
          makeSws(width_, height_, from, toWidth_, toHeight_, to, flags);
      candidates.push_back(
          {name,
           [context](const AVFrame& frame, const PlaneSet& target) {
             sws_scale(
                 context.get(), frame.data, frame.linesize, 0, frame.height,
                 target.data.data(), target.stride.data());
           },
           {}});
    };
    if (to != AV_PIX_FMT_YUV420P && to != AV_PIX_FMT_GRAY8) {
      std::shared_ptr<SwsContext> planes = makeSws(
          width_, height_, from, toWidth_, toHeight_, AV_PIX_FMT_YUV420P,
          SWS_AREA);
      std::shared_ptr<SwsContext> color = makeSws(
          toWidth_, toHeight_, AV_PIX_FMT_YUV420P, toWidth_, toHeight_, to,
          SWS_BICUBIC);
      small_.allocate(AV_PIX_FMT_YUV420P, toWidth_, toHeight_);
      candidates.push_back(
          {"swscale area, then colour",
           [=, this](const AVFrame& frame, const PlaneSet& target) {
             const PlaneSet& small = small_.planes();
             sws_scale(
                 planes.get(), frame.data, frame.linesize, 0, frame.height,
                 small.data.data(), small.stride.data());
             sws_scale(
                 color.get(), small.data.data(), small.stride.data(), 0,
                 toHeight_, target.data.data(), target.stride.data());
           },
           {}});
    }
    add("swscale area", SWS_AREA);
    add("swscale area, accurate", kAccurate);
    add("swscale fast_bilinear", SWS_FAST_BILINEAR);
    add("swscale bicubic", SWS_BICUBIC);
    return candidates;
  }

  int width_;
  int height_;
  int toWidth_;
  int toHeight_;
  AreaScaler area_;
  Image small_;
};

}  // namespace

int main(int argc, char** argv) {
  const auto [from, to] = bench::readSizes(argc, argv);
  Bench bench(from.width, from.height, to.width, to.height);
  for (const AVPixelFormat source :
       {AV_PIX_FMT_YUV420P, AV_PIX_FMT_NV12, AV_PIX_FMT_YUV420P10LE}) {
    for (const AVPixelFormat target :
         {AV_PIX_FMT_RGB24, AV_PIX_FMT_GRAY8, AV_PIX_FMT_YUV420P}) {
      bench.run(source, target);
    }
  }
  return 0;
}
