#include "tone_map.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <random>

using rushes::ToneMap;

namespace {

using Color = std::array<double, 3>;

constexpr rushes::PixelLayout kRgb{3, 0, 1, 2};

// The formulas of the standards once more, step by step and in doubles: the
// oracle of the tables that the library works with.

double pqEotf(double e) {
  const double m1 = 0.1593017578125, m2 = 78.84375;
  const double c1 = 0.8359375, c2 = 18.8515625, c3 = 18.6875;
  const double p = std::pow(e, 1 / m2);
  return 10000 * std::pow(std::max(p - c1, 0.0) / (c2 - c3 * p), 1 / m1);
}

double pqInverse(double light) {
  const double m1 = 0.1593017578125, m2 = 78.84375;
  const double c1 = 0.8359375, c2 = 18.8515625, c3 = 18.6875;
  const double y = std::pow(light / 10000, m1);
  return std::pow((c1 + c2 * y) / (1 + c3 * y), m2);
}

Color hlgToLight(const Color& signal) {
  Color scene{};
  for (int i = 0; i < 3; ++i) {
    const double e = signal[i];
    scene[i] =
        e <= 0.5 ? e * e / 3
                 : (std::exp((e - 0.55991073) / 0.17883277) + 0.28466892) / 12;
  }
  const double y = 0.2627 * scene[0] + 0.6780 * scene[1] + 0.0593 * scene[2];
  for (double& part : scene) part *= 1000 * std::pow(std::max(y, 1e-9), 0.2);
  return scene;
}

Color expected(AVColorTransferCharacteristic transfer, const Color& signal) {
  Color light = hlgToLight(signal);
  if (transfer == AVCOL_TRC_SMPTE2084) {
    for (int i = 0; i < 3; ++i) light[i] = pqEotf(signal[i]);
  }
  const double most = *std::max_element(light.begin(), light.end());
  if (most > 0) {
    const double whole = pqInverse(1000), top = pqInverse(203) / whole;
    const double knee = 1.5 * top - 0.5;
    const double e1 = std::min(pqInverse(most) / whole, 1.0);
    double e2 = e1;
    if (e1 >= knee) {
      const double t = (e1 - knee) / (1 - knee), t2 = t * t, t3 = t2 * t;
      e2 = (2 * t3 - 3 * t2 + 1) * knee + (t3 - 2 * t2 + t) * (1 - knee) +
           (-2 * t3 + 3 * t2) * top;
    }
    const double factor = pqEotf(e2 * whole) / most;
    for (double& part : light) part *= factor / 203;
  }
  const double matrix[3][3] = {
      {1.6605, -0.5876, -0.0728},
      {-0.1246, 1.1329, -0.0083},
      {-0.0182, -0.1006, 1.1187}};
  Color coded{};
  for (int i = 0; i < 3; ++i) {
    double part = 0;
    for (int j = 0; j < 3; ++j) part += matrix[i][j] * light[j];
    coded[i] = 255 * std::pow(std::clamp(part, 0.0, 1.0), 1 / 2.4);
  }
  return coded;
}

std::array<uint8_t, 3> map(
    AVColorTransferCharacteristic transfer, std::array<uint16_t, 3> color) {
  const ToneMap toneMap(transfer, AVCOL_PRI_BT2020);
  std::array<uint8_t, 3> out{};
  toneMap.row(color.data(), 1, out.data(), kRgb);
  return out;
}

}  // namespace

TEST_CASE("tone mapping follows the standards' formulas") {
  std::mt19937 random(1);
  std::uniform_int_distribution<int> value(0, 65535);
  for (const auto transfer : {AVCOL_TRC_SMPTE2084, AVCOL_TRC_ARIB_STD_B67}) {
    const ToneMap toneMap(transfer, AVCOL_PRI_BT2020);
    double worst = 0;
    for (int i = 0; i < 20000; ++i) {
      std::array<uint16_t, 3> color{};
      for (uint16_t& part : color) part = static_cast<uint16_t>(value(random));
      std::array<uint8_t, 3> got{};
      toneMap.row(color.data(), 1, got.data(), kRgb);
      // The tables have 12 bits, and so has the signal then.
      const Color want = expected(
          transfer, {(color[0] >> 4) / 4095.0, (color[1] >> 4) / 4095.0,
                     (color[2] >> 4) / 4095.0});
      for (int j = 0; j < 3; ++j) {
        // Codes near black are steep: a table step is more than a code there.
        const double tolerance = want[j] < 12 ? 6 : 1.5;
        const double off = std::abs(got[j] - want[j]) - tolerance;
        worst = std::max(worst, off);
      }
    }
    CHECK(worst <= 0);
  }
}

TEST_CASE("black stays black, greys stay grey, and the peak is white") {
  for (const auto transfer : {AVCOL_TRC_SMPTE2084, AVCOL_TRC_ARIB_STD_B67}) {
    CHECK(map(transfer, {0, 0, 0}) == std::array<uint8_t, 3>{0, 0, 0});
    CHECK(
        map(transfer, {65535, 65535, 65535}) ==
        std::array<uint8_t, 3>{255, 255, 255});
    uint8_t before = 0;
    for (int v = 0; v < 65536; v += 64) {
      const auto grey = static_cast<uint16_t>(v);
      const std::array<uint8_t, 3> out = map(transfer, {grey, grey, grey});
      REQUIRE(std::abs(out[0] - out[1]) <= 1);
      REQUIRE(std::abs(out[1] - out[2]) <= 1);
      REQUIRE(out[1] >= before);
      before = out[1];
    }
  }
}

TEST_CASE("dark tones below the knee keep their light") {
  // 50 cd/m² is shown as 50 of 203 cd/m².
  const auto signal = static_cast<uint16_t>(std::lround(pqInverse(50) * 65535));
  const std::array<uint8_t, 3> out =
      map(AVCOL_TRC_SMPTE2084, {signal, signal, signal});
  CHECK(std::abs(out[1] - 255 * std::pow(50 / 203.0, 1 / 2.4)) <= 1.5);
}

TEST_CASE("only PQ and HLG are mapped") {
  CHECK(ToneMap::applies(AVCOL_TRC_SMPTE2084));
  CHECK(ToneMap::applies(AVCOL_TRC_ARIB_STD_B67));
  CHECK_FALSE(ToneMap::applies(AVCOL_TRC_BT709));
  CHECK_FALSE(ToneMap::applies(AVCOL_TRC_UNSPECIFIED));
}
