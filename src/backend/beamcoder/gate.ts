/**
 * Note [Gate]: beamcoder 0.7.1 queues its work and only then stores that queueing went well, over the failure of work that has ended by
 * then. So no work may begin before the call that queued it has returned: the pool has one thread (`UV_THREADPOOL_SIZE`), and that
 * thread waits at the gate, a pipe without a byte in it, until then.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, openSync, read, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Seconds after which a call counts as lost: beamcoder repeats without end what a decoder refuses with EINVAL. */
const PATIENCE = 60;

export class Gate {
  readonly #pipe: number;
  readonly #byte = Buffer.alloc(1);
  #since: number | undefined;

  /** @param onStuck called when a call does not come back */
  constructor(onStuck: () => void) {
    const folder = mkdtempSync(join(tmpdir(), 'rushes-gate-'));
    try {
      const path = join(folder, 'gate');
      execFileSync('mkfifo', ['-m', '600', path]);
      this.#pipe = openSync(path, 'r+');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
    const watch = setInterval(() => {
      const seconds = (performance.now() - (this.#since ?? Infinity)) / 1000;
      if (seconds > PATIENCE) onStuck();
    }, 1000);
    watch.unref();
  }

  /** Makes one call into beamcoder; one at a time. */
  async run<T>(call: () => Promise<T>): Promise<T> {
    read(this.#pipe, this.#byte, 0, 1, null, () => {}); // the thread waits here
    this.#since = performance.now();
    try {
      let work: Promise<T>;
      try {
        work = call();
      } finally {
        writeSync(this.#pipe, this.#byte, 0, 1);
      }
      return await work;
    } finally {
      this.#since = undefined;
    }
  }
}
