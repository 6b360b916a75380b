#include "tone_map.h"

#include <algorithm>
#include <cmath>

namespace rushes {

namespace {

/// cd/m²: the peak of the source, and reference white, the peak of the output.
constexpr double kSourcePeak = 1000;
constexpr double kTargetPeak = 203;

// Rec. ITU-R BT.2100-2, table 4.
constexpr double kM1 = 2610.0 / 16384;
constexpr double kM2 = 2523.0 / 4096 * 128;
constexpr double kC1 = 3424.0 / 4096;
constexpr double kC2 = 2413.0 / 4096 * 32;
constexpr double kC3 = 2392.0 / 4096 * 32;

/// PQ signal 0–1 to cd/m².
double pqToLight(double signal) {
  const double power = std::pow(signal, 1 / kM2);
  const double ratio = std::max(power - kC1, 0.0) / (kC2 - kC3 * power);
  return 10000 * std::pow(ratio, 1 / kM1);
}

/// cd/m² to PQ signal 0–1.
double lightToPq(double light) {
  const double power = std::pow(light / 10000, kM1);
  return std::pow((kC1 + kC2 * power) / (1 + kC3 * power), kM2);
}

/// HLG signal 0–1 to scene light 0–1 (table 5, inverse OETF).
double hlgToScene(double signal) {
  constexpr double kA = 0.17883277;
  const double b = 1 - 4 * kA;
  const double c = 0.5 - kA * std::log(4 * kA);
  return signal <= 0.5 ? signal * signal / 3
                       : (std::exp((signal - c) / kA) + b) / 12;
}

/// Report ITU-R BT.2390-8, 5.4.1, for black at 0: cd/m² to cd/m².
double eetf(double light) {
  const double whole = lightToPq(kSourcePeak);
  const double most = lightToPq(kTargetPeak) / whole;
  const double knee = 1.5 * most - 0.5;
  const double e = std::min(lightToPq(light) / whole, 1.0);
  if (e < knee) return light;
  const double t = (e - knee) / (1 - knee);
  const double bent = (2 * t * t * t - 3 * t * t + 1) * knee +
                      (t * t * t - 2 * t * t + t) * (1 - knee) +
                      (-2 * t * t * t + 3 * t * t) * most;
  return pqToLight(bent * whole);
}

}  // namespace

ToneMap::ToneMap(
    AVColorTransferCharacteristic transfer, AVColorPrimaries primaries)
    : hlg_(transfer == AVCOL_TRC_ARIB_STD_B67),
      wideGamut_(primaries == AVCOL_PRI_BT2020),
      linear_(kSteps),
      factor_(kSteps),
      coded_(kSteps) {
  for (int i = 0; i < kSteps; ++i) {
    const double part = static_cast<double>(i) / (kSteps - 1);
    linear_[i] = static_cast<float>(
        hlg_ ? hlgToScene(part) : pqToLight(part) / kSourcePeak);
    // Relative to the source's peak before, to the target's after.
    const double light = std::max(part * part, 1e-8) * kSourcePeak;
    factor_[i] =
        static_cast<float>(eetf(light) / light * kSourcePeak / kTargetPeak);
    coded_[i] =
        static_cast<uint8_t>(std::lround(255 * std::pow(part, 2 / 2.4)));
  }
}

void ToneMap::row(
    const uint16_t* source, int pixels, uint8_t* target,
    const PixelLayout& layout) const {
  constexpr float kTop = kSteps - 1;
  const auto code = [&](float light) {
    const float root = std::sqrt(std::clamp(light, 0.0F, 1.0F));
    return coded_[static_cast<int>(root * kTop + 0.5F)];
  };
  for (int i = 0; i < pixels; ++i, source += 3, target += layout.bytes) {
    float r = linear_[source[0] >> 4];
    float g = linear_[source[1] >> 4];
    float b = linear_[source[2] >> 4];
    if (hlg_) {
      // OOTF: scene light times its luminance to the power of gamma - 1.
      const float y = 0.2627F * r + 0.6780F * g + 0.0593F * b;
      const float gain = std::pow(std::max(y, 1e-6F), 0.2F);
      r *= gain;
      g *= gain;
      b *= gain;
    }
    const float most = std::max({r, g, b});
    const float factor =
        most >= 1 ? 1 / most
                  : factor_[static_cast<int>(std::sqrt(most) * kTop + 0.5F)];
    r *= factor;
    g *= factor;
    b *= factor;
    if (wideGamut_) {
      const float red = 1.6605F * r - 0.5876F * g - 0.0728F * b;
      const float green = -0.1246F * r + 1.1329F * g - 0.0083F * b;
      const float blue = -0.0182F * r - 0.1006F * g + 1.1187F * b;
      r = red;
      g = green;
      b = blue;
    }
    const uint8_t red = code(r);
    const uint8_t green = code(g);
    const uint8_t blue = code(b);
    if (layout.bytes == 1) {
      // BT.709 luma.
      target[0] = static_cast<uint8_t>(
          0.2126F * red + 0.7152F * green + 0.0722F * blue + 0.5F);
      continue;
    }
    if (layout.bytes == 4) target[3] = 255;
    target[layout.red] = red;
    target[layout.green] = green;
    target[layout.blue] = blue;
  }
}

}  // namespace rushes
