/**
 * What is measured on pixels, written to be read: the reference of `native/measure.cc`,
 * which comes to the same numbers bit for bit, faster.
 *
 * Note [Exact measures]: everything is summed in integers and divided once at the end, so
 * that the order of summing does not matter.
 */

import { COLUMNS, ROWS, residualOf } from './block-matching.ts';

/**
 * Counts up with every change that gives an analysis other numbers, in a measure, here and in `native/measure.cc`, or in a detector: cached
 * analyses of the versions before are then left alone. A change of shape raises `ANALYSIS_SCHEMA`, one of the frame index this, too.
 */
export const MEASURE_VERSION = 7;

/** One plane of 8-bit samples. */
export interface Plane {
  /** `[height, stride]`, row by row. */
  readonly data: Uint8Array;
  /** Samples in a row, and rows; both at least 1. */
  readonly width: number;
  readonly height: number;
  /** Bytes from one row to the next; at least `width`. */
  readonly stride: number;
}

/** What is measured on the luma of a sampled frame. */
export interface LumaMeasures {
  /** Mean, 0–255. */
  readonly brightness: number;
  /** Population standard deviation, 0–127.5. */
  readonly contrast: number;
  /**
   * Variance of the Laplacian, 0 and up (Pech-Pacheco et al., "Diatom autofocusing in
   * brightfield microscopy", ICPR 2000). The kernel is 0 1 0 / 1 -4 1 / 0 1 0, the border
   * BORDER_REFLECT_101, as in OpenCV's Laplacian with ksize 1; an axis of one sample
   * reflects onto itself.
   */
  readonly sharpness: number;
  /** {@link differenceHash}. */
  readonly hash: string;
  /** {@link darkBorders}. */
  readonly borders: Borders;
}

