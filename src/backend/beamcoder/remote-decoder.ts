/**
 * Decoding with beamcoder in a process of its own.
 *
 * Note [A process for beamcoder]: beamcoder 0.7.1 stores the status of a call after it has queued it, so that a call which fails at once
 * is taken for a success and reads a null pointer; it frees decoders when the garbage collector gets there; it works on libuv's pool,
 * cannot be interrupted, and prints to stdout. In a process of its own none of that reaches the caller: a crash is an error, `close()`
 * ends the process and with it everything that it holds, and the pool has the one thread that makes calls safe (Note [Gate]).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MediaError } from '../../errors.ts';
import {
  FRAME_ROW,
  MEASURE_ROW,
  type NativeClasses,
  type NativeDecoder,
  type NativeFailure,
  type NativeInfo,
  type NativeOpenOptions,
  type NativeOutput,
  type NativePath,
  type NativeRead,
  type NativeSelection,
} from '../../native.ts';
import { MessageReader, sendMessage } from '../../wire.ts';
import type { CallName, Calls, Request, Response } from './protocol.ts';
import { isSpool, SpooledBytes, SpooledStream } from './spool.ts';

/** The bundle that runs in the process, seen from `src/backend/beamcoder/` and, after bundling, from `dist/cjs/`. */
const PROCESS_FILE = import.meta.dirname.endsWith('cjs')
  ? join(import.meta.dirname, 'beamcoder-process.js')
  : join(import.meta.dirname, '..', '..', '..', 'dist', 'cjs', 'beamcoder-process.js');

/**
 * The classes of a backend that decodes with the addon in `file`.
 *
 * @param unusable makes the error for an addon that cannot be loaded
 */
export function beamcoderBackend(
  file: string,
  unusable: (why: string) => MediaError,
): NativeClasses {
  class Decoder extends RemoteDecoder {
    constructor(options: NativeOpenOptions) {
      super(options, file, unusable);
    }
  }
  return { Decoder, Memory: SpooledBytes, Stream: SpooledStream };
}

/** As failures cross the border. */
function failureError({ message, ...fields }: NativeFailure): Error {
  return Object.assign(new Error(message), fields);
}

function closedError(): Error {
  return failureError({ code: 'ERR_CLOSED', message: 'the video was closed' });
}

/** A call without its answer. */
interface Pending {
  resolve(gives: unknown): void;
  reject(error: unknown): void;
  /** Memory for the parts of the answer. */
  allocate(lengths: readonly number[]): readonly Uint8Array[];
}

const NO_PARTS = () => [];

interface Running {
  readonly child: ChildProcess;
  readonly socket: Socket;
  readonly ended: Promise<void>;
}

/** `NativeDecoder` by messages. Owns the process, from `open` to `close`. */
class RemoteDecoder implements NativeDecoder {
  readonly #options: NativeOpenOptions;
  readonly #file: string;
  readonly #unusable: (why: string) => MediaError;
  readonly #pending = new Map<number, Pending>();
  #process: Running | undefined;
  #path: NativePath | undefined;
  #lastId = 0;
  /** As `Interrupt` in native/interrupt.h numbers them. */
  #pass = 1;
  #index: Uint8Array | undefined;
  #failure: unknown;
  #closed = false;
  #close: () => void = () => {};

  constructor(
    options: NativeOpenOptions,
    file: string,
    unusable: (why: string) => MediaError,
  ) {
    this.#options = options;
    this.#file = file;
    this.#unusable = unusable;
  }

