// What all peers have in common: `node peers/NAME.mjs WORK`, with the work as JSON, does it and prints what came of
// it as one line of JSON. This is the whole interface; bench/peers.mjs lists who implements it.
import { createWriteStream } from 'node:fs';

/**
 * What is to be done.
 *
 * @typedef {object} Work
 * @property {'frames' | 'rate' | 'times' | 'analyze'} kind every frame, the frames on screen at 0, 1/fps, …, those on
 *   screen at `times`, or measures and cuts
 * @property {string[]} files one after the other; several only for `frames`
 * @property {number} width of what is handed over
 * @property {number} height
 * @property {'rgb24' | 'gray8'} pixelFormat
 * @property {number} threads of the decoder
 * @property {number} frameDuration seconds that a frame of the file is shown
 * @property {number} [fps] of `rate` and `analyze`
 * @property {number[]} [times] seconds, in the order in which they are wanted
 * @property {number} [seconds] length of the file
 * @property {{ every: number, from: number, path: string }} [samples] write every nth frame handed over, beginning with
 *   number `from`, to this file, for comparison
 */

/** Where a peer puts the frames that it has in JavaScript. In a timed run they are only counted. */
class Sink {
  frames = 0;
  times = [];
  #work;
  #samples;

  constructor(work) {
    this.#work = work;
    this.#samples = work.samples && createWriteStream(work.samples.path);
  }

  /**
   * @param {Uint8Array} data packed rows
   * @param {number | undefined} time in seconds; left out by those who cannot know
   * @param {number} channels bytes a pixel has in `data`
   */
  frame(data, time, channels = this.#work.pixelFormat === 'gray8' ? 1 : 3) {
    const { width, height } = this.#work;
    const bytes = width * height * channels;
    if (data.length !== bytes) throw new Error(`${data.length} bytes, not ${bytes}`);
    if (this.#samples) {
      const { every, from } = this.#work.samples;
      if (this.frames % every === from) {
        this.#samples.write(channels === 4 ? withoutAlpha(data) : data.slice());
      }
      if (time !== undefined) this.times.push(time);
    }
    this.frames++;
  }

  async end() {
    if (this.#samples) await new Promise((done) => this.#samples.end(done));
  }
}

function withoutAlpha(data) {
  const rgb = new Uint8Array((data.length / 4) * 3);
  for (let from = 0, to = 0; from < data.length; from++) {
    if (from % 4 !== 3) rgb[to++] = data[from];
  }
  return rgb;
}

/** Seconds at which a frame is wanted, rising. */
export function wantedTimes({ kind, times, fps, seconds }) {
  if (kind === 'times') return times.toSorted((a, b) => a - b);
  return Array.from({ length: Math.ceil(seconds * fps) }, (_, i) => i / fps);
}

/** For peers that see every frame go by: which of them are wanted, and when that was all. */
export class Picker {
  #all;
  #wanted;
  #duration;

  constructor(work) {
    this.#all = work.kind === 'frames';
    this.#wanted = this.#all ? [] : wantedTimes(work);
    this.#duration = work.frameDuration;
  }

  get done() {
    return !this.#all && this.#wanted.length === 0;
  }

  /** Whether the frame shown from `time` on is wanted. */
  takes(time) {
    if (this.#all) return true;
    const end = time + this.#duration - 1e-6;
    if (this.#wanted.length === 0 || this.#wanted[0] >= end) return false;
    while (this.#wanted[0] < end) this.#wanted.shift();
    return true;
  }
}

/**
 * Does the work of the command line.
 *
 * @param {(work: Work, sink: Sink) => Promise<object | undefined>} peer puts every frame into `sink`; what it
 *   returns is printed, too
 */
export async function runPeer(peer) {
  const work = JSON.parse(process.argv[2]);
  const sink = new Sink(work);
  const more = await peer(work, sink);
  await sink.end();
  const { frames, times } = sink;
  console.log(JSON.stringify({ frames, times, ...more }));
}
