/** Many frames of a video on one picture. */
import type { MediaError } from './errors.ts';
import type { Frame } from './frame.ts';
import { endOf, timeOf } from './frame-index.ts';
import {
  checkBoolean,
  checkInteger,
  checkPositive,
  resolveSelection,
  type VideoSource,
} from './options.ts';
import {
  type EncodeOptions,
  encode,
  framesOnScreen,
  isIndexed,
  loadSharp,
  openForPictures,
  type Picture,
  type PictureFormat,
  type PictureSourceOptions,
  resolveEncoding,
} from './pictures.ts';
import type { Video } from './video.ts';

/** Which frames, and how they are laid out. */
export interface ContactSheetOptions extends EncodeOptions, PictureSourceOptions {
  /** Seconds on the stream's own clock, which must not fall: the frames on screen then, the nearest for a time outside the video. */
  times?: readonly number[] | undefined;
  /** Or one frame every so many seconds, from the first. */
  every?: number | undefined;
  /** Or so many frames, each from the middle of an equal part of the video. Default 20. */
  count?: number | undefined;
  /** Frames side by side, 1–100. Default 4. */
  columns?: number | undefined;
  /** Width of the whole sheet in pixels, 16–16384. Default 1280; less where frames would have to be enlarged. */
  width?: number | undefined;
  /** Write on each frame when it is shown. Default true. */
  timecodes?: boolean | undefined;
  /** Colour between frames, `#rgb` or `#rrggbb`. Default `'#111111'`. */
  background?: string | undefined;
  /** Called for each frame that is laid out. */
  onProgress?: ((progress: ContactSheetProgress) => void) | undefined;
}

/** How far a sheet is. */
export interface ContactSheetProgress {
  /** Presentation time of the frame in seconds. */
  readonly time: number;
  /** Frames on the sheet so far. */
  readonly frames: number;
}

/** Where on a sheet a frame is. Pixels. */
export interface SheetCell {
  /** Presentation time of the frame in seconds. */
  readonly time: number;
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** {@link contactSheet} */
export interface ContactSheet extends Picture {
  /** Presentation time of the first frame on it, in seconds. */
  readonly time: number;
  /** The frames on it, row by row. */
  readonly cells: readonly SheetCell[];
  /** Damage that was gone past; a frame lost to it is left out. */
  readonly errors: readonly MediaError[];
}

const DEFAULT_COUNT = 20;
/**
 * Largest side that each format can have: ITU-T T.81 B.2.2 (16 bits), RFC 9649 2.7 (14 bits), libheif's limit; and for PNG as much as
 * for JPEG, though it could have more.
 */
const MAX_SIDES: Record<PictureFormat, number> = {
  jpeg: 65_535,
  png: 65_535,
  webp: 16_383,
  avif: 16_384,
};
/** Bounds the memory of a sheet: 192 MiB of pixels, and about as much again while it is encoded. */
const MAX_PIXELS = 2 ** 26;

/**
 * Lays frames of a video out on one picture. One pass, which jumps where that is shorter (a stream is read to its end); frames are
 * decoded at the size they are shown at, so that no more is held than the sheet.
 *
 * @throws {TypeError | RangeError} for a mistake in `options`; also if the sheet would be larger than its format can be (65535 pixels a
 * side for jpeg and png, 16383 for webp, 16384 for avif) or than 64 Mi pixels, or with `count` for a stream that does not say how long
 * it is
 * @throws {MediaError} as `openVideo` and `Video.frames`; `ERR_DEPENDENCY` if sharp cannot be loaded
 */
export async function contactSheet(
  source: VideoSource,
  options: ContactSheetOptions = {},
): Promise<ContactSheet> {
  const encoding = resolveEncoding(options);
  const choice = resolveChoice(options);
  const { onProgress } = options;
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw new TypeError(`onProgress must be a function, got ${onProgress}`);
  }
  const { columns, width, gap, timecodes, background } = resolveLayout(options);
  const cellWidth = Math.floor((width - gap * (columns + 1)) / columns);
  await using video = await openForPictures(source, options, { width: cellWidth });

