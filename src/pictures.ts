/** Frames as JPEG, WebP, PNG and AVIF files, through sharp. */
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Sharp } from 'sharp';
import { MediaError } from './errors.ts';
import type { Frame } from './frame.ts';
import {
  checkChoice,
  checkInteger,
  checkTime,
  type OpenOptions,
  resolveSelection,
  type VideoSource,
} from './options.ts';
import { openVideo, Video } from './video.ts';

/** File formats that pictures can be made in; sharp's names. */
export type PictureFormat = 'jpeg' | 'webp' | 'png' | 'avif';

/** How a picture is written. */
export interface EncodeOptions {
  /** Default `'jpeg'`. */
  format?: PictureFormat | undefined;
  /** 1–100, for jpeg, webp and avif. Default: sharp's for the format (80, 80, 50). */
  quality?: number | undefined;
}

/** A picture as the bytes of a file. */
export interface Picture {
  readonly data: Uint8Array<ArrayBuffer>;
  readonly format: PictureFormat;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
}

/** A picture of one frame. */
export interface Thumbnail extends Picture {
  /** Presentation time of the frame, in seconds. */
  readonly time: number;
}

/** How a source is opened for its pictures. */
export type PictureSourceOptions = Pick<
  OpenOptions,
  'streamIndex' | 'language' | 'threads' | 'backend' | 'hardware' | 'toneMap' | 'signal'
>;

/** Size and format of thumbnails. */
export interface ThumbnailsOptions extends EncodeOptions, PictureSourceOptions {
  /** Pixels that a thumbnail fits inside, as displayed; never enlarged. Default 320 wide, however high that is. */
  width?: number | undefined;
  height?: number | undefined;
}

/** {@link thumbnail} */
export interface ThumbnailOptions extends ThumbnailsOptions {
  /**
   * Seconds on the stream's own clock: the frame on screen then; one outside the video gives its first or last frame.
   * Default: a tenth into the video (as ffmpegthumbnailer has it), for films begin in black.
   */
  time?: number | undefined;
}

const FORMATS: readonly PictureFormat[] = ['jpeg', 'webp', 'png', 'avif'];
const DEFAULT_WIDTH = 320;
/** As far as `openVideo` takes it. */
const MAX_SIDE = 16384;
/** More seconds than any video lasts: of `every`, only the first frame is wanted. */
const ONCE = 1e9;

/** What `encode` needs to know. */
export interface ResolvedEncoding {
  readonly format: PictureFormat;
  readonly quality: number | undefined;
}

/**
 * Makes a picture file of a frame in `rgb24`, `rgba` or `gray8`.
 *
 * @throws {TypeError | RangeError} for a mistake in `options`, or a frame in another pixel format
 * @throws {MediaError} `ERR_DEPENDENCY` if sharp cannot be loaded, `ERR_UNSUPPORTED` if the picture is too large for the format
 */
export async function encodePicture(
  frame: Pick<Frame, 'data' | 'width' | 'height' | 'pixelFormat'>,
  options: EncodeOptions = {},
): Promise<Picture> {
  const encoding = resolveEncoding(options);
  return encode(rawPicture(frame), encoding);
}

/**
 * Makes a picture file of one frame. A path or bytes are opened, sought in and closed again; an open `Video` (in `rgb24`, `rgba`
 * or `gray8`; its own size is the largest) stays open; a stream is read up to the frame.
 *
 * @throws {TypeError | RangeError} for a mistake in `options`
 * @throws {MediaError} as `openVideo` and `Video.frames`, and `ERR_DEPENDENCY` if sharp cannot be loaded
 */
export async function thumbnail(
  source: VideoSource | Video,
  options: ThumbnailOptions = {},
): Promise<Thumbnail> {
  const encoding = resolveEncoding(options);
  const size = resolveSize(options);
  const time = checkTime('time', options.time);
  if (source instanceof Video) {
    rawChannels(source.pixelFormat); // before any work
    return shrunk(await frameOf(source, time, options.signal), size, encoding);
  }
  await using video = await openForPictures(source, options, size);
  return await encodeFrame(await frameOf(video, time, options.signal), encoding);
}

