// Long, because what has to agree stands together: each kernel's definition,
// its vector instructions, and the call that chooses between them.

#include "measure_kernels.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "measure_kernels.cc"
#include "vector_targets.h"

HWY_BEFORE_NAMESPACE();
namespace rushes {
namespace HWY_NAMESPACE {

/// Values whose sum is looked at before more are added.
constexpr int kBlock = 128;

/// The definition; the vector kernels leave it pictures of a few columns.
RowTally TallyPlainRows(
    const RowPair& pair, uint16_t* columns, uint32_t* sums) {
  RowTally tally = {0, 0};
  for (int y = 0; y < pair.height; ++y) {
    const uint8_t* row = pair.rows + y * pair.stride;
    uint8_t* previous = pair.previous + static_cast<ptrdiff_t>(y) * pair.width;
    uint32_t sum = 0;
    uint32_t difference = 0;
    uint32_t dark = 0;
    for (int x = 0; x < pair.width; ++x) {
      columns[x] += row[x];
      sum += row[x];
      difference += std::abs(row[x] - previous[x]);
      dark += row[x] <= pair.darkest ? 1 : 0;
    }
    std::memcpy(previous, row, pair.width);
    sums[y] = sum;
    tally.difference += difference;
    tally.dark += dark;
  }
  return tally;
}

void AddPlainMoments(
    const uint8_t* above, const uint8_t* row, const uint8_t* below, int begin,
    int end, Moments& moments) {
  for (int x = begin; x < end; ++x) {
    const int32_t value = row[x];
    const int32_t laplacian =
        above[x] + below[x] + row[x - 1] + row[x + 1] - 4 * value;
    moments.sum += value;
    moments.squares += value * value;
    moments.laplacianSum += laplacian;
    moments.laplacianSquares += laplacian * laplacian;
  }
}

uint64_t SumPlainDistances(const uint8_t* u, const uint8_t* v, int count) {
  uint64_t sum = 0;
  for (int x = 0; x < count; ++x) {
    const int du = u[x] - 128;
    const int dv = v[x] - 128;
    sum += static_cast<uint64_t>(std::sqrt(du * du + dv * dv));
  }
  return sum;
}

#if RUSHES_PLAIN

RowTally TallyRows(const RowPair& pair, uint16_t* columns, uint32_t* sums) {
  return TallyPlainRows(pair, columns, sums);
}

void SumShiftedProducts(
    const int16_t* a, const int16_t* b,
    int32_t (&products)[Thumbnail::kShifts * Thumbnail::kShifts]) {
  int32_t* product = products;
  for (int dy = -Thumbnail::kShift; dy <= Thumbnail::kShift; ++dy) {
    for (int dx = -Thumbnail::kShift; dx <= Thumbnail::kShift; ++dx) {
      const int right = std::min(Thumbnail::kWidth, Thumbnail::kWidth - dx);
      const int bottom = std::min(Thumbnail::kHeight, Thumbnail::kHeight - dy);
      int32_t sum = 0;
      for (int y = std::max(0, -dy); y < bottom; ++y) {
        const int16_t* rowA = a + y * Thumbnail::kWidth;
        const int16_t* rowB = b + (y + dy) * Thumbnail::kWidth;
        for (int x = std::max(0, -dx); x < right; ++x) {
          sum += rowA[x] * rowB[x + dx];
        }
      }
      *product++ = sum;
    }
  }
}

uint64_t SumDifferences(
    const int32_t* a, const int32_t* b, int count, uint64_t enough) {
  uint64_t total = 0;
  for (int x = 0; x < count && total < enough;) {
    const int stop = std::min(count, x + kBlock);
    uint32_t sum = 0;
    for (; x < stop; ++x) sum += std::abs(a[x] - b[x]);
    total += sum;
  }
  return total;
}

void AddMoments(
    const uint8_t* above, const uint8_t* row, const uint8_t* below, int begin,
    int end, Moments& moments) {
  AddPlainMoments(above, row, below, begin, end, moments);
}

uint64_t SumDistancesFromGrey(const uint8_t* u, const uint8_t* v, int count) {
  return SumPlainDistances(u, v, count);
}

#else  // RUSHES_PLAIN

namespace hn = hwy::HWY_NAMESPACE;

using Samples = hn::ScalableTag<uint8_t>;
using Words = hn::RepartitionToWide<Samples>;
using Totals = hn::Repartition<uint64_t, Samples>;

/// The sums of one vector of samples after the other.
class Tally {
 public:
  explicit Tally(uint8_t darkest) : darkest_(hn::Set(Samples(), darkest)) {
    sum_ = difference_ = dark_ = hn::Zero(Totals());
  }

