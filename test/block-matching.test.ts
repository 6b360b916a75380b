import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { residualOf } from '../src/block-matching.ts';
import { type Cells, COLUMNS, ROWS } from '../src/thumbnail.ts';

/** Of columns and rows, from −40 on: pictures are looked at through a window of 32x18. */
type Picture = (x: number, y: number) => number;

/** What is seen of a picture from `x`, `y` on. */
function cellsOf(picture: Picture, x = 0, y = 0): Cells {
  return Array.from({ length: COLUMNS * ROWS }, (_, i) =>
    Math.min(
      255,
      Math.max(0, Math.round(picture(x + (i % COLUMNS), y + Math.floor(i / COLUMNS)))),
    ),
  );
}

/** Random luma, the same for the same seed, in tiles of 3x3 cells. */
function tiles(seed: number, light = 60, contrast = 150): Picture {
  return (x, y) => {
    const tile = Math.floor(x / 3) * 12.9898 + Math.floor(y / 3) * 78.233 + seed * 37.7;
    return light + contrast * ((((Math.sin(tile) * 43758.5453) % 1) + 1) % 1);
  };
}

/** Of the blocks 4 x 4 cells large, those that were not wholly in view before: each adds less than 1. */
function newShare(x: number, y: number): number {
  const rows = 4 - (y < 0 ? Math.ceil(-y / 4) : Math.ceil(Math.max(0, y - 2) / 4));
  return 1 - ((8 - Math.ceil(Math.abs(x) / 4)) * rows) / 32;
}

const UNRELATED = 0.9;
const ALIKE = 0;

describe('the residual', () => {
  test('is large where another picture follows, a dark one too', () => {
    for (let seed = 0; seed < 10; seed++) {
      for (const contrast of [150, 25]) {
        const [a, b] = [tiles(seed, 20, contrast), tiles(seed + 100, 20, contrast)];
        expect(residualOf(cellsOf(b), cellsOf(a), UNRELATED)).toBeGreaterThan(0.25);
      }
    }
  });

  test('is none for the same picture in other light, and little in much less of it', () => {
    const picture = cellsOf(tiles(1));
    expect(residualOf(picture, picture, ALIKE)).toBe(0);
    expect(residualOf(cellsOf(tiles(1, 90)), picture, ALIKE)).toBe(0);
    expect(
      residualOf(
        cellsOf(() => 90),
        cellsOf(() => 200),
        UNRELATED,
      ),
    ).toBe(0);
    // (1 − 0.6)² / (1 + 0.6²) = 0.118, of blocks that find nothing better.
    expect(residualOf(cellsOf(tiles(1, 60, 90)), picture, ALIKE)).toBeLessThan(0.12);
  });

  test('is large where all detail goes, or comes', () => {
    const flat = cellsOf(() => 90);
    expect(residualOf(flat, cellsOf(tiles(1)), UNRELATED)).toBeGreaterThan(0.9);
    expect(residualOf(cellsOf(tiles(1)), flat, UNRELATED)).toBeGreaterThan(0.9);
  });

  test('is none for blocks that were a few cells away, as far as they were in view', () => {
    const waves: Picture = (x, y) =>
      110 + 40 * Math.sin(x / 2.1 + y / 7) + 40 * Math.cos(y / 2.7 - x / 9);
    const moves = [
      [1, 0],
      [-2, 1],
      [3, -1],
    ] as const;
    for (const [x, y] of moves) {
      const residual = residualOf(cellsOf(waves, x, y), cellsOf(waves), ALIKE);
      expect(residual).toBeLessThan(newShare(x, y));
    }
  });

  test('is none for blocks half a width away either, once the pictures differ', () => {
    for (const x of [-17, -11, 11, 17]) {
      const [a, b] = [cellsOf(tiles(1)), cellsOf(tiles(1), x, 2)];
      const residual = residualOf(b, a, 0.11);
      expect(residual).toBeLessThan(newShare(x, 2));
      expect(residualOf(b, a, 0.1)).toBeGreaterThan(residual + 0.1);
    }
  });

  test('is that of each block of its own', () => {
    // In one of 32 blocks half the cells get brighter by 32: 16 squares of 16, less 16 of noise, of as many and twice the noise.
    const flat = cellsOf(() => 100);
    const one = cellsOf((x, y) => (x >= 4 && x < 8 && y >= 8 && y < 10 ? 132 : 100));
    expect(residualOf(one, flat, ALIKE)).toBe(
      Math.floor((4096 * (256 - 1)) / (256 + 2)) / 4096 / 32,
    );
    expect(residualOf(flat, one, ALIKE)).toBe(0);
    // Rows below the last whole block do not count.
    const below = cellsOf((x, y) => (y >= 16 ? 37 * (x % 5) : 100));
    expect(residualOf(below, flat, ALIKE)).toBe(0);
  });

  test('does not count noise of a level', () => {
    const noisy = cellsOf((x, y) => 100 + ((7 * x + 3 * y) % 2));
    expect(
      residualOf(
        noisy,
        cellsOf(() => 100),
        ALIKE,
      ),
    ).toBe(0);
  });

  test('lies between 0 and 1 for any pictures', () => {
    const anyCells = fc.array(fc.constantFrom(0, 1, 16, 100, 254, 255), {
      ...{ minLength: COLUMNS * ROWS, maxLength: COLUMNS * ROWS, size: 'max' },
    });
    fc.assert(
      fc.property(anyCells, anyCells, fc.constantFrom(0, 1), (a, b, mismatch) => {
        const residual = residualOf(a, b, mismatch);
        expect(residual).toBeGreaterThanOrEqual(0);
        expect(residual).toBeLessThan(1);
      }),
      { numRuns: 30 },
    );
  });
});
