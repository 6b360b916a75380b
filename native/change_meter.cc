#include "change_meter.h"

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

#include "block_matching.h"

namespace rushes {

/// Everything that is counted in luma, a row of thumbnail cells at a time, so
/// that each sample is read once. Fills `profiles_` and puts the luma in the
/// place of the previous one.
ChangeMeter::Survey ChangeMeter::survey(
    const FramePlanes& planes, double time) {
  const Plane& luma = planes.luma;
  // 10 % of the range above black.
  const uint8_t darkest = planes.fullRange ? 25 : 37;
  const Cells<Thumbnail::kWidth> columns(luma.width);
  const Cells<Thumbnail::kHeight> rows(luma.height);
  profiles_.columns.assign(luma.width, 0);
  profiles_.rows.resize(luma.height);
  previous_.resize(static_cast<size_t>(luma.width) * luma.height);
  std::vector<uint16_t> lines(luma.width);
  Survey survey = {{time, {}, 0, 0}, {0, 0}};
  Thumbnail& thumbnail = survey.thumbnail;
  std::array<int64_t, Thumbnail::kWidth> sums;
  for (int j = 0; j < Thumbnail::kHeight; ++j) {
    // Cells of pictures lower than the grid repeat those above.
    const bool repeats = j > 0 && rows.begin[j] < rows.end[j - 1];
    if (!repeats) sums.fill(0);
    for (int y = rows.begin[j]; y < rows.end[j] && !repeats;) {
      const int height = std::min(rows.end[j] - y, RowPair::kMost);
      std::fill(lines.begin(), lines.end(), 0);
      const RowTally tally = tallyRows(
          {luma.data + y * luma.stride, luma.stride, luma.width, height,
           previous_.data() + static_cast<size_t>(y) * luma.width, darkest},
          lines.data(), &profiles_.rows[y]);
      survey.tally.difference += tally.difference;
      survey.tally.dark += tally.dark;
      columns.add(lines.data(), sums.data());
      for (int x = 0; x < luma.width; ++x) profiles_.columns[x] += lines[x];
      y += height;
    }
    for (int i = 0; i < Thumbnail::kWidth; ++i) {
      const int area = columns.length(i) * rows.length(j);
      const int mean = static_cast<int>((2 * sums[i] + area) / (2 * area));
      thumbnail.cells[j * Thumbnail::kWidth + i] = static_cast<int16_t>(mean);
      thumbnail.sum += mean;
      thumbnail.squares += mean * mean;
    }
  }
  return survey;
}

void ChangeMeter::makeSignature(
    const Thumbnail& thumbnail, std::array<uint8_t, 144>& signature) {
  for (int j = 0; j < Thumbnail::kHeight / 2; ++j) {
    for (int i = 0; i < Thumbnail::kWidth / 2; ++i) {
      const int16_t* cell =
          thumbnail.cells.data() + (2 * j * Thumbnail::kWidth) + (2 * i);
      const int sum = cell[0] + cell[1] + cell[Thumbnail::kWidth] +
                      cell[Thumbnail::kWidth + 1];
      signature[(j * Thumbnail::kWidth / 2) + i] =
          static_cast<uint8_t>((sum + 2) / 4);
    }
  }
}

FrameChange ChangeMeter::next(const FramePlanes& planes, double time) {
  const Plane& luma = planes.luma;
  const bool sameSize = luma.width == width_ && luma.height == height_;
  const Survey current = survey(planes, time);
  const ChromaHistogram chroma = makeChromaHistogram(planes.u, planes.v);
  FrameChange change;
  makeSignature(current.thumbnail, change.signature);
  double* columns = change.columns;
  if (!thumbnails_.empty()) {
    compare(current, sameSize, columns);
    columns[FrameChange::kChroma] = chromaDistance(chroma, chroma_);
  }
  const auto samples =
      static_cast<double>(static_cast<int64_t>(luma.width) * luma.height);
  columns[FrameChange::kColor] = colorShare(chroma);
  columns[FrameChange::kDark] =
      static_cast<double>(current.tally.dark) / samples;
  columns[FrameChange::kVariance] = variance(current.thumbnail);
  thumbnails_.push_front(current.thumbnail);
  if (thumbnails_.size() > kMemory) thumbnails_.pop_back();
  std::swap(profiles_, previousProfiles_);
  width_ = luma.width;
  height_ = luma.height;
  chroma_ = chroma;
  return change;
}

/// Fills the columns that tell of the previous luma, whose size is `width_` by
/// `height_`.
void ChangeMeter::compare(
    const Survey& current, bool sameSize, double* columns) const {
  const Thumbnail& thumbnail = current.thumbnail;
  const Thumbnail& last = thumbnails_.front();
  if (sameSize) {
    columns[FrameChange::kDifference] =
        static_cast<double>(current.tally.difference) /
        static_cast<double>(static_cast<int64_t>(width_) * height_);
    columns[FrameChange::kShiftX] =
        static_cast<double>(
            displacement(profiles_.columns, previousProfiles_.columns)) /
        width_;
    columns[FrameChange::kShiftY] =
        static_cast<double>(
            displacement(profiles_.rows, previousProfiles_.rows)) /
        height_;
  } else {
    int32_t sum = 0;
    for (int i = 0; i < Thumbnail::kCells; ++i) {
      sum += std::abs(thumbnail.cells[i] - last.cells[i]);
    }
    columns[FrameChange::kDifference] =
        static_cast<double>(sum) / Thumbnail::kCells;
  }
  const double mismatch = displacedMismatch(thumbnail, last);
  columns[FrameChange::kMismatch] = mismatch;
  columns[FrameChange::kResidual] =
      residualOf(thumbnail.cells.data(), last.cells.data(), mismatch);
  recall(thumbnail, columns);
}

void ChangeMeter::recall(const Thumbnail& current, double* columns) const {
  double& best = columns[FrameChange::kRecall];
  double& age = columns[FrameChange::kRecallAge];
  for (size_t i = 1; i < thumbnails_.size(); ++i) {
    if (!(current.time - thumbnails_[i - 1].time <= kFlash)) break;
    const double value = mismatch(current, thumbnails_[i]);
    if (age == 0 || value < best) {
      best = value;
      age = static_cast<double>(i + 1);
    }
  }
}

void ChangeMeter::reset() { thumbnails_.clear(); }

}  // namespace rushes
