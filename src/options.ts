/** What callers may ask for, and the checks that turn a mistake into a `TypeError` or `RangeError` before any work. */
import { availableParallelism } from 'node:os';
import { isAbsolute, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { types } from 'node:util';
import { BACKEND_CHOICES, type BackendChoice } from './backend/backend.ts';
import type { PixelFormat } from './frame.ts';
import type { FrameAddress, FrameIndex } from './frame-index.ts';
import type { Fit, GeometryOptions } from './geometry.ts';

/**
 * What a video can be read from:
 * - a path, or a `file:` URL;
 * - a file in memory, of which one copy is taken before the call returns its promise (so that the caller may then change or
 *   transfer it) and freed when the video is closed;
 * - a Node `Readable`, a web `ReadableStream` or any async iterable of bytes, for formats that can be read from front to back:
 *   one pass over the frames and no more, without `index`, `frameAt` and `times`. It is read only as fast as frames are taken, and
 *   stopped (`destroy`, `cancel`, `return`) when the video is closed or could not be opened.
 */
export type VideoSource =
  | string
  | URL
  | Uint8Array
  | ArrayBuffer
  | AsyncIterable<Uint8Array>;

/** How to open a video. */
export interface OpenOptions {
  /** Width to scale to, in display pixels; alone, the height follows. Default: the picture's own. */
  width?: number | undefined;
  /** Height to scale to, in display pixels; alone, the width follows. Default: the picture's own. */
  height?: number | undefined;
  /** How the picture fills `width` × `height`. Default `'inside'`. */
  fit?: Fit | undefined;
  /** Never make the picture larger than it is. Default true. */
  withoutEnlargement?: boolean | undefined;
  /** Layout of `frame.data`. Default `'rgb24'`. */
  pixelFormat?: PixelFormat | undefined;
  /** Turn the picture upright as its display matrix says. Default true. */
  autorotate?: boolean | undefined;
  /** Stretch the width so that pixels are square, as the sample aspect ratio says. Default true. */
  squarePixels?: boolean | undefined;
  /**
   * Bring high dynamic range (PQ, HLG) down to what an SDR screen shows, in `rgb24`, `bgr24`, `rgba` and `gray8`. Default true;
   * false gives the signal as it is coded. `yuv420p`, `rgb48le` and `native` are never mapped.
   */
  toneMap?: boolean | undefined;
  /** Which video stream of the container, by index. Default: the best by FFmpeg's rules, never an attached picture. */
  streamIndex?: number | undefined;
  /** Without `streamIndex`: the largest video stream tagged with this language (ISO 639-2, such as `'eng'`). Default: any. */
  language?: string | undefined;
  /** Decoder threads; 0, the default, is one per core. */
  threads?: number | undefined;
  /**
   * What decodes: `'native'`, the addon; `'beamcoder'`, the package of that name (GPL-3.0-or-later, installed by you, run in a process of its
   * own); `'auto'`, the default, the addon or, where it cannot be loaded, beamcoder. The environment variable `RUSHES_BACKEND` decides in place
   * of `'auto'`. `video.decodePath` says what it came to.
   */
  backend?: BackendChoice | undefined;
  /**
   * Where to decode: `'none'` in software; a device type of FFmpeg's (`'videotoolbox'`, `'cuda'`, `'vaapi'` …) on such a device;
   * `'auto'`, the default, on a device only where `benchmarkDecodePaths` has found it faster on this machine, for this codec, pixel format and
   * about this size. Whatever fails on a device, at the beginning or in mid-stream, decoding goes on in software without losing or repeating a
   * frame; `video.decodePath` says so. For that, up to 64 MiB of packets are kept.
   *
   * With `'auto'` pixels are those of software, whatever decodes. A device that was asked for by name also makes frames smaller where FFmpeg has a filter for
   * that (`video.decodePath.scaleFilter`): quicker, and close to software's. Analyses are the same in any case.
   */
  hardware?: HardwareChoice | undefined;
  /** @internal Whether the device makes frames smaller, too. Default: if it was asked for by name. */
  scalesOnDevice?: boolean | undefined;
  /**
   * What a damaged packet does: `'throw'`, the default, ends the iteration with a `MediaError` after the frames before it;
   * `'skip'` goes on behind it and adds to `video.errors`.
   */
  onDecodeError?: 'throw' | 'skip' | undefined;
  /** Ends opening and every later read, and closes the video. */
  signal?: AbortSignal | undefined;
  /** An `AnalysisCache`: frame indexes of files are taken from it, and put into it. Default: none. */
  cache?: FrameIndexCache | undefined;
}

/** FFmpeg's types of hardware devices. */
export const HARDWARE_DEVICES = [
  'videotoolbox',
  'cuda',
  'vaapi',
  'qsv',
  'd3d11va',
  'd3d12va',
  'dxva2',
  'vulkan',
  'vdpau',
  'drm',
  'mediacodec',
  'opencl',
  'amf',
] as const;

/** One of FFmpeg's types of hardware devices. */
export type HardwareDeviceType = (typeof HARDWARE_DEVICES)[number];

/** {@link OpenOptions.hardware}. */
export type HardwareChoice = 'auto' | 'none' | HardwareDeviceType;

/** Where frame indexes are kept, as `openVideo` needs it: an `AnalysisCache`. */
export interface FrameIndexCache {
  /**
   * The place for the index of the file that is at `path` now, before it is opened.
   *
   * @param request what decides which frames there are, as JSON
   */
  frameIndexSlot(path: string, request: object): Promise<FrameIndexSlot>;
}

/** The place for one frame index. Neither call fails because the cache does. */
export interface FrameIndexSlot {
  /** `undefined` if there is none, or the file is not the same any more. @throws the signal's reason */
  get(signal: AbortSignal | undefined): Promise<FrameIndex | undefined>;
  /** After `get`: keeps an index if the file is still the same. `container` is `info.container`. */
  set(index: FrameIndex, container: string): Promise<void>;
}

/** Which frames an iteration yields. All times are seconds on the stream's own clock. */
export interface FrameSelection {
  /** Yields frames with `time >= start`. Default: from the first. */
  start?: number | undefined;
  /** Yields frames with `time < end`. Default: to the last. */
  end?: number | undefined;
  /**
   * Seconds between frames: yields the frame on screen at `start`, `start + every`, … (from the first frame without `start`).
   * A frame on screen at several of these times is yielded once.
   */
  every?: number | undefined;
  /** Frames per second: the same as `every: 1 / fps`. */
  fps?: number | undefined;
  /** Yields every nth frame of the range. Default 1. */
  step?: number | undefined;
  /**
   * Yields the frame on screen at each of these times, which must not fall; one on screen at several is yielded as often.
   * Cannot be combined with any other choice.
   */
  times?: readonly number[] | undefined;
  /** With `times`: what to do with a time at which no frame is on screen. Default `'throw'`, a `RangeError`. */
  outOfRange?: OutOfRange | undefined;
  /** Yields key frames only, and decodes nothing else. Default false. */
  keyFrames?: boolean | undefined;
  /** Ends this iteration; the video can be used again. */
  signal?: AbortSignal | undefined;
}

/** What to do where no frame is: a `RangeError`, the nearest frame, or none. */
export type OutOfRange = 'throw' | 'clamp' | 'skip';

/** What {@link openVideo} makes of {@link OpenOptions}. */
export interface ResolvedOpenOptions extends GeometryOptions {
  pixelFormat: PixelFormat;
  toneMap: boolean;
  streamIndex: number;
  language: string;
  threads: number;
  backend: BackendChoice;
  hardware: HardwareChoice;
  scalesOnDevice: boolean;
  onDecodeError: 'throw' | 'skip';
  signal: AbortSignal | undefined;
  cache: FrameIndexCache | undefined;
}

/** What an iteration makes of {@link FrameSelection}. */
export interface ResolvedSelection {
  start: number | null;
  end: number | null;
  step: number;
  every: number;
  keyFrames: boolean;
  times: readonly number[] | null;
}

const PIXEL_FORMATS: readonly PixelFormat[] = [
  'rgb24',
  'rgba',
  'bgr24',
  'gray8',
  'yuv420p',
  'rgb48le',
  'native',
];
const FITS: readonly Fit[] = ['inside', 'contain', 'cover', 'fill'];

/** Largest side of an output picture: keeps sizes in bytes far inside 31 bits. */
const MAX_SIDE = 16384;

function show(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : String(value);
}

/** A whole number in a range, or `undefined`. */
export function checkInteger(
  name: string,
  value: unknown,
  minimum: number,
  maximum: number,
): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isInteger(value)) {
    throw new TypeError(`${name} must be a whole number, got ${show(value)}`);
  }
  if (value < minimum || value > maximum) {
    throw new RangeError(`${name} must be ${minimum} to ${maximum}, got ${value}`);
  }
  return value;
}