  async open(): Promise<NativeInfo> {
    const { source, ...choice } = this.#options;
    const alone = typeof source !== 'string';
    const closing = new Promise<never>((_, reject) => {
      this.#close = () => reject(closedError());
    });
    closing.catch(() => {});
    let path = source as string;
    if (alone) {
      if (!isSpool(source)) throw new TypeError('unknown source');
      path = await Promise.race([source.path(), closing]);
    }
    if (this.#closed) throw closedError();
    this.#process = this.#spawn();
    const { streamIndex, language, threads, skipErrors } = choice;
    const opened = await this.#call('open', {
      ...{ path, alone, streamIndex, language, threads, skipErrors },
    });
    this.#path = opened.path;
    return opened;
  }

  async useHardware(type: string): Promise<NativePath> {
    const fallbackReason = `${type}: beamcoder decodes in software`;
    return { ...(this.#path as NativePath), fallbackReason };
  }

  async start(selection: NativeSelection, output: NativeOutput): Promise<void> {
    this.#pass++;
    const { start, end, step, every, keyFrames, all, previous } = selection;
    await this.#call('start', {
      selection: { start, end, step, every, keyFrames, all, previous },
      output,
    });
  }

  async startAt(frames: Float64Array, output: NativeOutput): Promise<void> {
    this.#pass++;
    await this.#call('startAt', { frames: [...frames], output });
  }

  async index(): Promise<{ frames: number; fromPackets: boolean }> {
    this.#pass++;
    return this.#call('index', null, [], ([length = 0]) => {
      this.#index = new Uint8Array(length);
      return [this.#index];
    });
  }

  indexRows(rows: ArrayBuffer): void {
    if (this.#index === undefined || rows.byteLength < this.#index.byteLength) {
      throw new RangeError('rows is too short');
    }
    new Uint8Array(rows).set(this.#index);
  }

  async setIndex(rows: ArrayBuffer, fromPackets: boolean): Promise<void> {
    this.#pass++;
    await this.#call('setIndex', { fromPackets }, [new Uint8Array(rows)]);
  }

  read(buffers: ArrayBuffer[], rows: ArrayBuffer): Promise<NativeRead> {
    if (rows.byteLength < buffers.length * FRAME_ROW.length * 8) {
      throw new RangeError('rows is too short');
    }
    const capacities = buffers.map(({ byteLength }) => byteLength);
    const targets = [rows, ...buffers];
    return this.#call('read', { capacities }, [], (lengths) =>
      lengths.map(
        (length, i) => new Uint8Array(targets[i] ?? new ArrayBuffer(length), 0, length),
      ),
    );
  }

  measure(rows: ArrayBuffer): Promise<NativeRead> {
    const capacity = Math.floor(rows.byteLength / (MEASURE_ROW.length * 8));
    return this.#call('measure', { capacity }, [], ([length = 0]) => [
      new Uint8Array(rows, 0, length),
    ]);
  }

  cancel(): void {
    this.#send({ cancel: this.#pass });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#keepAlive();
    this.#close();
    this.#process?.child.kill('SIGKILL');
    this.#fail(closedError());
    await this.#process?.ended;
  }

  #call<Name extends CallName>(
    call: Name,
    takes: Calls[Name]['takes'],
    parts: readonly Uint8Array[] = [],
    allocate: Pending['allocate'] = NO_PARTS,
  ): Promise<Calls[Name]['gives']> {
    if (this.#closed) return Promise.reject(closedError());
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const done = () => {
        this.#pending.delete(id);
        this.#keepAlive();
      };
      this.#pending.set(id, {
        allocate,
        resolve: (gives) => {
          done();
          resolve(gives as Calls[Name]['gives']);
        },
        reject: (error) => {
          done();
          reject(error);
        },
      });
      this.#keepAlive();
      this.#send({ call, id, pass: this.#pass, takes }, parts);
    });
  }

  #send(request: Request, parts?: readonly Uint8Array[]): void {
    const socket = this.#process?.socket;
    if (socket?.writable) sendMessage(socket, request, parts);
  }

  /** An idle decoder does not keep the caller's process alive; a call under way does, and so does closing. */
  #keepAlive(): void {
    if (this.#process === undefined) return;
    const { child, socket } = this.#process;
    for (const handle of [child, socket]) {
      if (this.#pending.size > 0 || this.#closed) handle.ref();
      else handle.unref();
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    for (const { reject } of [...this.#pending.values()]) reject(error);
  }

  #spawn(): Running {
    const log = openLog();
    const child = spawn(process.execPath, [PROCESS_FILE, this.#file], {
      env: childEnvironment(),
      stdio: ['ignore', 'ignore', log.descriptor, 'pipe'],
      windowsHide: true,
    });
    log.letGo();
    const socket = child.stdio[3] as Socket;
    const reader = new MessageReader<Response>({
      allocate: (response, lengths) => this.#allocate(response, lengths),
      receive: (response) => this.#receive(response),
    });
    socket.on('data', (chunk: Buffer) => reader.push(chunk));
    socket.on('error', () => {}); // it is closed, too
    const ended = new Promise<void>((resolve) => {
      const end = (how: string) => {
        const message = `beamcoder: The process that decodes ${how}`;
        this.#fail(failureError({ code: 'ERR_FFMPEG', message }));
        resolve();
      };
      child.on('error', ({ message }) => end(`could not be started: ${message}`));
      // When all that it sent has been read.
      child.on('close', (code, signal) => end(`ended with ${signal ?? `code ${code}`}`));
    });
    return { child, socket, ended };
  }

  #allocate(response: Response, lengths: readonly number[]): readonly Uint8Array[] {
    const pending = 'id' in response ? this.#pending.get(response.id) : undefined;
    return pending?.allocate(lengths) ?? lengths.map((length) => new Uint8Array(length));
  }

  #receive(response: Response): void {
    if ('loaded' in response) {
      if (response.loaded !== null) this.#fail(this.#unusable(response.loaded));
      return;
    }
    const pending = this.#pending.get(response.id);
    if ('failure' in response) pending?.reject(failureError(response.failure));
    else pending?.resolve(response.gives);
  }
}

/** FFmpeg's log goes to a file without a name: what it says of a file's damage, beamcoder tells in no other way. */
function openLog(): { descriptor: number; letGo: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'rushes-log-'));
  const descriptor = openSync(join(folder, 'log'), 'a+', 0o600);
  return {
    descriptor,
    letGo: () => {
      closeSync(descriptor);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function childEnvironment(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _, ...env } = process.env;
  return {
    // Beamcoder looks at a failed call's memory once more after it has freed it: most often still what it was where
    // glibc keeps such memory in its cache of a thread.
    GLIBC_TUNABLES: 'glibc.malloc.tcache_count=1000',
    ...env,
    UV_THREADPOOL_SIZE: '1', // Note [Gate]
    ELECTRON_RUN_AS_NODE: '1',
    AV_LOG_FORCE_NOCOLOR: '1',
  };
}
