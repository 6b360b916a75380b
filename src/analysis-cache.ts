/** Remembers analyses and frame indexes, so that no file is decoded twice. */
import { extname, resolve } from 'node:path';
import { types } from 'node:util';
import { LRUCache } from 'lru-cache';
import { onAbort } from './abort.ts';
import { ANALYSIS_SCHEMA, type Analysis } from './analysis.ts';
import { type AnalysisRequest, requestKey } from './analyze-options.ts';
import { defaultDirectory } from './cache/directory.ts';
import { Disk, type Outcome } from './cache/disk.ts';
import {
  factsOf,
  type Identity,
  identifyBytes,
  identifyFile,
  type KnownFile,
  type KnownFiles,
} from './cache/identity.ts';
import { fingerprint, freezeAndWeigh, packIndex, unpackIndex } from './cache/record.ts';
import type { Limits, Store } from './cache/store.ts';
import { StructureError } from './cache/structure.ts';
import { MediaError } from './errors.ts';
import { MEASURE_VERSION } from './measures.ts';
import { loadAddon } from './native.ts';
import {
  checkInteger,
  checkPositive,
  type FrameIndexCache,
  type FrameIndexSlot,
  resolveSource,
  type VideoSource,
} from './options.ts';

/** How large, and where. */
export interface AnalysisCacheOptions {
  /**
   * Folder on a local disk, made if it is not there. Default: `RUSHES_CACHE_DIR`, or the user's own: `$XDG_CACHE_HOME/rushes` or
   * `~/.cache/rushes`, `~/Library/Caches/rushes` on macOS, `%LOCALAPPDATA%\rushes\Cache` on Windows.
   */
  directory?: string | undefined;
  /** Bytes on disk. Over it, the least recently used entries go until 80 % are left. Default 500 000 000. */
  maxBytes?: number | undefined;
  /** Seconds without use after which an entry goes. Default 30 days. */
  maxAge?: number | undefined;
  /** Bytes of memory for what was used last. Default 64 000 000. */
  maxMemoryBytes?: number | undefined;
}

/** What {@link AnalysisCache.stats} gives. */
export interface CacheStats {
  readonly directory: string;
  /** Analyses and indexes on disk. */
  readonly entries: number;
  readonly analyses: number;
  readonly indexes: number;
  /** Files whose content is remembered with their times, so that they need not be read again. */
  readonly files: number;
  /** Bytes that all of these take, and may take. */
  readonly bytes: number;
  readonly maxBytes: number;
  /** Bytes of the database file; pages that are free now are used again. */
  readonly fileBytes: number;
  /** Questions to this `AnalysisCache` that were answered, and that were not. */
  readonly hits: number;
  readonly misses: number;
  /** Seconds since the oldest and the newest entry were made, and since the one used longest ago was used; `null` without entries. */
  readonly oldestAge: number | null;
  readonly newestAge: number | null;
  readonly longestUnused: number | null;
  /** Entries in memory, and about what they take. */
  readonly memoryEntries: number;
  readonly memoryBytes: number;
  /** Whether the disk works; if not, a warning has said why. */
  readonly persistent: boolean;
}

/** What {@link AnalysisCache.verify} gives. */
export interface CacheVerification {
  /** Records that are sound. */
  readonly sound: number;
  /** Records that were damaged, and were removed. */
  readonly damaged: number;
}

/** An analysis as it is kept. */
interface AnalysisEntry {
  /** Of the file's name: FFmpeg takes it into account where the content leaves doubts. */
  readonly extension: string;
  readonly analysis: Analysis;
}

interface IndexEntry {
  readonly extension: string;
  readonly index: unknown;
}

const DAY = 86_400;
/** Files whose facts are kept in memory. */
const MOST_FILES = 20_000;

/**
 * Containers that name other files: these may change while the file itself does not. And scripts, which may give anything.
 * Names of FFmpeg's demuxers.
 */
const REFERRING = ['hls', 'dash', 'concat', 'imf', 'image2', 'vapoursynth', 'avisynth'];
/** Containers that FFmpeg knows by their content, whatever the file is called. */
const SELF_EVIDENT = ['mov', 'matroska', 'avi', 'flv', 'ogg', 'asf', 'mxf', 'ivf'];

/**
 * Analyses and frame indexes, in memory and on disk, for this process and all others that use the same directory.
 *
 * Entries belong to a file's content: a file that changes in whatever way is never answered by what it was before, and one that is moved or copied is
 * recognised (Note [A changed file is never taken for the old one] in cache/identity.ts). Of several callers that want the same analysis at
 * the same time, in one process or many, one makes it and the others get it. A disk that does not work is gone without, with one
 * `RUSHES_CACHE` warning (`process.on('warning')`).
 *
 * Analyses that come out are frozen, because they are shared: `structuredClone` gives one of your own.
 */
