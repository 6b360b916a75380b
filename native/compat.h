#pragma once

// The one place that knows how FFmpeg's versions differ (5.1 to 9).
// Each macro is named for the feature, with the version it came in.

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/frame.h>
}

#include <cstdint>

/// AVCodecParameters::coded_side_data took over from AVStream::side_data: 6.1.
#define RUSHES_HAS_CODED_SIDE_DATA \
  (LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 31, 102))
/// AVFrame::duration took over from pkt_duration: 6.0.
#define RUSHES_HAS_FRAME_DURATION \
  (LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(57, 30, 100))
/// AV_FRAME_FLAG_KEY took over from AVFrame::key_frame: 6.1.
#define RUSHES_HAS_FRAME_FLAG_KEY \
  (LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(58, 7, 100))
/// AVCodecContext::thread_safe_callbacks went, being always on: 6.0.
#define RUSHES_HAS_THREAD_SAFE_CALLBACKS (LIBAVCODEC_VERSION_MAJOR < 60)

/// AVCodecParameters::framerate, what the stream itself says: 6.1. From 7.1 at
/// the latest, raw demuxers set avg_frame_rate to 25 whatever it says.
#define RUSHES_HAS_PARAMETERS_FRAMERATE \
  (LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 11, 100))

/// Filters agree on matrix and range beforehand, and warn of frames that have
/// others than their source was made with: 7.0.
#define RUSHES_FILTERS_NEGOTIATE_COLOR \
  (LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(59, 8, 100))

namespace rushes::compat {

/// Frames per second; 0/0 or 0/1 if unknown.
inline AVRational averageFrameRate(const AVStream& stream) {
#if RUSHES_HAS_PARAMETERS_FRAMERATE
  const AVRational own = stream.codecpar->framerate;
  const bool isRaw = stream.start_time == AV_NOPTS_VALUE;
  if (isRaw && own.num > 0 && own.den > 0) return own;
#endif
  return stream.avg_frame_rate;
}

/// In ticks of the stream's time base; 0 if unknown.
inline int64_t frameDuration(const AVFrame& frame, const AVStream& stream) {
#if RUSHES_HAS_FRAME_DURATION
  const int64_t duration = frame.duration;
#else
  const int64_t duration = frame.pkt_duration;
#endif
  // 7.1 takes the ticks for the frame rate of raw streams that do not tell
  // theirs, so that their packets last one tick as soon as probing is over.
  const bool isGuess =
      frame.best_effort_timestamp == AV_NOPTS_VALUE && duration == 1 &&
      av_cmp_q(stream.r_frame_rate, av_inv_q(stream.time_base)) == 0;
  return isGuess ? 0 : duration;
}

inline bool isKeyFrame(const AVFrame& frame) {
#if RUSHES_HAS_FRAME_FLAG_KEY
  return (frame.flags & AV_FRAME_FLAG_KEY) != 0;
#else
  return frame.key_frame != 0;
#endif
}

/// The stream's display matrix, or null.
inline const int32_t* displayMatrix(const AVStream& stream) {
#if RUSHES_HAS_CODED_SIDE_DATA
  const AVPacketSideData* data = av_packet_side_data_get(
      stream.codecpar->coded_side_data, stream.codecpar->nb_coded_side_data,
      AV_PKT_DATA_DISPLAYMATRIX);
  return data != nullptr && data->size >= 9 * sizeof(int32_t)
             ? reinterpret_cast<const int32_t*>(data->data)
             : nullptr;
#else
  size_t size = 0;
  const uint8_t* data =
      av_stream_get_side_data(&stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
  return data != nullptr && size >= 9 * sizeof(int32_t)
             ? reinterpret_cast<const int32_t*>(data)
             : nullptr;
#endif
}

/// Since 6.0 callbacks are always called from any thread. Before, FFmpeg takes
/// turns for them unless told that they may be.
inline void allowCallbacksFromAnyThread(AVCodecContext& context) {
#if RUSHES_HAS_THREAD_SAFE_CALLBACKS
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  context.thread_safe_callbacks = 1;
#pragma GCC diagnostic pop
#else
  static_cast<void>(context);
#endif
}

}  // namespace rushes::compat