  const canvas = new Canvas(video.frameSize, {
    ...{ columns, gap, background, format: encoding.format },
  });
  for await (const frame of chosenFrames(video, choice, options.signal)) {
    const cell = canvas.add(frame);
    if (timecodes) await canvas.label(cell);
    onProgress?.({ time: cell.time, frames: canvas.cells.length });
  }
  const [first] = canvas.cells;
  if (first === undefined) {
    throw (
      video.errors.at(-1) ?? new RangeError(`${video.info.source}: no frame is shown`)
    );
  }
  const { data, height } = canvas.finish();
  const raw = { width: canvas.width, height, channels: 3 } as const;
  const sharp = loadSharp();
  const picture = await encode(sharp(data, { raw, limitInputPixels: false }), encoding);
  return { ...picture, time: first.time, cells: canvas.cells, errors: [...video.errors] };
}

type Choice = { times: readonly number[] } | { every: number } | { count: number };

function resolveChoice(options: ContactSheetOptions): Choice {
  const { times } = options;
  const every = checkPositive('every', options.every);
  const count = checkInteger('count', options.count, 1, 10_000);
  const given = Object.entries({ times, every, count }).filter(
    ([, value]) => value !== undefined,
  );
  if (given.length > 1) {
    const names = given.map(([name]) => name).join(' and ');
    throw new TypeError(`${names} cannot be combined: each chooses the frames`);
  }
  if (times !== undefined) {
    resolveSelection({ times });
    if (times.length === 0) throw new RangeError('times must not be empty');
    return { times };
  }
  return every === undefined ? { count: count ?? DEFAULT_COUNT } : { every };
}

function resolveLayout(options: ContactSheetOptions) {
  const columns = checkInteger('columns', options.columns, 1, 100) ?? 4;
  const width = checkInteger('width', options.width, 16, 16_384) ?? 1280;
  // Grows with the sheet: 4 pixels at the default width.
  const gap = Math.max(1, Math.round(width / 320));
  const least = columns * (gap + 16) + gap;
  if (width < least) {
    throw new RangeError(
      `width must be at least ${least} for ${columns} columns, got ${width}`,
    );
  }
  const timecodes = checkBoolean('timecodes', options.timecodes) ?? true;
  return { columns, width, gap, timecodes, background: resolveColor(options.background) };
}

function resolveColor(value: unknown = '#111111'): readonly [number, number, number] {
  const digits =
    typeof value === 'string' && /^#([\da-f]{3}|[\da-f]{6})$/i.exec(value)?.[1];
  if (!digits) {
    throw new TypeError(`background must be #rgb or #rrggbb, got ${String(value)}`);
  }
  const pairs = digits.length === 3 ? [...digits].map((digit) => digit + digit) : null;
  const component = (index: number) =>
    Number.parseInt(pairs?.[index] ?? digits.slice(index * 2, index * 2 + 2), 16);
  return [component(0), component(1), component(2)];
}

/** By the index where there can be one, so that a pass jumps; else from front to back. */
async function* chosenFrames(
  video: Video,
  choice: Choice,
  signal: AbortSignal | undefined,
): AsyncGenerator<Frame, void, undefined> {
  if ('times' in choice) {
    yield* framesOnScreen(video, choice.times, signal);
    return;
  }
  const indexed = await isIndexed(video, signal);
  const { start, length } = indexed ? await indexedRange(video) : statedRange(video);
  if ('every' in choice) {
    if (!indexed) {
      yield* video.frames({ every: choice.every, signal });
      return;
    }
    const count = Math.max(1, Math.ceil((length ?? 0) / choice.every - 1e-9));
    yield* unique(framesOnScreen(video, steps(start, choice.every, count), signal));
    return;
  }
  if (length === null) {
    throw new RangeError(
      `count cannot be used where the source does not say how long it is, got ${choice.count}: take every`,
    );
  }
  const every = length / choice.count;
  const times = steps(start + every / 2, every, choice.count);
  yield* unique(framesOnScreen(video, times, signal));
}

async function indexedRange(video: Video) {
  const index = await video.index();
  const start = timeOf(index, 0);
  return { start, length: endOf(index) - start };
}

function statedRange({ info }: Video) {
  return { start: info.startTime ?? 0, length: info.duration };
}

