/**
 * What of a small picture no movement explains: the reference of `native/block_matching.cc`, which comes to the same numbers bit for
 * bit, faster (Note [Exact measures] in measures.ts).
 */

import { type Cells, COLUMNS, ROWS } from './thumbnail.ts';

/** Size of blocks, in cells. */
const BLOCK = 4;
const AREA = BLOCK * BLOCK;
/** Blocks in a row, and rows of them: what is left below is not looked at. */
const ACROSS = COLUMNS / BLOCK;
const DOWN = Math.floor(ROWS / BLOCK);
/** What counts as nothing in a block: one level a cell, times {@link AREA} as all sums are. */
const FLOOR = AREA * AREA;
/** How often the best place of a block is looked for beside the last one. */
const ROUNDS = 8;
const STEPS = [
  { x: 1, y: 0 },
  { x: -1, y: 0 },
  { x: 0, y: 1 },
  { x: 0, y: -1 },
];
/** What each block adds at most, so that the sum is one of integers. */
const UNIT = 4096;
/** Mismatch of the pictures from which on they may have moved far, and how far at most, in cells. */
const FAR = 0.1;
const FAR_X = 18;
const FAR_Y = 6;

/** Where a block was before, less where it is now, in cells. */
interface Vector {
  readonly x: number;
  readonly y: number;
}

const NOWHERE: Vector = { x: 0, y: 0 };

/**
 * Note [Residual]: how much of a picture is not found in the one before it, wherever each block of it may have been, 0 (all is found) to
 * 1. A cut leaves little of it, while pans and what moves leave most. It is the mean over the blocks of
 *
 *     min(1, (Σ(a' − b')² − N) / (Σa'² + Σb'² + 2N))
 *
 * where a' and b' are the N cells of a block and of the block in the picture before that it resembles most, each less its mean, and a
 * level in each cell is noise: for blocks what Note [Mismatch] in thumbnail.ts is for pictures. It is from what it costs to predict blocks out of the
 * picture before, as against out of themselves, that encoders know scene cuts (L. Merritt and R. Vanam, "x264: a high performance
 * H.264/AVC encoder", 2006; `slicetype.c` of x264).
 *
 * Where a block was is looked for as in A. M. Tourapis et al., "Predictive motion vector field adaptive search technique (PMVFAST)", VCIP 2001: from
 * the same place, from where the picture as a whole and the blocks beside it were, and then one cell further at a time. The search ends where
 * hardly anything is left to explain.
 *
 * @param mismatch of the two pictures: from 0.1 on, that of the whole picture is looked for more than half its width away.
 */
export function residualOf(current: Cells, previous: Cells, mismatch: number): number {
  const far = mismatch > FAR ? farDisplacement(current, previous) : NOWHERE;
  const vectors: Vector[] = [];
  let sum = 0;
  for (let block = 0; block < ACROSS * DOWN; block++) {
    const left = BLOCK * (block % ACROSS);
    const top = BLOCK * Math.floor(block / ACROSS);
    const cost = ({ x, y }: Vector) =>
      interCost(current, previous, left, top, left + x, top + y);
    const { vector } = search(cost, [
      NOWHERE,
      far,
      ...(left > 0 ? [vectors[block - 1] as Vector] : []),
      ...(top > 0 ? [vectors[block - ACROSS] as Vector] : []),
      ...(top > 0 && left + BLOCK < COLUMNS
        ? [vectors[block - ACROSS + 1] as Vector]
        : []),
    ]);
    vectors.push(vector);
    sum += unlikeness(
      blockOf(current, left, top),
      blockOf(previous, left + vector.x, top + vector.y),
    );
  }
  return sum / (UNIT * ACROSS * DOWN);
}

/** The place of least cost that is found from some: the first of equal ones. */
function search(cost: (vector: Vector) => number, starts: readonly Vector[]) {
  let vector = NOWHERE;
  let least = Infinity;
  const tryOne = (candidate: Vector) => {
    const value = cost(candidate);
    if (value >= least) return;
    least = value;
    vector = candidate;
  };
  for (const start of starts) {
    tryOne(start);
    if (least <= FLOOR) break;
  }
  for (let round = 0; round < ROUNDS && least > FLOOR; round++) {
    const from = vector;
    for (const { x, y } of STEPS) tryOne({ x: from.x + x, y: from.y + y });
    if (vector === from) break;
  }
  return { vector, least };
}

/** Σ|AREA · (a − b) − Σ(a − b)|; infinite where block b is not inside the picture. */
function interCost(
  a: Cells,
  b: Cells,
  left: number,
  top: number,
  otherLeft: number,
  otherTop: number,
): number {
  if (otherLeft < 0 || otherLeft > COLUMNS - BLOCK) return Infinity;
  if (otherTop < 0 || otherTop > ROWS - BLOCK) return Infinity;
  const differences = blockOf(a, left, top);
  for (const [i, cell] of blockOf(b, otherLeft, otherTop).entries()) {
    (differences[i] as number) -= cell;
  }
  return deviation(differences);
}

/** What a block adds to the residual, in {@link UNIT}-ths. */
function unlikeness(a: readonly number[], b: readonly number[]): number {
  const differences = a.map((value, i) => value - (b[i] as number));
  const apart = Math.max(0, squares(differences) - FLOOR);
  const all = squares(a) + squares(b) + 2 * FLOOR;
  return Math.min(UNIT, Math.floor((UNIT * apart) / all));
}

/** Of the values of a block less their mean, summed, times {@link AREA}. */
function squares(values: readonly number[]): number {
  const sum = values.reduce((total, value) => total + value, 0);
  return values.reduce((total, value) => total + AREA * value * value, -sum * sum);
}

function blockOf(cells: Cells, left: number, top: number): number[] {
  return Array.from({ length: AREA }, (_, i) => {
    const [x, y] = [left + (i % BLOCK), top + Math.floor(i / BLOCK)];
    return cells[y * COLUMNS + x] as number;
  });
}

/** Of the values of a block from their mean, summed, times {@link AREA}. */
function deviation(values: readonly number[]): number {
  const sum = values.reduce((total, value) => total + value, 0);
  return values.reduce((total, value) => total + Math.abs(AREA * value - sum), 0);
}

/** The displacement that leaves the smallest mean |a − b| where the pictures overlap; of equal ones the shortest, and of those the first. */
function farDisplacement(a: Cells, b: Cells): Vector {
  let best = NOWHERE;
  let least = { apart: Infinity, count: 1 };
  const length = ({ x, y }: Vector) => Math.abs(x) + Math.abs(y);
  for (let x = -FAR_X; x <= FAR_X; x++) {
    for (let y = -FAR_Y; y <= FAR_Y; y++) {
      const { apart, count } = differenceAt(a, b, { x, y });
      // apart / count − least.apart / least.count, without dividing.
      const more = apart * least.count - least.apart * count;
      if (more > 0 || (more === 0 && length({ x, y }) >= length(best))) continue;
      best = { x, y };
      least = { apart, count };
    }
  }
  return best;
}

function differenceAt(a: Cells, b: Cells, { x, y }: Vector) {
  const [left, right] = [Math.max(0, -x), Math.min(COLUMNS, COLUMNS - x)];
  const [top, bottom] = [Math.max(0, -y), Math.min(ROWS, ROWS - y)];
  let apart = 0;
  for (let j = top; j < bottom; j++) {
    for (let i = left; i < right; i++) {
      const other = b[(j + y) * COLUMNS + i + x] as number;
      apart += Math.abs((a[j * COLUMNS + i] as number) - other);
    }
  }
  return { apart, count: (right - left) * (bottom - top) };
}
