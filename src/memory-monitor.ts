/** How close memory is to its budget, and what to do about it. */
import { EventEmitter } from 'node:events';
import { onAbort } from './abort.ts';
import {
  createMemoryReader,
  type MemoryFigures,
  type MemoryReader,
} from './memory-sources.ts';
import { checkInteger, checkPositive, checkSignal } from './options.ts';

/** How close memory is to its budget. */
export type MemoryLevel = 'low' | 'moderate' | 'high' | 'critical';
const LEVELS: readonly MemoryLevel[] = ['low', 'moderate', 'high', 'critical'];

/** Where levels begin, as fractions of a budget: 0 < moderate < high < critical ≤ 1. */
export interface MemoryThresholds {
  /** Default 0.5. */
  readonly moderate?: number | undefined;
  /** Default 0.575. */
  readonly high?: number | undefined;
  /** Default 0.65. */
  readonly critical?: number | undefined;
}

/** {@link MemoryMonitor} */
export interface MemoryMonitorOptions {
  /**
   * Bytes that this process may use, or a share (`'50%'`) of what the host and the process's containers let it use.
   * Default `'100%'`.
   */
  budget?: number | `${number}%` | undefined;
  thresholds?: MemoryThresholds | undefined;
  /** How far below a threshold pressure has to fall before the level does. Default 0.025. */
  hysteresis?: number | undefined;
  /** Batch sizes at the four levels, none larger than the one before. Default `[10, 6, 3, 1]`. */
  batchSizes?: readonly [number, number, number, number] | undefined;
  /** Milliseconds between samples after `start()`, and while somebody waits for relief. Default 2000. */
  interval?: number | undefined;
  /** Samples that `history` keeps. Default 150: five minutes. */
  historySize?: number | undefined;
  /** Reads the figures; for tests, and for memory that is accounted for elsewhere. Default: this process, its containers, its host. */
  reader?: MemoryReader | undefined;
}

/** One thing that memory is compared with. */
export interface MemorySource {
  /**
   * `process`: its resident set against `budget`; `container`: a control group against its limit; `host`: what is not available of its
   * memory; `heap`: V8's heap against the size at which V8 gives up.
   */
  readonly name: 'process' | 'container' | 'host' | 'heap';
  /** Bytes. */
  readonly used: number;
  readonly limit: number;
  /** A control group's folder. */
  readonly path?: string;
}

/** What was read at one moment. Frozen. */
export interface MemorySample {
  /** Milliseconds since 1970. */
  readonly time: number;
  /** 0–1: the highest share of its limit that any source uses, or what `stall` raised it to. */
  readonly pressure: number;
  /** What `pressure` comes from; `stall` where tasks wait for memory that is not full yet. */
  readonly dominant: MemorySource['name'] | 'stall';
  readonly level: MemoryLevel;
  readonly sources: readonly MemorySource[];
  /** Bytes reserved with {@link MemoryMonitor.reserve}. */
  readonly reserved: number;
  /** Everything that was read. */
  readonly figures: MemoryFigures;
}

/** Of the event `level`. */
export interface MemoryLevelChange {
  readonly level: MemoryLevel;
  readonly previous: MemoryLevel;
  readonly sample: MemorySample;
}

/** Events of {@link MemoryMonitor}, with what listeners get. */
export interface MemoryMonitorEvents {
  sample: [sample: MemorySample];
  level: [change: MemoryLevelChange];
}

/** {@link MemoryMonitor.waitForRelief} */
export interface ReliefOptions {
  /** Milliseconds; `Infinity` waits for ever. Default 30 000. */
  timeout?: number | undefined;
  signal?: AbortSignal | undefined;
}

/** Milliseconds for which `level` and what follows from it look at the last sample before they take another. */
const FRESH = 100;

/**
 * Note [Stalls]: memory may be short although it is not full, when the kernel drops cache that is needed again at once. Shares of the
 * last 10 s, in %, from which that counts: `some` tasks waited, at least `high`; all of them did, `critical`. systemd-oomd kills at
 * 60 % of `full` (oomd.conf, DefaultMemoryPressureLimit): we slow down well before. The host's figure includes tasks that
 * are held back by limits of their own, so it counts only where memory is at least `moderate`.
 */
