// Long, because what has to agree stands together: each kernel's definition,
// its vector instructions, and the call that chooses between them.

#include "area_kernels.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "area_kernels.cc"
#include "vector_targets.h"

HWY_BEFORE_NAMESPACE();
namespace rushes {
namespace HWY_NAMESPACE {

bool AreFast() { return RUSHES_PLAIN == 0; }

#if RUSHES_PLAIN

uint16_t sampleAt(SampleLayout layout, const uint8_t* row, int x) {
  if (layout == SampleLayout::kByte) return row[x];
  const int value = row[2 * x] | row[2 * x + 1] << 8;
  return static_cast<uint16_t>(
      layout == SampleLayout::kHighWord ? value >> 6 : value);
}

/// What a row adds to its sum.
int weigh(const RowSum& sum, int sample, int row) {
  const int bits = sum.layout == SampleLayout::kByte ? 8 : 10;
  switch (sum.weighing) {
    case RowWeights::kNone:
      return sample;
    case RowWeights::kSimple:
      return sample * sum.weights[row];
    case RowWeights::kFine:
      break;
  }
  const uint32_t raised = static_cast<uint32_t>(sample) << (16 - bits);
  return static_cast<int>((raised * sum.weights[row]) >> 16);
}

void SumRows(const RowSum& sum, uint16_t* out) {
  for (int x = 0; x < sum.width; ++x) {
    int total = sum.weighing == RowWeights::kFine ? sum.rows / 2 : 0;
    for (int i = 0; i < sum.rows; ++i) {
      total +=
          weigh(sum, sampleAt(sum.layout, sum.data + i * sum.stride, x), i);
    }
    out[x] = static_cast<uint16_t>(total);
  }
}

void AverageColumns(
    const uint16_t* line, const AreaColumns& columns, int16_t* out) {
  const AreaFilter& filter = columns.filter;
  for (int i = 0; i < columns.width; ++i) {
    const uint16_t* samples = line + filter.first[i];
    const uint16_t* weights = &filter.weights[filter.begin[i]];
    int32_t total = 1 << (columns.shift - 1);
    for (int t = 0; t < filter.taps(i); ++t) total += weights[t] * samples[t];
    out[i] = static_cast<int16_t>(total >> columns.shift);
  }
}

void SplitPairs(const uint16_t* line, int pairs, uint16_t* a, uint16_t* b) {
  for (int i = 0; i < pairs; ++i) {
    a[i] = line[2 * i];
    b[i] = line[2 * i + 1];
  }
}

int16_t saturated(int value) {
  return static_cast<int16_t>(std::clamp(value, -32768, 32767));
}

/// a * b / 32768, rounded.
int times(int a, int b) { return (a * b + (1 << 14)) >> 15; }

/// Luma to which chroma may be added, with the half that rounds to a level.
int grey(int y, const ColorMatrix& matrix) {
  return times(2 * (y - matrix.black), matrix.lumaGain) + 32;
}

uint8_t level(int value) {
  return static_cast<uint8_t>(std::clamp(value >> 6, 0, 255));
}

void ToBytes(
    const int16_t* y, const ColorMatrix& matrix, int width, uint8_t* out) {
  for (int x = 0; x < width; ++x) out[x] = level(grey(y[x], matrix));
}

void ToRgb(
    const int16_t* y, const int16_t* u, const int16_t* v,
    const ColorMatrix& matrix, RgbLayout layout, int width, uint8_t* out) {
  for (int x = 0; x < width; ++x) {
    const int luma = grey(y[x], matrix);
    const int cu = 4 * (u[x] - 128 * 64);
    const int cv = 4 * (v[x] - 128 * 64);
    const uint8_t red = level(saturated(luma + times(cv, matrix.redV)));
    const uint8_t green = level(saturated(
        saturated(luma - times(cu, matrix.greenU)) - times(cv, matrix.greenV)));
    const uint8_t blue = level(saturated(luma + times(cu, matrix.blueU)));
    const bool swapped = layout == RgbLayout::kBgr24;
    *out++ = swapped ? blue : red;
    *out++ = green;
    *out++ = swapped ? red : blue;
    if (layout == RgbLayout::kRgba) *out++ = 255;
  }
}

#else  // RUSHES_PLAIN

namespace hn = hwy::HWY_NAMESPACE;

using Words = hn::ScalableTag<uint16_t>;
using SignedWords = hn::RebindToSigned<Words>;
using HalfBytes = hn::Rebind<uint8_t, Words>;
using Bytes8 = hn::Repartition<uint8_t, Words>;

template <SampleLayout layout>
HWY_INLINE hn::Vec<Words> loadSamples(const uint8_t* from) {
  const Words d;
  if constexpr (layout == SampleLayout::kByte) {
    return hn::PromoteTo(d, hn::LoadU(HalfBytes(), from));
  } else {
    const auto words = hn::BitCast(d, hn::LoadU(Bytes8(), from));
    return layout == SampleLayout::kWord ? words : hn::ShiftRight<6>(words);
  }
}

constexpr size_t kCacheLine = 64;

/// Sums of kRows rows, or of any number where that is 0: a number that the
/// compiler knows leaves no inner loop, and weights in registers.
template <SampleLayout layout, RowWeights weighing, int kRows>
class RowSummer {
 public:
  static constexpr size_t kBytes = layout == SampleLayout::kByte ? 1 : 2;

