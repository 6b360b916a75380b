/** Analyses many videos at once: as many as the machine has cores and memory for, and no bad one harms another. */
import { availableParallelism } from 'node:os';
import { ImportJob } from './import-job.ts';
import {
  type ImportOptions,
  type ImportResult,
  type ImportSources,
  type Listed,
  listSources,
  type ResolvedImportOptions,
  resolveImportOptions,
} from './import-options.ts';
import { MemoryGate } from './memory-gate.ts';
import { MemoryMonitor } from './memory-monitor.ts';

/** Milliseconds to wait for one more source before a file that is alone is given all cores. */
const LOOK_AHEAD = 20;
/** Milliseconds that files under way have to end once the import is over; a driver or a network drive may never answer. */
const GRACE = 2000;
/** Milliseconds between two calls of `onProgress`. */
const PROGRESS_INTERVAL = 100;

/**
 * Analyses every video of `sources` and yields one result for each, failures included: what happens to one file, broken,
 * hanging or enormous, happens to it alone. Files are looked for as they are needed, and no more than a few results wait to be
 * taken, so that nothing grows with the number of files. Breaking out of the iteration ends the files under way.
 *
 * @throws {TypeError | RangeError} at once, for a mistake in `sources` or `options`
 * @throws the signal's reason, or what the iterable `sources` itself throws
 */
export function importVideos(
  sources: ImportSources,
  options: ImportOptions = {},
): AsyncGenerator<ImportResult, void, undefined> {
  const resolved = resolveImportOptions(options);
  const list = listSources(sources, options);
  return new Importer(list, resolved).results();
}

/**
 * One import. Three things go on at once: sources are listed a little ahead, jobs run, and results are taken; whenever one of
 * them moves, `#fill` starts what may start, and `#wake` lets the taker look again.
 */
class Importer {
  readonly #options: ResolvedImportOptions;
  readonly #list: AsyncGenerator<Listed, void, undefined>;
  readonly #monitor: MemoryMonitor;
  readonly #gate: MemoryGate;
  readonly #cores = availableParallelism();
  readonly #began = performance.now();

  /** Listed and not begun, oldest first; at most `concurrency`. */
  readonly #ahead: ImportJob[] = [];
  readonly #active = new Set<ImportJob>();
  /** Results not yet taken, by their index. */
  readonly #ready = new Map<number, ImportResult>();
  /** Begun or ready, and not yet taken. */
  #outstanding = 0;
  #found = 0;
  #foundAll = false;
  /** The next source is long in coming: those listed begin without it. */
  #listStalls = false;
  #listFailure: { readonly error: unknown } | undefined;
  /** Results taken; with `ordered`, the index of the next. */
  #taken = 0;
  #stopped = false;
  #reported = Number.NEGATIVE_INFINITY;
  readonly #counts = { done: 0, failed: 0, cached: 0, frames: 0 };
  #wake: () => void = () => {};
  #roomAhead: () => void = () => {};

  constructor(
    list: AsyncGenerator<Listed, void, undefined>,
    options: ResolvedImportOptions,
  ) {
    this.#list = list;
    this.#options = options;
    this.#monitor = options.monitor ?? new MemoryMonitor();
    this.#gate = new MemoryGate(this.#monitor);
  }