/** How much of a picture each side takes, as a share of its width (`left`, `right`) or height, 0–1. */
export interface Borders {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** Measures one luma plane. */
export function measureLuma(luma: Plane): LumaMeasures {
  const { width, height } = luma;
  const values = new Moments();
  const laplacians = new Moments();
  for (let y = 0; y < height; y++) {
    const above = reflect101(y - 1, height);
    const below = reflect101(y + 1, height);
    for (let x = 0; x < width; x++) {
      const value = at(luma, x, y);
      values.add(value);
      laplacians.add(
        at(luma, x, above) +
          at(luma, x, below) +
          at(luma, reflect101(x - 1, width), y) +
          at(luma, reflect101(x + 1, width), y) -
          4 * value,
      );
    }
  }
  return {
    brightness: values.mean(),
    contrast: Math.sqrt(values.variance()),
    sharpness: laplacians.variance(),
    hash: differenceHash(luma),
    borders: darkBorders(luma),
  };
}

/** Mean luma up to which a line counts as border: FFmpeg's vf_cropdetect.c has 24, whatever the range. */
const BORDER_LUMA = 24;

/**
 * The lines on each side whose mean luma is at most 24, as FFmpeg's vf_cropdetect.c has them: bars of letterbox and pillarbox. A picture
 * that is dark all over is `top` and `left` alone.
 */
export function darkBorders(luma: Plane): Borders {
  const { width, height } = luma;
  const { columns, rows } = projections(luma);
  const left = darkLines(columns, height);
  const top = darkLines(rows, width);
  const right = left === width ? 0 : darkLines(columns.reverse(), height);
  const bottom = top === height ? 0 : darkLines(rows.reverse(), width);
  return {
    left: left / width,
    top: top / height,
    right: right / width,
    bottom: bottom / height,
  };
}

/** How many lines from the first on are dark; each sum is of `length` samples. */
function darkLines(sums: readonly number[], length: number): number {
  const bright = sums.findIndex((sum) => sum > BORDER_LUMA * length);
  return bright < 0 ? sums.length : bright;
}

/** Sums of the columns and of the rows. */
function projections(luma: Plane): { columns: number[]; rows: number[] } {
  const columns = new Array<number>(luma.width).fill(0);
  const rows = new Array<number>(luma.height).fill(0);
  for (let y = 0; y < luma.height; y++) {
    for (let x = 0; x < luma.width; x++) {
      const value = at(luma, x, y);
      (columns[x] as number) += value;
      (rows[y] as number) += value;
    }
  }
  return { columns, rows };
}

/**
 * 64-bit perceptual hash: the difference hash of N. Krawetz, "Kind of Like That" (2013).
 * Whether each of 9x8 cells is darker than its right neighbour, row by row, the upper left
 * one in the most significant bit. 16 hexadecimal digits.
 */
export function differenceHash(luma: Plane): string {
  const columns = 9;
  const rows = 8;
  let hash = 0n;
  for (let j = 0; j < rows; j++) {
    for (let i = 0; i + 1 < columns; i++) {
      const left = cell(luma, columns, rows, i, j);
      const right = cell(luma, columns, rows, i + 1, j);
      // sum / area < sum / area, without dividing.
      const darker =
        BigInt(left.sum) * BigInt(right.area) < BigInt(right.sum) * BigInt(left.area);
      hash = (hash << 1n) | (darker ? 1n : 0n);
    }
  }
  return formatHash(Number(hash >> 32n), Number(hash & 0xffffffffn));
}

/** 16 hexadecimal digits of the unsigned halves of a hash. */
export function formatHash(high: number, low: number): string {
  return high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0');
}

/**
 * In how many of 64 bits two hashes differ; up to about 10 the pictures look alike.
 * @throws {TypeError} if one is not 16 hexadecimal digits
 */
export function hashDistance(a: string, b: string): number {
  let bits = parseHash(a) ^ parseHash(b);
  let distance = 0;
  for (; bits > 0n; bits >>= 1n) distance += Number(bits & 1n);
  return distance;
}

function parseHash(hash: string): bigint {
  if (!/^[0-9a-f]{16}$/i.test(hash)) {
    throw new TypeError(`a hash has 16 hexadecimal digits, not ${JSON.stringify(hash)}`);
  }
  return BigInt(`0x${hash}`);
}

/**
 * Mean distance of chroma from grey, 0–181, each distance rounded down: SATAVG of FFmpeg's
 * vf_signalstats.c. The planes have one size.
 */
export function meanSaturation(u: Plane, v: Plane): number {
  let sum = 0;
  for (let y = 0; y < u.height; y++) {
    for (let x = 0; x < u.width; x++) {
      const du = at(u, x, y) - 128;
      const dv = at(v, x, y) - 128;
      sum += Math.floor(Math.sqrt(du * du + dv * dv));
    }
  }
  return sum / (u.width * u.height);
}

/** The samples' measures that {@link quality} is made of. */
export type QualityMeasures = Pick<LumaMeasures, 'brightness' | 'contrast' | 'sharpness'>;

/**
 * How good a frame looks, 0–100: sharp, neither dark nor bright, with contrast. The
 * weights are those of the analyser that this project takes after: 40 % sharpness (full
 * from 100 on), 30 % closeness of the mean to mid grey, 30 % contrast (full from 50 on).
 */
export function quality({ brightness, contrast, sharpness }: QualityMeasures): number {
  return (
    100 *
    (0.4 * Math.min(sharpness / 100, 1) +
      0.3 * (1 - Math.abs(brightness - 128) / 128) +
      0.3 * Math.min(contrast / 50, 1))
  );
}

/**
 * Movement that does not depend on the frame rate: `difference` (mean |ΔY| to the previous
 * decoded frame, 0–255), reckoned for a distance of 1/25 s.
 *
 * @param dt seconds since the previous decoded frame. 0 or less (frames at one time, or no
 * previous frame) says nothing about movement and gives 0.
 */
export function motion(difference: number, dt: number): number {
  return dt > 0 ? (difference * (1 / 25)) / dt : 0;
}

/** What {@link ChangeMeter} looks at. */
export interface FramePlanes {
  readonly luma: Plane;
  /** Chroma of one size, whatever that is: only its distribution counts. */
  readonly u: Plane;
  readonly v: Plane;
  /** Whether luma runs from 0 to 255 instead of from 16 to 235. */
  readonly fullRange: boolean;
}

/**
 * How much a frame differs from those decoded before it, and what it looks like from afar: what the detectors go by.
 * But for `color`, `dark` and `signature`, all 0 for the first frame.
 */
export interface FrameChange {
  /**
   * Mean |ΔY| to the previous frame, 0–255: YDIF of FFmpeg's vf_signalstats.c. Where the
   * size changed, of the thumbnails.
   */
  readonly difference: number;
  /**
   * How little the frame has in common with the previous one, 0 (same) to 2 (inverted);
   * unrelated pictures come to about 1. See Note [Mismatch].
   */
  readonly mismatch: number;
  /** How much of the frame is not found in the previous one, 0–1, of the thumbnails. See Note [Residual] in block-matching.ts. */
  readonly residual: number;
  /**
   * The smallest mismatch (without displacement) to a frame two or more back, such that
   * those between lasted {@link FLASH} at most: small where the picture comes back after a
   * flash.
   */
  readonly recall: number;
  /** How many frames back that one was; 0 if there was none. */
  readonly recallAge: number;
  /** How differently chroma is distributed from the previous frame, 0–1: see {@link chromaHistogram}. */
  readonly chroma: number;
  /** Share of the chroma samples that are not grey (124–131), 0–1: how much `chroma` can tell. */
  readonly color: number;
  /** How far the picture as a whole has moved to the right and down since the previous frame, as shares of its size: see {@link displacement}. */
  readonly shiftX: number;
  readonly shiftY: number;
  /** Share of the samples that are nearly black, 0–1: up to 10 % of the range, as in FFmpeg's vf_blackdetect.c. */
  readonly dark: number;
  /** Mean luma of 16x9 cells, row by row, {@link SIGNATURE} bytes. */
  readonly signature: Uint8Array;
}

/** Cells of a signature, and in a row of it. */
export const SIGNATURE = 144;
export const SIGNATURE_COLUMNS = 16;

/** Seconds that a flash may last: shorter than any shot that a viewer could make out. */
export const FLASH = 0.25;

/** How far thumbnails, of {@link COLUMNS} x {@link ROWS} cells, are displaced at most. */
const SHIFT = 4;
/** How many thumbnails are kept at most: {@link FLASH} at 240 frames a second. */
const MEMORY = 61;

interface Thumbnail {
  readonly time: number;
  /** Mean luma of each cell, rounded half up. */
  readonly cells: readonly number[];
}

/** What is kept of the previous frame. */
interface Previous {
  readonly luma: Plane;
  readonly columns: readonly number[];
  readonly rows: readonly number[];
  readonly chroma: ChromaHistogram;
}

/** Compares each decoded frame with those before it. */
export class ChangeMeter {
  /** Newest first. */
  #thumbnails: Thumbnail[] = [];
  #previous: Previous | undefined;

