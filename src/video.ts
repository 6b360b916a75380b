/** An open video: frames as async iterators, fed by the addon's decode threads. */
import { MediaError } from './errors.ts';
import type { Frame, PixelFormat } from './frame.ts';
import { displaySize, type Geometry, resolveGeometry } from './geometry.ts';
import type { DecodePath, VideoInfo } from './info.ts';
import {
  FLAG_KEY_FRAME,
  FRAME_ROW,
  loadAddon,
  MEASURE_ROW,
  type NativeDecoder,
  type NativeInfo,
  type NativeRead,
  toMediaError,
} from './native.ts';
import {
  checkInteger,
  checkSignal,
  type FrameSelection,
  type OpenOptions,
  type ResolvedOpenOptions,
  type ResolvedSelection,
  resolveOpenOptions,
  resolveSelection,
  resolveSource,
  type VideoSource,
} from './options.ts';

/**
 * Note [Read-ahead]: two reads are always posted, so that the decode thread fills one while
 * JavaScript works on the other. That is also the backpressure: a third is posted only when one was taken.
 * A read holds at most this many bytes of frames, so an iteration holds at most twice that ahead of its consumer.
 */
const READ_BYTES = 4 * 1024 * 1024;
/** Most frames of one read, however small they are. */
const READ_FRAMES = 16;
/** Rows of one measuring read: some seconds of video, so that progress and aborts are felt. */
const MEASURE_ROWS = 128;
const MEASURE_ROW_BYTES = MEASURE_ROW.length * 8;
const READS_AHEAD = 2;
/** Errors kept by `onDecodeError: 'skip'`; damage can go on for hours. */
const MAX_ERRORS = 1000;

/** {@link Video.batches} only. */
export interface BatchOptions extends FrameSelection {
  /** Frames per batch; the last one may be shorter. Default 8. */
  size?: number | undefined;
}

/** Rows that a measuring read filled, for `analyze`. @internal */
export interface MeasureBatch {
  readonly rows: Float64Array;
  readonly count: number;
}

const constructing = Symbol('constructing');

/**
 * An open video file. Holds native memory and a file until {@link Video.close}; `await using` closes it.
 * Iterations are independent: each has its own place in the file, and they may overlap (every one that overlaps costs a decoder of its own).
 */
export class Video implements AsyncIterable<Frame>, AsyncDisposable {
  /** What the video is. */
  readonly info: VideoInfo;
  /** How it is being decoded. */
  readonly decodePath: DecodePath;
  /** Size of the frames that iterations yield, in pixels; for `native`, of the first. */
  readonly frameSize: { readonly width: number; readonly height: number };
  /** What `onDecodeError: 'skip'` went past, oldest first; at most 1000 are kept. */
  readonly errors: readonly MediaError[];

  readonly #path: string;
  readonly #options: ResolvedOpenOptions;
  readonly #geometry: Geometry;
  readonly #errors: MediaError[];
  readonly #all = new Set<NativeDecoder>();
  readonly #idle: NativeDecoder[] = [];
  readonly #underWay = new Set<Promise<unknown>>();
  #frameBytes: number;
  #closed = false;

  /** @internal */
  constructor(
    key: typeof constructing,
    path: string,
    options: ResolvedOpenOptions,
    decoder: NativeDecoder,
    opened: NativeInfo,
  ) {
    if (key !== constructing) throw new TypeError('call openVideo() to get a Video');
    this.#path = path;
    this.#options = options;
    this.info = completeInfo(path, opened);
    this.decodePath = {
      backend: 'native',
      decoder: opened.decoder,
      hardware: null,
      threads: opened.threads,
      threadType: opened.threadType,
      fallbackReason: null,
    };
    this.#geometry = resolveGeometry(this.info, options);
    const native = options.pixelFormat === 'native';
    const { width, height } = native ? this.info : this.#geometry;
    this.frameSize = { width, height };
    this.#frameBytes = native
      ? opened.frameBytes
      : frameBytes(options.pixelFormat, width, height);
    this.#errors = [];
    this.errors = this.#errors;
    this.#all.add(decoder);
    this.#idle.push(decoder);
    options.signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  readonly #onAbort = (): void => void this.close();

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
    return this.#frames(selection, checkSignal(options.signal));
  }

