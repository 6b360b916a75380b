#include "codec.h"

#include <string>

#include "compat.h"
#include "memory_account.h"

namespace rushes {

namespace {

/// Decoders that know nothing of skip_frame. A key packet of these holds a
/// whole key frame, and the container marks it.
bool ignoresSkipFrame(AVCodecID codec) {
  return codec == AV_CODEC_ID_VP8 || codec == AV_CODEC_ID_VP9 ||
         codec == AV_CODEC_ID_AV1;
}

/// Takes a counted buffer out of the account when its last reference goes.
void freeCounted(void* opaque, uint8_t*) {
  const BufferPtr buffer(static_cast<AVBufferRef*>(opaque));
  accountBytes(-static_cast<int64_t>(buffer->size));
}

/// Puts the frame's buffers into the account for as long as anyone refers to
/// them: each is wrapped in one that tells. What cannot be wrapped for want of
/// memory is not counted.
void countBuffers(AVFrame& frame) {
  // Surfaces of a device are not this process's memory.
  if (frame.hw_frames_ctx != nullptr) return;
  for (AVBufferRef*& buffer : frame.buf) {
    if (buffer == nullptr) break;
    const int flags =
        av_buffer_is_writable(buffer) != 0 ? 0 : AV_BUFFER_FLAG_READONLY;
    AVBufferRef* counted = av_buffer_create(
        buffer->data, buffer->size, freeCounted, buffer, flags);
    if (counted == nullptr) break;
    accountBytes(static_cast<int64_t>(buffer->size));
    buffer = counted;
  }
}

/// AVCodecContext::get_buffer2: FFmpeg's own, counted. Called by frame threads.
int getCountedBuffers(AVCodecContext* context, AVFrame* frame, int flags) {
  const int result = avcodec_default_get_buffer2(context, frame, flags);
  if (result >= 0) countBuffers(*frame);
  return result;
}

}  // namespace

Codec::Codec(const AVStream& stream, int threads, bool keyFramesOnly)
    : timeBase_(stream.time_base) {
  const AVCodecID id = stream.codecpar->codec_id;
  const AVCodec* decoder = avcodec_find_decoder(id);
  if (decoder == nullptr) {
    throw Error(
        ErrorCode::kUnsupported,
        std::string("avcodec_find_decoder: No decoder for ") +
            avcodec_get_name(id),
        AVERROR_DECODER_NOT_FOUND);
  }
  context_.reset(avcodec_alloc_context3(decoder));
  checkAlloc(context_.get(), "avcodec_alloc_context3");
  check(
      avcodec_parameters_to_context(context_.get(), stream.codecpar),
      "avcodec_parameters_to_context");
  context_->pkt_timebase = stream.time_base;
  context_->framerate = stream.avg_frame_rate;
  context_->thread_count = keyFramesOnly ? 1 : threads;
  if (keyFramesOnly) {
    context_->skip_frame = AVDISCARD_NONKEY;
    keyPacketsOnly_ = ignoresSkipFrame(id);
  }
  // Note [Native bytes]
  countsReceived_ = (decoder->capabilities & AV_CODEC_CAP_DR1) == 0;
  if (!countsReceived_) {
    context_->get_buffer2 = getCountedBuffers;
    compat::allowCallbacksFromAnyThread(*context_);
  }
  LogCapture log;
  check(avcodec_open2(context_.get(), decoder, nullptr), "avcodec_open2");
}

void Codec::fail(int result, const char* call) const {
  try {
    check(result, call);
  } catch (Error& error) {
    if (error.code != ErrorCode::kOutOfMemory) error.code = ErrorCode::kDecode;
    error.time = packetTime_;
    throw;
  }
  throw Error(ErrorCode::kDecode, call);  // not reached: result is negative
}

bool Codec::receive(Demuxer& demuxer, Frame& frame, const PacketFilter& drops) {
  LogCapture log;
  for (;;) {
    const int result = avcodec_receive_frame(context_.get(), frame.get());
    if (result >= 0) {
      if (countsReceived_) countBuffers(*frame);
      return true;
    }
    if (result == AVERROR_EOF) return false;
    if (result != AVERROR(EAGAIN)) fail(result, "avcodec_receive_frame");
    send(demuxer, drops);
  }
}

void Codec::flush() {
  avcodec_flush_buffers(context_.get());
  packet_.unref();
  packetTime_.reset();
  draining_ = false;
}

void Codec::send(Demuxer& demuxer, const PacketFilter& drops) {
  const auto isDropped = [&] {
    if (keyPacketsOnly_) return (packet_->flags & AV_PKT_FLAG_KEY) == 0;
    return drops && drops(*packet_.get());
  };
  bool more = false;
  try {
    do {
      more = !draining_ && demuxer.read(packet_);
    } while (more && isDropped());
  } catch (const Error& error) {
    // Whatever ended the file, the frames already inside come out first:
    // the caller gets the error now and may call again for them.
    draining_ = error.code != ErrorCode::kAborted;
    if (draining_) avcodec_send_packet(context_.get(), nullptr);
    throw;
  }
  if (!more) {
    draining_ = true;
    const int result = avcodec_send_packet(context_.get(), nullptr);
    if (result != AVERROR_EOF) check(result, "avcodec_send_packet");
    return;
  }
  const int64_t pts =
      packet_->pts != AV_NOPTS_VALUE ? packet_->pts : packet_->dts;
  packetTime_.reset();
  if (pts != AV_NOPTS_VALUE) {
    packetTime_ = static_cast<double>(pts) * timeBase_.num / timeBase_.den;
  }
  // Never EAGAIN: the decoder has just said that it wants a packet.
  const int result = avcodec_send_packet(context_.get(), packet_.get());
  packet_.unref();
  if (result < 0) fail(result, "avcodec_send_packet");
}

}  // namespace rushes