  /// Counts the samples at which `counted` has all bits set.
  HWY_INLINE void add(
      const uint8_t* row, uint8_t* previous, uint16_t* columns,
      hn::Vec<Samples> counted) {
    const Samples d;
    const Words words;
    const hn::Half<Samples> half;
    const auto whole = hn::LoadU(d, row);
    const auto samples = hn::And(whole, counted);
    const auto before = hn::And(hn::LoadU(d, previous), counted);
    hn::StoreU(whole, d, previous);
    const auto apart =
        hn::Sub(hn::Max(samples, before), hn::Min(samples, before));
    const auto isDark =
        hn::VecFromMask(d, hn::Eq(hn::Min(samples, darkest_), samples));
    const auto ones = hn::And(counted, hn::Set(d, 1));
    sum_ = hn::Add(sum_, hn::SumsOf8(samples));
    difference_ = hn::Add(difference_, hn::SumsOf8(apart));
    dark_ = hn::Add(dark_, hn::SumsOf8(hn::And(isDark, ones)));
    const auto addTo = [&](uint16_t* line,
                           hn::Vec<hn::Half<Samples> > part) HWY_ATTR {
      hn::StoreU(
          hn::Add(hn::LoadU(words, line), hn::PromoteTo(words, part)), words,
          line);
    };
    addTo(columns, hn::LowerHalf(half, samples));
    addTo(columns + hn::Lanes(words), hn::UpperHalf(half, samples));
  }

  /// The sum of the samples since it was last asked for.
  HWY_INLINE uint32_t takeSum() {
    const auto sum =
        static_cast<uint32_t>(hn::GetLane(hn::SumOfLanes(Totals(), sum_)));
    sum_ = hn::Zero(Totals());
    return sum;
  }

  RowTally rest() const {
    return {
        hn::GetLane(hn::SumOfLanes(Totals(), difference_)),
        hn::GetLane(hn::SumOfLanes(Totals(), dark_))};
  }

