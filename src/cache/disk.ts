/** The disk's part of the cache as a process shares it: opened once, and given up with one warning where it does not work. */
import { acquireLease, type HeldLease } from './lease.ts';
import { type Limits, Store } from './store.ts';

/** How a piece of work ended that several wait for; neither value nor error if somebody else has to do it. */
export interface Outcome<T> {
  readonly value?: T;
  readonly error?: unknown;
}

const disks = new Map<string, Disk>();

/** One per directory and thread. */
export class Disk {
  readonly directory: string;
  /** Work under way in this thread, by key. It never rejects. */
  readonly flights = new Map<string, Promise<Outcome<unknown>>>();
  #users = 0;
  #store: Promise<Store | undefined> | undefined;
  #warned = false;
  /** Out of order until all who use it have let go. */
  #broken = false;
  #writable = true;

  private constructor(directory: string) {
    this.directory = directory;
  }

  /** To be {@link release}d. Touches nothing yet. */
  static take(directory: string): Disk {
    const disk = disks.get(directory) ?? new Disk(directory);
    disks.set(directory, disk);
    disk.#users++;
    return disk;
  }

  async release(): Promise<void> {
    if (--this.#users > 0) return;
    disks.delete(this.directory);
    const store = await this.#store;
    try {
      await store?.close();
    } catch (error) {
      this.#warn(error);
    }
  }

  /** The store, if it works. */
  async store(limits: Limits): Promise<Store | undefined> {
    if (this.#broken) return undefined;
    let opening = this.#store;
    const store = await opening;
    if (store?.isCurrent()) return store;
    // Not opened yet, or taken away; unless another caller has done it while this one waited.
    if (this.#store === opening) {
      opening = this.#open(store, limits);
      this.#store = opening;
    }
    return this.#store;
  }

  /** Reads. What cannot be read is not there. */
  async read<T>(
    limits: Limits,
    work: (store: Store) => T | Promise<T>,
  ): Promise<T | undefined> {
    const store = await this.store(limits);
    if (store === undefined) return undefined;
    try {
      return await work(store);
    } catch (error) {
      this.#giveUp(error);
      return undefined;
    }
  }

  /** Notes a use of what was answered from memory, if the disk is open. */
  async touch(key: string): Promise<void> {
    if (!this.#broken && this.#writable) (await this.#store)?.touch(key);
  }

  /** Writes. A disk that takes no more, because it is full for instance, is still read. */
  async write<T>(
    limits: Limits,
    work: (store: Store) => T | Promise<T>,
  ): Promise<T | undefined> {
    const store = await this.store(limits);
    if (store === undefined || !this.#writable) return undefined;
    try {
      return await work(store);
    } catch (error) {
      this.#writable = false;
      this.#warn(error);
      return undefined;
    }
  }

  /**
   * Waits until no other process works on `key`.
   *
   * @returns `'done'` if `isDone` says so, or all has to be looked up again; `undefined` without a disk, which cannot keep processes apart
   * @throws the signal's reason
   */
  async lease(
    key: string,
    limits: Limits,
    isDone: (store: Store) => boolean,
    signal: AbortSignal | undefined,
  ): Promise<HeldLease | 'done' | undefined> {
    return this.write(limits, async (store) => {
      try {
        return (await acquireLease(store, key, () => isDone(store), signal)) ?? 'done';
      } catch (error) {
        if (signal?.aborted) return undefined;
        throw error;
      }
    }).finally(() => signal?.throwIfAborted());
  }

  /** Puts the database away if it is not sound. */
  async reopen(limits: Limits): Promise<void> {
    const old = await this.#store;
    this.#store = this.#open(old, limits);
    await this.#store;
  }

  async #open(old: Store | undefined, limits: Limits): Promise<Store | undefined> {
    try {
      await old?.close();
      const store = await Store.open(this.directory, (message) =>
        this.#warn(new Error(message), 'going on with an empty one'),
      );
      this.#cleanUp(store, limits);
      return store;
    } catch (error) {
      this.#giveUp(error);
      return undefined;
    }
  }

  /** What nobody used for long goes when a process begins, if none did that lately. */
  #cleanUp(store: Store, limits: Limits): void {
    try {
      const since = Date.now() - store.lastPruned;
      if (since > Math.min(PRUNE_EVERY, limits.maxAge / 10) || since < 0) {
        store.prune(limits);
      }
    } catch (error) {
      this.#writable = false;
      this.#warn(error);
    }
  }

  #giveUp(error: unknown): void {
    this.#broken = true;
    this.#warn(error);
    const store = this.#store;
    void store?.then((opened) => opened?.close()).catch(() => {});
  }

  #warn(error: unknown, consequence = 'going on without it'): void {
    if (this.#warned) return;
    this.#warned = true;
    const words = error instanceof Error ? error.message : String(error);
    process.emitWarning(
      `the cache in ${this.directory} does not work: ${words}; ${consequence}`,
      { type: 'RushesWarning', code: 'RUSHES_CACHE' },
    );
  }
}

/** Milliseconds between two general clean-ups. */
const PRUNE_EVERY = 3_600_000;