export class AnalysisCache implements AsyncDisposable, FrameIndexCache {
  readonly directory: string;
  readonly #limits: Limits;
  readonly #disk: Disk;
  readonly #memory: LRUCache<string, { value: object }>;
  readonly #files = new LRUCache<string, KnownFile>({ max: MOST_FILES });
  #hits = 0;
  #misses = 0;
  #closed: Promise<void> | undefined;

  /** Touches no disk yet. @throws {TypeError | RangeError} naming the option */
  constructor(options: AnalysisCacheOptions = {}) {
    const { directory } = options;
    if (directory !== undefined && (typeof directory !== 'string' || directory === '')) {
      throw new TypeError(`directory must be a path, got ${String(directory)}`);
    }
    const most = Number.MAX_SAFE_INTEGER;
    const maxBytes = checkInteger('maxBytes', options.maxBytes, 1, most) ?? 500e6;
    const maxAge = (checkPositive('maxAge', options.maxAge) ?? 30 * DAY) * 1000;
    const { maxMemoryBytes } = options;
    const maxSize = checkInteger('maxMemoryBytes', maxMemoryBytes, 1, most) ?? 64e6;
    this.directory = directory === undefined ? defaultDirectory() : resolve(directory);
    this.#limits = { maxBytes, maxAge };
    this.#memory = new LRUCache({ maxSize });
    this.#disk = Disk.take(this.directory);
  }

  /**
   * The analysis of `source` with these options, if it is there. A stream never is.
   *
   * @throws {TypeError | RangeError} for a mistake in the arguments
   * @throws {MediaError} `ERR_CLOSED`
   */
  async get(
    source: VideoSource,
    options: AnalysisRequest = {},
  ): Promise<Analysis | undefined> {
    const found = await this.#identify(source, options);
    const entry = found && (await this.#find<AnalysisEntry>(found.key, found.extension));
    this.#count(entry !== undefined);
    return entry && withSource(entry.analysis, found.name);
  }

  /**
   * Keeps an analysis that was made of `source` as it is now, with this `streamIndex`; its other options are in it.
   * `analyze` does that by itself, and makes sure that the file did not change meanwhile.
   *
   * @returns false for one that is not kept: incomplete, of a stream, of a playlist, or without a working disk and too large for memory
   * @throws as {@link AnalysisCache.get}
   */
  async set(
    source: VideoSource,
    analysis: Analysis,
    options: Pick<AnalysisRequest, 'streamIndex'> = {},
  ): Promise<boolean> {
    const { streamIndex } = options;
    const { start, end, ...rest } = analysis.options;
    const request = { ...rest, start: start ?? undefined, end: end ?? undefined };
    const found = await this.#identify(source, { ...request, streamIndex });
    if (found === undefined || !isWorthKeeping(analysis)) return false;
    const copy = structuredClone(analysis);
    return this.#keep(found.key, { extension: found.extension, analysis: copy });
  }

  /** Whether {@link AnalysisCache.get} would find an analysis. Counts as no use. */
  async has(source: VideoSource, options: AnalysisRequest = {}): Promise<boolean> {
    const found = await this.#identify(source, options);
    if (found === undefined) return false;
    return (await this.#find(found.key, found.extension, false)) !== undefined;
  }

  /** Removes all analyses and the frame indexes of a file. @returns how many there were on disk */
  async delete(source: VideoSource): Promise<number> {
    const found = await this.#identify(source, {});
    if (found === undefined) return 0;
    const { content } = found.identity;
    const prefixes = [`a:${content}:`, `x:${content}:`];
    for (const key of [...this.#memory.keys()]) {
      if (prefixes.some((prefix) => key.startsWith(prefix))) this.#memory.delete(key);
    }
    const removed = await this.#disk.write(this.#limits, (store) =>
      store.remove(prefixes.flatMap((prefix) => store.keys(prefix))),
    );
    return removed ?? 0;
  }

  /** Removes everything, for all processes. @returns how many entries there were on disk */
  async clear(): Promise<number> {
    this.#checkOpen();
    this.#memory.clear();
    this.#files.clear();
    const removed = await this.#disk.write(this.#limits, (store) => {
      const entries = store.keys().filter(isEntry).length;
      store.clear();
      return entries;
    });
    return removed ?? 0;
  }

