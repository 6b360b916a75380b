#include "measure.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "change_meter.h"

using rushes::ChangeMeter;
using rushes::FrameChange;
using rushes::FramePlanes;
using rushes::LumaMeasures;
using rushes::Plane;

namespace {

/// A plane that owns its samples; the padding is filled with `padding`.
struct Picture {
  Picture(int w, int h, int pad = 0, uint8_t padding = 0)
      : width(w), height(h), stride(w + pad), samples(stride * h, padding) {}
  uint8_t& at(int x, int y) { return samples[y * stride + x]; }
  uint8_t at(int x, int y) const { return samples[y * stride + x]; }
  Plane plane() const { return {samples.data(), width, height, stride}; }
  /// As luma and, for want of another, chroma.
  FramePlanes planes() const { return {plane(), plane(), plane(), false}; }

  int width;
  int height;
  ptrdiff_t stride;
  std::vector<uint8_t> samples;
};

template <typename Value>
Picture make(int width, int height, Value value, int pad = 0) {
  Picture picture(width, height, pad, 0xa5);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      picture.at(x, y) = static_cast<uint8_t>(value(x, y));
    }
  }
  return picture;
}

Picture flat(int width, int height, int value) {
  return make(width, height, [&](int, int) { return value; });
}

Picture noise(int width, int height, int pad, unsigned seed, int top = 255) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<int> any(0, top);
  return make(
      width, height, [&](int, int) { return any(random); }, pad);
}

int reflect(int i, int length) {
  if (length == 1) return 0;
  return i < 0 ? -i : i < length ? i : 2 * length - 2 - i;
}

/// The definitions, one sample at a time, in long double.
void checkAgainstDefinition(const Picture& p) {
  long double sum = 0;
  long double squares = 0;
  long double laplacians = 0;
  long double laplacianSquares = 0;
  const long double n = static_cast<long double>(p.width) * p.height;
  for (int y = 0; y < p.height; ++y) {
    for (int x = 0; x < p.width; ++x) {
      const long double value = p.at(x, y);
      const long double laplacian =
          p.at(x, reflect(y - 1, p.height)) +
          p.at(x, reflect(y + 1, p.height)) + p.at(reflect(x - 1, p.width), y) +
          p.at(reflect(x + 1, p.width), y) - 4 * value;
      sum += value;
      squares += value * value;
      laplacians += laplacian;
      laplacianSquares += laplacian * laplacian;
    }
  }
  const LumaMeasures got = measureLuma(p.plane());
  const auto same = [](double value, long double expected) {
    return std::abs(value - expected) <= 1e-12L * std::max(1.0L, expected);
  };
  CHECK(same(got.brightness, sum / n));
  const long double variance = squares / n - sum / n * (sum / n);
  CHECK(same(got.contrast * got.contrast, variance));
  const long double mean = laplacians / n;
  CHECK(same(got.sharpness, laplacianSquares / n - mean * mean));
}

/// Mean |ΔY|, one sample at a time.
double meanDifference(const Picture& a, const Picture& b) {
  int64_t sum = 0;
  for (int y = 0; y < a.height; ++y) {
    for (int x = 0; x < a.width; ++x) sum += std::abs(a.at(x, y) - b.at(x, y));
  }
  return static_cast<double>(sum) / (static_cast<double>(a.width) * a.height);
}

}  // namespace

TEST_CASE("a flat picture has no contrast, no sharpness and an empty hash") {
  const LumaMeasures got = measureLuma(flat(5, 4, 100).plane());
  CHECK(got.brightness == 100);
  CHECK(got.contrast == 0);
  CHECK(got.sharpness == 0);
  CHECK(got.hash == 0);
}

TEST_CASE("a checkerboard is as contrasty and sharp as can be") {
  // 2600 columns: sums of a row exceed 32 bits unless they are taken in parts.
  for (const auto& [width, height] : {std::pair(4, 4), {2600, 40}, {2, 1100}}) {
    const Picture board = make(
        width, height, [](int x, int y) { return 255 * ((x + y) % 2); }, 3);
    const LumaMeasures got = measureLuma(board.plane());
    CHECK(got.brightness == 127.5);
    CHECK(got.contrast == 127.5);
    CHECK(got.sharpness == 1020 * 1020);
  }
}

