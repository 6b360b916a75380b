import type { Frame, Video } from '../index.ts';
import { clock, decimal, printable } from './format.ts';
import type { FrameConsumer } from './frame-consumer.ts';
import type { Output } from './output.ts';

/** A frame as `rushes frames --json` lists it. */
interface ListedFrame extends Omit<Frame, 'data'> {
  /** Position among the frames listed, from 0. */
  readonly index: number;
}

const HEAD = '   index          time         pts  duration  key  size       pixels\n';

/** Lists frames as they come: a table for people, or all at the end for `--json`. */
export class FrameListing implements FrameConsumer {
  readonly prints: boolean;
  readonly #output: Output;
  readonly #source: string;
  readonly #first: boolean;
  readonly #frames: ListedFrame[] = [];
  #video: Video | undefined;
  #count = 0;

  constructor(
    output: Output,
    source: string,
    options: { json: boolean; first: boolean },
  ) {
    this.#output = output;
    this.#source = source;
    this.#first = options.first;
    this.prints = !options.json;
  }

  async begin(video: Video): Promise<void> {
    this.#video = video;
    if (!this.prints) return;
    const gap = this.#first ? '' : '\n';
    await this.#output.write(`${gap}${printable(this.#source)}\n${HEAD}`);
  }

  async add(taken: Frame): Promise<void> {
    const { data: _, ...facts } = taken;
    this.#video?.recycle(taken);
    const frame = { index: this.#count++, ...facts };
    if (this.prints) await this.#output.write(line(frame));
    else this.#frames.push(frame);
  }

  async finish(): Promise<object> {
    return { timeBase: this.#video?.info.timeBase, frames: this.#frames };
  }

  async release(): Promise<void> {}
}

/** Columns of fixed width, because the later rows are not known when the first is printed. */
function line(frame: ListedFrame): string {
  const cells = [
    String(frame.index).padStart(8),
    clock(frame.time).padStart(12),
    String(frame.pts).padStart(10),
    decimal(frame.duration, 4).padStart(8),
    frame.keyFrame ? 'key' : '   ',
    `${frame.width}x${frame.height}`.padEnd(9),
    frame.pixelFormat,
  ];
  return `${cells.join('  ')}\n`;
}