  async *results(): AsyncGenerator<ImportResult, void, undefined> {
    const { signal, monitor } = this.#options;
    signal?.throwIfAborted();
    const onAbort = () => this.#wake();
    const onSample = () => this.#fill();
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#monitor.on('sample', onSample);
    if (monitor === undefined) this.#monitor.start();
    void this.#listAhead();
    try {
      for (;;) {
        signal?.throwIfAborted();
        const result = this.#takeReady();
        if (result !== undefined) {
          this.#fill();
          yield result;
        } else if (this.#finished()) {
          if (this.#listFailure !== undefined) throw this.#listFailure.error;
          return;
        } else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      signal?.removeEventListener('abort', onAbort);
      this.#monitor.off('sample', onSample);
      await this.#stop(signal?.aborted ? signal.reason : undefined);
      if (monitor === undefined) this.#monitor.close();
    }
  }

  /** Keeps `#ahead` filled. */
  async #listAhead(): Promise<void> {
    try {
      for (;;) {
        const stalling = setTimeout(() => this.#listIsSlow(), LOOK_AHEAD);
        const next = await this.#list.next();
        clearTimeout(stalling);
        this.#listStalls = false;
        if (next.done || this.#stopped) break;
        this.#ahead.push(
          new ImportJob(next.value, this.#found, this.#options, this.#gate),
        );
        this.#found += 1;
        while (this.#ahead.length >= this.#options.concurrency && !this.#stopped) {
          this.#fill();
          if (this.#ahead.length < this.#options.concurrency) break;
          await new Promise<void>((resolve) => {
            this.#roomAhead = resolve;
          });
        }
      }
    } catch (error) {
      this.#listFailure = { error };
    }
    this.#foundAll = true;
    this.#fill();
    this.#wake();
  }

  #listIsSlow(): void {
    this.#listStalls = true;
    this.#fill();
  }

  /** Begins jobs as far as concurrency, memory and the results not yet taken allow. */
  #fill(): void {
    const { concurrency, ordered } = this.#options;
    // With `ordered`, results behind a slow one wait; more of them keep the cores busy meanwhile.
    const mostOutstanding = concurrency * (ordered ? 4 : 2);
    while (!this.#stopped && this.#outstanding < mostOutstanding) {
      const limit = this.#gate.limit(concurrency); // may take a sample, and so come here again
      if (this.#active.size >= limit) break;
      const enoughKnown =
        this.#foundAll || this.#listStalls || this.#ahead.length >= concurrency;
      if (!enoughKnown) break;
      const job = this.#ahead.shift();
      if (job === undefined) break;
      this.#outstanding += 1;
      void this.#run(job);
    }
    this.#roomAhead();
  }

  /**
   * Note [Threads of an import]: cores are shared by the files that may be under way and want them; frame threads are for a file that is
   * alone. One more holds a frame, one more file far more: so where memory makes the files fewer, those left get the cores, until it is
   * critical.
   */
  #threads(): number {
    const { concurrency, analyze } = this.#options;
    if (analyze.threads) return analyze.threads;
    if (this.#monitor.shouldPause()) return 1;
    const files = this.#gate.limit(concurrency);
    const wanting = Math.min(files, this.#active.size + this.#ahead.length);
    return Math.max(1, Math.floor(this.#cores / Math.max(1, wanting)));
  }

  async #run(job: ImportJob): Promise<void> {
    this.#active.add(job);
    const result = await job.run(this.#threads(), () => this.#report());
    this.#active.delete(job);
    if (this.#stopped) return;
    this.#ready.set(result.index, result);
    this.#counts.done += 1;
    this.#counts.failed += result.error === undefined ? 0 : 1;
    this.#counts.cached += result.error === undefined && result.cached ? 1 : 0;
    // Progress is told now and then; what a failed file came to is as good as it is known.
    const decoded = result.error === undefined && !result.cached;
    this.#counts.frames += decoded ? result.analysis.frames : job.frames;
    this.#report(true);
    this.#fill();
    this.#wake();
  }

  #takeReady(): ImportResult | undefined {
    const index = this.#options.ordered ? this.#taken : this.#ready.keys().next().value;
    const result = index === undefined ? undefined : this.#ready.get(index);
    if (result === undefined) return undefined;
    this.#ready.delete(result.index);
    this.#taken += 1;
    this.#outstanding -= 1;
    return result;
  }

  #finished(): boolean {
    return this.#foundAll && this.#ahead.length === 0 && this.#outstanding === 0;
  }

  #report(always = false): void {
    const { onProgress } = this.#options;
    const now = performance.now();
    if (onProgress === undefined || this.#stopped) return;
    if (!always && now - this.#reported < PROGRESS_INTERVAL) return;
    this.#reported = now;
    let { frames } = this.#counts;
    for (const job of this.#active) frames += job.frames;
    onProgress({
      found: this.#found,
      foundAll: this.#foundAll,
      ...this.#counts,
      frames,
      elapsed: (now - this.#began) / 1000,
      active: [...this.#active].map((job) => job.activity),
    });
  }

  /** Ends what is under way; gives up waiting for what does not answer. */
  async #stop(reason: unknown): Promise<void> {
    this.#stopped = true;
    this.#roomAhead();
    for (const job of this.#active) job.abort(reason);
    const ended = Promise.all([
      this.#list.return().catch(() => {}),
      ...[...this.#active].map((job) => job.ended),
    ]);
    await within(GRACE, ended);
    this.#gate.close();
  }
}

/** Resolves with the promise, or when the time is up. */
async function within(milliseconds: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeUp = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([promise, timeUp]);
  clearTimeout(timer);
}
