/** What keeps those who open, close and write an LMDB environment apart. */
import { closeSync, openSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { RootDatabase } from 'lmdb';
import { loadedAddon } from '../native.ts';

/** An environment in which nothing is ever written. */
type Environment = RootDatabase<Buffer, string>;

/**
 * A lock of all processes, which a killed one lets go. One per folder and thread.
 *
 * Note [The gate]: whoever opens an environment of LMDB 1.0 (`mdb_env_open2` in mdb.c) reads the number of the last transaction and, a
 * little later, writes it into the memory that all processes share, without a lock. What another one commits in between is forgotten,
 * its pages are used again while they are still in use, and processes fail or crash. So nobody may open while somebody writes. LMDB's
 * own lock for writers serves for that: that of a second environment beside the first, the gate, in which nothing is ever written, so
 * that opening it does no harm. Opening and each transaction that writes are done inside of one of the gate's. So is closing: who is the
 * last to close destroys the locks, even while the next one waits to share them. The gate itself is closed only when its process, or
 * thread, ends. (Before, six processes that opened and wrote all the time crashed within seconds.)
 *
 * Note [The queue]: LMDB's lock is a robust mutex, and Linux may lose its last wake-up. Who unlocks wakes one of those who wait; if that
 * one is killed before it runs, while a third has just taken the lock, the kernel sees a lock with an owner who lives
 * (`handle_futex_death` in kernel/futex/core.c), wakes nobody, and the third does not know that it should. The rest sleep, in front
 * of a lock that is free, until somebody else has to wait, too. (Of 4 000 processes killed while they wrote, two times one was left so.) A
 * file's lock has no such hole: the kernel holds it, and hands it on. So where the addon is loaded, as it is in every process that
 * decodes, processes first queue for the lock of the gate's file, and only the first in the queue goes on to the mutex. The mutex still
 * decides: it is what processes without the addon share with them.
 */
export class Gate {
  readonly #environment: Environment;
  readonly #file: string;
  readonly #inode: bigint;
  /** Of the file: Note [The queue]. */
  readonly #descriptor: number;
  /** How many are inside: more than one if one begins while another's promise is not settled yet. */
  #inside = 0;
  #isFirst = false;

  private constructor(environment: Environment, file: string) {
    this.#environment = environment;
    this.#file = file;
    this.#inode = inodeOf(file);
    this.#descriptor = openSync(file, 'r+');
  }

  /** The gate in `folder`, by `open` if this thread does not have it open. */
  static at(folder: string, open: (folder: string) => Environment): Gate {
    const file = join(folder, 'data.mdb');
    const known = gates.get(inodeOf(file));
    if (known !== undefined) return known;
    const gate = new Gate(open(folder), file);
    gates.set(gate.#inode, gate);
    return gate;
  }

  /** Does `work` while nobody else is inside, until its promise settles if it gives one. */
  pass<T>(work: () => T): T {
    // Who is inside without having queued must not queue now: the first in the queue would wait for them, and they for it.
    if (this.#inside++ === 0) this.#queue();
    let isLater = false;
    try {
      const result = this.#environment.transactionSync(work);
      isLater = result instanceof Promise;
      return isLater ? ((result as Promise<unknown>).finally(this.#leave) as T) : result;
    } finally {
      if (!isLater) this.#leave();
    }
  }

  /** Closes it if its folder is gone, so that nobody can come to it any more. */
  async closeIfMovedAway(): Promise<void> {
    const isInUse = this.#inside > 0 || inodeOf(this.#file) === this.#inode;
    if (isInUse || !gates.delete(this.#inode)) return;
    closeSync(this.#descriptor);
    await this.#environment.close();
  }

  #queue(): void {
    this.#isFirst = loadedAddon()?.lockFile?.(this.#descriptor) ?? false;
  }

  readonly #leave = (): void => {
    if (--this.#inside > 0 || !this.#isFirst) return;
    this.#isFirst = false;
    loadedAddon()?.unlockFile?.(this.#descriptor);
  };
}

/** By the inode of their file. */
const gates = new Map<bigint, Gate>();

/** Changes when something else takes the name; −1 for nothing. */
export function inodeOf(path: string): bigint {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino ?? -1n;
}
