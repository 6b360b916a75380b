/** An open video: frames as async iterators, fed by the addon's decode threads. */
import { onAbort } from './abort.ts';
import { type Backend, loadBackend } from './backend/backend.ts';
import { DecoderPool } from './decoder-pool.ts';
import type { MediaError } from './errors.ts';
import type { Frame, PixelFormat } from './frame.ts';
import {
  endOf,
  type FrameAddress,
  type FrameIndex,
  indexFromRows,
  resolveAddress,
  rowsFromIndex,
  timeOf,
} from './frame-index.ts';
import { FramePool } from './frame-pool.ts';
import { displaySize, type Geometry, resolveGeometry } from './geometry.ts';
import { fasterHardware } from './hardware-verdicts.ts';
import type { DecodePath, VideoInfo } from './info.ts';
import {
  FLAG_KEY_FRAME,
  FRAME_ROW,
  INDEX_ROW,
  MEASURE_ROW,
  type NativeDecoder,
  type NativeInfo,
  type NativeOutput,
  type NativePath,
  type NativeRead,
} from './native.ts';
import {
  checkAddress,
  checkInteger,
  checkOutOfRange,
  checkSignal,
  type FrameIndexSlot,
  type FrameSelection,
  type HardwareChoice,
  type OpenOptions,
  type OutOfRange,
  type ResolvedOpenOptions,
  type ResolvedSelection,
  resolveOpenOptions,
  resolveSelection,
  type VideoSource,
} from './options.ts';
import { openSource } from './sources.ts';

/**
 * Most bytes of frames in one read, of which two are under way (Note [Read-ahead] in decoder-pool.ts):
 * an iteration holds at most twice that ahead of its consumer, or two frames.
 */
const READ_BYTES = 2 * 1024 * 1024;
/** Most frames of one read, however small they are. */
const READ_FRAMES = 16;
/** Rows of one measuring read: some seconds of video, so that progress and aborts are felt. */
const MEASURE_ROWS = 128;

/** {@link Video.batches} only. */
export interface BatchOptions extends FrameSelection {
  /**
   * Frames per batch; the last one may be shorter. Default 8. An object is asked anew for each batch, two batches ahead
   * (Note [Read-ahead]): with a `MemoryMonitor`, batches follow memory pressure.
   */
  size?: number | { batchSize(): number } | undefined;
}

/** What one read of pictures came to. */
interface PictureRead {
  readonly frames: Frame[];
  /** Frames that were asked for. */
  readonly size: number;
}

/** Rows that a measuring read filled, for `analyze`. @internal */
export interface MeasureBatch {
  readonly rows: Float64Array;
  readonly count: number;
}

/** {@link Video.framesAt}, and {@link Video.frames} with `times`. */
export interface AddressOptions {
  /**
   * What to do with a time, number or pts that no frame has: `'throw'`, the default, a `RangeError`;
   * `'clamp'` takes the nearest frame, `'skip'` none.
   */
  outOfRange?: OutOfRange | undefined;
  /** Ends the search; the video can be used again. */
  signal?: AbortSignal | undefined;
}

const constructing = Symbol('constructing');

/**
 * An open video file. Holds native memory and a file until {@link Video.close}; `await using` closes it.
 * Iterations are independent: each has its own place in the file, and they may overlap (every one that overlaps costs a decoder of its own).
 */
export class Video implements AsyncIterable<Frame>, AsyncDisposable {
  /** Size of the frames that iterations yield, in pixels; for `native`, of the first. */
  readonly frameSize: { readonly width: number; readonly height: number };
  /** Layout of the frames that iterations yield, as it was asked for. */
  readonly pixelFormat: PixelFormat;
  /** What `onDecodeError: 'skip'` went past, oldest first; at most 1000 are kept. */
  readonly errors: readonly MediaError[];

  readonly #pool: DecoderPool;
  readonly #memory = new FramePool();
  readonly #opened: NativePath;
  readonly #backend: Backend;
  readonly #output: NativeOutput;
  /** Decoders that know the index. */
  readonly #indexed = new WeakSet<NativeDecoder>();
  readonly #indexSlot: FrameIndexSlot | undefined;
  #info: VideoInfo;
  #index: FrameIndex | undefined;
  #frameBytes: number;

