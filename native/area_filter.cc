#include "area_filter.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace rushes {

namespace {

int64_t floorDiv(int64_t a, int64_t b) {
  return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
}

/// The boxes of an axis in whole units: source sample k covers
/// [k * unit, (k + 1) * unit), the box of output sample i
/// [begin(i), begin(i) + width).
class Boxes {
 public:
  Boxes(const AreaAxis& axis, int simple)
      : axis_(axis), sample_(8 * axis.per), step_(8 * axis.step) {
    const int64_t box = std::max(step_, sample_);
    first_ = middle(0) - box / 2;
    const int64_t common =
        std::gcd(std::gcd(sample_, step_), std::gcd(box, first_));
    exact_ = box / common <= simple;
    if (exact_) {
      unit = sample_ / common;
      width = box / common;
    } else {
      unit = AreaFilter::kFine * sample_ / box;
      width = (2 * box * unit + sample_) / (2 * sample_);
    }
  }

  int64_t begin(int i) const {
    if (exact_) return floorDiv((first_ + i * step_) * unit, sample_);
    // middle * unit / sample - width / 2, to the nearest
    return floorDiv(
        2 * middle(i) * unit - width * sample_ + sample_, 2 * sample_);
  }

  int64_t unit;
  int64_t width;

 private:
  /// The middle of box i, where a source sample is `sample_` wide: all
  /// quarters and halves are whole.
  int64_t middle(int i) const {
    return (4 * static_cast<int64_t>(i) + axis_.place) * step_ / 4 +
           axis_.shift * sample_ / 4;
  }

  AreaAxis axis_;
  int64_t sample_;
  int64_t step_;
  int64_t first_;
  bool exact_;
};

}  // namespace

AreaAxis plainAxis(int source, int target) {
  return {source, target, source, target};
}

AreaAxis chromaAxis(
    int source, int target, bool sourceHalved, bool targetHalved,
    ChromaSite site) {
  const auto halved = [](int size) { return (size + 1) / 2; };
  const int offset = static_cast<int>(site);
  AreaAxis axis{
      sourceHalved ? halved(source) : source,
      targetHalved ? halved(target) : target,
      static_cast<int64_t>(source) * (targetHalved ? 2 : 1),
      static_cast<int64_t>(target) * (sourceHalved ? 2 : 1)};
  // A halved output sample lies a quarter of its cell off the middle of it;
  // where the source is halved, its luma grid lies that much off its own.
  if (targetHalved) axis.place = 2 + offset;
  if (sourceHalved) axis.shift = -offset;
  return axis;
}

AreaFilter makeAreaFilter(const AreaAxis& axis, int simple) {
  const Boxes boxes(axis, simple);
  AreaFilter filter;
  filter.total = static_cast<int>(boxes.width);
  filter.begin.push_back(0);
  for (int i = 0; i < axis.target; ++i) {
    const int64_t begin = boxes.begin(i);
    const int64_t end = begin + boxes.width;
    const auto inside = [&](int64_t position) {
      return std::clamp<int64_t>(
          floorDiv(position, boxes.unit), 0, axis.source - 1);
    };
    const int64_t first = inside(begin);
    const int64_t last = inside(end - 1);
    filter.first.push_back(static_cast<int>(first));
    for (int64_t k = first; k <= last; ++k) {
      // The outermost samples stand for all that is beyond them.
      const int64_t low = k == first ? begin : k * boxes.unit;
      const int64_t high = k == last ? end : (k + 1) * boxes.unit;
      filter.weights.push_back(static_cast<uint16_t>(high - low));
    }
    filter.begin.push_back(static_cast<int>(filter.weights.size()));
  }
  return filter;
}

namespace {

/// `count` weights of sum `total`, scaled to the sum `wanted`: each to within
/// one of its exact value.
void rescale(
    const uint16_t* weights, int count, int64_t total, int64_t wanted,
    uint16_t* scaled) {
  int64_t sum = 0;
  int64_t given = 0;
  for (int i = 0; i < count; ++i) {
    sum += weights[i];
    const int64_t upToHere = (2 * sum * wanted + total) / (2 * total);
    scaled[i] = static_cast<uint16_t>(upToHere - given);
    given = upToHere;
  }
}

/// One block: four output samples, of which some may lie beyond the last one.
class Block {
 public:
  struct Step {
    int32_t offset = 0;
    uint8_t shuffle[16];
    int16_t pairs[8] = {};
    Step() { std::fill(std::begin(shuffle), std::end(shuffle), 0x80); }

    bool looksLike(const Step& other) const {
      return std::equal(
                 std::begin(shuffle), std::end(shuffle), other.shuffle) &&
             std::equal(std::begin(pairs), std::end(pairs), other.pairs);
    }
  };

  Block(const AreaFilter& filter, int first) : filter_(filter), first_(first) {
    for (int lane = 0; lane < AreaColumns::kLanes; ++lane) {
      const int i = first + lane;
      const bool exists = i + 1 < static_cast<int>(filter.begin.size());
      next_[lane] = exists ? filter.begin[i] : 0;
      end_[lane] = exists ? filter.begin[i + 1] : 0;
    }
    while (!done()) steps_.push_back(step());
  }

  const std::vector<Step>& steps() const noexcept { return steps_; }
  /// Adds steps that do nothing, loading what the last one did.
  void pad(int steps) {
    Step nothing;
    if (!steps_.empty()) nothing.offset = steps_.back().offset;
    steps_.resize(steps, nothing);
  }

