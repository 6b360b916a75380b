/** A frame's whole journey in the process: reader, choice, pixels or measures. `native/decoder.cc` in TypeScript. */
import { ChangeMeter } from '../../change-meter.ts';
import { type FrameChange, meanSaturation, measureLuma } from '../../measures.ts';
import {
  FLAG_KEY_FRAME,
  FLAG_SAMPLED,
  FRAME_ROW,
  MEASURE_ROW,
  type NativeFailure,
  type NativeInfo,
  type NativeOutput,
  type NativeRead,
  type NativeSelection,
} from '../../native.ts';
import type { Plane } from '../../plane.ts';
import { Demuxer, type Tools } from './demuxer.ts';
import { Failure } from './failure.ts';
import { FrameReader, type TimedFrame } from './frame-reader.ts';
import { placePlane } from './orientation.ts';
import { type IndexEntry, PacketIndex } from './packet-index.ts';
import { PictureWriter } from './picture-writer.ts';
import { PixelFormats } from './pixel-formats.ts';
import type { OpenRequest } from './protocol.ts';
import { Selector } from './selector.ts';
import { PictureShrinker, type SmallPicture } from './small-picture.ts';
import { describeVideo } from './stream-info.ts';

const EVERYTHING: NativeSelection = {
  ...{
    start: null,
    end: null,
    step: 1,
    every: 0,
    keyFrames: false,
    all: true,
    previous: false,
  },
};

/** A frame to hand over, and how many targets it answers. */
interface Chosen {
  readonly timed: TimedFrame;
  readonly targets: number;
}

/** A frame that is measured. */
interface Measured {
  readonly timed: TimedFrame;
  readonly picture: SmallPicture;
  readonly change: FrameChange;
}

/** What is made of one pass: begun by `start` or `startAt`. */
interface Pass {
  readonly selector: Selector;
  readonly output: NativeOutput;
  readonly writer: PictureWriter;
  readonly shrinker: PictureShrinker;
  readonly changes: ChangeMeter;
  /** Of a pass by numbers. */
  readonly numbers: readonly number[] | null;
  nextNumber: number;
  done: boolean;
  /** With targets: the frame on screen, which is judged when the next comes. */
  onScreen: TimedFrame | undefined;
  measured: Measured | undefined;
  /** Waits for a larger buffer. */
  chosen: Chosen | undefined;
  /** Came after frames of the same read; thrown by the next. */
  pendingError: Failure | undefined;
}

/** What a step of a read came to: another row, or how many bytes the next frame needs. */
type Step = { row: Float64Array; picture?: Uint8Array } | { needed: number } | null;

export class ProcessDecoder {
  readonly #tools: Tools;
  readonly #formats: PixelFormats;
  #reader: FrameReader | undefined;
  #index: PacketIndex | undefined;
  #pass: Pass | undefined;
  #readFormats: string[] = [];

  constructor(tools: Tools) {
    this.#tools = tools;
    this.#formats = new PixelFormats(tools.beamcoder.pix_fmts());
  }