  /** @internal */
  constructor(
    key: typeof constructing,
    source: string,
    options: ResolvedOpenOptions,
    backend: Backend,
    pool: DecoderPool,
    opened: NativeInfo,
    indexSlot: FrameIndexSlot | undefined,
  ) {
    if (key !== constructing) throw new TypeError('call openVideo() to get a Video');
    this.#pool = pool;
    this.#indexSlot = indexSlot;
    this.#info = completeInfo(source, opened);
    this.#opened = opened.path;
    this.#backend = backend;
    const { pixelFormat, toneMap, scalesOnDevice } = options;
    const native = pixelFormat === 'native';
    this.pixelFormat = pixelFormat;
    this.#output = {
      ...resolveGeometry(this.info, options),
      ...{ pixelFormat, toneMap, scalesOnDevice: scalesOnDevice && !native },
    };
    const { width, height } = native ? this.info : this.#output;
    this.frameSize = { width, height };
    this.#frameBytes = native
      ? opened.frameBytes
      : frameBytes(pixelFormat, width, height);
    this.errors = pool.errors;
  }

  /** How it is being decoded; where a hardware device has failed in mid-stream, how it has been since. */
  get decodePath(): DecodePath {
    const { name, fallbackReason } = this.#backend;
    const path = this.#pool.path ?? this.#opened;
    return {
      backend: name,
      ...path,
      fallbackReason: path.fallbackReason ?? fallbackReason,
    };
  }

  /** What the video is. After {@link Video.index}, `frameCount` is counted. */
  get info(): VideoInfo {
    return this.#info;
  }

  /**
   * Yields frames in presentation order.
   * Breaking out of `for await` stops decoding; it does not close the video.
   *
   * @throws {TypeError | RangeError} at once, for a mistake in `options`
   * @throws {MediaError} while iterating: `ERR_DECODE`, `ERR_TRUNCATED`, `ERR_INVALID_DATA`, `ERR_IO`, `ERR_CLOSED`;
   * frames before the damage are yielded first. An aborted signal rejects with its reason.
   */
  frames(options: FrameSelection = {}): AsyncGenerator<Frame, void, undefined> {
    const selection = resolveSelection(options);
    const signal = checkSignal(options.signal);
    const { times } = selection;
    if (times === null) return this.#frames(selection, signal);
    return this.#framesAtTimes(times, checkOutOfRange(options.outOfRange), signal);
  }

  /**
   * The frame on screen at a time in seconds (the last with `time` ≤ it), the one with a number (`{ index }`; negative ones count
   * from the end), or the one with a pts (`{ pts }`). Exactly that frame, wherever key frames lie; the first call makes the index.
   *
   * @throws {RangeError} for one that does not exist, unless `outOfRange` is `'clamp'`
   * @throws {MediaError} as {@link Video.frames}
   */
  async frameAt(
    address: FrameAddress,
    options: AddressOptions & { outOfRange?: 'throw' | 'clamp' | undefined } = {},
  ): Promise<Frame> {
    const [frame] = await this.framesAt([address], options);
    if (frame !== undefined) return frame;
    // Skipped as damage: what was wrong is the last error.
    throw this.errors.at(-1) ?? new RangeError(`no frame at ${JSON.stringify(address)}`);
  }

  /**
   * The frames at `addresses`, in their order, duplicates included. Each is decoded once, in one pass through the file that
   * jumps where that is shorter. All are held in memory at once: for long lists use {@link Video.frames} with `times`.
   *
   * @throws as {@link Video.frameAt}
   */
  async framesAt(
    addresses: Iterable<FrameAddress>,
    options: AddressOptions = {},
  ): Promise<Frame[]> {
    const wanted = [...addresses].map(checkAddress);
    const outOfRange = checkOutOfRange(options.outOfRange);
    const signal = checkSignal(options.signal);
    const index = await this.index({ signal });
    const numbers = resolveAll(index, wanted, outOfRange);
    const found = new Map<number, Frame>();
    const rising = [...new Set(numbers)].sort((a, b) => a - b);
    for await (const frame of this.#framesByNumber(rising, signal)) {
      found.set(frame.pts, frame);
    }
    const given = new Set<Frame>();
    return numbers.flatMap((number) => {
      const frame = found.get(index.pts[number] as number);
      if (frame === undefined) return []; // gone past as damage
      // Every frame has a buffer of its own.
      if (given.has(frame)) return [{ ...frame, data: frame.data.slice() }];
      given.add(frame);
      return [frame];
    });
  }

  /**
   * Where every frame is, found by reading all packets and decoding none (but where packets do not say when frames are shown:
   * `source` tells). Made once and kept, in the `cache` that the video was opened with, too.
   *
   * @throws {MediaError} as {@link Video.frames}
   */
  async index(options: { signal?: AbortSignal | undefined } = {}): Promise<FrameIndex> {
    const signal = checkSignal(options.signal);
    signal?.throwIfAborted();
    if (this.#index !== undefined) return this.#index;
    const decoder = await this.#pool.take();
    const stopListening = onAbort(signal, () => decoder.cancel());
    try {
      signal?.throwIfAborted();
      const kept = await this.#indexSlot?.get(signal);
      const index = kept ?? (await this.#makeIndex(decoder));
      this.#index = index;
      this.#info = {
        ...this.info,
        frameCount: index.length,
        frameCountSource: 'counted',
      };
      // One that had to step over damage is no better than that run was.
      if (kept === undefined && this.errors.length === 0) {
        await this.#indexSlot?.set(index, this.info.container);
      }
      return index;
    } catch (error) {
      signal?.throwIfAborted();
      throw this.#pool.explain(error);
    } finally {
      stopListening();
      this.#pool.giveBack(decoder);
    }
  }

  async #makeIndex(decoder: NativeDecoder): Promise<FrameIndex> {
    const made = await this.#pool.track(decoder.index());
    const rows = new ArrayBuffer(made.frames * INDEX_ROW.length * 8);
    decoder.indexRows(rows);
    this.#indexed.add(decoder);
    const { timeBase } = this.info;
    return indexFromRows(new Float64Array(rows), timeBase, made.fromPackets);
  }

  /**
   * Yields the frames of {@link Video.frames} in arrays of `size`.
   *
   * @throws as {@link Video.frames}; while iterating also what `size.batchSize()` throws, and a `TypeError` or `RangeError` for a size
   * that is no whole number from 1 to 1024
   */
  batches(options: BatchOptions = {}): AsyncGenerator<Frame[], void, undefined> {
    const selection = resolveSelection(options);
    return this.#batches(selection, sizeAsker(options.size), checkSignal(options.signal));
  }

  [Symbol.asyncIterator](): AsyncGenerator<Frame, void, undefined> {
    return this.frames();
  }

  /**
   * Gives the memory of a frame to frames of this video to come, which saves its allocation and garbage: `frame.data`, and every
   * other view of its buffer, is empty from then on. Never needed; what is not given back is the garbage collector's.
   */
  recycle(frame: Frame): void {
    this.#memory.giveBack(frame.data.buffer, this.#frameBytes);
  }

  /** Stops reads under way, which reject with `ERR_CLOSED`, and frees file, codec and threads. May be called twice. */
  async close(): Promise<void> {
    this.#memory.clear();
    await this.#pool.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async *#frames(
    selection: ResolvedSelection,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Frame, void, undefined> {
    const start = this.#startOf(selection);
    for await (const reads of this.#reads(start, signal, this.#growingSize())) {
      for (const frame of reads.flatMap(({ frames }) => frames)) {
        signal?.throwIfAborted();
        yield frame;
      }
    }
  }

  async *#framesAtTimes(
    times: readonly number[],
    outOfRange: OutOfRange,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Frame, void, undefined> {
    const index = await this.index({ signal });
    const numbers = resolveAll(index, times, outOfRange);
    let next = 0;
    for await (const frame of this.#framesByNumber([...new Set(numbers)], signal)) {
      let { data } = frame;
      while (index.pts[numbers[next] as number] !== frame.pts) next++; // damaged
      for (; index.pts[numbers[next] as number] === frame.pts; next++) {
        yield data === frame.data ? frame : { ...frame, data };
        data = data.slice();
      }
    }
  }

  /** The frames with these numbers, rising. */
  async *#framesByNumber(
    numbers: readonly number[],
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Frame, void, undefined> {
    if (numbers.length === 0) return;
    const start = async (decoder: NativeDecoder) => {
      const posted: Promise<void>[] = [];
      if (!this.#indexed.has(decoder) && this.#index !== undefined) {
        const rows = rowsFromIndex(this.#index);
        const fromPackets = this.#index.source === 'packets';
        // Not awaited: the pass has to begin before the reads that are posted next.
        posted.push(
          decoder.setIndex(rows.buffer, fromPackets).then(() => {
            this.#indexed.add(decoder);
          }),
        );
      }
      posted.push(decoder.startAt(Float64Array.from(numbers), this.#output));
      await Promise.all(posted);
    };
    let left = numbers.length;
    const growing = this.#growingSize();
    const nextSize = () => {
      const size = Math.max(1, Math.min(growing(), left));
      left -= size;
      return size;
    };
    for await (const reads of this.#reads(start, signal, nextSize)) {
      for (const { frames } of reads) yield* frames;
    }
  }

  /** Sizes of reads: the first is one frame, so that it comes soon. */
  #growingSize(): () => number {
    let size = 1;
    return () => {
      const now = Math.max(1, Math.min(size, Math.floor(READ_BYTES / this.#frameBytes)));
      size = Math.min(READ_FRAMES, size * 2);
      return now;
    };
  }

  async *#batches(
    selection: ResolvedSelection,
    nextSize: () => number,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Frame[], void, undefined> {
    let batch: Frame[] = [];
    const start = this.#startOf(selection);
    for await (const reads of this.#reads(start, signal, nextSize)) {
      for (const { frames, size } of reads) {
        // A read falls short only where the size of frames changes.
        batch = batch.length === 0 ? frames : batch.concat(frames);
        while (batch.length >= size) {
          yield batch.slice(0, size);
          batch = batch.slice(size);
        }
      }
    }
    if (batch.length > 0) yield batch;
  }

  /** Begins a pass over the pictures of `selection`. */
  #startOf(selection: ResolvedSelection): (decoder: NativeDecoder) => Promise<void> {
    const wanted = { ...selection, all: false, previous: false };
    return (decoder) => decoder.start(wanted, this.#output);
  }

  /** Reads pictures, `nextSize()` at a time. */
  #reads(
    start: (decoder: NativeDecoder) => Promise<void>,
    signal: AbortSignal | undefined,
    nextSize: () => number,
  ): AsyncGenerator<PictureRead[], void, undefined> {
    return this.#pool.pass(signal, start, (decoder) => {
      const size = nextSize();
      const buffers = this.#memory.take(size, this.#frameBytes);
      const rows = new Float64Array(size * FRAME_ROW.length);
      return {
        result: decoder.read(buffers, rows.buffer),
        take: (read) => {
          if (read.needed > 0) this.#frameBytes = read.needed;
          if (read.count === 0) return [];
          return [{ frames: this.#toFrames(read, buffers, rows), size }];
        },
      };
    });
  }

  /**
   * Measures every frame of the range, or only those that answer targets and the ones before them, inside `geometry`'s scaled size.
   * @internal
   */
  measures(
    selection: ResolvedSelection,
    geometry: Geometry,
    signal: AbortSignal | undefined,
    everyFrame = true,
  ): AsyncGenerator<MeasureBatch[], void, undefined> {
    const output: NativeOutput = {
      ...geometry,
      ...{ pixelFormat: 'gray8', toneMap: false },
      // Measures shall not depend on what decodes.
      scalesOnDevice: false,
    };
    const wanted = { ...selection, all: everyFrame, previous: true };
    const start = (decoder: NativeDecoder) => decoder.start(wanted, output);
    return this.#pool.pass(signal, start, (decoder) => {
      const rows = new Float64Array(MEASURE_ROWS * MEASURE_ROW.length);
      return {
        result: decoder.measure(rows.buffer),
        take: ({ count }) => (count === 0 ? [] : [{ rows, count }]),
      };
    });
  }

  #toFrames(read: NativeRead, buffers: ArrayBuffer[], rows: Float64Array): Frame[] {
    const { num, den } = this.info.timeBase;
    const native = this.pixelFormat === 'native';
    const frames: Frame[] = [];
    for (let i = 0; i < read.count; i++) {
      const column = (index: number) => rows[i * FRAME_ROW.length + index] as number;
      const bytes = column(FRAME_ROW.bytes);
      const buffer = buffers[i] as ArrayBuffer;
      frames.push({
        data: new Uint8Array(
          buffer.byteLength === bytes ? buffer : buffer.slice(0, bytes),
        ),
        width: native ? column(FRAME_ROW.width) : this.frameSize.width,
        height: native ? column(FRAME_ROW.height) : this.frameSize.height,
        pixelFormat: native
          ? (read.formats?.[column(FRAME_ROW.format)] as string)
          : this.pixelFormat,
        pts: column(FRAME_ROW.pts),
        time: (column(FRAME_ROW.pts) * num) / den,
        duration: (column(FRAME_ROW.duration) * num) / den,
        keyFrame: (column(FRAME_ROW.flags) & FLAG_KEY_FRAME) !== 0,
      });
    }
    return frames;
  }
}

/**
 * Opens a video. No frame is decoded yet.
 *
 * @throws {TypeError | RangeError} for a mistake in `options`
 * @throws {MediaError} `ERR_NOT_FOUND`, `ERR_ACCESS`, `ERR_IS_DIRECTORY`, `ERR_EMPTY`, `ERR_IO`, `ERR_INVALID_DATA`,
 * `ERR_NO_VIDEO`, `ERR_UNSUPPORTED`, `ERR_NOT_SEEKABLE`, `ERR_ADDON`; an aborted `signal` rejects with its reason
 */
export async function openVideo(
  source: VideoSource,
  options: OpenOptions = {},
): Promise<Video> {
  const resolved = resolveOpenOptions(options);
  const backend = loadBackend(resolved.backend);
  const opening = openSource(source, backend);
  const { streamIndex, language, threads, onDecodeError, signal, cache } = resolved;
  const skipErrors = onDecodeError === 'skip';
  const hardwareFor = hardwareChooser(resolved.hardware, backend);
  const { native: path } = opening;
  const request = { streamIndex, language };
  // Before it is opened: should it be replaced by another file, the index is not this one's.
  const indexSlot =
    typeof path === 'string' ? await cache?.frameIndexSlot(path, request) : undefined;
  const pool = new DecoderPool(
    backend,
    opening,
    { streamIndex, language, threads, skipErrors, hardwareFor },
    signal,
  );
  try {
    const opened = await pool.open();
    return new Video(
      constructing,
      opening.name,
      resolved,
      backend,
      pool,
      opened,
      indexSlot,
    );
  } catch (error) {
    await pool.close();
    throw error;
  }
}

/** Which device to decode a video on: {@link OpenOptions.hardware}. */
function hardwareChooser(hardware: HardwareChoice, backend: Backend) {
  return async (info: NativeInfo['info']): Promise<string | null> => {
    if (hardware === 'none') return null;
    if (hardware !== 'auto') return hardware;
    return backend.name === 'native' ? await fasterHardware(info) : null;
  };
}

/** Asks for the size of each batch. @throws {TypeError | RangeError} */
function sizeAsker(size: BatchOptions['size']): () => number {
  if (typeof size === 'object' && size !== null) {
    if (typeof size.batchSize !== 'function') {
      throw new TypeError('size must be a number or have a method batchSize()');
    }
    const ask = () => checkInteger('size', size.batchSize() ?? Number.NaN, 1, 1024);
    return ask as () => number;
  }
  const fixed = checkInteger('size', size, 1, 1024) ?? 8;
  return () => fixed;
}

/** Numbers of the frames at `addresses`. @throws {RangeError} */
function resolveAll(
  index: FrameIndex,
  addresses: readonly FrameAddress[],
  outOfRange: OutOfRange,
): number[] {
  return addresses.flatMap((address) => {
    const { frame, outside } = resolveAddress(index, address);
    if (!outside || outOfRange === 'clamp') return [frame];
    if (outOfRange === 'skip') return [];
    const range = `${index.length} frames from ${timeOf(index, 0)} to ${endOf(index)} s`;
    throw new RangeError(`there is no frame at ${JSON.stringify(address)}: ${range}`);
  });
}

function completeInfo(source: string, opened: NativeInfo): VideoInfo {
  const { info } = opened;
  const shown = displaySize(info, { autorotate: true, squarePixels: true });
  const hdr = { smpte2084: 'hdr10', 'arib-std-b67': 'hlg' } as const;
  return {
    source,
    ...info,
    displayWidth: shown.width,
    displayHeight: shown.height,
    hdr: hdr[info.color.transfer as keyof typeof hdr] ?? null,
  };
}

/** Bytes of one frame whose rows are not padded. */
function frameBytes(format: PixelFormat, width: number, height: number): number {
  const pixels = width * height;
  switch (format) {
    case 'rgb24':
    case 'bgr24':
      return pixels * 3;
    case 'rgba':
      return pixels * 4;
    case 'rgb48le':
      return pixels * 6;
    case 'yuv420p':
      return pixels + 2 * Math.ceil(width / 2) * Math.ceil(height / 2);
    default:
      return pixels;
  }
}