const STALL_SOME = 10;
const STALL_FULL = 30;

/**
 * Watches memory: of this process, the containers it runs in, and the host. Holds no native memory.
 *
 * It samples when it is asked (`level`, `batchSize()` … take a sample if the last is older than 100 ms), and with `start()` also every
 * `interval`, for those who listen. A rise in level shows at once, a fall when pressure is `hysteresis` below the threshold.
 */
export class MemoryMonitor extends EventEmitter<MemoryMonitorEvents> {
  readonly #read: MemoryReader;
  readonly #budget: { readonly bytes: number } | { readonly share: number };
  /** Where `moderate`, `high` and `critical` begin. */
  readonly #thresholds: readonly [number, number, number];
  readonly #hysteresis: number;
  readonly #batchSizes: readonly number[];
  readonly #interval: number;
  readonly #historySize: number;
  readonly #history: MemorySample[] = [];
  readonly #waiters = new Set<(relieved: boolean) => void>();
  #level: MemoryLevel = 'low';
  #sampledAt = Number.NEGATIVE_INFINITY;
  #reserved = 0;
  /** Note [Reservations] */
  #rest = 0;
  #timer: NodeJS.Timeout | undefined;
  #reliefTimer: NodeJS.Timeout | undefined;

  /** @throws {TypeError | RangeError} for a mistake in `options` */
  constructor(options: MemoryMonitorOptions = {}) {
    super();
    this.#budget = resolveBudget(options.budget);
    this.#thresholds = resolveThresholds(options.thresholds);
    this.#hysteresis = resolveHysteresis(options.hysteresis, this.#thresholds[0]);
    this.#batchSizes = resolveBatchSizes(options.batchSizes);
    this.#interval = checkInteger('interval', options.interval, 1, 2 ** 31 - 1) ?? 2000;
    this.#historySize = checkInteger('historySize', options.historySize, 1, 1e6) ?? 150;
    const { reader } = options;
    if (reader !== undefined && typeof reader !== 'function') {
      throw new TypeError(`reader must be a function, got ${reader}`);
    }
    this.#read = reader ?? createMemoryReader();
  }

  /** How close memory is to its budget. */
  get level(): MemoryLevel {
    return this.#recent().level;
  }

