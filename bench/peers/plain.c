// plain FILE WIDTH HEIGHT rgb24|gray8 THREADS one|two [EVERY SAMPLES]
//
// What a C program on the same libav costs: decode every frame and scale it
// with swscale, in one step as most people write it (bilinear), or in two
// (`two`): planes by area averaging, then colour on the small picture. Prints
// the number of frames as JSON; with SAMPLES, every EVERYth frame is written to
// that file.
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/imgutils.h>
#include <libswscale/swscale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(int result, const char* call) {
  if (result >= 0) return;
  fprintf(stderr, "%s: %s\n", call, av_err2str(result));
  exit(1);
}

typedef struct {
  struct SwsContext* scaler;
  AVFrame* target;
} Step;

static Step makeStep(
    const AVFrame* from, int width, int height, enum AVPixelFormat format,
    int flags) {
  Step step = {
      sws_getContext(
          from->width, from->height, from->format, width, height, format, flags,
          NULL, NULL, NULL),
      av_frame_alloc()};
  if (!step.scaler || !step.target) check(AVERROR(ENOMEM), "sws_getContext");
  step.target->width = width;
  step.target->height = height;
  step.target->format = format;
  check(av_frame_get_buffer(step.target, 0), "av_frame_get_buffer");
  return step;
}

static AVFrame* run(Step* step, const AVFrame* from) {
  check(
      sws_scale(
          step->scaler, (const uint8_t* const*)from->data, from->linesize, 0,
          from->height, step->target->data, step->target->linesize),
      "sws_scale");
  return step->target;
}

typedef struct {
  int width, height, steps, every;
  enum AVPixelFormat format;
  FILE* samples;
  Step step[2];
  uint8_t* packed;
  int frames;
} Work;

static void hand(Work* work, const AVFrame* frame) {
  if (!work->packed) {
    const int small = work->format == AV_PIX_FMT_GRAY8 ? AV_PIX_FMT_GRAY8
                                                       : AV_PIX_FMT_YUV420P;
    const int two = work->steps == 2 && small != work->format;
    const int flags = work->steps == 2 ? SWS_AREA : SWS_BILINEAR;
    work->step[0] = makeStep(
        frame, work->width, work->height, two ? small : work->format, flags);
    if (two) {
      work->step[1] = makeStep(
          work->step[0].target, work->width, work->height, work->format, flags);
    }
    work->packed = malloc(
        av_image_get_buffer_size(work->format, work->width, work->height, 1));
  }
  AVFrame* small = run(&work->step[0], frame);
  if (work->step[1].scaler) small = run(&work->step[1], small);
  const int bytes = av_image_copy_to_buffer(
      work->packed, 1 << 30, (const uint8_t* const*)small->data,
      small->linesize, work->format, work->width, work->height, 1);
  check(bytes, "av_image_copy_to_buffer");
  if (work->samples && work->frames % work->every == 0) {
    fwrite(work->packed, 1, bytes, work->samples);
  }
  work->frames++;
}

int main(int argc, char** argv) {
  if (argc != 7 && argc != 9) return 2;
  Work work = {
      .width = atoi(argv[2]),
      .height = atoi(argv[3]),
      .format = strcmp(argv[4], "gray8") ? AV_PIX_FMT_RGB24 : AV_PIX_FMT_GRAY8,
      .steps = strcmp(argv[6], "two") ? 1 : 2};
  if (argc == 9) {
    work.every = atoi(argv[7]);
    work.samples = fopen(argv[8], "wb");
    if (!work.samples) return 1;
  }

  AVFormatContext* container = NULL;
  check(
      avformat_open_input(&container, argv[1], NULL, NULL),
      "avformat_open_input");
  check(
      avformat_find_stream_info(container, NULL), "avformat_find_stream_info");
  const AVCodec* codec;
  const int index =
      av_find_best_stream(container, AVMEDIA_TYPE_VIDEO, -1, -1, &codec, 0);
  check(index, "av_find_best_stream");
  AVCodecContext* decoder = avcodec_alloc_context3(codec);
  check(
      avcodec_parameters_to_context(
          decoder, container->streams[index]->codecpar),
      "avcodec_parameters_to_context");
  decoder->thread_count = atoi(argv[5]);
  check(avcodec_open2(decoder, codec, NULL), "avcodec_open2");

  AVPacket* packet = av_packet_alloc();
  AVFrame* frame = av_frame_alloc();
  for (int ended = 0; !ended;) {
    ended = av_read_frame(container, packet) < 0;
    if (ended || packet->stream_index == index) {
      // Every frame that is ready is taken out below, so that this never is
      // full.
      check(
          avcodec_send_packet(decoder, ended ? NULL : packet),
          "avcodec_send_packet");
      while (avcodec_receive_frame(decoder, frame) >= 0) hand(&work, frame);
    }
    av_packet_unref(packet);
  }
  if (work.samples) fclose(work.samples);
  printf("{\"frames\":%d,\"times\":[]}\n", work.frames);
  return 0;
}