  /** What there is. Goes over all entries. */
  async stats(): Promise<CacheStats> {
    this.#checkOpen();
    const onDisk = await this.#disk.read(this.#limits, (store) => ({
      uses: store.uses(),
      bytes: store.bytes,
      fileBytes: store.fileBytes,
    }));
    const uses = onDisk?.uses ?? [];
    const entries = uses.filter(([key]) => isEntry(key)).map(([, use]) => use);
    const number = (kind: string) => uses.filter(([key]) => key.startsWith(kind)).length;
    const age = (times: number[], choose: (...times: number[]) => number) =>
      times.length === 0
        ? null
        : Math.max(0, (Date.now() - times.reduce((a, b) => choose(a, b))) / 1000);
    const created = entries.map((use) => use.created);
    return {
      directory: this.directory,
      entries: entries.length,
      analyses: number('a:'),
      indexes: number('x:'),
      files: number('f:'),
      bytes: onDisk?.bytes ?? 0,
      maxBytes: this.#limits.maxBytes,
      fileBytes: onDisk?.fileBytes ?? 0,
      hits: this.#hits,
      misses: this.#misses,
      oldestAge: age(created, Math.min),
      newestAge: age(created, Math.max),
      longestUnused: age(
        entries.map((use) => use.used),
        Math.min,
      ),
      memoryEntries: this.#memory.size,
      memoryBytes: this.#memory.calculatedSize,
      persistent: onDisk !== undefined,
    };
  }

  /**
   * Brings analyses of these files into memory, so that the next {@link AnalysisCache.get} need not ask the disk.
   *
   * @returns of how many files there was one
   * @throws as {@link AnalysisCache.get}
   */
  async preload(
    sources: Iterable<VideoSource>,
    options: AnalysisRequest = {},
  ): Promise<number> {
    let found = 0;
    for (const source of sources) if (await this.has(source, options)) found++;
    return found;
  }

  /** Reads everything and removes what is damaged. */
  async verify(): Promise<CacheVerification> {
    this.#checkOpen();
    this.#memory.clear();
    const verified = await this.#disk.read(this.#limits, async (store) => {
      try {
        return await store.verify();
      } catch (error) {
        if (!(error instanceof StructureError)) throw error;
        return undefined;
      }
    });
    if (verified !== undefined) return verified;
    // Not one record can be trusted.
    const lost = await this.#disk.read(this.#limits, (store) => store.uses().length);
    await this.#disk.reopen(this.#limits);
    return { sound: 0, damaged: lost ?? 0 };
  }

  /**
   * Removes entries that nobody used for `maxAge` seconds, then the least recently used, if there are more than `maxBytes`, until 80 % are left.
   * Both are by default the cache's own; it does that by itself when it is opened, and when an entry makes it too large.
   *
   * @returns records removed, and the bytes left
   */
  async prune(
    limits: Pick<AnalysisCacheOptions, 'maxBytes' | 'maxAge'> = {},
  ): Promise<{ removed: number; bytes: number }> {
    this.#checkOpen();
    const { maxBytes, maxAge } = limits;
    const most = Number.MAX_SAFE_INTEGER;
    const age = checkPositive('maxAge', maxAge);
    const wanted = {
      maxBytes: checkInteger('maxBytes', maxBytes, 0, most) ?? this.#limits.maxBytes,
      maxAge: age === undefined ? this.#limits.maxAge : age * 1000,
    };
    this.#memory.clear();
    const pruned = await this.#disk.write(this.#limits, (store) => store.prune(wanted));
    return pruned ?? { removed: 0, bytes: 0 };
  }

  /** Lets go of memory and disk. Entries stay. May be called twice. */
  async close(): Promise<void> {
    this.#closed ??= this.#disk.release();
    this.#memory.clear();
    this.#files.clear();
    await this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /**
   * The place for the frame index of a file that is about to be opened. For `openVideo`.
   *
   * @param request what decides which frames there are, as JSON
   */
  async frameIndexSlot(path: string, request: object): Promise<FrameIndexSlot> {
    const facts = this.#closed === undefined ? await factsOf(path) : undefined;
    let identity: Identity | undefined;
    let key = '';
    const extension = extname(path).toLowerCase();
    return {
      get: async (signal) => {
        if (facts === undefined || this.#closed !== undefined) return undefined;
        identity = await identifyFile(path, this.#known(), signal, facts);
        if (identity === undefined) return undefined;
        key = `x:${identity.content}:${fingerprint([engine(), request])}`;
        const entry = await this.#find<IndexEntry>(key, extension);
        this.#count(entry !== undefined);
        return entry && unpackIndex(entry.index);
      },
      set: async (index, container) => {
        if (identity === undefined || this.#closed !== undefined) return;
        if (refers(container) || !(await identity.confirm())) return;
        const packed = packIndex(index);
        await this.#keep(key, {
          extension: entryExtension(extension, container),
          index: packed,
        });
      },
    };
  }

  /**
   * The analysis of `source`: from the cache, from whoever is making it just now, or from `make`, which is given a source that does not change.
   *
   * @internal
   */
  async analysisOf(
    source: VideoSource,
    request: AnalysisRequest,
    signal: AbortSignal | undefined,
    make: (source: VideoSource) => Promise<Analysis>,
  ): Promise<{ analysis: Analysis; cached: boolean }> {
    const resolved = resolveSource(source);
    // The caller may change it as soon as there is a promise.
    const own = types.isUint8Array(resolved) ? resolved.slice() : source;
    const found = await this.#identify(own, request, signal);
    if (found === undefined) return { analysis: await make(own), cached: false };
    const { key, name, extension } = found;
    for (;;) {
      signal?.throwIfAborted();
      const entry = await this.#find<AnalysisEntry>(key, extension);
      if (entry !== undefined) {
        this.#count(true);
        return { analysis: withSource(entry.analysis, name), cached: true };
      }
      const flight = this.#disk.flights.get(key) as Promise<Flight> | undefined;
      if (flight !== undefined) {
        const { value, error } = await orAbort(flight, signal);
        // What went wrong is told with the leader's name for the file.
        if (value?.name === name && error !== undefined) throw error;
        if (value?.analysis === undefined) continue;
        if (value.name !== name && !value.analysis.complete) continue;
        this.#count(true);
        return { analysis: withSource(value.analysis, name), cached: true };
      }
      const analysis = await this.#lead(found, signal, () => make(own));
      if (analysis === undefined) continue;
      this.#count(false);
      return { analysis, cached: false };
    }
  }

  /** Makes an analysis for all who want it; `undefined` if another process did. */
  async #lead(
    { key, name, extension, identity }: Found,
    signal: AbortSignal | undefined,
    make: () => Promise<Analysis>,
  ): Promise<Analysis | undefined> {
    let land: (outcome: Flight) => void = () => {};
    this.#disk.flights.set(key, new Promise<Flight>((done) => (land = done)));
    let outcome: Flight = {};
    try {
      const isDone = (store: Store) => this.#recall(store, key, extension) !== undefined;
      const lease = await this.#disk.lease(key, this.#limits, isDone, signal);
      if (lease === 'done') return undefined;
      try {
        const analysis = await make();
        const bytes = freezeAndWeigh(analysis);
        if (!(await identity.confirm())) return analysis; // of which content, nobody knows
        outcome = { value: { name, analysis } };
        if (isWorthKeeping(analysis)) {
          const { container } = analysis.info;
          const entry = { extension: entryExtension(extension, container), analysis };
          await this.#keep(key, entry, bytes);
        }
        return analysis;
      } finally {
        lease?.release();
      }
    } catch (error) {
      // One who gives up leaves the work to those who still wait.
      if (!signal?.aborted) outcome = { value: { name }, error };
      throw error;
    } finally {
      this.#disk.flights.delete(key);
      land(outcome);
    }
  }

  /** What `source` is, and under which key its analysis lies; `undefined` if it cannot have one. */
  async #identify(
    source: VideoSource,
    request: AnalysisRequest,
    signal?: AbortSignal,
  ): Promise<Found | undefined> {
    const resolved = resolveSource(source);
    const wanted = requestKey(request);
    this.#checkOpen();
    const isPath = typeof resolved === 'string';
    if (!isPath && !types.isUint8Array(resolved)) return undefined;
    const identity = isPath
      ? await identifyFile(resolved, this.#known(), signal)
      : await identifyBytes(resolved, signal);
    if (identity === undefined) return undefined;
    this.#checkOpen();
    const version = [ANALYSIS_SCHEMA, MEASURE_VERSION, engine()];
    return {
      identity,
      key: `a:${identity.content}:${fingerprint([...version, wanted])}`,
      name: isPath ? resolved : '<buffer>',
      extension: isPath ? extname(resolved).toLowerCase() : '',
    };
  }

  /** From memory or disk. */
  async #find<T extends Entry>(
    key: string,
    extension: string,
    isUse = true,
  ): Promise<T | undefined> {
    const inMemory = this.#memory.get(key)?.value as T | undefined;
    if (inMemory !== undefined && fits(inMemory, extension)) {
      if (isUse) await this.#disk.touch(key);
      return inMemory;
    }
    return this.#disk.read(this.#limits, (store) =>
      this.#recall<T>(store, key, extension, isUse),
    );
  }

  /** From disk into memory. */
  #recall<T extends Entry>(
    store: Store,
    key: string,
    extension: string,
    isUse = true,
  ): T | undefined {
    const entry = store.get(key, this.#limits.maxAge, isUse) as T | undefined;
    if (entry === undefined || !fits(entry, extension)) return undefined;
    this.#memorize(key, entry, freezeAndWeigh(entry));
    return entry;
  }

  async #keep(
    key: string,
    entry: Entry,
    bytes = freezeAndWeigh(entry),
  ): Promise<boolean> {
    freezeAndWeigh(entry);
    this.#memorize(key, entry, bytes);
    const written = await this.#disk.write(this.#limits, (store) =>
      store.put(key, entry, this.#limits),
    );
    return written ?? this.#memory.has(key);
  }

  #memorize(key: string, value: object, bytes: number): void {
    this.#memory.set(key, { value }, { size: Math.max(1, bytes) });
  }

  /** Where identities are remembered: in memory, and behind it on disk. */
  #known(): KnownFiles {
    return {
      find: async (path) => {
        const file = this.#files.get(path);
        if (file !== undefined) return { file, checked: true };
        const { maxAge } = this.#limits;
        const found = await this.#disk.read(this.#limits, (store) =>
          store.get(fileKey(path), maxAge),
        );
        return found === undefined
          ? undefined
          : { file: found as KnownFile, checked: false };
      },
      remember: async (path, file, isNew) => {
        this.#files.set(path, file);
        if (!isNew) return;
        await this.#disk.write(this.#limits, (store) =>
          store.put(fileKey(path), file, this.#limits),
        );
      },
    };
  }

  #count(isHit: boolean): void {
    if (isHit) this.#hits++;
    else this.#misses++;
  }

  #checkOpen(): void {
    if (this.#closed === undefined) return;
    throw new MediaError('ERR_CLOSED', 'the cache was closed');
  }
}