/** A finite number above 0, or `undefined`. */
export function checkPositive(name: string, value: unknown): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || Number.isNaN(value)) {
    throw new TypeError(`${name} must be a number, got ${show(value)}`);
  }
  if (!(value > 0) || value === Number.POSITIVE_INFINITY) {
    throw new RangeError(`${name} must be above 0 and finite, got ${value}`);
  }
  return value;
}

/** A finite number of seconds, or `undefined`. */
export function checkTime(name: string, value: unknown): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    throw new TypeError(`${name} must be a finite number of seconds, got ${show(value)}`);
  }
  return value;
}

export function checkBoolean(name: string, value: unknown): boolean | undefined {
  if (value !== undefined && typeof value !== 'boolean') {
    throw new TypeError(`${name} must be true or false, got ${show(value)}`);
  }
  return value;
}

export function checkChoice<T extends string>(
  name: string,
  value: unknown,
  choices: readonly T[],
): T | undefined {
  if (value === undefined) return undefined;
  if (!choices.includes(value as T)) {
    const words = choices.map((choice) => `'${choice}'`).join(', ');
    throw new TypeError(`${name} must be one of ${words}, got ${show(value)}`);
  }
  return value as T;
}

function checkLanguage(value: unknown): string {
  if (value === undefined) return '';
  if (typeof value === 'string' && /^[a-z]{2,3}(-\w+)*$/i.test(value)) return value;
  throw new TypeError(`language must be a code such as 'eng', got ${show(value)}`);
}

