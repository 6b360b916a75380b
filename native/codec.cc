#include "codec.h"

#include <algorithm>
#include <utility>

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

Error failure(int result, const char* call) {
  try {
    check(result, call);
  } catch (const Error& error) {
    return error;
  }
  return {ErrorCode::kFfmpeg, call};  // not reached: result is negative
}

const char* threadTypeOf(const AVCodecContext& context) {
  if (context.thread_count <= 1) return "none";
  if ((context.active_thread_type & FF_THREAD_FRAME) != 0) return "frame";
  if ((context.active_thread_type & FF_THREAD_SLICE) != 0) return "slice";
  return "none";
}

const AVCodec& softwareDecoder(AVCodecID id) {
  const AVCodec* decoder = avcodec_find_decoder(id);
  if (decoder != nullptr) return *decoder;
  throw Error(
      ErrorCode::kUnsupported,
      std::string("avcodec_find_decoder: No decoder for ") +
          avcodec_get_name(id),
      AVERROR_DECODER_NOT_FOUND);
}

}  // namespace

Codec::Codec(const AVStream& stream, CodecOptions options)
    : stream_(stream), options_(std::move(options)) {
  const AVCodec& software = softwareDecoder(stream.codecpar->codec_id);
  if (usesDevice()) {
    try {
      open(options_.device->decoder());
      history_.emplace();
      return;
    } catch (const Error& error) {
      options_.device->fail(error.what());
    }
  }
  open(software);
}

void Codec::open(const AVCodec& decoder) {
  context_.reset(avcodec_alloc_context3(&decoder));
  checkAlloc(context_.get(), "avcodec_alloc_context3");
  check(
      avcodec_parameters_to_context(context_.get(), stream_.codecpar),
      "avcodec_parameters_to_context");
  context_->pkt_timebase = stream_.time_base;
  context_->framerate = compat::averageFrameRate(stream_);
  context_->has_b_frames = std::max(context_->has_b_frames, reorderedFrames_);
  context_->thread_count = options_.keyFramesOnly ? 1 : options_.threads;
  if (options_.keyFramesOnly) {
    context_->skip_frame = AVDISCARD_NONKEY;
    keyPacketsOnly_ = ignoresSkipFrame(decoder.id);
  }
  if (usesDevice()) options_.device->attach(*context_);
  // Note [Native bytes]
  countsReceived_ =
      usesDevice() || (decoder.capabilities & AV_CODEC_CAP_DR1) == 0;
  if (!countsReceived_) {
    context_->get_buffer2 = getCountedBuffers;
    compat::allowCallbacksFromAnyThread(*context_);
  }
  LogCapture log;
  check(avcodec_open2(context_.get(), &decoder, nullptr), "avcodec_open2");
}

bool Codec::usesDevice() const noexcept {
  return options_.device && !options_.device->failure();
}

DecodePath Codec::path() const {
  DecodePath path;
  path.decoder = context_->codec->name;
  path.threads = context_->thread_count;
  path.threadType = threadTypeOf(*context_);
  if (options_.device) {
    const DeviceState& state = options_.device->state();
    path.fallbackReason = state.failure;
    path.scaleFilter = state.scaleFilter;
    path.scaleFallbackReason = state.scaleFailure;
    if (usesDevice()) path.hardware = options_.device->type();
  }
  return path;
}

void Codec::fail(int result, const char* call) const {
  Error error = failure(result, call);
  if (error.code != ErrorCode::kOutOfMemory) error.code = ErrorCode::kDecode;
  error.time = packetTime_;
  throw error;
}

bool Codec::receive(Demuxer& demuxer, Frame& frame, const PacketFilter& drops) {
  // What took over from a device has said why it could not.
  if (avcodec_is_open(context_.get()) == 0) return false;
  LogCapture log;
  for (;;) {
    const int result = receiveFrom(frame);
    if (result == AVERROR(EAGAIN)) {
      send(demuxer, drops);
      continue;
    }
    if (result == AVERROR_EOF) return false;
    if (countsReceived_) countBuffers(*frame);
    if (!history_) return true;
    if (usesDevice()) {
      history_->delivered(*frame);
      return true;
    }
    if (!history_->wasDelivered(*frame)) return true;
  }
}

/// avcodec_receive_frame, of the device's decoder or of the software's; EAGAIN
/// and EOF are results.
int Codec::receiveFrom(Frame& frame) {
  if (usesDevice()) {
    try {
      return options_.device->receive(*context_, frame);
    } catch (const Error& error) {
      fallBack(error);
      return AVERROR(EAGAIN);
    }
  }
  const int result = avcodec_receive_frame(context_.get(), frame.get());
  if (result >= 0 || result == AVERROR(EAGAIN) || result == AVERROR_EOF) {
    return result;
  }
  // What had been delivered was not damaged to the device.
  if (history_ && !history_->caughtUp()) return AVERROR(EAGAIN);
  fail(result, "avcodec_receive_frame");
}

/// Note [Falling back].
void Codec::fallBack(const Error& error) {
  reorderedFrames_ = context_->has_b_frames;
  options_.device->fail(error.what());
  open(softwareDecoder(stream_.codecpar->codec_id));
}

void Codec::flush() {
  avcodec_flush_buffers(context_.get());
  packet_.unref();
  packetTime_.reset();
  draining_ = false;
  history_.reset();
  if (usesDevice()) history_.emplace();
}

/// The next packet: of those to be decoded again, or of the file.
bool Codec::readPacket(Demuxer& demuxer, const PacketFilter& drops) {
  if (history_ && !usesDevice()) {
    if (history_->replay(packet_)) return true;
    if (history_->caughtUp()) history_.reset();
  }
  const auto isDropped = [&] {
    if (keyPacketsOnly_) return (packet_->flags & AV_PKT_FLAG_KEY) == 0;
    return drops && drops(*packet_.get());
  };
  bool more = false;
  do {
    more = !draining_ && demuxer.read(packet_);
  } while (more && isDropped());
  if (more && usesDevice()) history_->sent(packet_);
  return more;
}

void Codec::send(Demuxer& demuxer, const PacketFilter& drops) {
  bool more = false;
  try {
    more = readPacket(demuxer, drops);
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
    if (result >= 0 || result == AVERROR_EOF) return;
    const Error error = failure(result, "avcodec_send_packet");
    if (!usesDevice()) throw error;
    return fallBack(error);
  }
  if (usesDevice() && history_->bytes() > options_.maxHistoryBytes) {
    packet_.unref();
    return fallBack(
        {ErrorCode::kUnsupported,
         "too many bytes lie between key frames to decode them twice"});
  }
  const int64_t pts =
      packet_->pts != AV_NOPTS_VALUE ? packet_->pts : packet_->dts;
  packetTime_.reset();
  if (pts != AV_NOPTS_VALUE) {
    packetTime_ = static_cast<double>(pts) * stream_.time_base.num /
                  stream_.time_base.den;
  }
  // Never EAGAIN: the decoder has just said that it wants a packet.
  const int result = avcodec_send_packet(context_.get(), packet_.get());
  packet_.unref();
  if (result >= 0) return;
  if (usesDevice()) return fallBack(failure(result, "avcodec_send_packet"));
  if (history_ && !history_->caughtUp()) return;
  fail(result, "avcodec_send_packet");
}

}  // namespace rushes
