/** A frame from afar, and how little two of them have in common. */

import { cell, type Plane } from './plane.ts';

/** Size of thumbnails in cells. */
export const COLUMNS = 32;
export const ROWS = 18;
/** How far they are displaced at most, in cells. */
const SHIFT = 4;

/** Mean luma of {@link COLUMNS} x {@link ROWS} cells, rounded half up, row by row, each 0–255. */
export type Cells = readonly number[];

export interface Thumbnail {
  /** When it is shown, in seconds. */
  readonly time: number;
  readonly cells: Cells;
}

export function makeThumbnail(luma: Plane, time: number): Thumbnail {
  const cells: number[] = [];
  for (let j = 0; j < ROWS; j++) {
    for (let i = 0; i < COLUMNS; i++) {
      const { sum, area } = cell(luma, COLUMNS, ROWS, i, j);
      cells.push(Math.floor((2 * sum + area) / (2 * area)));
    }
  }
  return { time, cells };
}

/** Of the luma of the cells. */
export function variance({ cells }: Thumbnail): number {
  let [sum, squares] = [0, 0];
  for (const cell of cells) {
    sum += cell;
    squares += cell * cell;
  }
  return (cells.length * squares - sum * sum) / cells.length ** 2;
}

/** The smallest mismatch over all displacements of the whole picture. */
export function displacedMismatch(a: Thumbnail, b: Thumbnail): number {
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
export function mismatch(a: Thumbnail, b: Thumbnail, dx = 0, dy = 0): number {
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