  /** Compares the next frame, shown at `time` (seconds), with those before it. */
  next(planes: FramePlanes, time: number): FrameChange {
    const { luma } = planes;
    const thumbnail = makeThumbnail(luma, time);
    const current = {
      luma: { ...luma, data: luma.data.slice() },
      ...projections(luma),
      chroma: chromaHistogram(planes.u, planes.v),
    };
    const change = {
      ...this.#compare(current, thumbnail),
      color: colorShare(current.chroma),
      dark: darkShare(luma, planes.fullRange),
      signature: signatureOf(thumbnail),
    };
    this.#thumbnails.unshift(thumbnail);
    this.#thumbnails.length = Math.min(this.#thumbnails.length, MEMORY);
    this.#previous = current;
    return change;
  }

  /** Forgets what came before: the next frame is a first frame again. */
  reset(): void {
    this.#thumbnails = [];
    this.#previous = undefined;
  }

  #compare(
    current: Previous,
    thumbnail: Thumbnail,
  ): Omit<FrameChange, 'color' | 'dark' | 'signature'> {
    const [last] = this.#thumbnails;
    const previous = this.#previous;
    if (last === undefined || previous === undefined) {
      const still = { chroma: 0, shiftX: 0, shiftY: 0 };
      return {
        difference: 0,
        mismatch: 0,
        residual: 0,
        recall: 0,
        recallAge: 0,
        ...still,
      };
    }
    const { luma, columns, rows } = current;
    const mismatch = displacedMismatch(thumbnail, last);
    const sameSize =
      luma.width === previous.luma.width && luma.height === previous.luma.height;
    return {
      difference: sameSize
        ? meanDifference(luma, previous.luma)
        : meanDifference(asPlane(thumbnail), asPlane(last)),
      mismatch,
      residual: residualOf(thumbnail.cells, last.cells, mismatch),
      ...this.#recall(thumbnail),
      chroma: chromaDistance(current.chroma, previous.chroma),
      shiftX: sameSize ? displacement(columns, previous.columns) / luma.width : 0,
      shiftY: sameSize ? displacement(rows, previous.rows) / luma.height : 0,
    };
  }