 private:
  hn::Vec<Samples> darkest_;
  hn::Vec<Totals> sum_;
  hn::Vec<Totals> difference_;
  hn::Vec<Totals> dark_;
};

RowTally TallyRows(const RowPair& pair, uint16_t* columns, uint32_t* sums) {
  const Samples d;
  const int lanes = static_cast<int>(hn::Lanes(d));
  const int width = pair.width;
  if (width < lanes) return TallyPlainRows(pair, columns, sums);
  // The last vector ends with the row and overlaps the one before.
  const int last = width - lanes;
  const int overlap = (lanes - width % lanes) % lanes;
  const auto all = hn::Set(d, 255);
  const auto rest =
      hn::VecFromMask(d, hn::Not(hn::FirstN(d, static_cast<size_t>(overlap))));
  Tally tally(pair.darkest);
  for (int y = 0; y < pair.height; ++y) {
    const uint8_t* row = pair.rows + y * pair.stride;
    uint8_t* previous = pair.previous + static_cast<ptrdiff_t>(y) * width;
    for (int x = 0; x < last; x += lanes) {
      tally.add(row + x, previous + x, columns + x, all);
    }
    tally.add(row + last, previous + last, columns + last, rest);
    sums[y] = tally.takeSum();
  }
  return tally.rest();
}

void SumShiftedProducts(
    const int16_t* a, const int16_t* b,
    int32_t (&products)[Thumbnail::kShifts * Thumbnail::kShifts]) {
  const hn::CappedTag<int16_t, Thumbnail::kWidth> d;
  const hn::RepartitionToWide<decltype(d)> sums;
  constexpr int kLanes = static_cast<int>(hn::MaxLanes(d));
  // Zeros on both sides take the place of what does not overlap.
  constexpr int kStride = Thumbnail::kWidth + 2 * Thumbnail::kShift;
  int16_t padded[Thumbnail::kHeight * kStride] = {};
  for (int y = 0; y < Thumbnail::kHeight; ++y) {
    std::copy_n(
        b + y * Thumbnail::kWidth, Thumbnail::kWidth,
        padded + y * kStride + Thumbnail::kShift);
  }
  for (int i = 0; i < Thumbnail::kShifts; ++i) {
    const int dy = i - Thumbnail::kShift;
    const int bottom = std::min(Thumbnail::kHeight, Thumbnail::kHeight - dy);
    hn::Vec<decltype(sums)> even[Thumbnail::kShifts];
    hn::Vec<decltype(sums)> odd[Thumbnail::kShifts];
    for (int j = 0; j < Thumbnail::kShifts; ++j)
      even[j] = odd[j] = hn::Zero(sums);
    for (int y = std::max(0, -dy); y < bottom; ++y) {
      for (int x = 0; x < Thumbnail::kWidth; x += kLanes) {
        const auto cells = hn::LoadU(d, a + y * Thumbnail::kWidth + x);
        const int16_t* others = padded + (y + dy) * kStride + x;
        for (int j = 0; j < Thumbnail::kShifts; ++j) {
          even[j] = hn::ReorderWidenMulAccumulate(
              sums, cells, hn::LoadU(d, others + j), even[j], odd[j]);
        }
      }
    }
    for (int j = 0; j < Thumbnail::kShifts; ++j) {
      products[i * Thumbnail::kShifts + j] =
          hn::GetLane(hn::SumOfLanes(sums, hn::Add(even[j], odd[j])));
    }
  }
}

uint64_t SumDifferences(
    const int32_t* a, const int32_t* b, int count, uint64_t enough) {
  const hn::ScalableTag<int32_t> d;
  const hn::RebindToUnsigned<decltype(d)> sums;
  const int lanes = static_cast<int>(hn::Lanes(d));
  uint64_t total = 0;
  int x = 0;
  while (x + lanes <= count && total < enough) {
    const int stop = std::min(count, x + kBlock);
    auto sum = hn::Zero(sums);
    for (; x + lanes <= stop; x += lanes) {
      const auto apart =
          hn::Abs(hn::Sub(hn::LoadU(d, a + x), hn::LoadU(d, b + x)));
      sum = hn::Add(sum, hn::BitCast(sums, apart));
    }
    total += hn::GetLane(hn::SumOfLanes(sums, sum));
  }
  if (total >= enough) return total;
  for (; x < count; ++x) total += std::abs(a[x] - b[x]);
  return total;
}

using SignedWords = hn::RebindToSigned<Words>;
using WordBytes = hn::Rebind<uint8_t, Words>;
using Sums = hn::RepartitionToWide<SignedWords>;

/// A sum that may be made of so many samples before it outgrows 32 bits.
class PartSum {
 public:
  /// Of squared Laplacians, 1020² at most.
  static constexpr int kMost = 1024;

  HWY_INLINE PartSum() { even_ = odd_ = hn::Zero(Sums()); }
  HWY_INLINE void addProducts(hn::Vec<SignedWords> a, hn::Vec<SignedWords> b) {
    even_ = hn::ReorderWidenMulAccumulate(Sums(), a, b, even_, odd_);
  }
  HWY_INLINE int32_t total() const {
    return hn::GetLane(hn::SumOfLanes(Sums(), hn::Add(even_, odd_)));
  }