  explicit RowSummer(const RowSum& sum)
      : stride_(sum.stride),
        weights_(sum.weights),
        rows_(kRows > 0 ? kRows : sum.rows) {
    const ptrdiff_t block = rows_ * stride_;
    const uint8_t* lowest = stride_ < 0 ? sum.data + block - stride_ : sum.data;
    ahead_ = lowest + (std::abs(block) <= kShort ? 2 * block : block);
    for (int i = 0; i < kRows; ++i) fixed_[i] = hn::Set(Words(), weights_[i]);
  }

  HWY_INLINE hn::Vec<Words> sum(const uint8_t* from) const {
    auto total = start();
    for (int i = 0; i < (kRows > 0 ? kRows : rows_); ++i) {
      total = hn::Add(total, weigh(loadSamples<layout>(from + i * stride_), i));
    }
    return total;
  }

  /// The same of `count` samples only. No more than these are read.
  hn::Vec<Words> sumOf(size_t count, const uint8_t* from) const {
    HWY_ALIGN uint8_t rest[hn::MaxLanes(Words()) * 2] = {};
    auto total = start();
    for (int i = 0; i < rows_; ++i) {
      std::memcpy(rest, from + i * stride_, count * kBytes);
      total = hn::Add(total, weigh(loadSamples<layout>(rest), i));
    }
    return total;
  }

  /// While the cache line at byte x of each row is summed, as many that come
  /// later are on their way to the second cache, in the order of memory, in
  /// which the processor reads on by itself.
  HWY_INLINE void prefetch(size_t x) const {
    constexpr int kIntoSecondCache = 2;
    for (int i = 0; i < rows_; ++i) {
      __builtin_prefetch(
          ahead_ + x * rows_ + i * kCacheLine, 0, kIntoSecondCache);
    }
  }

 private:
  HWY_INLINE hn::Vec<Words> start() const {
    return hn::Set(
        Words(),
        static_cast<uint16_t>(weighing == RowWeights::kFine ? rows_ / 2 : 0));
  }

  HWY_INLINE hn::Vec<Words> weigh(hn::Vec<Words> samples, int i) const {
    if constexpr (weighing == RowWeights::kNone) return samples;
    const auto weight = kRows > 0 ? fixed_[i] : hn::Set(Words(), weights_[i]);
    if constexpr (weighing == RowWeights::kSimple) {
      return hn::Mul(samples, weight);
    }
    constexpr int kShift = layout == SampleLayout::kByte ? 8 : 6;
    return hn::MulHigh(hn::ShiftLeft<kShift>(samples), weight);
  }

  /// Rows of so many bytes are summed before those that follow can be there.
  static constexpr ptrdiff_t kShort = 8 << 10;