  async open(request: OpenRequest): Promise<NativeInfo> {
    this.#reader = new FrameReader(this.#tools, request);
    const { demuxer, decoder } = await this.#reader.open();
    const coded = { width: decoder.coded_width, height: decoder.coded_height };
    const { FRAME, SLICE } = decoder.active_thread_type;
    const { format, width, height } = demuxer.stream.codecpar;
    const many = decoder.thread_count > 1;
    const layout = format === null ? undefined : this.#formats.find(format);
    return {
      info: describeVideo(demuxer, request.path, coded, this.#formats),
      frameBytes: layout === undefined ? 0 : this.#formats.bytes(format, width, height),
      path: {
        decoder: decoder.name,
        threads: decoder.thread_count,
        threadType: many && FRAME ? 'frame' : many && SLICE ? 'slice' : 'none',
        hardware: null,
        fallbackReason: null,
        scaleFilter: null,
        scaleFallbackReason: null,
      },
    };
  }

  get #open(): FrameReader {
    if (this.#reader !== undefined) return this.#reader;
    throw new Failure('ERR_IO', 'open: The source was not opened');
  }

  async index(): Promise<PacketIndex> {
    if (this.#index !== undefined) return this.#index;
    const { request } = this.#open;
    const demuxer = await Demuxer.open(this.#tools, request);
    let scanned: PacketIndex | undefined;
    try {
      scanned = await PacketIndex.scan(demuxer);
    } finally {
      demuxer.close();
    }
    this.#index = scanned ?? (await this.#indexByDecoding(request));
    return this.#index;
  }

  async #indexByDecoding(request: OpenRequest): Promise<PacketIndex> {
    const reader = new FrameReader(this.#tools, request);
    const entries: IndexEntry[] = [];
    try {
      await reader.open();
      for (;;) {
        const timed = await reader.next();
        if (timed === null) break;
        const { pts, duration, key } = timed;
        entries.push({ pts, duration, position: -1, order: entries.length, key });
        timed.frame.data = null;
      }
    } finally {
      reader.close();
    }
    return new PacketIndex(entries, false);
  }

  setIndex(index: PacketIndex): void {
    this.#index = index;
  }

  async start(selection: NativeSelection, output: NativeOutput): Promise<void> {
    this.#pass = undefined;
    await this.#open.begin(selection.start, selection.keyFrames);
    this.#begin(new Selector(selection), output, null);
  }

  async startAt(frames: readonly number[], output: NativeOutput): Promise<void> {
    this.#pass = undefined;
    await this.index();
    this.#begin(new Selector(EVERYTHING), output, frames);
  }

  #begin(selector: Selector, output: NativeOutput, numbers: Pass['numbers']): void {
    const size = { width: output.scaleWidth, height: output.scaleHeight };
    const { chroma_location: site } = this.#open.demuxer.stream.codecpar;
    this.#pass = {
      ...{ selector, output, numbers, nextNumber: 0, done: false },
      writer: new PictureWriter(this.#tools, output, this.#formats, site),
      shrinker: new PictureShrinker(this.#tools, size, this.#formats, site),
      changes: new ChangeMeter(),
      onScreen: undefined,
      measured: undefined,
      chosen: undefined,
      pendingError: undefined,
    };
  }

  // ------------------------------------------------------------ which ones

  async #choose(pass: Pass): Promise<Chosen | null> {
    if (pass.numbers !== null) return this.#chooseByNumber(pass, pass.numbers);
    if (pass.selector.hasTargets) return this.#chooseByTarget(pass);
    for (;;) {
      const timed = await this.#open.next();
      if (timed === null || pass.selector.isPastEnd(timed.time)) return null;
      if (pass.selector.takes(timed.time)) return { timed, targets: 1 };
      timed.frame.data = null;
    }
  }

  async #chooseByTarget(pass: Pass): Promise<Chosen | null> {
    const { selector } = pass;
    for (;;) {
      const current = await this.#open.next();
      const shown = pass.onScreen;
      if (shown === undefined) {
        if (current === null) return null;
        pass.onScreen = current;
        continue;
      }
      if (current !== null && selector.isPastEnd(shown.time)) return null;
      const targets = selector.answers(shown.time, current?.time ?? shown.end);
      pass.onScreen = current ?? undefined;
      if (targets > 0) return { timed: shown, targets };
      shown.frame.data = null;
      if (current === null) return null;
    }
  }

  async #chooseByNumber(pass: Pass, numbers: readonly number[]): Promise<Chosen | null> {
    const index = this.#index as PacketIndex;
    while (pass.nextNumber < numbers.length) {
      const number = numbers[pass.nextNumber++] as number;
      const timed = await this.#fetch(index, number);
      if (timed !== null) return { timed, targets: 1 };
      const { pts } = index.entries[number] as IndexEntry;
      const time = this.#open.demuxer.seconds(pts);
      const words = `frame ${number} could not be decoded`;
      const error = new Failure('ERR_DECODE', words, time);
      if (!this.#open.request.skipErrors) throw error;
      this.#open.addError(error);
    }
    return null;
  }

  /** Decodes up to this frame of the index; `null` if it does not come out. */
  async #fetch(index: PacketIndex, number: number): Promise<TimedFrame | null> {
    const { pts } = index.entries[number] as IndexEntry;
    for (let attempt = 0; attempt < FrameReader.ATTEMPTS; attempt++) {
      await this.#open.approach(index, number, attempt);
      for (;;) {
        const timed = await this.#open.next();
        if (timed === null || timed.pts > pts) break;
        if (timed.pts === pts) return timed;
        timed.frame.data = null;
      }
    }
    return null;
  }

  // ------------------------------------------------- what to make of them