  /// Whether `next` does the same `advance` samples further on.
  bool continuesIn(const Block& next, int advance) const {
    return std::equal(
        steps_.begin(), steps_.end(), next.steps_.begin(),
        [&](const Step& a, const Step& b) {
          return a.looksLike(b) && b.offset - a.offset == advance;
        });
  }
  bool loadsOnce() const {
    return std::all_of(steps_.begin(), steps_.end(), [&](const Step& step) {
      return step.offset == steps_.front().offset;
    });
  }

 private:
  bool done() const { return std::equal(next_, next_ + 4, end_); }

  /// The source sample of a lane's next weight.
  int sample(int lane) const {
    const int i = first_ + lane;
    return filter_.first[i] + next_[lane] - filter_.begin[i];
  }

  Step step() {
    int low = std::numeric_limits<int>::max();
    int high = 0;
    for (int lane = 0; lane < AreaColumns::kLanes; ++lane) {
      if (next_[lane] == end_[lane]) continue;
      low = std::min(low, sample(lane));
      high = std::max(high, sample(lane) + end_[lane] - next_[lane] - 1);
    }
    Step made;
    made.offset = low;
    // What is loaded already need not be loaded again.
    if (!steps_.empty() && high < steps_.back().offset + 8) {
      made.offset = steps_.back().offset;
    }
    for (int lane = 0; lane < AreaColumns::kLanes; ++lane) {
      for (int half = 0; half < 2 && next_[lane] < end_[lane]; ++half) {
        const int place = sample(lane) - made.offset;
        if (place > 7) break;
        const int target = 2 * lane + half;
        made.shuffle[2 * target] = static_cast<uint8_t>(2 * place);
        made.shuffle[2 * target + 1] = static_cast<uint8_t>(2 * place + 1);
        made.pairs[target] = static_cast<int16_t>(filter_.weights[next_[lane]]);
        ++next_[lane];
      }
    }
    return made;
  }

  const AreaFilter& filter_;
  int first_;
  int next_[AreaColumns::kLanes];
  int end_[AreaColumns::kLanes];
  std::vector<Step> steps_;
};

/// Sets what `columns` says of regular groups: those around the middle.
void findRegular(const std::vector<Block>& blocks, AreaColumns& columns) {
  const int count = static_cast<int>(blocks.size());
  const int middle = count / 2;
  if (count < 2) return;
  columns.advance = blocks[middle].steps().front().offset -
                    blocks[middle - 1].steps().front().offset;
  const auto goesOn = [&](int b) {
    return blocks[b].continuesIn(blocks[b + 1], columns.advance);
  };
  int begin = middle;
  while (begin > 0 && goesOn(begin - 1)) --begin;
  int end = middle;
  while (end + 1 < count && goesOn(end)) ++end;
  ++end;
  constexpr int kBlocks = AreaColumns::kGroup;
  columns.regularBegin = (begin + kBlocks - 1) / kBlocks;
  columns.regularEnd = std::max(columns.regularBegin, end / kBlocks);
  columns.oneLoad = blocks[middle].loadsOnce();
}

}  // namespace

AreaColumns makeAreaColumns(
    const AreaFilter& filter, int white, int averagedWhite) {
  constexpr int64_t kMost = std::numeric_limits<int16_t>::max();
  AreaColumns columns;
  columns.width = static_cast<int>(filter.first.size());
  columns.filter = filter;
  // The finest weights whose sum is within 16 bits; their sums of products
  // are then within 32.
  const auto sumAt = [&](int shift) {
    return ((static_cast<int64_t>(averagedWhite) << (shift + 1)) + white) /
           (2 * white);
  };
  columns.shift = 1;
  while (sumAt(columns.shift + 1) <= kMost) ++columns.shift;
  const int64_t sum = sumAt(columns.shift);
  columns.filter.total = static_cast<int>(sum);
  for (int i = 0; i < columns.width; ++i) {
    const int begin = filter.begin[i];
    rescale(
        &filter.weights[begin], filter.taps(i), filter.total, sum,
        &columns.filter.weights[begin]);
  }

  constexpr int kBlocks = AreaColumns::kGroup;
  constexpr int kLanes = AreaColumns::kLanes;
  columns.groups = (columns.width + kLanes * kBlocks - 1) / (kLanes * kBlocks);
  std::vector<Block> blocks;
  blocks.reserve(static_cast<size_t>(columns.groups) * kBlocks);
  for (int b = 0; b < columns.groups * kBlocks; ++b) {
    blocks.emplace_back(columns.filter, b * kLanes);
    columns.steps =
        std::max(columns.steps, static_cast<int>(blocks.back().steps().size()));
  }
  for (Block& block : blocks) block.pad(columns.steps);
  for (int group = 0; group < columns.groups; ++group) {
    for (int k = 0; k < columns.steps; ++k) {
      for (const int b : AreaColumns::kOrder) {
        const Block::Step& step = blocks[group * kBlocks + b].steps()[k];
        columns.offsets.push_back(step.offset);
        columns.shuffles.insert(
            columns.shuffles.end(), std::begin(step.shuffle),
            std::end(step.shuffle));
        columns.pairs.insert(
            columns.pairs.end(), std::begin(step.pairs), std::end(step.pairs));
      }
    }
  }
  findRegular(blocks, columns);
  return columns;
}

}  // namespace rushes