function steps(start: number, every: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => start + i * every);
}

/** A frame on screen for long is shown once. */
async function* unique(frames: AsyncIterable<Frame>): AsyncGenerator<Frame> {
  let last: number | undefined;
  for await (const frame of frames) {
    if (frame.pts !== last) yield frame;
    last = frame.pts;
  }
}

type Rgb = readonly [number, number, number];

/** rgb24 pixels that grow by rows of cells. */
class Canvas {
  readonly cells: SheetCell[] = [];
  readonly width: number;
  readonly #cell: { readonly width: number; readonly height: number };
  readonly #columns: number;
  readonly #gap: number;
  readonly #background: Rgb;
  readonly #format: PictureFormat;
  #data: Uint8Array<ArrayBuffer> = new Uint8Array(0);

  constructor(
    cell: { readonly width: number; readonly height: number },
    options: { columns: number; gap: number; background: Rgb; format: PictureFormat },
  ) {
    this.#cell = cell;
    this.#columns = options.columns;
    this.#gap = options.gap;
    this.#background = options.background;
    this.#format = options.format;
    this.width = options.columns * (cell.width + this.#gap) + this.#gap;
  }

  add(frame: Frame): SheetCell {
    const { width, height } = this.#cell;
    const row = Math.floor(this.cells.length / this.#columns);
    const column = this.cells.length % this.#columns;
    const left = this.#gap + column * (width + this.#gap);
    const top = this.#gap + row * (height + this.#gap);
    if (column === 0) this.#reserve(top + height + this.#gap);
    for (let y = 0; y < height; y++) {
      const line = frame.data.subarray(y * width * 3, (y + 1) * width * 3);
      this.#data.set(line, ((top + y) * this.width + left) * 3);
    }
    const cell = { time: frame.time, left, top, width, height };
    this.cells.push(cell);
    return cell;
  }

  /** Writes when a frame is shown into its lower right corner, if there is room. */
  async label(cell: SheetCell): Promise<void> {
    const size = Math.max(8, Math.round(cell.height / 18));
    const { svg, width, height } = labelSvg(timeLabel(cell.time), size);
    const margin = Math.round(size / 2);
    if (width + 2 * margin > cell.width || height + 2 * margin > cell.height) return;
    const pixels = await loadSharp()(Buffer.from(svg)).ensureAlpha().raw().toBuffer();
    const left = cell.left + cell.width - margin - width;
    const top = cell.top + cell.height - margin - height;
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        this.#blend(left + x, top + y, pixels, (y * width + x) * 4);
      }
    }
  }

