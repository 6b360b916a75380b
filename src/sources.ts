/** Where a video's bytes come from, as the addon takes them, and the pump that feeds it from a stream. */
import { types } from 'node:util';
import type { Backend } from './backend/backend.ts';
import { MediaError } from './errors.ts';
import { type NativeOpenOptions, type NativeStream, toMediaError } from './native.ts';
import { resolveSource, type VideoSource } from './options.ts';

/** A source on its way into the addon. Whoever opens it closes it. */
export interface OpenedSource {
  /** The path, or a description. */
  readonly name: string;
  readonly native: NativeOpenOptions['source'];
  /** Why a stream broke off: a MediaError with the cause, or a TypeError for chunks that are no bytes. */
  readonly failure: MediaError | TypeError | undefined;
  /** Stops a producer, and frees what decoders do not hold any more. May be called twice. */
  close(): Promise<void>;
}

/**
 * Opens what `openVideo` was given.
 *
 * Note [Bytes are copied once]: N-API cannot keep the memory of an ArrayBuffer alive. A reference to the object does not hinder
 * anyone from detaching it (transfer to a worker, `structuredClone`, growing a WebAssembly memory), which frees the memory under a
 * decode thread. So the addon takes one copy, before `openVideo` returns its promise; all decoders of the video share it.
 *
 * @throws {TypeError} before any work, for what is no source
 * @throws {MediaError} `ERR_OUT_OF_MEMORY`
 */
export function openSource(source: VideoSource, backend: Backend): OpenedSource {
  const resolved = resolveSource(source);
  if (typeof resolved === 'string') {
    return {
      name: resolved,
      native: resolved,
      failure: undefined,
      close: async () => {},
    };
  }
  return types.isUint8Array(resolved)
    ? openBytes(resolved, backend)
    : new StreamSource(resolved, backend);
}

function openBytes(bytes: Uint8Array, backend: Backend): OpenedSource {
  const name = '<buffer>';
  try {
    const native = new backend.Memory(unshared(bytes));
    return { name, native, failure: undefined, close: async () => native.close() };
  } catch (error) {
    throw toMediaError(error, name);
  }
}

/** N-API does not know memory that threads share. */
function unshared(bytes: Uint8Array): Uint8Array {
  return types.isSharedArrayBuffer(bytes.buffer) ? bytes.slice() : bytes;
}

/** Most bytes that the addon takes at a time; `StreamBuffer::kPieceBytes`. */
const PIECE_BYTES = 64 * 1024;

/**
 * Pumps a stream into the addon's buffer of 1 MiB. The next chunk is asked for only when the one before is in: that is the
 * backpressure. Begins at once.
 */
class StreamSource implements OpenedSource {
  readonly name = '<stream>';
  readonly native: NativeStream;
  failure: MediaError | TypeError | undefined;
  #producer: Producer | undefined;
  /** The producer was asked for a chunk and has not answered. */
  #waiting = false;
  #stopped: Promise<void> | undefined;

  constructor(stream: AsyncIterable<unknown>, backend: Backend) {
    this.native = new backend.Stream();
    void this.#pump(stream);
  }

  async close(): Promise<void> {
    this.native.close();
    await this.#stop();
  }

  async #pump(stream: AsyncIterable<unknown>): Promise<void> {
    try {
      this.#producer = producerOf(stream);
      for (;;) {
        const chunk = await this.#next();
        if (chunk === undefined || this.native.closed) break;
        await this.#push(chunk);
      }
      this.native.end(false);
    } catch (error) {
      this.failure = toFailure(error, this.name);
      this.native.end(true);
    }
    await this.#stop();
  }

  /** The next chunk; `undefined` after the last. */
  async #next(): Promise<Uint8Array | undefined> {
    this.#waiting = true;
    try {
      const { done, value } = await (this.#producer as Producer).next();
      if (done) {
        this.#producer = undefined;
        return undefined;
      }
      if (!types.isUint8Array(value)) throw new NoBytes(value);
      return unshared(value);
    } catch (error) {
      if (!(error instanceof NoBytes)) this.#producer = undefined;
      throw error;
    } finally {
      this.#waiting = false;
    }
  }

  async #push(chunk: Uint8Array): Promise<void> {
    const { length } = chunk;
    for (let begin = 0; begin < length; begin += PIECE_BYTES) {
      const room = this.native.push(chunk.subarray(begin, begin + PIECE_BYTES));
      if (room !== null) await room;
      if (this.native.closed) return;
      if (chunk.length !== length) throw new TypeError('a chunk was detached');
    }
  }

  /** Tells the producer that no more is wanted, unless it has ended by itself. */
  #stop(): Promise<void> {
    this.#stopped ??= this.#stopProducer();
    return this.#stopped;
  }

  async #stopProducer(): Promise<void> {
    const stopping = this.#producer?.stop().catch(() => {}); // nobody reads it any more
    // One that owes a chunk may take for ever.
    if (!this.#waiting) await stopping;
  }
}

/** A chunk that is not a Uint8Array. */
class NoBytes extends TypeError {
  constructor(chunk: unknown) {
    super(`chunks must be Uint8Array, got ${chunk === null ? 'null' : typeof chunk}`);
    this.name = 'TypeError';
  }
}

function toFailure(error: unknown, source: string): MediaError | TypeError {
  if (error instanceof NoBytes) return error;
  const words = error instanceof Error ? error.message : String(error);
  return new MediaError('ERR_IO', `${source}: read: ${words}`, { source, cause: error });
}

interface Producer {
  next(): Promise<{ done?: boolean | undefined; value?: unknown }>;
  /** Works while a `next` is under way, too, if the stream can do that. */
  stop(): Promise<unknown>;
}

function producerOf(stream: AsyncIterable<unknown>): Producer {
  const { getReader, destroy } = stream as {
    getReader?: () => { read: Producer['next']; cancel: Producer['stop'] };
    destroy?: () => void;
  };
  // The iterator of a web stream waits for the chunk under way before it stops.
  if (typeof getReader === 'function') {
    const reader = getReader.call(stream);
    return { next: () => reader.read(), stop: () => reader.cancel() };
  }
  const iterator = stream[Symbol.asyncIterator]();
  return {
    next: () => iterator.next(),
    stop: async () => {
      // So does that of a Readable.
      if (typeof destroy === 'function') destroy.call(stream);
      await iterator.return?.();
    },
  };
}
