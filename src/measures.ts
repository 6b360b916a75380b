/**
 * What is measured on pixels, written to be read: the reference of `native/measure.cc`,
 * which comes to the same numbers bit for bit, faster. What compares frames is in change-meter.ts.
 *
 * Note [Exact measures]: everything is summed in integers and divided once at the end, so
 * that the order of summing does not matter.
 */

import { at, cell, type Plane } from './plane.ts';
import { projections } from './profiles.ts';

/**
 * Counts up with every change that gives an analysis other numbers, in a measure, in TypeScript and in C++, or in a detector: cached
 * analyses of the versions before are then left alone. A change of shape raises `ANALYSIS_SCHEMA`, one of the frame index this, too.
 */
export const MEASURE_VERSION = 9;

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

/**
 * How much a frame differs from those decoded before it, and what it looks like from afar: what the detectors go by.
 * But for `color`, `dark`, `variance` and `signature`, all 0 for the first frame.
 */
export interface FrameChange {
  /**
   * Mean |ΔY| to the previous frame, 0–255: YDIF of FFmpeg's vf_signalstats.c. Where the
   * size changed, of the thumbnails.
   */
  readonly difference: number;
  /**
   * How little the frame has in common with the previous one, 0 (same) to 2 (inverted);
   * unrelated pictures come to about 1. See Note [Mismatch] in thumbnail.ts.
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
  /** How differently chroma is distributed from the previous frame, 0–1: see chroma-histogram.ts. */
  readonly chroma: number;
  /** Share of the chroma samples that are not grey (124–131), 0–1: how much `chroma` can tell. */
  readonly color: number;
  /** How far the picture as a whole has moved to the right and down since the previous frame, as shares of its size: see profiles.ts. */
  readonly shiftX: number;
  readonly shiftY: number;
  /** Share of the samples that are nearly black, 0–1: up to 10 % of the range, as in FFmpeg's vf_blackdetect.c. */
  readonly dark: number;
  /** Of the luma of the thumbnail's cells, 0–16256: what the signature has of it, and what is finer than its cells. */
  readonly variance: number;
  /** Mean luma of 16x9 cells, row by row, {@link SIGNATURE} bytes. */
  readonly signature: Uint8Array;
}

/** Cells of a signature, and in a row of it. */
export const SIGNATURE = 144;
export const SIGNATURE_COLUMNS = 16;

/** Seconds that a flash may last: shorter than any shot that a viewer could make out. */
export const FLASH = 0.25;

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

/** BORDER_REFLECT_101: the row or column beyond the border is the one before it. */
function reflect101(i: number, length: number): number {
  if (length === 1) return 0;
  if (i < 0) return -i;
  return i < length ? i : 2 * length - 2 - i;
}
