#pragma once

// Owners of FFmpeg's structs: each is owned from the line that allocates it.
// Thread-safety: none of these; one thread at a time.

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/frame.h>
#include <libswscale/swscale.h>
}

#include <memory>

#include "error.h"

namespace rushes {

/// Deleter from one of FFmpeg's free functions that take a pointer to the
/// pointer and clear it.
template <auto Free>
struct FreeWith {
  template <typename T>
  void operator()(T* pointer) const noexcept {
    Free(&pointer);
  }
};

struct FreeSws {
  void operator()(SwsContext* context) const noexcept {
    sws_freeContext(context);
  }
};

/// The context does not own the buffer it was made with, or the one that FFmpeg
/// put in its place.
struct FreeIo {
  void operator()(AVIOContext* context) const noexcept {
    av_freep(&context->buffer);
    avio_context_free(&context);
  }
};

using IoContextPtr = std::unique_ptr<AVIOContext, FreeIo>;
using FormatContextPtr =
    std::unique_ptr<AVFormatContext, FreeWith<avformat_close_input>>;
using CodecContextPtr =
    std::unique_ptr<AVCodecContext, FreeWith<avcodec_free_context>>;
using BufferPtr = std::unique_ptr<AVBufferRef, FreeWith<av_buffer_unref>>;
using SwsContextPtr = std::unique_ptr<SwsContext, FreeSws>;

/// Owns one AVPacket and the buffer it refers to. Move-only.
class Packet {
 public:
  Packet() : packet_(av_packet_alloc()) {
    checkAlloc(get(), "av_packet_alloc");
  }
  AVPacket* get() const noexcept { return packet_.get(); }
  AVPacket* operator->() const noexcept { return get(); }
  void unref() noexcept { av_packet_unref(get()); }

 private:
  std::unique_ptr<AVPacket, FreeWith<av_packet_free>> packet_;
};

/// Owns one AVFrame and the buffers it refers to. Move-only.
class Frame {
 public:
  Frame() : frame_(av_frame_alloc()) { checkAlloc(get(), "av_frame_alloc"); }
  AVFrame* get() const noexcept { return frame_.get(); }
  AVFrame* operator->() const noexcept { return get(); }
  AVFrame& operator*() const noexcept { return *frame_; }
  void unref() noexcept { av_frame_unref(get()); }

 private:
  std::unique_ptr<AVFrame, FreeWith<av_frame_free>> frame_;
};

}  // namespace rushes