TEST_CASE("the border is reflected without repeating the sample there") {
  const auto ramp = [](int i) { return i == 2 ? 30 : 10 * i; };
  CHECK(measureLuma(flat(1, 1, 9).plane()).sharpness == 0);
  CHECK(
      measureLuma(make(2, 1, [&](int x, int) { return ramp(x); }).plane())
          .sharpness == 400);
  CHECK(
      measureLuma(make(1, 3, [&](int, int y) { return ramp(y); }).plane())
          .sharpness == 6200.0 / 9);
}

TEST_CASE("the hash says which cells are darker than their right neighbours") {
  const auto hashOf = [](int width, int height, auto value) {
    return measureLuma(make(width, height, value).plane()).hash;
  };
  CHECK(hashOf(9, 8, [](int x, int) { return x; }) == ~uint64_t{0});
  CHECK(hashOf(9, 8, [](int x, int) { return 9 - x; }) == 0);
  CHECK(hashOf(9, 8, [](int x, int y) {
          return x == 1 && y == 0;
        }) == uint64_t{1} << 63);
  CHECK(hashOf(9, 8, [](int x, int y) { return x == 8 && y == 7; }) == 1);
  // Cells of one and of two columns: means are compared, not sums.
  CHECK(hashOf(10, 8, [](int, int) { return 50; }) == 0);
  // Fewer columns than cells.
  CHECK(hashOf(3, 2, [](int x, int) { return x; }) == 0x2424242424242424);
}

TEST_CASE("luma measures follow their definitions for every size and stride") {
  for (int width = 1; width <= 40; ++width) {
    for (const int height : {1, 2, 3, 7, 16, 19}) {
      checkAgainstDefinition(
          noise(width, height, width % 5, width * 41 + height));
    }
  }
  for (const int width : {1023, 1024, 1025, 2600}) {
    checkAgainstDefinition(noise(width, 3, 1, width));
    checkAgainstDefinition(noise(3, width, 1, width));
  }
}

TEST_CASE("rows may lie in memory from the bottom up") {
  const Picture p = noise(31, 17, 4, 5);
  const Picture q = make(31, 17, [&](int x, int y) { return p.at(x, 16 - y); });
  const Plane upward{
      p.samples.data() + 16 * p.stride, p.width, p.height, -p.stride};
  const LumaMeasures a = measureLuma(upward);
  const LumaMeasures b = measureLuma(q.plane());
  CHECK(a.sharpness == b.sharpness);
  CHECK(a.hash == b.hash);
}

TEST_CASE("saturation is the distance of chroma from grey, rounded down") {
  const auto saturationOf = [](int u, int v) {
    return meanSaturation(flat(2, 2, u).plane(), flat(2, 2, v).plane());
  };
  CHECK(saturationOf(128, 128) == 0);
  CHECK(saturationOf(131, 124) == 5);
  CHECK(saturationOf(131, 129) == 3);
  CHECK(saturationOf(0, 0) == 181);
  for (int u = 0; u < 256; ++u) {
    const Picture us = flat(256, 1, u);
    const Picture vs = make(256, 1, [](int x, int) { return x; });
    double sum = 0;
    for (int v = 0; v < 256; ++v) {
      sum +=
          std::floor(std::sqrt((u - 128) * (u - 128) + (v - 128) * (v - 128)));
    }
    CHECK(meanSaturation(us.plane(), vs.plane()) == sum / 256);
  }
  const Picture u = noise(13, 7, 3, 1);
  const Picture v = noise(13, 7, 8, 2);
  double sum = 0;
  for (int y = 0; y < 7; ++y) {
    for (int x = 0; x < 13; ++x) {
      sum += std::floor(std::hypot(u.at(x, y) - 128, v.at(x, y) - 128));
    }
  }
  CHECK(meanSaturation(u.plane(), v.plane()) == sum / (13 * 7));
}