export function checkSignal(value: unknown): AbortSignal | undefined {
  if (value !== undefined && !(value instanceof AbortSignal)) {
    throw new TypeError(`signal must be an AbortSignal, got ${show(value)}`);
  }
  return value;
}

/** `source` as an absolute path, bytes, or what may be a stream of bytes. @throws {TypeError} */
export function resolveSource(
  source: VideoSource,
): string | Uint8Array | AsyncIterable<unknown> {
  if (types.isUint8Array(source)) return source;
  if (types.isAnyArrayBuffer(source)) return new Uint8Array(source);
  if (isStream(source)) return source;
  return resolvePath(source);
}

function isStream(source: unknown): source is AsyncIterable<unknown> {
  if (typeof source !== 'object' || source === null) return false;
  return Symbol.asyncIterator in source || 'getReader' in source;
}

function resolvePath(source: string | URL): string {
  let path: string;
  if (source instanceof URL) {
    if (source.protocol !== 'file:') {
      throw new TypeError(`source must be a path or a file: URL, got ${source.href}`);
    }
    path = fileURLToPath(source);
  } else if (typeof source === 'string' && source !== '') {
    path = /^file:\/\//i.test(source) ? fileURLToPath(source) : source;
  } else {
    throw new TypeError(
      `source must be a path, a file: URL, bytes or a stream of bytes, got ${show(source)}`,
    );
  }
  if (path.includes('\0')) throw new TypeError('source must not hold a NUL character');
  return isAbsolute(path) ? path : resolve(path);
}