  /**
   * Yields the frames of {@link Video.frames} in arrays of `size`.
   *
   * @throws as {@link Video.frames}
   */
  batches(options: BatchOptions = {}): AsyncGenerator<Frame[], void, undefined> {
    const selection = resolveSelection(options);
    const size = checkInteger('size', options.size, 1, 1024) ?? 8;
    return this.#batches(selection, size, checkSignal(options.signal));
  }

  [Symbol.asyncIterator](): AsyncGenerator<Frame, void, undefined> {
    return this.frames();
  }

  /** Stops reads under way, which reject with `ERR_CLOSED`, and frees file, codec and threads. May be called twice. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    for (const decoder of this.#all) decoder.close();
    this.#all.clear();
    this.#idle.length = 0;
    await Promise.allSettled(this.#underWay);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async *#frames(
    selection: ResolvedSelection,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Frame, void, undefined> {
    // The first read is short, so that the first frame comes soon.
    let size = 1;
    const nextSize = (): number => {
      const now = Math.max(1, Math.min(size, Math.floor(READ_BYTES / this.#frameBytes)));
      size = Math.min(READ_FRAMES, size * 2);
      return now;
    };
    for await (const frames of this.#reads(selection, signal, nextSize)) yield* frames;
  }

  async *#batches(
    selection: ResolvedSelection,
    size: number,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Frame[], void, undefined> {
    let batch: Frame[] = [];
    for await (const frames of this.#reads(selection, signal, () => size)) {
      // A read falls short only where the size of frames changes.
      batch = batch.length === 0 ? frames : batch.concat(frames);
      while (batch.length >= size) {
        yield batch.slice(0, size);
        batch = batch.slice(size);
      }
    }
    if (batch.length > 0) yield batch;
  }

  /** Reads pictures, `nextSize()` at a time. */
  #reads(
    selection: ResolvedSelection,
    signal: AbortSignal | undefined,
    nextSize: () => number,
  ): AsyncGenerator<Frame[], void, undefined> {
    return this.#pass(selection, this.#geometry, signal, (decoder) => {
      const count = nextSize();
      const bytes = this.#frameBytes;
      const buffers = Array.from({ length: count }, () => new ArrayBuffer(bytes));
      const rows = new ArrayBuffer(count * FRAME_ROW.length * 8);
      return {
        result: decoder.read(buffers, rows),
        take: (read) => {
          if (read.needed > 0) this.#frameBytes = read.needed;
          return this.#toFrames(read, buffers, new Float64Array(rows));
        },
      };
    });
  }

  /**
   * Measures every frame of the range inside `geometry`'s scaled size.
   * @internal
   */
  measures(
    selection: ResolvedSelection,
    geometry: Geometry,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<MeasureBatch[], void, undefined> {
    return this.#pass(selection, geometry, signal, (decoder) => {
      const rows = new ArrayBuffer(MEASURE_ROWS * MEASURE_ROW_BYTES);
      return {
        result: decoder.measure(rows),
        take: ({ count }) =>
          count === 0 ? [] : [{ rows: new Float64Array(rows), count }],
      };
    });
  }

  /** One pass over the file: Note [Read-ahead]. */
  async *#pass<T>(
    selection: ResolvedSelection,
    geometry: Geometry,
    signal: AbortSignal | undefined,
    post: (decoder: NativeDecoder) => {
      result: Promise<NativeRead>;
      take: (read: NativeRead) => T[];
    },
  ): AsyncGenerator<T[], void, undefined> {
    signal?.throwIfAborted();
    const decoder = await this.#take();
    const cancel = () => decoder.cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    let finished = false;
    try {
      const { pixelFormat } = this.#options;
      const started = this.#track(decoder.start(selection, { ...geometry, pixelFormat }));
      const queue: ReturnType<typeof post>[] = [];
      for (;;) {
        while (queue.length < READS_AHEAD) {
          const next = post(decoder);
          this.#track(next.result);
          queue.push(next);
        }
        await started;
        const { result, take } = queue.shift() as (typeof queue)[0];
        const read = await result;
        this.#keepErrors(read);
        const taken = take(read);
        if (taken.length > 0) yield taken;
        if (read.done) break;
      }
      finished = true;
    } catch (error) {
      signal?.throwIfAborted();
      throw this.#explain(error);
    } finally {
      signal?.removeEventListener('abort', cancel);
      if (!finished) decoder.cancel();
      this.#giveBack(decoder);
    }
  }

  /** A decoder that no other iteration uses. */
  async #take(): Promise<NativeDecoder> {
    this.#throwIfClosed();
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    const decoder = createDecoder(this.#path, this.#options);
    this.#all.add(decoder);
    try {
      await this.#track(decoder.open());
      this.#throwIfClosed();
      return decoder;
    } catch (error) {
      decoder.close();
      this.#all.delete(decoder);
      throw this.#explain(error);
    }
  }

  #giveBack(decoder: NativeDecoder): void {
    if (this.#closed) return;
    if (this.#idle.length === 0) {
      this.#idle.push(decoder);
    } else {
      decoder.close();
      this.#all.delete(decoder);
    }
  }

  #throwIfClosed(): void {
    this.#options.signal?.throwIfAborted();
    if (!this.#closed) return;
    const source = this.#path;
    throw new MediaError('ERR_CLOSED', `${source}: the video was closed`, { source });
  }

  /** What a rejection of the addon means to the caller. */
  #explain(error: unknown): unknown {
    const { signal } = this.#options;
    return signal?.aborted ? signal.reason : toMediaError(error, this.#path);
  }

  /** `close` waits for it, and nobody has to handle its rejection. */
  #track<T>(promise: Promise<T>): Promise<T> {
    this.#underWay.add(promise);
    const done = () => this.#underWay.delete(promise);
    promise.then(done, done);
    return promise;
  }

  #keepErrors(read: NativeRead): void {
    for (const failure of read.errors) {
      if (this.#errors.length >= MAX_ERRORS) return;
      this.#errors.push(toMediaError(failure, this.#path) as MediaError);
    }
  }

  #toFrames(read: NativeRead, buffers: ArrayBuffer[], rows: Float64Array): Frame[] {
    const { num, den } = this.info.timeBase;
    const native = this.#options.pixelFormat === 'native';
    const frames: Frame[] = [];
    for (let i = 0; i < read.count; i++) {
      const column = (name: keyof typeof FRAME_ROW) =>
        rows[i * FRAME_ROW.length + FRAME_ROW[name]] as number;
      const bytes = column('bytes');
      const buffer = buffers[i] as ArrayBuffer;
      frames.push({
        data: new Uint8Array(
          buffer.byteLength === bytes ? buffer : buffer.slice(0, bytes),
        ),
        width: native ? column('width') : this.frameSize.width,
        height: native ? column('height') : this.frameSize.height,
        pixelFormat: native
          ? (read.formats[column('format')] as string)
          : this.#options.pixelFormat,
        pts: column('pts'),
        time: (column('pts') * num) / den,
        duration: (column('duration') * num) / den,
        keyFrame: (column('flags') & FLAG_KEY_FRAME) !== 0,
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
 * `ERR_NO_VIDEO`, `ERR_UNSUPPORTED`, `ERR_ADDON`; an aborted `signal` rejects with its reason
 */
export async function openVideo(
  source: VideoSource,
  options: OpenOptions = {},
): Promise<Video> {
  const resolved = resolveOpenOptions(options);
  const path = resolveSource(source);
  const { signal } = resolved;
  signal?.throwIfAborted();
  const decoder = createDecoder(path, resolved);
  const cancel = () => decoder.close();
  signal?.addEventListener('abort', cancel, { once: true });
  try {
    const opened = await decoder.open();
    signal?.throwIfAborted();
    return new Video(constructing, path, resolved, decoder, opened);
  } catch (error) {
    decoder.close();
    signal?.throwIfAborted();
    throw toMediaError(error, path);
  } finally {
    signal?.removeEventListener('abort', cancel);
  }
}

function createDecoder(path: string, options: ResolvedOpenOptions): NativeDecoder {
  const { Decoder } = loadAddon();
  const { streamIndex, threads, onDecodeError } = options;
  return new Decoder({
    path,
    streamIndex,
    threads,
    skipErrors: onDecodeError === 'skip',
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
    case 'yuv420p':
      return pixels + 2 * Math.ceil(width / 2) * Math.ceil(height / 2);
    default:
      return pixels;
  }
}