 private:
  hn::Vec<Sums> even_;
  hn::Vec<Sums> odd_;
};

void AddMoments(
    const uint8_t* above, const uint8_t* row, const uint8_t* below, int begin,
    int end, Moments& moments) {
  const SignedWords d;
  const int lanes = static_cast<int>(hn::Lanes(d));
  if (end - begin < lanes) {
    return AddPlainMoments(above, row, below, begin, end, moments);
  }
  const auto one = hn::Set(d, 1);
  const auto load = [&](const uint8_t* from) HWY_ATTR {
    return hn::PromoteTo(d, hn::LoadU(WordBytes(), from));
  };
  for (int x = begin; x < end;) {
    const int stop = std::min(end, x + PartSum::kMost - lanes);
    PartSum sum;
    PartSum squares;
    PartSum laplacianSum;
    PartSum laplacianSquares;
    for (; x < stop; x += lanes) {
      // The last vector ends with the row and overlaps the one before.
      const int at = std::min(x, end - lanes);
      const auto counted = hn::VecFromMask(
          d, hn::Not(hn::FirstN(d, static_cast<size_t>(x - at))));
      const auto value = load(row + at);
      const auto laplacian = hn::And(
          counted, hn::Sub(
                       hn::Add(
                           hn::Add(load(above + at), load(below + at)),
                           hn::Add(load(row + at - 1), load(row + at + 1))),
                       hn::ShiftLeft<2>(value)));
      const auto sample = hn::And(counted, value);
      sum.addProducts(sample, one);
      squares.addProducts(sample, sample);
      laplacianSum.addProducts(laplacian, one);
      laplacianSquares.addProducts(laplacian, laplacian);
    }
    moments.sum += sum.total();
    moments.squares += squares.total();
    moments.laplacianSum += laplacianSum.total();
    moments.laplacianSquares += laplacianSquares.total();
  }
}

uint64_t SumDistancesFromGrey(const uint8_t* u, const uint8_t* v, int count) {
  const SignedWords d;
  const Words words;
  const hn::Half<Words> half;
  const hn::Rebind<int32_t, decltype(half)> wide;
  const hn::RebindToFloat<decltype(wide)> floats;
  const int lanes = static_cast<int>(hn::Lanes(d));
  if (count < lanes) return SumPlainDistances(u, v, count);
  // 128² + 128² are within 16 bits.
  const auto square = [&](const uint8_t* from) HWY_ATTR {
    const auto level = hn::PromoteTo(d, hn::LoadU(WordBytes(), from));
    const auto apart = hn::Sub(level, hn::Set(d, 128));
    return hn::BitCast(words, hn::Mul(apart, apart));
  };
  // A float's root of so small an integer is rounded up to a whole number only
  // where it is one.
  const auto roots = [&](hn::Vec<hn::Half<Words> > squares) HWY_ATTR {
    return hn::ConvertTo(
        wide, hn::Sqrt(hn::ConvertTo(floats, hn::PromoteTo(wide, squares))));
  };
  uint64_t total = 0;
  for (int x = 0; x < count;) {
    const int stop = std::min(count, x + (1 << 20));
    auto sum = hn::Zero(wide);
    for (; x < stop; x += lanes) {
      const int at = std::min(x, count - lanes);
      const auto counted = hn::VecFromMask(
          words, hn::Not(hn::FirstN(words, static_cast<size_t>(x - at))));
      const auto squares =
          hn::And(counted, hn::Add(square(u + at), square(v + at)));
      sum = hn::Add(sum, roots(hn::LowerHalf(half, squares)));
      sum = hn::Add(sum, roots(hn::UpperHalf(half, squares)));
    }
    total += static_cast<uint32_t>(hn::GetLane(hn::SumOfLanes(wide, sum)));
  }
  return total;
}

#endif  // RUSHES_PLAIN

}  // namespace HWY_NAMESPACE
}  // namespace rushes
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace rushes {

HWY_EXPORT(TallyRows);
HWY_EXPORT(SumShiftedProducts);
HWY_EXPORT(SumDifferences);
HWY_EXPORT(AddMoments);
HWY_EXPORT(SumDistancesFromGrey);

RowTally tallyRows(const RowPair& pair, uint16_t* columns, uint32_t* sums) {
  return HWY_DYNAMIC_DISPATCH(TallyRows)(pair, columns, sums);
}

void sumShiftedProducts(
    const int16_t* a, const int16_t* b,
    int32_t (&products)[Thumbnail::kShifts * Thumbnail::kShifts]) {
  HWY_DYNAMIC_DISPATCH(SumShiftedProducts)(a, b, products);
}

uint64_t sumDifferences(
    const int32_t* a, const int32_t* b, int count, uint64_t enough) {
  return HWY_DYNAMIC_DISPATCH(SumDifferences)(a, b, count, enough);
}

void addMoments(
    const uint8_t* above, const uint8_t* row, const uint8_t* below, int begin,
    int end, Moments& moments) {
  HWY_DYNAMIC_DISPATCH(AddMoments)(above, row, below, begin, end, moments);
}

uint64_t sumDistancesFromGrey(const uint8_t* u, const uint8_t* v, int count) {
  return HWY_DYNAMIC_DISPATCH(SumDistancesFromGrey)(u, v, count);
}

}  // namespace rushes
#endif  // HWY_ONCE