  /** Makes pixels of the next frames, each into at most its capacity, and a row for each. */
  async read(
    capacities: readonly number[],
  ): Promise<{ read: NativeRead; rows: Float64Array; pictures: Uint8Array[] }> {
    this.#readFormats = [];
    const pictures: Uint8Array[] = [];
    const collected = await this.#collect(
      capacities.length,
      FRAME_ROW.length,
      async (pass) => {
        const step = await this.#writeNext(pass, capacities[pictures.length] as number);
        if (step !== null && 'picture' in step) pictures.push(step.picture as Uint8Array);
        return step;
      },
    );
    return { ...collected, pictures };
  }

  /** Measures the next frames of the range, one row each. */
  measure(capacity: number): Promise<{ read: NativeRead; rows: Float64Array }> {
    this.#readFormats = [];
    return this.#collect(capacity, MEASURE_ROW.length, (pass) => this.#measureNext(pass));
  }

  /** Makes rows until there are enough or no more, or `make` fails; a failure waits until the rows before it are handed over. */
  async #collect(
    capacity: number,
    columns: number,
    make: (pass: Pass) => Promise<Step>,
  ): Promise<{ read: NativeRead; rows: Float64Array }> {
    const pass = this.#pass;
    // Posted behind the beginning of a pass that failed.
    if (pass === undefined) throw new Failure('ERR_IO', 'read: No pass was begun');
    const pending = pass.pendingError;
    if (pending !== undefined) {
      pass.pendingError = undefined;
      pass.done = true;
      throw pending;
    }
    const rows: Float64Array[] = [];
    let needed = 0;
    try {
      while (rows.length < capacity && !pass.done && needed === 0) {
        const step = await make(pass);
        if (step === null) pass.done = true;
        else if ('needed' in step) needed = step.needed;
        else rows.push(step.row);
      }
    } catch (error) {
      if (!(error instanceof Failure) || rows.length === 0 || error.isFatal) {
        pass.done = true;
        throw error;
      }
      pass.pendingError = error;
    }
    const all = new Float64Array(rows.length * columns);
    for (const [i, row] of rows.entries()) all.set(row, i * columns);
    const errors = this.#open.takeErrors().map(toNative);
    const { done } = pass;
    const formats = this.#readFormats;
    return {
      read: { count: rows.length, done, needed, formats, errors },
      rows: all,
    };
  }

  async #writeNext(pass: Pass, capacity: number): Promise<Step> {
    pass.chosen ??= (await this.#choose(pass)) ?? undefined;
    if (pass.chosen === undefined) return null;
    const { timed, targets } = pass.chosen;
    const { frame } = timed;
    const needed = pass.writer.bytes(frame);
    if (needed > capacity) return { needed };
    const picture = await pass.writer.write(frame);
    const format = frame.format as string;
    if (this.#readFormats.at(-1) !== format) this.#readFormats.push(format);
    const row = rowOf(FRAME_ROW, {
      ...factsOf(timed),
      width: frame.width,
      height: frame.height,
      format: this.#readFormats.length - 1,
      bytes: needed,
      targets,
    });
    frame.data = null;
    pass.chosen = undefined;
    return { row, picture };
  }

  /** Decodes the next frame of the range and compares it with the one before. */
  async #loadNext(pass: Pass): Promise<Measured | null> {
    const timed = await this.#open.next();
    if (timed === null || pass.selector.isPastEnd(timed.time)) return null;
    const picture = await pass.shrinker.shrink(timed.frame);
    timed.frame.data = null;
    const change = pass.changes.next(picture.planes, timed.time);
    return { timed, picture, change };
  }

  async #measureNext(pass: Pass): Promise<Step> {
    const { selector } = pass;
    const first = pass.measured === undefined;
    // What is shown before the range begins is only compared with.
    while (
      pass.measured === undefined ||
      (first && selector.isBeforeStart(pass.measured.timed.time))
    ) {
      const loaded = await this.#loadNext(pass);
      if (loaded === null) return null;
      pass.measured = loaded;
    }
    const { timed, picture, change } = pass.measured;
    const next = await this.#loadNext(pass);
    // The first frame also answers for what was on screen as the range began.
    const from = first ? selector.startOr(timed.time) : timed.time;
    const facts = factsOf(timed);
    const sampled = selector.answers(from, next?.timed.time ?? timed.end) > 0;
    const { signature, ...changes } = change;
    const row = rowOf(MEASURE_ROW, {
      ...facts,
      ...changes,
      ...(sampled ? sampleOf(picture, pass.output) : {}),
      flags: facts.flags | (sampled ? FLAG_SAMPLED : 0),
    });
    new Uint8Array(row.buffer).set(signature, MEASURE_ROW.signature * 8);
    if (next === null) pass.done = true;
    else pass.measured = next;
    return { row };
  }
}

/** A row (Note [Rows] in native.ts) of these columns; in those that are not named there is 0. */
function rowOf<Row extends Readonly<Record<string, number>>>(
  places: Row,
  columns: { readonly [Name in Exclude<keyof Row, 'length'>]?: number },
): Float64Array {
  const row = new Float64Array(places.length as number);
  for (const [name, value] of Object.entries(columns)) {
    row[places[name] as number] = value as number;
  }
  return row;
}

/** Columns that every row has. */
function factsOf({ pts, duration, key }: TimedFrame) {
  return { pts, duration, flags: key ? FLAG_KEY_FRAME : 0 };
}

/** Columns of a frame that is sampled. */
function sampleOf(picture: SmallPicture, output: NativeOutput) {
  const luma = measureLuma(uprightLuma(picture.luma, output));
  const { brightness, contrast, sharpness, hash, borders } = luma;
  return {
    ...{ brightness, contrast, sharpness },
    saturation: meanSaturation(picture.u, picture.v),
    hashHigh: Number.parseInt(hash.slice(0, 8), 16),
    hashLow: Number.parseInt(hash.slice(8), 16),
    ...borders,
  };
}

/** The luma the way up it is shown, which its hash depends on. */
function uprightLuma(luma: Plane, output: NativeOutput): Plane {
  if (output.quarterTurns === 0 && !output.flip) return luma;
  const lies = output.quarterTurns % 2 !== 0;
  const width = lies ? luma.height : luma.width;
  const height = lies ? luma.width : luma.height;
  const data = new Uint8Array(width * height);
  placePlane(
    { ...luma, offset: 0 },
    output,
    { data, offset: 0, stride: width, width, height },
    { left: 0, top: 0 },
    1,
  );
  return { data, width, height, stride: width };
}

export function toNative({ code, message, time }: Failure): NativeFailure {
  return time === undefined ? { code, message } : { code, message, time };
}