  #recall(thumbnail: Thumbnail): Pick<FrameChange, 'recall' | 'recallAge'> {
    let recall = 0;
    let recallAge = 0;
    let between = this.#thumbnails[0];
    for (const [i, earlier] of this.#thumbnails.entries()) {
      if (i === 0) continue;
      // What lies between has been on screen since the frame after `earlier`.
      if (!(thumbnail.time - (between?.time ?? NaN) <= FLASH)) break;
      between = earlier;
      const value = mismatch(thumbnail, earlier, 0, 0);
      if (recallAge === 0 || value < recall) {
        recall = value;
        recallAge = i + 1;
      }
    }
    return { recall, recallAge };
  }
}

/** Bins of a chroma histogram: each of 4 levels, from 64 on. What lies outside, as hardly anything does, counts for the outermost. */
const CHROMA_BINS = 32;

interface ChromaHistogram {
  /** Samples of one plane. */
  readonly count: number;
  /** Of both planes, one after the other. */
  readonly bins: readonly number[];
}

/** How often each level of U and of V occurs, wherever it does: motion and a displaced camera leave that nearly as it was. */
function chromaHistogram(u: Plane, v: Plane): ChromaHistogram {
  const bins = new Array<number>(2 * CHROMA_BINS).fill(0);
  for (const [i, plane] of [u, v].entries()) {
    for (let y = 0; y < plane.height; y++) {
      for (let x = 0; x < plane.width; x++) {
        const bin = Math.min(Math.max((at(plane, x, y) >> 2) - 16, 0), CHROMA_BINS - 1);
        (bins[i * CHROMA_BINS + bin] as number) += 1;
      }
    }
  }
  return { count: u.width * u.height, bins };
}

/** The share that two histograms do not have in common, 0–1 (Swain and Ballard, "Color Indexing", IJCV 7(1), 1991: 1 less their intersection). */
function chromaDistance(a: ChromaHistogram, b: ChromaHistogram): number {
  // |p / count − q / count|, without dividing.
  const apart = a.bins.reduce(
    (sum, p, i) => sum + Math.abs(p * b.count - (b.bins[i] as number) * a.count),
    0,
  );
  return apart / (4 * a.count * b.count);
}