  /** The last samples, oldest first. */
  get history(): readonly MemorySample[] {
    return [...this.#history];
  }

  /** Bytes reserved and not released. */
  get reserved(): number {
    return this.#reserved;
  }

  /** Reads all figures now. Emits `sample`, and `level` where that changed. */
  sample(): MemorySample {
    const figures = this.#read();
    const sources = this.#sources(figures);
    const { pressure, dominant } = this.#judge(sources, figures);
    this.#updateRest(figures.process.rss);
    const previous = this.#level;
    this.#level = this.#levelAt(pressure);
    const sample: MemorySample = deepFreeze({
      time: Date.now(),
      pressure,
      dominant,
      level: this.#level,
      sources,
      reserved: this.#reserved,
      figures,
    });
    this.#sampledAt = performance.now();
    this.#history.push(sample);
    if (this.#history.length > this.#historySize) this.#history.shift();
    if (sample.level !== 'critical') this.#settleWaiters(true);
    this.emit('sample', sample);
    if (sample.level !== previous) {
      this.emit('level', { level: sample.level, previous, sample });
    }
    return sample;
  }

  /** How many frames, or other things, to take at once. */
  batchSize(): number {
    return this.#batchSizes[LEVELS.indexOf(this.level)] as number;
  }

  /** Whether nothing should be begun now: the level is `critical`. */
  shouldPause(): boolean {
    return this.level === 'critical';
  }

  /**
   * Waits until `shouldPause()` is false; looks every `interval`. Keeps the process alive, unlike `start()`. Collects garbage once
   * where Node runs with `--expose-gc`: a process that pauses would hardly do so by itself.
   *
   * @returns whether it is; false after `timeout`, or when the monitor is closed. @throws the signal's reason
   */
  async waitForRelief(options: ReliefOptions = {}): Promise<boolean> {
    const timeout = checkTimeout(options.timeout) ?? 30_000;
    const signal = checkSignal(options.signal);
    signal?.throwIfAborted();
    if (this.sample().level !== 'critical') return true;
    if (globalThis.gc !== undefined) {
      globalThis.gc();
      if (this.sample().level !== 'critical') return true;
    }
    return new Promise<boolean>((resolve, reject) => {
      const leave = () => {
        clearTimeout(deadline);
        stopListening();
        this.#waiters.delete(settle);
        if (this.#waiters.size > 0) return;
        clearInterval(this.#reliefTimer);
        this.#reliefTimer = undefined;
      };
      const settle = (relieved: boolean) => {
        leave();
        resolve(relieved);
      };
      const deadline = Number.isFinite(timeout)
        ? setTimeout(settle, timeout, false)
        : undefined;
      const stopListening = onAbort(signal, () => {
        leave();
        reject(signal?.reason);
      });
      this.#waiters.add(settle);
      this.#reliefTimer ??= setInterval(() => this.sample(), this.#interval);
    });
  }

  /**
   * How many things of `bytesEach` bytes fit before any of process, containers and host is critical, besides what is used and reserved
   * (Note [Reservations]). 0 while the level is `critical`.
   *
   * @throws {TypeError | RangeError} unless `bytesEach` is above 0
   */
  capacityFor(bytesEach: number): number {
    const each = checkPositive('bytesEach', bytesEach ?? Number.NaN) as number;
    const { level, sources, figures } = this.#recent();
    if (level === 'critical') return 0;
    const outstanding = Math.max(0, this.#rest + this.#reserved - figures.process.rss);
    const [, , critical] = this.#thresholds;
    const room = sources
      .filter(({ name }) => name !== 'heap') // pixels are not in the heap
      .map(({ used, limit }) => critical * limit - used - outstanding);
    return Math.max(0, Math.floor(Math.min(...room) / each));
  }

  /**
   * Sets `bytes` aside for work that is about to begin, until the function that is returned is called (again does nothing).
   *
   * Note [Reservations]: `bytes` should be the most that the work will use. How much of it is in the resident set at a given moment cannot
   * be known, only bounded: everything else in the process uses no more than the resident set, and no less than the resident set without
   * all that is reserved. So the rest is taken to be what it was when nothing was reserved last, kept within these bounds, and the process
   * counts as using the rest plus all that is reserved. What of this is not in the resident set yet is subtracted from the room that
   * `capacityFor` sees in the budget, in each container and on the host. It counts this monitor's reservations only.
   *
   * @throws {TypeError | RangeError} unless `bytes` is a whole number from 0 on
   */
  reserve(bytes: number): () => void {
    const amount = checkInteger('bytes', bytes ?? Number.NaN, 0, Number.MAX_SAFE_INTEGER);
    if (this.#reserved === 0) this.#recent(); // what the rest uses
    this.#reserved += amount as number;
    let left = amount as number;
    return () => {
      this.#reserved -= left;
      left = 0;
    };
  }

  /** What would help, in words with the figures of now; none at level `low`. */
  recommendations(): string[] {
    return recommend(this.#recent(), this.batchSize());
  }

  /** Samples every `interval` from now on. The timer does not keep the process alive. */
  start(): this {
    if (this.#timer === undefined) {
      this.#timer = setInterval(() => this.sample(), this.#interval).unref();
      this.sample();
    }
    return this;
  }

  /** Ends what `start()` began. */
  stop(): this {
    clearInterval(this.#timer);
    this.#timer = undefined;
    return this;
  }

  /** `stop()`, and those who wait for relief get `false`. May be called twice. */
  close(): void {
    this.stop();
    this.#settleWaiters(false);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** The last sample, or a new one. */
  #recent(): MemorySample {
    const last = this.#history.at(-1);
    const age = performance.now() - this.#sampledAt;
    return last === undefined || age >= FRESH ? this.sample() : last;
  }

  #sources({ process, heap, containers, host, mayUse }: MemoryFigures): MemorySource[] {
    const budget = this.#budget;
    const limit = 'bytes' in budget ? budget.bytes : budget.share * mayUse;
    const sources: MemorySource[] = [{ name: 'process', used: process.rss, limit }];
    for (const container of containers) sources.push({ name: 'container', ...container });
    // macOS does not tell at once.
    if (host.available !== null) {
      sources.push({
        name: 'host',
        used: host.total - host.available,
        limit: host.total,
      });
    }
    sources.push({ name: 'heap', used: heap.used, limit: heap.limit });
    return sources;
  }

  #judge(
    sources: readonly MemorySource[],
    { stall }: MemoryFigures,
  ): Pick<MemorySample, 'pressure' | 'dominant'> {
    let pressure = 0;
    let dominant: MemorySample['dominant'] = 'process';
    for (const { name, used, limit } of sources) {
      const share = Math.min(1, used / limit);
      if (share > pressure) [pressure, dominant] = [share, name];
    }
    // Note [Stalls]
    const [moderate, high, critical] = this.#thresholds;
    if (stall === null || (stall.scope === 'host' && pressure < moderate)) {
      return { pressure, dominant };
    }
    const raised =
      stall.full >= STALL_FULL ? critical : stall.some >= STALL_SOME ? high : 0;
    return raised > pressure
      ? { pressure: raised, dominant: 'stall' }
      : { pressure, dominant };
  }

  #levelAt(pressure: number): MemoryLevel {
    const at = (value: number) =>
      this.#thresholds.filter((threshold) => value >= threshold).length;
    const now = LEVELS.indexOf(this.#level);
    const falling = Math.min(now, at(pressure + this.#hysteresis));
    return LEVELS[Math.max(at(pressure), falling)] as MemoryLevel;
  }

  #updateRest(used: number): void {
    if (this.#reserved === 0) this.#rest = used;
    const least = Math.max(0, used - this.#reserved);
    this.#rest = Math.min(Math.max(this.#rest, least), used);
  }

  #settleWaiters(relieved: boolean): void {
    for (const settle of [...this.#waiters]) settle(relieved);
  }
}

// ---------------------------------------------------------------- options

function resolveBudget(budget: unknown): { bytes: number } | { share: number } {
  if (budget === undefined) return { share: 1 };
  if (typeof budget !== 'string') {
    return { bytes: checkPositive('budget', budget) as number };
  }
  const percent = /^(\d+(?:\.\d+)?)%$/.exec(budget)?.[1];
  if (percent === undefined) {
    throw new TypeError(`budget must be bytes or a share such as '50%', got '${budget}'`);
  }
  const share = Number(percent) / 100;
  if (!(share > 0 && share <= 1)) {
    throw new RangeError(`budget must be above 0% and at most 100%, got ${budget}`);
  }
  return { share };
}

function resolveThresholds(given: MemoryThresholds = {}): [number, number, number] {
  const { moderate = 0.5, high = 0.575, critical = 0.65 } = given;
  for (const [name, value] of Object.entries({ moderate, high, critical })) {
    checkPositive(`thresholds.${name}`, value);
  }
  if (moderate < high && high < critical && critical <= 1) {
    return [moderate, high, critical];
  }
  throw new RangeError(
    `thresholds must rise and not exceed 1, got ${moderate}, ${high}, ${critical}`,
  );
}

function resolveHysteresis(given: unknown, moderate: number): number {
  if (given === undefined) return Math.min(0.025, moderate / 2);
  if (typeof given !== 'number' || Number.isNaN(given)) {
    throw new TypeError(`hysteresis must be a number, got ${given}`);
  }
  if (given >= 0 && given < moderate) return given;
  throw new RangeError(
    `hysteresis must be from 0 to below thresholds.moderate, got ${given}`,
  );
}

function resolveBatchSizes(given: unknown): readonly number[] {
  if (given === undefined) return [10, 6, 3, 1];
  if (!Array.isArray(given) || given.length !== LEVELS.length) {
    throw new TypeError(`batchSizes must be four numbers, got ${given}`);
  }
  given.forEach((size, i) => {
    checkInteger(`batchSizes[${i}]`, size ?? Number.NaN, 1, 1024);
    if (i > 0 && size > given[i - 1]) {
      throw new RangeError(`batchSizes must not rise, got ${given.join(', ')}`);
    }
  });
  return [...given];
}

function checkTimeout(timeout: unknown): number | undefined {
  if (timeout === undefined) return undefined;
  if (typeof timeout !== 'number' || Number.isNaN(timeout)) {
    throw new TypeError(`timeout must be a number of milliseconds, got ${timeout}`);
  }
  if (timeout >= 0 && (timeout < 2 ** 31 || timeout === Infinity)) return timeout;
  throw new RangeError(`timeout must be from 0 to 2^31 ms, or Infinity, got ${timeout}`);
}

function deepFreeze<T extends object>(value: T): T {
  for (const part of Object.values(value)) {
    if (typeof part === 'object' && part !== null) deepFreeze(part);
  }
  return Object.freeze(value);
}

// ------------------------------------------------------------------ words

/** A part of a process's memory that is worth a word of its own. */
const LARGE_SHARE = 0.3;

function recommend(sample: MemorySample, batchSize: number): string[] {
  const { level, dominant, figures } = sample;
  if (level === 'low') return [];
  const words: string[] = [];
  const judged = sample.sources
    .filter(({ name }) => name === dominant)
    .sort((a, b) => b.used / b.limit - a.used / a.limit)[0];
  if (judged !== undefined) words.push(adviceFor(judged, figures));
  const { stall, process } = figures;
  if (dominant === 'stall' && stall !== null) {
    const whose = stall.scope === 'host' ? 'the host' : 'the container';
    words.push(
      `Tasks of ${whose} waited for memory for ${stall.some} % of the last 10 s: run fewer files at once.`,
    );
  }
  if (process.native !== null && process.native >= LARGE_SHARE * process.rss) {
    words.push(
      `${bytesText(process.native)} of the process's ${bytesText(process.rss)} are decoded frames and sources in memory: open fewer videos at once, or use fewer decoder threads.`,
    );
  }
  if (process.arrayBuffers >= LARGE_SHARE * process.rss) {
    words.push(
      `${bytesText(process.arrayBuffers)} of the process's ${bytesText(process.rss)} are ArrayBuffers: keep no frames, ask for smaller ones, or take smaller batches (now ${batchSize}).`,
    );
  }
  if (level === 'critical') {
    words.push('Begin nothing new until the level falls: see waitForRelief().');
  }
  return words;
}

function adviceFor(source: MemorySource, { process, host }: MemoryFigures): string {
  const { name, used, limit, path } = source;
  const share = `${bytesText(used)} of ${bytesText(limit)} (${Math.round((100 * used) / limit)} %)`;
  switch (name) {
    case 'process':
      return `This process uses ${share} of its budget: run fewer files at once, or raise the budget.`;
    case 'container':
      return `The container ${path} uses ${share}, this process ${bytesText(process.rss)}: run fewer files at once, or raise its limit.`;
    case 'heap':
      return `V8's heap holds ${share}: raise it with --max-old-space-size.`;
    default: {
      const others = Math.max(0, host.total - (host.available ?? 0) - process.rss);
      return `The host uses ${share}, ${bytesText(others)} outside this process: close other programs, or run fewer files at once.`;
    }
  }
}

function bytesText(bytes: number): string {
  const mebibytes = bytes / 2 ** 20;
  return mebibytes < 1024
    ? `${Math.round(mebibytes)} MiB`
    : `${(mebibytes / 1024).toFixed(1)} GiB`;
}
