/** What an import takes and gives, and the checks that turn a mistake into a `TypeError` or `RangeError` before any work. */
import { availableParallelism } from 'node:os';
import type { Analysis } from './analysis.ts';
import {
  type AnalyzeOptions,
  type AnalyzeProgress,
  resolveAnalyzeOptions,
} from './analyze.ts';
import type { ContactSheet, ContactSheetOptions } from './contact-sheet.ts';
import { findVideos } from './find-videos.ts';
import { MemoryMonitor } from './memory-monitor.ts';
import {
  checkBoolean,
  checkInteger,
  checkPositive,
  checkSignal,
  resolveSource,
  type VideoSource,
} from './options.ts';
import type { Thumbnail, ThumbnailOptions } from './pictures.ts';

/**
 * What to import: a path, `file:` URL, glob or directory (searched as {@link findVideos} says), or any iterable, also an
 * asynchronous one, of these and of other video sources. Bytes and streams must come in such an iterable.
 */
export type ImportSources =
  | string
  | URL
  | Iterable<VideoSource>
  | AsyncIterable<VideoSource>;

/** What every result of an import has. */
interface ImportResultBase {
  /** The absolute path of a file, or the source as it was given. */
  readonly source: VideoSource;
  /** Counts the sources from 0 in the order they were found. */
  readonly index: number;
  /** How often it was tried; 0 if it could not even be looked for. */
  readonly attempts: number;
}

/** A video that was analysed. */
export interface ImportSuccess extends ImportResultBase {
  /** `complete: false` where the file is damaged: what is missing is in its `errors`. */
  readonly analysis: Analysis;
  readonly error?: undefined;
  /** Whether the analysis came from the cache. */
  readonly cached: boolean;
  /** A picture of the best moment, where asked for. */
  readonly thumbnail?: Thumbnail | undefined;
  readonly contactSheet?: ContactSheet | undefined;
  /** Why a picture that was asked for is missing. */
  readonly pictureError?: Error | undefined;
}

/** A video that was not. */
export interface ImportFailure extends ImportResultBase {
  readonly analysis?: undefined;
  /** Most often a `MediaError`; `ERR_TIMEOUT` if it took too long. */
  readonly error: Error;
}

export type ImportResult = ImportSuccess | ImportFailure;

/** A file under way. */
export interface ImportActivity {
  readonly source: VideoSource;
  readonly index: number;
  /** How far it is; `null` while it is opened, or waits for memory. */
  readonly progress: AnalyzeProgress | null;
}

/** How far an import is. */
export interface ImportProgress {
  /** Sources found so far. */
  readonly found: number;
  /** Whether that is all. */
  readonly foundAll: boolean;
  /** Sources with a result, failed ones included. */
  readonly done: number;
  readonly failed: number;
  /** Results that came from the cache. */
  readonly cached: number;
  /** Frames decoded so far, of all files. */
  readonly frames: number;
  /** Seconds since the import began. */
  readonly elapsed: number;
  /** Oldest first. */
  readonly active: readonly ImportActivity[];
}

/** How to import. */
export interface ImportOptions extends Omit<AnalyzeOptions, 'onProgress' | 'signal'> {
  /**
   * Most files at once. Default `'auto'`: one for each core, each decoded by one thread; a file that is alone gets all cores.
   * Memory pressure makes it fewer, down to one.
   */
  concurrency?: number | 'auto' | undefined;
  /** Yield results in the order of the sources, rather than as they are ready. Default false. */
  ordered?: boolean | undefined;
  /** Milliseconds that one file may take, waiting for memory not counted. Default: as long as it takes. */
  timeout?: number | undefined;
  /**
   * How often to try a file again that failed for a reason that may pass: `ERR_IO`, `ERR_OUT_OF_MEMORY`, `ERR_TIMEOUT`.
   * Streams are never tried again. Default 0.
   */
  retries?: number | undefined;
  /** A picture of each video's best moment: the sharpest sample of its best segment. Default false. */
  thumbnail?: boolean | ThumbnailOptions | undefined;
  /** A contact sheet of each video, one picture a shot unless the options say otherwise. Default false. */
  contactSheet?: boolean | ContactSheetOptions | undefined;
  /** Endings of the files that directories are searched for. Default: those of video containers. */
  extensions?: readonly string[] | undefined;
  /** Says how much memory there is. Default: one with its own defaults for the time of the import. */
  monitor?: MemoryMonitor | undefined;
  /** Ends the import: the iteration rejects with the signal's reason once files under way are closed. */
  signal?: AbortSignal | undefined;
  /** Called some times a second, and for each result. */
  onProgress?: ((progress: ImportProgress) => void) | undefined;
}