/** The two bins in the middle, 15 and 16, are grey. */
function colorShare({ count, bins }: ChromaHistogram): number {
  const grey = [15, 16, CHROMA_BINS + 15, CHROMA_BINS + 16];
  const sum = grey.reduce((total, i) => total + (bins[i] as number), 0);
  return (2 * count - sum) / (2 * count);
}

/** Displacements looked for, as a part of the length, and at most in samples. */
const REACH = 16;
const MAX_REACH = 32;

/**
 * By how many samples the profile of a picture (the sums of its columns or rows) has moved on since the previous one: the displacement
 * at which the slopes of the two are most alike, of equal ones the smallest. K. Ratakonda, "Real-time digital video
 * stabilization for multi-media applications", ISCAS 1998, finds a camera's movement like this.
 */
function displacement(current: readonly number[], previous: readonly number[]): number {
  const slopes = (sums: readonly number[]) =>
    sums.slice(1).map((sum, i) => sum - (sums[i] as number));
  const a = slopes(current);
  const b = slopes(previous);
  const reach = Math.min(Math.floor(current.length / REACH), MAX_REACH);
  let best = 0;
  let least: { apart: number; count: number } | undefined;
  for (let i = 0; i <= 2 * reach; i++) {
    // 0, 1, −1, 2, −2 …
    const shift = i % 2 === 1 ? (i + 1) / 2 : -i / 2;
    let apart = 0;
    const count = a.length - Math.abs(shift);
    for (let x = Math.max(0, shift); x < Math.min(a.length, a.length + shift); x++) {
      apart += Math.abs((a[x] as number) - (b[x - shift] as number));
    }
    // apart / count < least.apart / least.count, without dividing.
    if (least === undefined || apart * least.count < least.apart * count) {
      least = { apart, count };
      best = shift;
    }
  }
  return best === 0 ? 0 : best; // not −0
}

/** 10 % of the range above black. */
function darkShare(luma: Plane, fullRange: boolean): number {
  const limit = fullRange ? 25 : 37;
  let count = 0;
  for (let y = 0; y < luma.height; y++) {
    for (let x = 0; x < luma.width; x++) if (at(luma, x, y) <= limit) count += 1;
  }
  return count / (luma.width * luma.height);
}

/** Each cell is the mean of four of the thumbnail's, rounded half up. */
function signatureOf({ cells }: Thumbnail): Uint8Array {
  return Uint8Array.from({ length: SIGNATURE }, (_, i) => {
    const [x, y] = [2 * (i % SIGNATURE_COLUMNS), 2 * Math.floor(i / SIGNATURE_COLUMNS)];
    const sum = [0, 1, COLUMNS, COLUMNS + 1].reduce(
      (total, offset) => total + (cells[y * COLUMNS + x + offset] as number),
      0,
    );
    return Math.floor((sum + 2) / 4);
  });
}

/** Mean |a − b| of two planes of one size. */
function meanDifference(a: Plane, b: Plane): number {
  let sum = 0;
  for (let y = 0; y < a.height; y++) {
    for (let x = 0; x < a.width; x++) sum += Math.abs(at(a, x, y) - at(b, x, y));
  }
  return sum / (a.width * a.height);
}

function makeThumbnail(luma: Plane, time: number): Thumbnail {
  const cells: number[] = [];
  for (let j = 0; j < ROWS; j++) {
    for (let i = 0; i < COLUMNS; i++) {
      const { sum, area } = cell(luma, COLUMNS, ROWS, i, j);
      cells.push(Math.floor((2 * sum + area) / (2 * area)));
    }
  }
  return { time, cells };
}

function asPlane({ cells }: Thumbnail): Plane {
  return { data: Uint8Array.from(cells), width: COLUMNS, height: ROWS, stride: COLUMNS };
}

/** The smallest mismatch over all displacements of the whole picture. */
function displacedMismatch(a: Thumbnail, b: Thumbnail): number {
  let best = 2;
  for (let dy = -SHIFT; dy <= SHIFT; dy++) {
    for (let dx = -SHIFT; dx <= SHIFT; dx++) {
      best = Math.min(best, mismatch(a, b, dx, dy));
    }
  }
  return best;
}

