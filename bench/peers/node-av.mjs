// node-av's low-level API, called synchronously: that is its fastest way, and blocks the event loop. The scaler is
// swscale in two steps. (Its high-level Scaler is slower, and on Node 20 gives no frames.)
import {
  AV_PIX_FMT_GRAY8,
  AV_PIX_FMT_RGB24,
  AV_PIX_FMT_YUV420P,
  AVERROR_EAGAIN,
  AVMEDIA_TYPE_VIDEO,
  SWS_AREA,
} from 'node-av/constants';
import {
  Codec,
  CodecContext,
  FFmpegError,
  FormatContext,
  Frame,
  Packet,
  SoftwareScaleContext,
} from 'node-av/lib';
import { Picker, runPeer } from './peer.mjs';

function check(code, call) {
  FFmpegError.throwIfError(code, call);
}

/** Swscale from one size and format to another, into a frame that is used again and again. */
class Step {
  #scaler = new SoftwareScaleContext();
  #target = new Frame();

  constructor(from, width, height, format) {
    this.#scaler.getContext(
      ...[from.width, from.height, from.format, width, height, format, SWS_AREA],
    );
    this.#target.alloc();
    Object.assign(this.#target, { width, height, format });
    check(this.#target.allocBuffer(), 'allocBuffer');
  }

  run(frame) {
    check(this.#scaler.scaleFrameSync(this.#target, frame), 'scaleFrame');
    return this.#target;
  }

  free() {
    this.#scaler.freeContext();
    this.#target.free();
  }
}

/** The steps to the work's output, made for the first frame. */
class Scaler {
  #work;
  #steps;

  constructor(work) {
    this.#work = work;
  }

  run(frame) {
    const { width, height, pixelFormat } = this.#work;
    if (this.#steps === undefined) {
      const isGray = pixelFormat === 'gray8';
      const first = isGray ? AV_PIX_FMT_GRAY8 : AV_PIX_FMT_YUV420P;
      this.#steps = [new Step(frame, width, height, first)];
      if (!isGray) {
        const small = { width, height, format: AV_PIX_FMT_YUV420P };
        this.#steps.push(new Step(small, width, height, AV_PIX_FMT_RGB24));
      }
    }
    return this.#steps.reduce((from, step) => step.run(from), frame).toBuffer();
  }

  free() {
    for (const step of this.#steps ?? []) step.free();
  }
}

function openDecoder(stream, threads) {
  const codec = Codec.findDecoder(stream.codecpar.codecId);
  const decoder = new CodecContext();
  decoder.allocContext3(codec);
  check(decoder.parametersToContext(stream.codecpar), 'parametersToContext');
  decoder.pktTimebase = stream.timeBase;
  decoder.threadCount = threads;
  check(decoder.open2Sync(codec, null), 'open2');
  return decoder;
}

function readFile(file, work, sink) {
  const container = new FormatContext();
  check(container.openInputSync(file), 'openInput');
  check(container.findStreamInfoSync(), 'findStreamInfo');
  const index = container.findBestStream(AVMEDIA_TYPE_VIDEO);
  const stream = container.streams[index];
  const { num, den } = stream.timeBase;
  const decoder = openDecoder(stream, work.threads);
  const scaler = new Scaler(work);
  const picker = new Picker(work);
  const packet = new Packet();
  packet.alloc();
  const frame = new Frame();
  frame.alloc();

  const receive = () => {
    while (!picker.done && decoder.receiveFrameSync(frame) >= 0) {
      const time = (Number(frame.bestEffortTimestamp) * num) / den;
      if (picker.takes(time)) sink.frame(scaler.run(frame), time);
      frame.unref();
    }
  };
  while (!picker.done && container.readFrameSync(packet) >= 0) {
    if (packet.streamIndex === index) {
      // Full: what is ready has to be taken out first.
      while (decoder.sendPacketSync(packet) === AVERROR_EAGAIN) receive();
      receive();
    }
    packet.unref();
  }
  decoder.sendPacketSync(null);
  receive();

  scaler.free();
  frame.free();
  packet.free();
  decoder.freeContext();
  container.closeInputSync();
}

await runPeer(async (work, sink) => {
  for (const file of work.files) readFile(file, work, sink);
});
