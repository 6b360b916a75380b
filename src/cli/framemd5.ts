/**
 * FFmpeg's framemd5 format, version 2, as libavformat/framehash.c writes it with
 * `-fflags +bitexact` (which leaves out the line naming the libavformat version).
 */
import { createHash } from 'node:crypto';
import type { Frame, Video, VideoInfo } from '../index.ts';
import type { FrameConsumer } from './frame-consumer.ts';
import type { Output } from './output.ts';

export class Framemd5Printer implements FrameConsumer {
  readonly prints = true;
  readonly #output: Output;
  #video: Video | undefined;
  #begun = false;

  constructor(output: Output) {
    this.#output = output;
  }

  async begin(video: Video): Promise<void> {
    this.#video = video;
  }

  async add(frame: Frame): Promise<void> {
    const video = this.#video as Video;
    const { info } = video;
    // In one write: a reader that sees the header can rely on a frame.
    const head = this.#begun ? '' : header(info, frame);
    this.#begun = true;
    const text = head + line(frame, info);
    video.recycle(frame);
    await this.#output.write(text);
  }

  async finish(): Promise<object> {
    if (!this.#begun && this.#video) {
      const { info } = this.#video;
      await this.#output.write(header(info, info));
    }
    return {};
  }

  async release(): Promise<void> {}
}

/** The lines before the frames; the size is that of the first one, as in FFmpeg. */
function header(info: VideoInfo, size: { width: number; height: number }): string {
  const { timeBase, sampleAspectRatio } = info;
  return [
    '#format: frame checksums',
    '#version: 2',
    '#hash: MD5',
    `#tb 0: ${timeBase.num}/${timeBase.den}`,
    '#media_type 0: video',
    '#codec_id 0: rawvideo',
    `#dimensions 0: ${size.width}x${size.height}`,
    `#sar 0: ${sampleAspectRatio.num}/${sampleAspectRatio.den}`,
    '#stream#, dts,        pts, duration,     size, hash',
    '',
  ].join('\n');
}

/** The line of one frame. Raw pictures are not reordered, so their dts is their pts. */
function line(frame: Frame, { timeBase }: VideoInfo): string {
  const pts = String(frame.pts).padStart(10);
  const ticks = Math.round((frame.duration * timeBase.den) / timeBase.num);
  const duration = String(ticks).padStart(8);
  const size = String(frame.data.length).padStart(8);
  const hash = createHash('md5').update(frame.data).digest('hex');
  return `0, ${pts}, ${pts}, ${duration}, ${size}, ${hash}\n`;
}