/** What an import makes of {@link ImportOptions}. */
export interface ResolvedImportOptions {
  readonly concurrency: number;
  readonly ordered: boolean;
  readonly timeout: number | undefined;
  readonly retries: number;
  readonly thumbnail: ThumbnailOptions | null;
  readonly contactSheet: ContactSheetOptions | null;
  readonly monitor: MemoryMonitor | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: ImportProgress) => void) | undefined;
  /** For every file. */
  readonly analyze: AnalyzeOptions;
}

/** Longest delay of a timer in milliseconds. */
const MAX_DELAY = 2 ** 31 - 1;

/** @throws {TypeError | RangeError} naming the option */
export function resolveImportOptions(options: ImportOptions): ResolvedImportOptions {
  const {
    concurrency,
    ordered,
    timeout,
    retries,
    thumbnail,
    contactSheet,
    extensions,
    monitor,
    signal,
    onProgress,
    ...analyze
  } = options;
  resolveAnalyzeOptions(analyze);
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw new TypeError(`onProgress must be a function, got ${onProgress}`);
  }
  if (monitor !== undefined && !(monitor instanceof MemoryMonitor)) {
    throw new TypeError(`monitor must be a MemoryMonitor, got ${monitor}`);
  }
  checkExtensions(extensions);
  return {
    concurrency:
      concurrency === 'auto' || concurrency === undefined
        ? availableParallelism()
        : (checkInteger('concurrency', concurrency, 1, 1024) as number),
    ordered: checkBoolean('ordered', ordered) ?? false,
    timeout: checkTimeout(timeout),
    retries: checkInteger('retries', retries, 0, 100) ?? 0,
    thumbnail: pictureOptions('thumbnail', thumbnail),
    contactSheet: pictureOptions('contactSheet', contactSheet),
    monitor,
    signal: checkSignal(signal),
    onProgress,
    analyze,
  };
}

function checkTimeout(value: unknown): number | undefined {
  const timeout = checkPositive('timeout', value);
  if (timeout !== undefined && timeout > MAX_DELAY) {
    throw new RangeError(`timeout must be at most ${MAX_DELAY} ms, got ${timeout}`);
  }
  return timeout;
}

function checkExtensions(value: unknown): void {
  if (value === undefined) return;
  if (Array.isArray(value) && value.every((ending) => typeof ending === 'string')) return;
  throw new TypeError(`extensions must be an array of strings, got ${value}`);
}

function pictureOptions<T extends object>(
  name: string,
  value: boolean | T | undefined,
): T | null {
  if (value === undefined || value === false) return null;
  if (value === true) return {} as T;
  if (typeof value === 'object' && value !== null) return value;
  throw new TypeError(`${name} must be true, false or options, got ${value}`);
}

/** One source, or why it could not be looked for. */
export interface Listed {
  readonly source: VideoSource;
  readonly error?: Error | undefined;
}

/** The sources one by one, with directories and globs expanded. @throws {TypeError} at once for what can be none */
export function listSources(
  sources: ImportSources,
  options: ImportOptions,
): AsyncGenerator<Listed, void, undefined> {
  return list(toIterable(sources), options);
}

function toIterable(sources: ImportSources) {
  if (typeof sources === 'string' || sources instanceof URL) return [sources];
  const iterable =
    typeof sources === 'object' &&
    sources !== null &&
    (Symbol.iterator in sources || Symbol.asyncIterator in sources);
  if (iterable && !ArrayBuffer.isView(sources)) return sources;
  throw new TypeError(
    `sources must be a path, a file: URL or an iterable of sources, got ${sources}`,
  );
}

async function* list(
  sources: Iterable<VideoSource> | AsyncIterable<VideoSource>,
  { extensions, signal }: ImportOptions,
): AsyncGenerator<Listed, void, undefined> {
  for await (const source of sources) {
    if (typeof source !== 'string' && !(source instanceof URL)) {
      yield { source };
      continue;
    }
    const wrong = mistakeIn(source);
    if (wrong !== undefined) {
      yield { source, error: wrong };
      continue;
    }
    for await (const { path, error } of findVideos(source, { extensions, signal })) {
      yield { source: path, error };
    }
  }
}

/** One wrong entry of a list does not spoil the others. */
function mistakeIn(source: VideoSource): Error | undefined {
  try {
    resolveSource(source);
    return undefined;
  } catch (error) {
    return error as Error;
  }
}