/** A source and what was found out about it. */
interface Found {
  readonly identity: Identity;
  readonly key: string;
  readonly name: string;
  readonly extension: string;
}

type Entry = AnalysisEntry | IndexEntry;
type Flight = Outcome<{ name: string; analysis?: Analysis }>;

function isEntry(key: string): boolean {
  return !key.startsWith('f:');
}

function fileKey(path: string): string {
  return `f:${fingerprint(path)}`;
}

/** Which FFmpeg decodes: another may decode otherwise, and read other frames from a damaged or odd file. */
function engine(): string {
  if (loadedEngine === undefined) {
    loadedEngine = addonVersions() ?? 'beamcoder';
  }
  return loadedEngine;
}
let loadedEngine: string | undefined;

/** Of FFmpeg's libraries in the addon; `undefined` where it cannot be loaded. */
function addonVersions(): string | undefined {
  try {
    const { libavformat, libavcodec, libavutil, libswscale } = loadAddon().versions();
    return [libavformat, libavcodec, libavutil, libswscale].join(' ');
  } catch {
    return undefined;
  }
}

function isWorthKeeping({ complete, info, schema }: Analysis): boolean {
  return complete && schema === ANALYSIS_SCHEMA && !refers(info.container);
}

function refers(container: string): boolean {
  return container.split(',').some((name) => REFERRING.includes(name));
}

/** Empty where the name of the file does not matter. */
function entryExtension(extension: string, container: string): string {
  return container.split(',').some((name) => SELF_EVIDENT.includes(name))
    ? '*'
    : extension;
}

function fits(entry: Entry, extension: string): boolean {
  return entry.extension === '*' || entry.extension === extension;
}

/** The analysis as one of the file that was asked for: a copy lies elsewhere. */
function withSource(analysis: Analysis, source: string): Analysis {
  if (analysis.source === source) return analysis;
  const info = Object.freeze({ ...analysis.info, source });
  return Object.freeze({ ...analysis, source, info });
}

/** @throws the signal's reason, as soon as it aborts */
async function orAbort<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  let stopListening = () => {};
  const aborted = new Promise<never>((_, fail) => {
    stopListening = onAbort(signal, () => fail(signal?.reason));
  });
  try {
    signal?.throwIfAborted();
    return await Promise.race([promise, aborted]);
  } finally {
    stopListening();
  }
}