namespace {
/// Whether what tells of frames before is 0, as for a first frame.
bool comparesWithNothing(const FrameChange& change) {
  const double* columns = change.columns;
  return std::all_of(
             columns, columns + FrameChange::kColor,
             [](double column) { return column == 0; }) &&
         columns[FrameChange::kShiftX] == 0 &&
         columns[FrameChange::kShiftY] == 0;
}
}  // namespace

TEST_CASE("the difference is that of a plain loop, for every size and stride") {
  for (int width = 1; width <= 70; ++width) {
    const int height = 1 + width % 23;
    const Picture a = noise(width, height, width % 7, width);
    const Picture b = noise(width, height, width % 3, width + 1000);
    ChangeMeter meter;
    CHECK(comparesWithNothing(meter.next(a.planes(), 0)));
    const FrameChange change = meter.next(b.planes(), 0.04);
    CHECK(change.columns[FrameChange::kDifference] == meanDifference(a, b));
  }
}

TEST_CASE("pictures taller than 16-bit sums allow are shrunk rightly") {
  // One cell is 500 rows of 255 high here.
  ChangeMeter meter;
  meter.next(flat(40, 9000, 255).planes(), 0);
  const FrameChange change = meter.next(flat(33, 20, 5).planes(), 1);
  CHECK(change.columns[FrameChange::kDifference] == 250);
}

TEST_CASE(
    "the mismatch tells unrelated pictures from changes of light and pans") {
  // Tiles of random luma, moved by dx columns.
  const auto texture = [](unsigned seed, int dx, double gain) {
    return make(64, 36, [=](int x, int y) {
      std::mt19937 random(seed + (x + dx + 60) / 6 * 1009 + y / 6 * 9176);
      return std::lround(
          16 + gain * std::uniform_int_distribution(0, 219)(random));
    });
  };
  const auto mismatch = [](const Picture& a, const Picture& b) {
    ChangeMeter meter;
    meter.next(a.planes(), 0);
    return meter.next(b.planes(), 0.04).columns[FrameChange::kMismatch];
  };
  CHECK(mismatch(texture(1, 0, 1), texture(1, 0, 1)) == 0);
  CHECK(mismatch(texture(1, 0, 1), texture(2, 0, 1)) > 0.5);
  CHECK(mismatch(texture(1, 0, 0.2), texture(2, 0, 0.2)) > 0.5);
  CHECK(mismatch(texture(1, 0, 1), texture(1, 0, 0.7)) < 0.1);
  CHECK(mismatch(texture(1, 0, 1), texture(1, 8, 1)) < 0.05);
  CHECK(mismatch(texture(1, 0, 1), texture(1, -8, 1)) < 0.05);
  const double means = (235 - 16) * (235 - 16);
  CHECK(
      mismatch(flat(64, 36, 16), flat(64, 36, 235)) ==
      means / (means + 32 * 16));
}

TEST_CASE("the picture that comes back after a flash is recalled") {
  const Picture a = noise(64, 36, 0, 1);
  const Picture b = noise(64, 36, 0, 2);
  ChangeMeter meter;
  const auto next = [&](const Picture& picture, double time) {
    const FrameChange change = meter.next(picture.planes(), time);
    return std::pair(
        change.columns[FrameChange::kRecall],
        change.columns[FrameChange::kRecallAge]);
  };
  next(a, 0);
  CHECK(next(b, 0.04).second == 0);
  next(b, 0.08);
  CHECK(next(a, 0.12) == std::pair(0.0, 3.0));
  next(b, 1.12);
  // Just the length of a flash, and a little more.
  CHECK(next(a, 1.12 + ChangeMeter::kFlash) == std::pair(0.0, 2.0));
  next(b, 3);
  CHECK(next(a, 3.01 + ChangeMeter::kFlash).second == 0);
  meter.reset();
  CHECK(comparesWithNothing(meter.next(a.planes(), 3.3)));
  meter.reset();
  next(a, 4);
  // It remembers 61 frames, however short they are.
  for (int i = 1; i < 61; ++i) next(noise(64, 36, 0, 10 + i), 4 + i * 1e-4);
  CHECK(next(a, 4.1) == std::pair(0.0, 61.0));
  CHECK(next(a, 4.1001).first > 0.5);
}
