// What measuring a frame costs, one thread, part by part: all that an analysis
// does between the decoder and the detectors.
//
//   cmake -S . -B build-native/bench -G Ninja -DRUSHES_BENCH=ON
//   cmake --build build-native/bench --target rushes_measure_bench
//   build-native/bench/rushes_measure_bench [WIDTHxHEIGHT [TO_WIDTHxTO_HEIGHT]]
//
// The parts take turns, as they do for each frame of a video, over frames that
// do not fit the caches nearest to the core. Medians over all frames, in CPU
// microseconds.

#include <algorithm>
#include <array>
#include <cstdio>
#include <vector>

#include "change_meter.h"
#include "made_frames.h"
#include "measure.h"
#include "small_picture.h"

namespace {

using namespace rushes;

/// Every frame has the first three, a sampled one the rest, too.
enum Part { kScale, kTakeChroma, kCompare, kScaleChroma, kSample, kParts };
constexpr std::array<const char*, kParts> kNames = {
    "luma made smaller",
    "chroma samples taken",
    "compared with those before (ChangeMeter)",
    "chroma made smaller, of a sampled frame",
    "measured (measureLuma, meanSaturation)",
};

class Bench {
 public:
  Bench(bench::Size from, bench::Size to) : picture_(to.width, to.height) {
    constexpr int kFrames = 8;  // 25 MB of 1080p
    for (int i = 0; i < kFrames; ++i) {
      frames_.push_back(
          bench::makeFrame(AV_PIX_FMT_YUV420P, from.width, from.height, i));
    }
  }

  void run() {
    constexpr int kRounds = 60;
    measure(*frames_.back());
    for (auto& part : times_) part.clear();
    for (int round = 0; round < kRounds; ++round) {
      for (const Frame& frame : frames_) measure(*frame);
    }
    for (int i = 0; i < kParts; ++i) {
      std::vector<double>& times = times_[i];
      const auto middle =
          times.begin() + static_cast<ptrdiff_t>(times.size() / 2);
      std::nth_element(times.begin(), middle, times.end());
      std::printf("  %-42s %7.1f us\n", kNames[i], *middle * 1e3);
    }
  }

 private:
  void measure(const AVFrame& frame) {
    time_ += 0.04;
    FramePlanes planes{};
    take(kScale, [&] { picture_.load(frame); });
    take(kTakeChroma, [&] { planes = picture_.planes(); });
    take(kCompare, [&] { meter_.next(planes, time_); });
    take(kScaleChroma, [&] { picture_.u(); });
    take(kSample, [&] {
      measureLuma(picture_.luma());
      meanSaturation(picture_.u(), picture_.v());
    });
  }

  template <typename Work>
  void take(Part part, Work work) {
    const double begin = bench::cpuMilliseconds();
    work();
    times_[part].push_back(bench::cpuMilliseconds() - begin);
  }

  std::vector<Frame> frames_;
  SmallPicture picture_;
  ChangeMeter meter_;
  double time_ = 0;
  std::array<std::vector<double>, kParts> times_;
};

}  // namespace

int main(int argc, char** argv) {
  const auto [from, to] = bench::readSizes(argc, argv);
  std::printf(
      "yuv420p %dx%d, measured at %dx%d\n", from.width, from.height, to.width,
      to.height);
  Bench(from, to).run();
  return 0;
}
