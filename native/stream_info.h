#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "av.h"
#include "demuxer.h"
#include "orientation.h"

namespace rushes {

/// One stream of the container: `StreamInfo` in src/info.ts.
struct StreamEntry {
  int index;
  std::string type;
  std::string codec;
  std::optional<std::string> language;
  bool attachedPicture;
  bool isDefault;
};

/// `Chapter` in src/info.ts; seconds.
struct Chapter {
  double start;
  double end;
  std::optional<std::string> title;
};

/// What a video is: `NativeInfo` in src/native.ts, which says what each means.
/// Plain data.
struct VideoInfo {
  std::string container;
  std::optional<double> duration;
  std::optional<double> startTime;
  std::optional<int64_t> size;
  std::optional<int64_t> bitRate;
  std::vector<StreamEntry> streams;
  int streamIndex;
  std::string codec;
  std::optional<std::string> profile;
  int width;
  int height;
  int codedWidth;
  int codedHeight;
  Orientation orientation;
  AVRational sampleAspectRatio;
  std::optional<std::string> pixelFormat;
  std::optional<int> bitDepth;
  std::optional<std::string> primaries;
  std::optional<std::string> transfer;
  std::optional<std::string> matrix;
  std::optional<std::string> range;
  std::optional<std::string> chromaLocation;
  AVRational timeBase;
  std::optional<AVRational> averageFrameRate;
  std::optional<bool> variableFrameRate;
  std::optional<int64_t> frameCount;
  /// `container` or `estimated`.
  std::optional<std::string> frameCountSource;
  std::vector<Chapter> chapters;
  std::optional<std::string> timecode;
  std::map<std::string, std::string> metadata;
};

/// Reads it all from the opened container, without decoding.
VideoInfo describeVideo(const Demuxer& demuxer);

}  // namespace rushes