/** @throws {TypeError | RangeError} naming the option */
export function resolveOpenOptions(options: OpenOptions): ResolvedOpenOptions {
  const width = checkInteger('width', options.width, 1, MAX_SIDE);
  const height = checkInteger('height', options.height, 1, MAX_SIDE);
  const pixelFormat =
    checkChoice('pixelFormat', options.pixelFormat, PIXEL_FORMATS) ?? 'rgb24';
  if (pixelFormat === 'native' && (width !== undefined || height !== undefined)) {
    throw new TypeError("pixelFormat 'native' is never scaled: leave width and height");
  }
  const hardware = checkHardware(options.hardware);
  return {
    width,
    height,
    pixelFormat,
    fit: checkChoice('fit', options.fit, FITS) ?? 'inside',
    withoutEnlargement:
      checkBoolean('withoutEnlargement', options.withoutEnlargement) ?? true,
    autorotate: checkBoolean('autorotate', options.autorotate) ?? true,
    squarePixels: checkBoolean('squarePixels', options.squarePixels) ?? true,
    toneMap: checkBoolean('toneMap', options.toneMap) ?? true,
    language: checkLanguage(options.language),
    streamIndex: checkInteger('streamIndex', options.streamIndex, 0, 2 ** 31 - 1) ?? -1,
    threads: checkInteger('threads', options.threads, 0, 64) || availableParallelism(),
    backend: checkBackend(options.backend),
    hardware,
    scalesOnDevice: options.scalesOnDevice ?? hardware !== 'auto',
    onDecodeError:
      checkChoice('onDecodeError', options.onDecodeError, ['throw', 'skip']) ?? 'throw',
    signal: checkSignal(options.signal),
    cache: checkCache(options.cache),
  };
}

export function checkHardware(value: unknown): HardwareChoice {
  return checkChoice('hardware', value, ['auto', 'none', ...HARDWARE_DEVICES]) ?? 'auto';
}

function checkCache(value: unknown): FrameIndexCache | undefined {
  const { frameIndexSlot } = (value ?? {}) as Partial<FrameIndexCache>;
  if (value === undefined || typeof frameIndexSlot === 'function') {
    return value as FrameIndexCache | undefined;
  }
  throw new TypeError(`cache must be an AnalysisCache, got ${show(value)}`);
}

/** @throws {TypeError} */
export function checkBackend(value: unknown): BackendChoice {
  return checkChoice('backend', value, BACKEND_CHOICES) ?? 'auto';
}

export function checkOutOfRange(value: unknown): OutOfRange {
  return checkChoice('outOfRange', value, ['throw', 'clamp', 'skip']) ?? 'throw';
}

/** A time in seconds, `{ index }` or `{ pts }`. */
export function checkAddress(value: FrameAddress): FrameAddress {
  if (typeof value === 'object' && value !== null) {
    const name = 'index' in value ? 'index' : 'pts';
    const number = (value as Record<string, unknown>)[name];
    if (Number.isSafeInteger(number)) return value;
    throw new TypeError(`${name} must be a whole number, got ${show(number)}`);
  }
  checkTime('time', value ?? Number.NaN);
  return value;
}

function checkTimes(options: FrameSelection): readonly number[] | null {
  const { times } = options;
  if (times === undefined) return null;
  if (!Array.isArray(times)) {
    throw new TypeError(`times must be an array of seconds, got ${show(times)}`);
  }
  for (const name of ['start', 'end', 'every', 'fps', 'step', 'keyFrames'] as const) {
    if (options[name] !== undefined) {
      throw new TypeError(`times and ${name} cannot be combined`);
    }
  }
  times.forEach((time, i) => {
    checkTime(`times[${i}]`, time ?? Number.NaN);
    if (i > 0 && time < (times[i - 1] as number)) {
      throw new RangeError(
        `times must not fall, got ${time} after ${times[i - 1]}: framesAt() takes any order`,
      );
    }
  });
  return [...times];
}

/** @throws {TypeError | RangeError} naming the option */
export function resolveSelection(options: FrameSelection): ResolvedSelection {
  const times = checkTimes(options);
  const every = checkPositive('every', options.every);
  const fps = checkPositive('fps', options.fps);
  const step = checkInteger('step', options.step, 1, Number.MAX_SAFE_INTEGER);
  const ways = { every, fps, step };
  const given = Object.entries(ways).filter(([, value]) => value !== undefined);
  if (given.length > 1) {
    const names = given.map(([name]) => name).join(' and ');
    throw new TypeError(`${names} cannot be combined: each chooses the frames`);
  }
  const start = checkTime('start', options.start) ?? null;
  const end = checkTime('end', options.end) ?? null;
  if (start !== null && end !== null && end < start) {
    throw new RangeError(`end must not be before start, got ${start} to ${end}`);
  }
  return {
    start,
    end,
    step: step ?? 1,
    every: every ?? (fps === undefined ? 0 : 1 / fps),
    keyFrames: checkBoolean('keyFrames', options.keyFrames) ?? false,
    times,
  };
}