/**
 * Makes picture files of the frames on screen at `times`, which must not fall, in one pass that jumps where that is shorter. Yields
 * them in that order, one for each time (the first or last frame for one outside the video); no more are held than are being encoded
 * side by side. A frame lost to damage is left out, or the one before it stands in.
 *
 * @throws {TypeError | RangeError} for a mistake in `times` or `options`
 * @throws {MediaError} as `openVideo` and `Video.frames`, and `ERR_DEPENDENCY` if sharp cannot be loaded
 */
export async function* thumbnails(
  source: VideoSource,
  times: readonly number[],
  options: ThumbnailsOptions = {},
): AsyncGenerator<Thumbnail, void, undefined> {
  const encoding = resolveEncoding(options);
  const size = resolveSize(options);
  resolveSelection({ times });
  const { signal } = options;
  await using video = await openForPictures(source, options, size);
  const underWay: Promise<Thumbnail>[] = [];
  try {
    for await (const frame of framesOnScreen(video, times, signal)) {
      const encoding_ = encodeFrame(frame, encoding);
      encoding_.catch(() => {}); // seen by whoever awaits it, which may be later
      underWay.push(encoding_);
      if (underWay.length >= availableParallelism()) {
        yield await (underWay.shift() as Promise<Thumbnail>);
      }
    }
    while (underWay[0] !== undefined) {
      yield await (underWay.shift() as Promise<Thumbnail>);
    }
  } finally {
    await Promise.allSettled(underWay);
  }
}

/** Damage elsewhere in a file is no reason to have no picture of it. @internal */
export function openForPictures(
  source: VideoSource,
  {
    streamIndex,
    language,
    threads,
    backend,
    hardware,
    toneMap,
    signal,
  }: PictureSourceOptions,
  size: { width?: number | undefined; height?: number | undefined },
): Promise<Video> {
  return openVideo(source, {
    ...{ streamIndex, language, threads, backend, hardware, toneMap, signal, ...size },
    pixelFormat: 'rgb24',
    onDecodeError: 'skip',
  });
}

/** The frame on screen at `time`, or by default one that stands for the whole. */
async function frameOf(
  video: Video,
  time: number | undefined,
  signal: AbortSignal | undefined,
): Promise<Frame> {
  const { startTime, duration } = video.info;
  const first = startTime ?? 0;
  const wanted = time ?? first + (duration ?? 0) / 10;
  // Needs no index, for which a long file would be read from end to end.
  const selection = { start: Math.max(wanted, first), every: ONCE, signal };
  for await (const frame of video.frames(selection)) return frame;
  for await (const frame of framesOnScreen(video, [wanted], signal)) return frame;
  throw video.errors.at(-1) ?? new RangeError(`${video.info.source}: no frame is shown`);
}

/**
 * The frames on screen at `times`, which do not fall; the nearest for a time outside the video. By the index where there can be one;
 * streams, and files too damaged for it, are read from front to back.
 *
 * @internal
 */
export async function* framesOnScreen(
  video: Video,
  times: readonly number[],
  signal: AbortSignal | undefined,
): AsyncGenerator<Frame, void, undefined> {
  if (await isIndexed(video, signal)) {
    yield* video.frames({ times, outOfRange: 'clamp', signal });
    return;
  }
  let next = 0;
  let shown: Frame | undefined;
  for await (const frame of video.frames({ signal })) {
    // Of two doubles that mean the same tick, either may be larger.
    const isPast = () => frame.time > (times[next] as number) + 1e-9;
    for (; next < times.length && shown !== undefined && isPast(); next++) {
      yield { ...shown, data: shown.data.slice() };
    }
    if (next >= times.length) return;
    shown = frame;
  }
  for (; next < times.length && shown !== undefined; next++) {
    yield { ...shown, data: shown.data.slice() };
  }
}