  ptrdiff_t stride_;
  const uint16_t* weights_;
  int rows_;
  /// Where the rows of the next sum, or of the one after it, begin in memory.
  const uint8_t* ahead_;
  hn::Vec<Words> fixed_[kRows > 0 ? kRows : 1];
};

template <SampleLayout layout, RowWeights weighing, int kRows>
void sumRowsOf(const RowSum& sum, uint16_t* out) {
  const RowSummer<layout, weighing, kRows> summer(sum);
  const Words d;
  const size_t lanes = hn::Lanes(d);
  constexpr size_t kBytes = summer.kBytes;
  const size_t width = sum.width;
  // A cache line of the source in one go.
  const size_t line = std::max(kCacheLine / kBytes, lanes);
  size_t x = 0;
  for (; x + line <= width; x += line) {
    const uint8_t* from = sum.data + x * kBytes;
    summer.prefetch(x * kBytes);
    for (size_t i = 0; i < line; i += lanes) {
      hn::StoreU(summer.sum(from + i * kBytes), d, out + x + i);
    }
  }
  for (; x + lanes <= width; x += lanes) {
    hn::StoreU(summer.sum(sum.data + x * kBytes), d, out + x);
  }
  if (x < width) {
    hn::StoreU(summer.sumOf(width - x, sum.data + x * kBytes), d, out + x);
  }
}

template <SampleLayout layout, RowWeights weighing>
void sumRowsBy(const RowSum& sum, uint16_t* out) {
  switch (sum.rows) {
    case 1:
      return sumRowsOf<layout, weighing, 1>(sum, out);
    case 2:
      return sumRowsOf<layout, weighing, 2>(sum, out);
    case 3:
      return sumRowsOf<layout, weighing, 3>(sum, out);
    case 4:
      return sumRowsOf<layout, weighing, 4>(sum, out);
    default:
      return sumRowsOf<layout, weighing, 0>(sum, out);
  }
}

template <SampleLayout layout>
void sumRowsIn(const RowSum& sum, uint16_t* out) {
  switch (sum.weighing) {
    case RowWeights::kNone:
      return sumRowsBy<layout, RowWeights::kNone>(sum, out);
    case RowWeights::kSimple:
      return sumRowsBy<layout, RowWeights::kSimple>(sum, out);
    case RowWeights::kFine:
      return sumRowsBy<layout, RowWeights::kFine>(sum, out);
  }
}

void SumRows(const RowSum& sum, uint16_t* out) {
  switch (sum.layout) {
    case SampleLayout::kByte:
      return sumRowsIn<SampleLayout::kByte>(sum, out);
    case SampleLayout::kWord:
      return sumRowsIn<SampleLayout::kWord>(sum, out);
    case SampleLayout::kHighWord:
      return sumRowsIn<SampleLayout::kHighWord>(sum, out);
  }
}

// Note [Blocks of columns]. Vectors hold one or two blocks; with four, as
// AVX-512 could, loading them apart costs what it saves.
using Columns = hn::CappedTag<int16_t, 16>;
using Sums = hn::RepartitionToWide<Columns>;
using ColumnBytes = hn::Repartition<uint8_t, Columns>;
constexpr int kVectorBlocks = hn::MaxLanes(Columns()) / 8;
constexpr int kVectors = AreaColumns::kGroup / kVectorBlocks;

/// The sums of a group, in the order of its tables.
struct GroupSums {
  hn::Vec<Sums> even[kVectors];
  hn::Vec<Sums> odd[kVectors];

  GroupSums() {
    for (int i = 0; i < kVectors; ++i) even[i] = odd[i] = hn::Zero(Sums());
  }

  HWY_INLINE void add(
      int i, hn::Vec<Columns> samples, hn::Vec<ColumnBytes> shuffle,
      hn::Vec<Columns> pairs) {
    const auto shuffled = hn::BitCast(
        Columns(),
        hn::TableLookupBytesOr0(hn::BitCast(ColumnBytes(), samples), shuffle));
    even[i] =
        hn::ReorderWidenMulAccumulate(Sums(), shuffled, pairs, even[i], odd[i]);
  }

