#pragma once

#include <cstdint>
#include <vector>

namespace rushes {

// Note [Area averages]
//
// Output sample i of an axis is the mean of the source over a box around the
// place where i lies: as wide as one output sample, but no narrower than one
// source sample. Source samples count as constant over their width, so a box
// of that least width interpolates linearly between two of them; that is how
// chroma comes to a picture finer than its own grid. Beyond the border the
// outermost sample goes on.
//
// The box is cut in equal units such that all its ends, and those of the
// source samples, lie between two of them; what it covers of each source
// sample is then an integer, and the weights of each output sample have the
// same sum. Simple ratios need few units (3:1 three, 3:2 three as well). Others
// get about AreaFilter::kFine of them, and the ends of boxes go to the nearest.

/// Where the samples of an axis lie.
struct AreaAxis {
  /// Samples.
  int source;
  int target;
  /// Source samples from one output sample to the next, as a fraction.
  int64_t step;
  int64_t per;
  /// Output sample i lies at ((4 i + place) / 4) * step / per + shift / 4, in
  /// source samples; the middle of source sample k at k + 1/2.
  int place = 2;
  int shift = 0;
};

/// The axis of luma, or of anything else without a place of its own.
AreaAxis plainAxis(int source, int target);

/// Where chroma lies along an axis on which it has half the samples of luma.
enum class ChromaSite {
  /// On the first of two luma samples: left, top.
  kFirst = -1,
  kBetween = 0,
  /// On the second one: bottom.
  kSecond = 1,
};

/// The axis of chroma of a picture whose luma goes from `source` to `target`
/// samples. `sourceHalved` and `targetHalved` say which side has half as many
/// chroma samples; both then have them at `site`, as whoever shows or scales
/// the output will assume.
AreaAxis chromaAxis(
    int source, int target, bool sourceHalved, bool targetHalved,
    ChromaSite site);

/// Integer weights along an axis.
struct AreaFilter {
  /// The most that weights add up to.
  static constexpr int kFine = 1 << 15;

  /// Sum of the weights of each output sample.
  int total = 0;
  /// For each output sample its first source sample, and where its weights
  /// begin; one more `begin` ends the last.
  std::vector<int> first;
  std::vector<int> begin;
  std::vector<uint16_t> weights;

  int taps(int i) const noexcept { return begin[i + 1] - begin[i]; }
};

/// Weights that are exact, if their sums are within `simple`, or else fine.
AreaFilter makeAreaFilter(const AreaAxis& axis, int simple = AreaFilter::kFine);

// Note [Blocks of columns]: how `averageColumns` reads a row. Four output
// samples at a time are summed in the four 32-bit lanes of a 128-bit block. In
// one step a block loads eight 16-bit samples from anywhere, brings two
// neighbouring ones under each lane by a byte shuffle, multiplies them by two
// weights and adds both to the lane. A lane whose samples are not among the
// eight gets zeros and waits for a later step. All blocks take as many steps
// as the one that needs most.
//
// Where the ratio is a simple one (3:1, 3:2), all blocks but those at the
// border shuffle and weigh alike, each `advance` samples further than the one
// before. Of these one table is enough, which stays in registers.

/// An axis filter in the form in which rows are read, with weights scaled so
/// that a source sample of `white` gives `averagedWhite`.
struct AreaColumns {
  /// Blocks come in groups of four, the tables of a group in this order: so
  /// instructions that narrow two vectors of two blocks each leave their
  /// results in the order of the picture.
  static constexpr int kLanes = 4;
  static constexpr int kGroup = 4;
  static constexpr int kOrder[kGroup] = {0, 2, 1, 3};
  static constexpr int kGroupLanes = kGroup * kLanes;

  int width = 0;
  int groups = 0;
  int steps = 0;
  /// out = (sum of weight * sample + 2^(shift - 1)) >> shift
  int shift = 0;

  /// The groups whose blocks are all alike, and samples from one block to the
  /// next; in them all steps may load the same samples.
  int regularBegin = 0;
  int regularEnd = 0;
  int advance = 0;
  bool oneLoad = false;

  /// For each group, step and block of the group: what to load, how to shuffle
  /// its bytes (0x80 gives 0), and the weights.
  std::vector<int32_t> offsets;
  std::vector<uint8_t> shuffles;
  std::vector<int16_t> pairs;

  /// The same weights in plain order: `weights` of `filter`.
  AreaFilter filter;
};

/// @param white the highest value of a sample, 32767 at most
/// @param averagedWhite what it becomes
AreaColumns makeAreaColumns(
    const AreaFilter& filter, int white, int averagedWhite);

}  // namespace rushes