  finish(): { data: Uint8Array<ArrayBuffer>; height: number } {
    const rows = Math.ceil(this.cells.length / this.#columns);
    const height = this.#gap + rows * (this.#cell.height + this.#gap);
    return { data: this.#data.subarray(0, this.width * height * 3), height };
  }

  #blend(x: number, y: number, rgba: Uint8Array, at: number): void {
    const alpha = (rgba[at + 3] as number) / 255;
    const to = (y * this.width + x) * 3;
    for (let i = 0; i < 3; i++) {
      const below = this.#data[to + i] as number;
      this.#data[to + i] = below + ((rgba[at + i] as number) - below) * alpha;
    }
  }

  /** Doubles, so that a sheet whose length is not known beforehand is not copied at every row. */
  #reserve(height: number): void {
    const most = MAX_SIDES[this.#format];
    if (this.width > most || height > most || this.width * height > MAX_PIXELS) {
      throw new RangeError(
        `the sheet would be ${this.width} x ${height} pixels or more, too large for ${this.#format}: take fewer frames, more columns or a smaller width`,
      );
    }
    const needed = this.width * height * 3;
    if (needed <= this.#data.length) return;
    const grown = new Uint8Array(
      Math.min(Math.max(needed, this.#data.length * 2), MAX_PIXELS * 3),
    );
    grown.set(this.#data);
    const [red, green, blue] = this.#background;
    for (let i = this.#data.length; i + 2 < grown.length; i += 3) {
      grown[i] = red;
      grown[i + 1] = green;
      grown[i + 2] = blue;
    }
    this.#data = grown;
  }
}

/** `1:02:03.500`, `0:03.500`: hours only where there are any. */
function timeLabel(seconds: number): string {
  const milliseconds = Math.round(Math.abs(seconds) * 1000);
  const pad = (value: number, digits = 2) =>
    String(Math.floor(value)).padStart(digits, '0');
  const hours = Math.floor(milliseconds / 3_600_000);
  const minutes = Math.floor(milliseconds / 60_000) % 60;
  const rest = `${pad((milliseconds / 1000) % 60)}.${pad(milliseconds % 1000, 3)}`;
  const sign = seconds < 0 && milliseconds > 0 ? '-' : '';
  return hours > 0
    ? `${sign}${hours}:${pad(minutes)}:${rest}`
    : `${sign}${minutes}:${rest}`;
}

/**
 * Strokes of each character, 10 units high and as wide as said: drawn as paths, because text in an SVG is blank on a machine without
 * fonts.
 */
const GLYPHS: Readonly<Record<string, readonly [width: number, path: string]>> = {
  '0': [6, 'M3 0C1 0 0 2 0 5s1 5 3 5 3-2 3-5-1-5-3-5Z'],
  '1': [6, 'M1 2.2 3.6 0V10'],
  '2': [6, 'M.3 2.5C.5.9 1.6 0 3.1 0s2.7 1 2.7 2.6C5.8 5 .6 6.6 .2 10H6'],
  '3': [
    6,
    'M.4 1.600C.9.6 1.8 0 3 0s2.6.9 2.6 2.300S4.5 4.7 2.6 4.700C4.7 4.7 6 5.7 6 7.300S4.7 10 3 10 .5 9.3 0 8.1',
  ],
  '4': [6, 'M4.5 10V0L0 7H6'],
  '5': [
    6,
    'M5.5 0H1L.6 4.700C1.2 4.2 2 3.9 3 3.900c1.8 0 3 1.2 3 3S4.7 10 2.9 10C1.6 10 .6 9.4 0 8.4',
  ],
  '6': [
    6,
    'M5.4 1C4.9.4 4.2 0 3.3 0 1.2 0 0 2.2 0 6.500M3 3.900c1.7 0 3 1.3 3 3.050S4.7 10 3 10 0 8.7 0 6.950 1.3 3.9 3 3.900Z',
  ],
  '7': [6, 'M0 0H6L2.2 10'],
  '8': [
    6,
    'M3 0c1.5 0 2.6.9 2.6 2.300S4.5 4.7 3 4.7.4 3.7.4 2.3 1.5 0 3 0ZM3 4.700c1.7 0 3 1 3 2.600S4.7 10 3 10 0 8.9 0 7.3 1.3 4.7 3 4.700Z',
  ],
  '9': [
    6,
    'M.6 9C1.1 9.6 1.8 10 2.7 10 4.8 10 6 7.8 6 3.500M3 6.100C1.3 6.1 0 4.8 0 3.050S1.3 0 3 0 6 1.3 6 3.050 4.7 6.1 3 6.100Z',
  ],
  ':': [1, 'M.5 2.800h.01M.5 8.200h.01'],
  '.': [1, 'M.5 9.800h.01'],
  '-': [5, 'M.5 5H4.5'],
};
const LETTER_SPACE = 2.4;
const PADDING = 4;

/** White on a dark plate that any picture can be behind. `size`: pixels of a digit's height. */
function labelSvg(text: string, size: number) {
  const scale = size / 10;
  let x = 0;
  const paths = [...text].map((letter) => {
    const [width, path] = GLYPHS[letter] ?? [0, ''];
    const moved = `<path d="${path}" transform="translate(${x.toFixed(2)} 0)"/>`;
    x += width + LETTER_SPACE;
    return moved;
  });
  const width = Math.ceil((x - LETTER_SPACE + 2 * PADDING) * scale);
  const height = Math.ceil((10 + 2 * PADDING) * scale);
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">
<rect width="100%" height="100%" rx="${(2.5 * scale).toFixed(2)}" fill="#000" fill-opacity=".62"/>
<g fill="none" stroke="#fff" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" transform="scale(${scale}) translate(${PADDING} ${PADDING})">${paths.join('')}</g></svg>`;
  return { svg, width, height };
}
