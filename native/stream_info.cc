#include "stream_info.h"

extern "C" {
#include <libavutil/dict.h>
#include <libavutil/pixdesc.h>
}

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "compat.h"

namespace rushes {

namespace {

std::optional<std::string> text(const char* words) {
  if (words == nullptr) return std::nullopt;
  return std::string(words);
}

/// FFmpeg's name of a colour property, or nothing where it is unspecified.
std::optional<std::string> known(const char* name) {
  if (name == nullptr || std::strcmp(name, "unknown") == 0 ||
      std::strcmp(name, "unspecified") == 0 ||
      std::strcmp(name, "reserved") == 0) {
    return std::nullopt;
  }
  return std::string(name);
}

std::optional<std::string> rangeName(AVColorRange range) {
  if (range == AVCOL_RANGE_MPEG) return "limited";
  if (range == AVCOL_RANGE_JPEG) return "full";
  return std::nullopt;
}

const char* typeName(AVMediaType type) {
  const char* name = av_get_media_type_string(type);
  return name != nullptr ? name : "unknown";
}

std::optional<std::string> tag(const AVDictionary* tags, const char* key) {
  const AVDictionaryEntry* entry = av_dict_get(tags, key, nullptr, 0);
  return text(entry != nullptr ? entry->value : nullptr);
}

std::optional<std::string> language(const AVStream& stream) {
  std::optional<std::string> code = tag(stream.metadata, "language");
  return code == "und" ? std::nullopt : code;  // "undetermined", ISO 639-2
}

void collect(
    const AVDictionary* tags, std::map<std::string, std::string>& into) {
  const AVDictionaryEntry* entry = nullptr;
  while ((entry = av_dict_get(tags, "", entry, AV_DICT_IGNORE_SUFFIX))) {
    into[entry->key] = entry->value;
  }
}

/// Whether frames come at a varying rate, from the container's table of
/// packets where it has one (in decoding order, where steps are as even).
std::optional<bool> hasVariableRate(const AVStream& stream) {
  const int entries = avformat_index_get_entries_count(&stream);
  if (entries < 3 || entries < stream.nb_frames) return std::nullopt;
  auto* mutableStream = const_cast<AVStream*>(&stream);
  const auto at = [&](int i) {
    return avformat_index_get_entry(mutableStream, i)->timestamp;
  };
  int64_t shortest = INT64_MAX;
  int64_t longest = 0;
  // The last step is often a remainder.
  for (int i = 1; i < entries - 1; ++i) {
    const int64_t step = at(i) - at(i - 1);
    shortest = std::min(shortest, step);
    longest = std::max(longest, step);
  }
  // Rounding to ticks makes an even rate alternate between two neighbours.
  return longest - shortest > 1;
}

double seconds(int64_t ticks, AVRational timeBase) {
  return static_cast<double>(ticks) * timeBase.num / timeBase.den;
}

void describeTiming(
    const AVFormatContext& context, const AVStream& stream, VideoInfo& info) {
  info.timeBase = stream.time_base;
  if (stream.duration > 0) {
    info.duration = seconds(stream.duration, stream.time_base);
  } else if (context.duration > 0) {
    info.duration = seconds(context.duration, AV_TIME_BASE_Q);
  }
  if (stream.start_time != AV_NOPTS_VALUE) {
    info.startTime = seconds(stream.start_time, stream.time_base);
  }
  const AVRational rate = compat::averageFrameRate(stream);
  if (rate.num > 0 && rate.den > 0) {
    info.averageFrameRate = rate;
  }
  info.variableFrameRate = hasVariableRate(stream);
  if (stream.nb_frames > 0) {
    info.frameCount = stream.nb_frames;
    info.frameCountSource = "container";
  } else if (info.duration && info.averageFrameRate) {
    info.frameCount = std::llround(
        *info.duration * info.averageFrameRate->num /
        info.averageFrameRate->den);
    info.frameCountSource = "estimated";
  }
}

/// Where the film's own clock stands at the first frame: on the video stream,
/// a timecode track of its own, or the container.
std::optional<std::string> timecodeOf(
    const AVFormatContext& context, const AVStream& stream) {
  std::optional<std::string> found = tag(stream.metadata, "timecode");
  for (unsigned i = 0; i < context.nb_streams && !found; ++i) {
    found = tag(context.streams[i]->metadata, "timecode");
  }
  return found ? found : tag(context.metadata, "timecode");
}

void describeChapters(const AVFormatContext& context, VideoInfo& info) {
  for (unsigned i = 0; i < context.nb_chapters; ++i) {
    const AVChapter& chapter = *context.chapters[i];
    info.chapters.push_back(
        {seconds(chapter.start, chapter.time_base),
         seconds(chapter.end, chapter.time_base),
         tag(chapter.metadata, "title")});
  }
}

}  // namespace

VideoInfo describeVideo(const Demuxer& demuxer) {
  const AVFormatContext& context = demuxer.context();
  const AVStream& stream = demuxer.stream();
  const AVCodecParameters& codec = *stream.codecpar;
  VideoInfo info{};
  info.container = context.iformat->name;
  const int64_t size = context.pb != nullptr ? avio_size(context.pb) : -1;
  if (size > 0) info.size = size;
  const int64_t bitRate =
      codec.bit_rate > 0 ? codec.bit_rate : context.bit_rate;
  if (bitRate > 0) info.bitRate = bitRate;
  for (unsigned i = 0; i < context.nb_streams; ++i) {
    const AVStream& each = *context.streams[i];
    info.streams.push_back(
        {each.index, typeName(each.codecpar->codec_type),
         avcodec_get_name(each.codecpar->codec_id), language(each),
         (each.disposition & AV_DISPOSITION_ATTACHED_PIC) != 0,
         (each.disposition & AV_DISPOSITION_DEFAULT) != 0});
  }
  info.streamIndex = stream.index;
  info.codec = avcodec_get_name(codec.codec_id);
  info.profile = text(avcodec_profile_name(codec.codec_id, codec.profile));
  info.width = codec.width;
  info.height = codec.height;
  info.orientation = orientationOf(compat::displayMatrix(stream));
  AVRational ratio = av_guess_sample_aspect_ratio(
      const_cast<AVFormatContext*>(&context), const_cast<AVStream*>(&stream),
      nullptr);
  info.sampleAspectRatio =
      ratio.num > 0 && ratio.den > 0 ? ratio : AVRational{1, 1};
  const auto format = static_cast<AVPixelFormat>(codec.format);
  const AVPixFmtDescriptor* layout = av_pix_fmt_desc_get(format);
  if (layout != nullptr) {
    info.pixelFormat = layout->name;
    info.bitDepth = layout->comp[0].depth;
  }
  info.primaries = known(av_color_primaries_name(codec.color_primaries));
  info.transfer = known(av_color_transfer_name(codec.color_trc));
  info.matrix = known(av_color_space_name(codec.color_space));
  info.range = rangeName(codec.color_range);
  info.chromaLocation = known(av_chroma_location_name(codec.chroma_location));
  describeTiming(context, stream, info);
  describeChapters(context, info);
  info.timecode = timecodeOf(context, stream);
  collect(context.metadata, info.metadata);
  collect(stream.metadata, info.metadata);
  return info;
}

}  // namespace rushes