/**
 * Note [Mismatch]: the part of two pictures' variance that they do not share,
 *
 *     (Σ(a' − b')² + N·m) / (Σa'² + Σb'² + N·m + N·c),   m = (ā − b̄)² / 32,
 *
 * where a' and b' are the N samples less their means ā and b̄. It is 1 − correlation for
 * pictures of equal contrast, so that a cut between two dark shots counts as much as one
 * between bright ones, while a change of exposure hardly counts. c = 16 (a deviation of
 * four grey levels) keeps noise on flat pictures from counting; m makes a cut from one flat
 * picture to another count. Thumbnails of 32x18 cells do not see small movements; of larger
 * ones of the whole picture (pans) the displacement that explains most is taken, and the
 * pictures are compared where they overlap.
 */
function mismatch(a: Thumbnail, b: Thumbnail, dx: number, dy: number): number {
  let n = 0;
  let sumA = 0;
  let sumB = 0;
  let squaresA = 0;
  let squaresB = 0;
  let products = 0;
  for (let y = Math.max(0, -dy); y < Math.min(ROWS, ROWS - dy); y++) {
    for (let x = Math.max(0, -dx); x < Math.min(COLUMNS, COLUMNS - dx); x++) {
      const p = a.cells[y * COLUMNS + x] as number;
      const q = b.cells[(y + dy) * COLUMNS + x + dx] as number;
      n += 1;
      sumA += p;
      sumB += q;
      squaresA += p * p;
      squaresB += q * q;
      products += p * q;
    }
  }
  // All times 32 n² to stay in integers; they stay below 2^53.
  const varianceA = n * squaresA - sumA * sumA;
  const varianceB = n * squaresB - sumB * sumB;
  const covariance = n * products - sumA * sumB;
  const means = (sumA - sumB) ** 2;
  const apart = 32 * (varianceA + varianceB - 2 * covariance) + means;
  const all = 32 * (varianceA + varianceB + 16 * n * n) + means;
  return apart / all;
}

/** Count, sum and sum of squares of integers. */
class Moments {
  #count = 0;
  #sum = 0;
  #squares = 0;

  add(value: number): void {
    this.#count += 1;
    this.#sum += value;
    this.#squares += value * value;
  }

  mean(): number {
    return this.#sum / this.#count;
  }

  /** (n Σx² − (Σx)²) / n², which can exceed what a double holds exactly. */
  variance(): number {
    const n = BigInt(this.#count);
    const sum = BigInt(this.#sum);
    return Number(n * BigInt(this.#squares) - sum * sum) / Number(n * n);
  }
}

/**
 * Sum and number of the samples in one cell of a grid. When `length` samples are shared out
 * among `count` cells, cell i begins at floor(i · length / count) and holds at least one, so
 * that pictures smaller than the grid repeat theirs.
 */
function cell(plane: Plane, columns: number, rows: number, i: number, j: number) {
  const [left, right] = cellRange(i, columns, plane.width);
  const [top, bottom] = cellRange(j, rows, plane.height);
  let sum = 0;
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) sum += at(plane, x, y);
  }
  return { sum, area: (right - left) * (bottom - top) };
}

function cellRange(i: number, count: number, length: number): [number, number] {
  const begin = Math.floor((i * length) / count);
  return [begin, Math.max(begin + 1, Math.floor(((i + 1) * length) / count))];
}

/** BORDER_REFLECT_101: the row or column beyond the border is the one before it. */
function reflect101(i: number, length: number): number {
  if (length === 1) return 0;
  if (i < 0) return -i;
  return i < length ? i : 2 * length - 2 - i;
}

function at(plane: Plane, x: number, y: number): number {
  return plane.data[y * plane.stride + x] as number;
}
