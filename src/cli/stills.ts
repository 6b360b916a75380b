import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { basename, extname, join } from 'node:path';
import { encodePicture, type Frame } from '../index.ts';
import { count, printable } from './format.ts';
import type { FrameConsumer } from './frame-consumer.ts';
import { type Output, replaceFile } from './output.ts';

/** Picture formats that stills can be written in. */
export const STILL_FORMATS = ['jpg', 'png', 'webp'] as const;
export type StillFormat = (typeof STILL_FORMATS)[number];

/** One picture that was written, as `--json` lists it. */
interface Still {
  readonly path: string;
  readonly time: number;
  readonly pts: number;
  readonly width: number;
  readonly height: number;
}

interface StillOptions {
  readonly format: StillFormat;
  readonly quality: number | undefined;
  /** Where to say how many there are in the end, if anywhere. */
  readonly announce: Output | undefined;
}

/** Writes rgb24 frames as picture files, a few at once, numbered in the order they come. */
export class StillWriter implements FrameConsumer {
  readonly prints = false;
  readonly #directory: string;
  readonly #name: string;
  readonly #options: StillOptions;
  /** Oldest first; no more than there are cores, so that frames do not pile up. */
  readonly #underWay: Promise<void>[] = [];
  readonly #stills: Still[] = [];

  /** @param name what the files are called before their number */
  constructor(directory: string, name: string, options: StillOptions) {
    this.#directory = directory;
    this.#name = name;
    this.#options = options;
  }

  async begin(): Promise<void> {}

  /** @throws what writing an earlier one threw */
  async add(frame: Frame): Promise<void> {
    if (this.#underWay.length >= availableParallelism()) await this.#underWay.shift();
    const { time, pts, width, height } = frame;
    // From 1 and six digits, as FFmpeg's `NAME-%06d.jpg` has it.
    const number = String(this.#stills.length + 1).padStart(6, '0');
    const path = join(this.#directory, `${this.#name}-${number}.${this.#options.format}`);
    this.#stills.push({ path, time, pts, width, height });
    const writing = this.#write(path, frame);
    writing.catch(() => {}); // seen by whoever awaits it, which may be later
    this.#underWay.push(writing);
  }

  async finish(): Promise<{ stills: readonly Still[] }> {
    await Promise.all(this.#underWay);
    const { announce } = this.#options;
    const written = count(this.#stills.length, 'picture');
    await announce?.write(`${written} in ${printable(this.#directory)}\n`);
    return { stills: this.#stills };
  }

  async release(): Promise<void> {
    await Promise.allSettled(this.#underWay);
  }

  async #write(path: string, frame: Frame): Promise<void> {
    const { format, quality } = this.#options;
    const options = { format: format === 'jpg' ? 'jpeg' : format, quality } as const;
    const { data } = await encodePicture(frame, options);
    await replaceFile(path, (temporary) => writeFile(temporary, data));
  }
}

/**
 * What to call the stills of each source: its name without extension; with it, where two
 * would be the same; with a number as well, where two still would be.
 */
export function stillNames(sources: readonly string[]): string[] {
  const stems = sources.map((source) => basename(source, extname(source)));
  const taken = new Set<string>();
  return sources.map((source, index) => {
    const stem = stems[index] ?? '';
    const alone = stems.filter((other) => other === stem).length === 1;
    const wanted = alone ? stem : basename(source);
    let name = wanted;
    for (let number = 2; taken.has(name); number++) name = `${wanted}-${number}`;
    taken.add(name);
    return name;
  });
}
