/** The addon's decoders of one video: opening, lending, reading ahead, closing. */
import { onAbort } from './abort.ts';
import type { Backend } from './backend/backend.ts';
import { MediaError } from './errors.ts';
import {
  type NativeDecoder,
  type NativeFailure,
  type NativeInfo,
  type NativeOpenOptions,
  type NativePath,
  type NativeRead,
  toMediaError,
} from './native.ts';
import type { OpenedSource } from './sources.ts';

/**
 * Note [Read-ahead]: two reads are always posted, so that the decode thread fills one while
 * JavaScript works on the other. That is also the backpressure: a third is posted only when one was taken.
 */
const READS_AHEAD = 2;
/** Errors kept by `onDecodeError: 'skip'`; damage can go on for hours. */
const MAX_ERRORS = 1000;

/** A read under way. */
export interface PostedRead<T> {
  readonly result: Promise<NativeRead | number>;
  /** What the read came to, once `result` has settled. */
  take(read: NativeRead): T[];
}

function plainRead(count: number): NativeRead {
  return { count, done: false, needed: 0 };
}

/** What all decoders of a video are opened with. */
export interface PoolOptions extends Omit<NativeOpenOptions, 'source'> {
  /** The type of device to decode on, or `null`; asked once, when it is known what the video is. */
  readonly hardwareFor: (info: NativeInfo['info']) => Promise<string | null>;
}

/**
 * Owns every decoder of one video, and its source. An iteration borrows one for itself, so that several may run at once;
 * one idle decoder is kept for the next.
 */
export class DecoderPool {
  /** What `onDecodeError: 'skip'` went past, oldest first. */
  readonly errors: MediaError[] = [];
  readonly #backend: Backend;
  readonly #source: OpenedSource;
  readonly #options: PoolOptions;
  readonly #signal: AbortSignal | undefined;
  readonly #stopListening: () => void;
  readonly #all = new Set<NativeDecoder>();
  readonly #idle: NativeDecoder[] = [];
  readonly #underWay = new Set<Promise<unknown>>();
  #path: NativePath | undefined;
  /** Device of decoders to come: none after one has failed. */
  #hardware: string | null | undefined;
  #closed = false;

  constructor(
    backend: Backend,
    source: OpenedSource,
    options: PoolOptions,
    signal: AbortSignal | undefined,
  ) {
    this.#backend = backend;
    this.#source = source;
    this.#options = options;
    this.#signal = signal;
    this.#stopListening = onAbort(signal, () => void this.close());
  }

  /** Opens the first decoder. */
  async open(): Promise<NativeInfo> {
    this.#throwIfClosed();
    const { decoder, opened } = await this.#open();
    this.giveBack(decoder);
    return opened;
  }

  /** How frames are being decoded, or what has become of that. */
  get path(): NativePath | undefined {
    return this.#path;
  }

  /** A decoder that nobody else uses, until it is given back. */
  async take(): Promise<NativeDecoder> {
    this.#throwIfClosed();
    return this.#idle.pop() ?? (await this.#open()).decoder;
  }

  giveBack(decoder: NativeDecoder): void {
    if (this.#closed) return;
    if (this.#idle.length === 0) {
      this.#idle.push(decoder);
    } else {
      this.#discard(decoder);
    }
  }

  /**
   * One pass over the file: `start` begins it, `post` asks for the next read (Note [Read-ahead]), of which two are under way.
   * Yields what the reads took. @throws what the pass fails with, as callers should see it
   */
  async *pass<T>(
    signal: AbortSignal | undefined,
    start: (decoder: NativeDecoder) => Promise<void>,
    post: (decoder: NativeDecoder) => PostedRead<T>,
  ): AsyncGenerator<T[], void, undefined> {
    signal?.throwIfAborted();
    const decoder = await this.take();
    let finished = false;
    const stopListening = onAbort(signal, () => decoder.cancel());
    try {
      signal?.throwIfAborted();
      const started = this.track(start(decoder));
      const queue: PostedRead<T>[] = [];
      for (;;) {
        while (queue.length < READS_AHEAD) {
          const next = post(decoder);
          this.track(next.result);
          queue.push(next);
        }
        await started;
        const { result, take } = queue.shift() as PostedRead<T>;
        const told = await result;
        const read = typeof told === 'number' ? plainRead(told) : told;
        this.#keepErrors(read);
        if (read.path !== undefined) this.#keepPath(read.path);
        const taken = take(read);
        if (taken.length > 0) yield taken;
        signal?.throwIfAborted();
        if (read.done) break;
      }
      finished = true;
    } catch (error) {
      signal?.throwIfAborted();
      throw this.explain(error);
    } finally {
      stopListening();
      if (!finished) decoder.cancel();
      this.giveBack(decoder);
    }
  }

  /** `close` waits for it, and nobody has to handle its rejection. */
  track<T>(promise: Promise<T>): Promise<T> {
    this.#underWay.add(promise);
    const done = () => this.#underWay.delete(promise);
    promise.then(done, done);
    return promise;
  }

  /** What a rejection of the addon means to the caller. */
  explain(error: unknown): unknown {
    if (this.#signal?.aborted) return this.#signal.reason;
    const { name, failure } = this.#source;
    if (failure !== undefined && (error as NativeFailure).code === 'ERR_IO') {
      return failure;
    }
    return toMediaError(error, name);
  }

  /** Stops what is under way and frees everything. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stopListening();
    for (const decoder of this.#all) this.track(decoder.close());
    this.#all.clear();
    this.#idle.length = 0;
    await Promise.allSettled([...this.#underWay, this.#source.close()]);
  }

  async #open(): Promise<{ decoder: NativeDecoder; opened: NativeInfo }> {
    const { Decoder } = this.#backend;
    const { hardwareFor, ...options } = this.#options;
    const decoder = new Decoder({ source: this.#source.native, ...options });
    this.#all.add(decoder);
    try {
      const opened = await this.track(decoder.open());
      if (this.#hardware === undefined) this.#hardware = await hardwareFor(opened.info);
      this.#throwIfClosed();
      this.#path ??= opened.path;
      if (this.#hardware !== null) {
        this.#keepPath(await this.track(decoder.useHardware(this.#hardware)));
        this.#throwIfClosed();
      }
      return { decoder, opened };
    } catch (error) {
      await this.#discard(decoder);
      throw this.explain(error);
    }
  }

  #discard(decoder: NativeDecoder): Promise<void> {
    this.#all.delete(decoder);
    return this.track(decoder.close());
  }

  #throwIfClosed(): void {
    this.#signal?.throwIfAborted();
    if (!this.#closed) return;
    const source = this.#source.name;
    throw new MediaError('ERR_CLOSED', `${source}: the video was closed`, { source });
  }

  #keepPath(path: NativePath): void {
    this.#path = path;
    if (path.fallbackReason !== null) this.#hardware = null;
  }

  #keepErrors(read: NativeRead): void {
    for (const failure of read.errors ?? []) {
      if (this.errors.length >= MAX_ERRORS) return;
      const error = this.explain(failure);
      if (!(error instanceof MediaError)) throw error;
      this.errors.push(error);
    }
  }
}
