#pragma once

extern "C" {
#include <libavutil/pixfmt.h>
}

#include <array>
#include <cstdint>
#include <vector>

namespace rushes {

/// How the pixels of 8-bit output lie in memory.
struct PixelLayout {
  int bytes;
  /// Byte of each component; for grey all three are 0.
  int red, green, blue;
};

/// Brings high dynamic range (PQ, HLG) down to what an SDR screen shows.
///
/// Note [Tone mapping]: the signal is made linear light (Rec. ITU-R BT.2100-2,
/// tables 4 and 5; HLG for a display of 1000 cd/m²), its brightest component
/// is brought from 1000 cd/m² down to 203 cd/m² (reference white, Rec. ITU-R
/// BT.2408) by the EETF of Report ITU-R BT.2390-8, 5.4.1, and the other two by
/// the same factor, so that hues stay. BT.2020 becomes BT.709 (Rec. ITU-R
/// BT.2087-0), what lies outside is clipped, and light is coded for a display
/// of gamma 2.4 (Rec. ITU-R BT.1886). Mastering metadata is not looked at: a
/// frame looks the same however it is reached.
///
/// Immutable once made. Thread-safety: any number of threads.
class ToneMap {
 public:
  /// Whether there is anything to map.
  static bool applies(AVColorTransferCharacteristic transfer) noexcept {
    return transfer == AVCOL_TRC_SMPTE2084 ||
           transfer == AVCOL_TRC_ARIB_STD_B67;
  }

  ToneMap(AVColorTransferCharacteristic transfer, AVColorPrimaries primaries);

  /// Maps one row: `source` holds 16-bit R'G'B', full range.
  void row(
      const uint16_t* source, int pixels, uint8_t* target,
      const PixelLayout& layout) const;

 private:
  static constexpr int kSteps = 4096;

  bool hlg_;
  bool wideGamut_;
  /// Linear light of a code value, relative to 1000 cd/m².
  std::vector<float> linear_;
  /// Factor for a brightest component, by the root of its light.
  std::vector<float> factor_;
  /// Code value 0–255 of light 0–1, by its root.
  std::vector<uint8_t> coded_;
};

}  // namespace rushes