  HWY_INLINE void store(int shift, int16_t* out) const {
    const auto half = hn::Set(Sums(), 1 << (shift - 1));
    const auto averages = [&](int i) HWY_ATTR {
      return hn::ShiftRightSame(
          hn::Add(hn::RearrangeToOddPlusEven(even[i], odd[i]), half), shift);
    };
    constexpr int kHalf = kVectors / 2;
    for (int i = 0; i < kHalf; ++i) {
      hn::StoreU(
          hn::ReorderDemote2To(Columns(), averages(i), averages(i + kHalf)),
          Columns(), out + i * hn::Lanes(Columns()));
    }
  }
};

/// The blocks of one vector, each from where it lies.
HWY_INLINE hn::Vec<Columns> loadBlocks(
    const int16_t* first, const int16_t* second) {
  if constexpr (kVectorBlocks == 1) {
    return hn::LoadU(Columns(), first);
  } else {
    const hn::Half<Columns> half;
    return hn::Combine(
        Columns(), hn::LoadU(half, second), hn::LoadU(half, first));
  }
}

/// Group by group, each by tables of its own.
void averageByTables(
    const int16_t* line, const AreaColumns& columns, int begin, int end,
    int16_t* out) {
  const Columns d;
  for (int group = begin; group < end; ++group) {
    GroupSums sums;
    for (int k = 0; k < columns.steps; ++k) {
      const size_t slots = (group * columns.steps + k) * AreaColumns::kGroup;
      for (int i = 0; i < kVectors; ++i) {
        const size_t slot = slots + i * kVectorBlocks;
        const int32_t* offsets = &columns.offsets[slot];
        sums.add(
            i, loadBlocks(line + offsets[0], line + offsets[kVectorBlocks - 1]),
            hn::LoadU(ColumnBytes(), &columns.shuffles[slot * 16]),
            hn::LoadU(d, &columns.pairs[slot * 8]));
      }
    }
    sums.store(columns.shift, out + group * AreaColumns::kGroupLanes);
  }
}

/// The groups whose blocks are all alike.
template <int kSteps, bool oneLoad>
void averageRegular(
    const int16_t* line, const AreaColumns& columns, int16_t* out) {
  const int begin = columns.regularBegin;
  const int end = columns.regularEnd;
  const ptrdiff_t advance = columns.advance;
  const int16_t* from[kSteps];
  hn::Vec<ColumnBytes> shuffles[kSteps];
  hn::Vec<Columns> pairs[kSteps];
  for (int k = 0; k < kSteps; ++k) {
    const size_t slot = (begin * kSteps + k) * AreaColumns::kGroup;
    from[k] = line + columns.offsets[slot];
    shuffles[k] = hn::LoadU(ColumnBytes(), &columns.shuffles[slot * 16]);
    pairs[k] = hn::LoadU(Columns(), &columns.pairs[slot * 8]);
  }
  for (int group = begin; group < end; ++group) {
    GroupSums sums;
    for (int i = 0; i < kVectors; ++i) {
      const ptrdiff_t first = AreaColumns::kOrder[i * kVectorBlocks];
      const ptrdiff_t second =
          AreaColumns::kOrder[i * kVectorBlocks + kVectorBlocks - 1];
      hn::Vec<Columns> samples;
      for (int k = 0; k < kSteps; ++k) {
        if (k == 0 || !oneLoad) {
          samples =
              loadBlocks(from[k] + first * advance, from[k] + second * advance);
        }
        sums.add(i, samples, shuffles[k], pairs[k]);
      }
    }
    for (int k = 0; k < kSteps; ++k) from[k] += AreaColumns::kGroup * advance;
    sums.store(columns.shift, out + group * AreaColumns::kGroupLanes);
  }
}

using AverageRegular = void (*)(const int16_t*, const AreaColumns&, int16_t*);

AverageRegular regularOf(const AreaColumns& columns) {
  switch (2 * columns.steps + (columns.oneLoad ? 1 : 0)) {
    case 3:
      return averageRegular<1, true>;
    case 4:
      return averageRegular<2, false>;
    case 5:
      return averageRegular<2, true>;
    case 6:
      return averageRegular<3, false>;
    case 7:
      return averageRegular<3, true>;
    case 8:
      return averageRegular<4, false>;
    default:
      return nullptr;
  }
}

void AverageColumns(
    const uint16_t* line, const AreaColumns& columns, int16_t* out) {
  const int16_t* samples = reinterpret_cast<const int16_t*>(line);
  const AverageRegular regular = regularOf(columns);
  if (regular == nullptr || columns.regularBegin == columns.regularEnd) {
    averageByTables(samples, columns, 0, columns.groups, out);
    return;
  }
  averageByTables(samples, columns, 0, columns.regularBegin, out);
  regular(samples, columns, out);
  averageByTables(samples, columns, columns.regularEnd, columns.groups, out);
}

void SplitPairs(const uint16_t* line, int pairs, uint16_t* a, uint16_t* b) {
  const Words d;
  for (int i = 0; i < pairs; i += static_cast<int>(hn::Lanes(d))) {
    hn::Vec<Words> first;
    hn::Vec<Words> second;
    hn::LoadInterleaved2(d, line + 2 * i, first, second);
    hn::StoreU(first, d, a + i);
    hn::StoreU(second, d, b + i);
  }
}

using Levels = hn::Vec<SignedWords>;

/// Two vectors of levels as one of bytes.
HWY_INLINE hn::Vec<Bytes8> toLevels(Levels lower, Levels upper) {
  const HalfBytes half;
  return hn::Combine(
      Bytes8(), hn::DemoteTo(half, hn::ShiftRight<6>(upper)),
      hn::DemoteTo(half, hn::ShiftRight<6>(lower)));
}

/// See `grey` among the plain kernels.
HWY_INLINE Levels greyAt(const int16_t* y, const ColorMatrix& matrix) {
  const SignedWords d;
  const auto raised = hn::Sub(hn::LoadU(d, y), hn::Set(d, matrix.black));
  return hn::Add(
      hn::MulFixedPoint15(
          hn::ShiftLeft<1>(raised), hn::Set(d, matrix.lumaGain)),
      hn::Set(d, 32));
}

void ToBytes(
    const int16_t* y, const ColorMatrix& matrix, int width, uint8_t* out) {
  const Bytes8 d8;
  const size_t lanes = hn::Lanes(d8);
  const size_t count = width;
  for (size_t x = 0; x < count; x += lanes) {
    const auto bytes =
        toLevels(greyAt(y + x, matrix), greyAt(y + x + lanes / 2, matrix));
    if (x + lanes <= count) {
      hn::StoreU(bytes, d8, out + x);
    } else {
      HWY_ALIGN uint8_t rest[hn::MaxLanes(d8)];
      hn::Store(bytes, d8, rest);
      std::memcpy(out + x, rest, count - x);
    }
  }
}

struct Rgb {
  Levels red;
  Levels green;
  Levels blue;
};

HWY_INLINE Rgb rgbAt(
    const int16_t* y, const int16_t* u, const int16_t* v,
    const ColorMatrix& matrix) {
  const SignedWords d;
  const auto centre = hn::Set(d, 128 * 64);
  const auto luma = greyAt(y, matrix);
  const auto cu = hn::ShiftLeft<2>(hn::Sub(hn::LoadU(d, u), centre));
  const auto cv = hn::ShiftLeft<2>(hn::Sub(hn::LoadU(d, v), centre));
  const auto times = [&](Levels a, int16_t b) HWY_ATTR {
    return hn::MulFixedPoint15(a, hn::Set(d, b));
  };
  return {
      hn::SaturatedAdd(luma, times(cv, matrix.redV)),
      hn::SaturatedSub(
          hn::SaturatedSub(luma, times(cu, matrix.greenU)),
          times(cv, matrix.greenV)),
      hn::SaturatedAdd(luma, times(cu, matrix.blueU))};
}

template <RgbLayout layout>
HWY_INLINE void storeRgb(
    hn::Vec<Bytes8> red, hn::Vec<Bytes8> green, hn::Vec<Bytes8> blue,
    uint8_t* out) {
  const Bytes8 d8;
  if constexpr (layout == RgbLayout::kRgb24) {
    hn::StoreInterleaved3(red, green, blue, d8, out);
  } else if constexpr (layout == RgbLayout::kBgr24) {
    hn::StoreInterleaved3(blue, green, red, d8, out);
  } else {
    hn::StoreInterleaved4(red, green, blue, hn::Set(d8, 255), d8, out);
  }
}

template <RgbLayout layout>
void toRgbIn(
    const int16_t* y, const int16_t* u, const int16_t* v,
    const ColorMatrix& matrix, int width, uint8_t* out) {
  constexpr size_t kBytes = layout == RgbLayout::kRgba ? 4 : 3;
  const Bytes8 d8;
  const size_t lanes = hn::Lanes(d8);
  const size_t count = width;
  for (size_t x = 0; x < count; x += lanes) {
    const size_t upper = x + lanes / 2;
    const Rgb a = rgbAt(y + x, u + x, v + x, matrix);
    const Rgb b = rgbAt(y + upper, u + upper, v + upper, matrix);
    const auto red = toLevels(a.red, b.red);
    const auto green = toLevels(a.green, b.green);
    const auto blue = toLevels(a.blue, b.blue);
    if (x + lanes <= count) {
      storeRgb<layout>(red, green, blue, out + x * kBytes);
    } else {
      HWY_ALIGN uint8_t rest[hn::MaxLanes(d8) * kBytes];
      storeRgb<layout>(red, green, blue, rest);
      std::memcpy(out + x * kBytes, rest, (count - x) * kBytes);
    }
  }
}

void ToRgb(
    const int16_t* y, const int16_t* u, const int16_t* v,
    const ColorMatrix& matrix, RgbLayout layout, int width, uint8_t* out) {
  switch (layout) {
    case RgbLayout::kRgb24:
      return toRgbIn<RgbLayout::kRgb24>(y, u, v, matrix, width, out);
    case RgbLayout::kBgr24:
      return toRgbIn<RgbLayout::kBgr24>(y, u, v, matrix, width, out);
    case RgbLayout::kRgba:
      return toRgbIn<RgbLayout::kRgba>(y, u, v, matrix, width, out);
  }
}

#endif  // RUSHES_PLAIN

}  // namespace HWY_NAMESPACE
}  // namespace rushes
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace rushes {

HWY_EXPORT(AreFast);
HWY_EXPORT(SumRows);
HWY_EXPORT(AverageColumns);
HWY_EXPORT(SplitPairs);
HWY_EXPORT(ToBytes);
HWY_EXPORT(ToRgb);

bool areaKernelsAreFast() { return HWY_DYNAMIC_DISPATCH(AreFast)(); }

void sumRows(const RowSum& sum, uint16_t* out) {
  HWY_DYNAMIC_DISPATCH(SumRows)(sum, out);
}

void averageColumns(
    const uint16_t* line, const AreaColumns& columns, int16_t* out) {
  HWY_DYNAMIC_DISPATCH(AverageColumns)(line, columns, out);
}

void splitPairs(const uint16_t* line, int pairs, uint16_t* a, uint16_t* b) {
  HWY_DYNAMIC_DISPATCH(SplitPairs)(line, pairs, a, b);
}

void toBytes(
    const int16_t* y, const ColorMatrix& matrix, int width, uint8_t* out) {
  HWY_DYNAMIC_DISPATCH(ToBytes)(y, matrix, width, out);
}

void toRgb(
    const int16_t* y, const int16_t* u, const int16_t* v,
    const ColorMatrix& matrix, RgbLayout layout, int width, uint8_t* out) {
  HWY_DYNAMIC_DISPATCH(ToRgb)(y, u, v, matrix, layout, width, out);
}

}  // namespace rushes
#endif  // HWY_ONCE
