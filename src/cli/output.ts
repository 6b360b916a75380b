import { rename, rm, writeFile } from 'node:fs/promises';

/** Standard output: waits for a slow reader, and says so once when the reader has gone. */
export class Output {
  readonly #stream: NodeJS.WritableStream;
  #gone = false;

  /** @param onGone called when the reader has closed its end, as `head` does */
  constructor(stream: NodeJS.WritableStream, onGone: () => void) {
    this.#stream = stream;
    stream.on('error', (error: NodeJS.ErrnoException) => {
      // Any other failure reaches the caller through `write`.
      if (error.code !== 'EPIPE') return;
      this.#gone = true;
      onGone();
    });
  }

  /** Settles when the text was taken; does nothing once the reader has gone. */
  async write(text: string): Promise<void> {
    if (this.#gone) return;
    await new Promise<void>((resolve, reject) => {
      this.#stream.write(text, (error?: NodeJS.ErrnoException | null) => {
        if (error && error.code !== 'EPIPE') reject(error);
        else resolve();
      });
    });
  }
}

/** Standard output could be written to no longer, for instance because a disk is full. */
export async function writeJson(output: Output, value: unknown): Promise<void> {
  await output.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** Puts a file in place whole or, if `fill` fails, not at all. */
export async function replaceFile(
  path: string,
  fill: (temporary: string) => Promise<unknown>,
): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    await fill(temporary);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Writes text to a file, whole or not at all. */
export async function writeTextFile(path: string, text: string): Promise<void> {
  await replaceFile(path, (temporary) => writeFile(temporary, text));
}
