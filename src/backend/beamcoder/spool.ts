/** Bytes and streams for a process that reads files: in a temporary file, deleted when the video is closed. */
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NativeFailure, NativeMemory, NativeStream } from '../../native.ts';

/** A source that has to become a file first. */
export interface Spool {
  /** The file, when it is complete. */
  path(): Promise<string>;
}

export function isSpool(source: object): source is Spool {
  return source instanceof SpooledBytes || source instanceof SpooledStream;
}

/** In a folder that nobody else may read. */
async function makeFolder(): Promise<{ folder: string; file: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'rushes-'));
  return { folder, file: join(folder, 'source') };
}

/** A copy of bytes: in memory until a decoder wants it, then in a file. */
export class SpooledBytes implements NativeMemory {
  #bytes: Uint8Array | undefined;
  #written: Promise<{ folder: string; file: string }> | undefined;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes.slice();
  }

  async path(): Promise<string> {
    this.#written ??= this.#write();
    return (await this.#written).file;
  }

  close(): void {
    this.#bytes = undefined;
    void this.#written
      ?.then(({ folder }) => rm(folder, { recursive: true, force: true }))
      .catch(() => {});
  }

  async #write(): Promise<{ folder: string; file: string }> {
    const made = await makeFolder();
    const file = await open(made.file, 'wx', 0o600);
    try {
      await file.writeFile(this.#bytes ?? new Uint8Array());
    } finally {
      await file.close();
    }
    this.#bytes = undefined;
    return made;
  }
}

/**
 * A stream on its way into a file. Beamcoder could read streams itself, but cannot go back in them, and waits for them on a thread of
 * libuv's pool, where nothing can interrupt it.
 */
export class SpooledStream implements NativeStream {
  closed = false;
  readonly #made = makeFolder();
  readonly #file = this.#made.then(({ file }) => open(file, 'wx', 0o600));
  readonly #complete: Promise<void>;
  #settle: { resolve: () => void; reject: (failure: Error) => void } | undefined;

  constructor() {
    this.#complete = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // Whoever opens or pushes is told.
    this.#complete.catch(() => {});
    this.#file.catch(() => {});
  }

  /** @throws a failure `ERR_IO` if the stream broke off */
  async path(): Promise<string> {
    await this.#complete;
    return (await this.#made).file;
  }

  push(piece: Uint8Array): Promise<void> {
    const copy = Buffer.from(piece);
    return this.#file.then(async (file) => {
      if (!this.closed) await file.appendFile(copy);
    });
  }

  end(failed: boolean): void {
    const failure: NativeFailure = {
      code: 'ERR_IO',
      message: 'read: The stream broke off',
    };
    this.#file
      .then((file) => file.close())
      .then(() => {
        if (failed) throw Object.assign(new Error(failure.message), failure);
        this.#settle?.resolve();
      })
      .catch((error) => this.#settle?.reject(error));
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    const failure: NativeFailure = {
      code: 'ERR_CLOSED',
      message: 'the video was closed',
    };
    this.#settle?.reject(Object.assign(new Error(failure.message), failure));
    void this.#file
      .then((file) => file.close())
      .catch(() => {}) // closed at its end
      .then(() => this.#made)
      .then(({ folder }) => rm(folder, { recursive: true, force: true }))
      .catch(() => {});
  }
}