/** Makes the index of a video, if it can have one. @internal */
export async function isIndexed(
  video: Video,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    await video.index({ signal });
    return true;
  } catch (error) {
    const without = ['ERR_NOT_SEEKABLE', 'ERR_TRUNCATED', 'ERR_INVALID_DATA'];
    if (error instanceof MediaError && without.includes(error.code)) return false;
    throw error;
  }
}

/** @throws {TypeError | RangeError} naming the option @internal */
export function resolveEncoding(options: EncodeOptions): ResolvedEncoding {
  const format = checkChoice('format', options.format, FORMATS) ?? 'jpeg';
  const quality = checkInteger('quality', options.quality, 1, 100);
  if (quality !== undefined && format === 'png') {
    throw new TypeError("quality does not go with format 'png', which loses nothing");
  }
  return { format, quality };
}

function resolveSize(options: ThumbnailsOptions): { width?: number; height?: number } {
  const width = checkInteger('width', options.width, 1, MAX_SIDE);
  const height = checkInteger('height', options.height, 1, MAX_SIDE);
  return {
    ...(width !== undefined && { width }),
    ...(height !== undefined && { height }),
    ...(width === undefined && height === undefined && { width: DEFAULT_WIDTH }),
  };
}

async function encodeFrame(frame: Frame, encoding: ResolvedEncoding): Promise<Thumbnail> {
  return { ...(await encode(rawPicture(frame), encoding)), time: frame.time };
}

async function shrunk(
  frame: Frame,
  size: { width?: number; height?: number },
  encoding: ResolvedEncoding,
): Promise<Thumbnail> {
  const picture = rawPicture(frame).resize({
    ...{ ...size, fit: 'inside', withoutEnlargement: true },
  });
  return { ...(await encode(picture, encoding)), time: frame.time };
}

function rawChannels(pixelFormat: string): 1 | 3 | 4 {
  switch (pixelFormat) {
    case 'rgb24':
      return 3;
    case 'rgba':
      return 4;
    case 'gray8':
      return 1;
    default:
      throw new TypeError(
        `pictures are made of rgb24, rgba or gray8 frames, got ${pixelFormat}`,
      );
  }
}

function rawPicture({
  data,
  width,
  height,
  pixelFormat,
}: Pick<Frame, 'data' | 'width' | 'height' | 'pixelFormat'>): Sharp {
  const channels = rawChannels(pixelFormat);
  return loadSharp()(data, { raw: { width, height, channels }, limitInputPixels: false });
}

/** @internal */
export async function encode(
  picture: Sharp,
  { format, quality }: ResolvedEncoding,
): Promise<Picture> {
  try {
    const { data, info } = await picture
      .toFormat(format, quality === undefined ? {} : { quality })
      .toBuffer({ resolveWithObject: true });
    const { width, height } = info;
    // A Buffer of sharp may be a part of a larger one.
    const bytes = new Uint8Array(data);
    return { data: bytes, format, width, height };
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : String(cause);
    throw new MediaError('ERR_UNSUPPORTED', `${format}: sharp: ${words}`, { cause });
  }
}

let sharp: typeof import('sharp').default | undefined;

/**
 * Only when needed, because loading it takes longer than probing a file; and not with `import()`, for which Node 20.11 prints a
 * warning about JSON modules.
 *
 * @throws {MediaError} `ERR_DEPENDENCY` with the loader's words
 * @internal
 */
export function loadSharp(): typeof import('sharp').default {
  try {
    sharp ??= createRequire(join(import.meta.dirname, 'pictures.js'))('sharp');
    return sharp as typeof import('sharp').default;
  } catch (cause) {
    const [words] = (cause as Error).message.trim().split('\n');
    throw new MediaError(
      'ERR_DEPENDENCY',
      `sharp, which makes the pictures, could not be loaded: ${words}. \`npm install sharp\` installs it for this platform.`,
      { cause },
    );
  }
}
