/** Sums of a picture's columns and rows, and how far it has moved by them. */

import { at, type Plane } from './plane.ts';

/** Sums of the columns and of the rows. */
export function projections(luma: Plane): { columns: number[]; rows: number[] } {
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

/** Displacements looked for, as a part of the length, and at most in samples. */
const REACH = 16;
const MAX_REACH = 32;

/**
 * By how many samples the profile of a picture (the sums of its columns or rows) has moved on since the previous one: the displacement
 * at which the slopes of the two are most alike, of equal ones the smallest. K. Ratakonda, "Real-time digital video
 * stabilization for multi-media applications", ISCAS 1998, finds a camera's movement like this.
 */
export function displacement(
  current: readonly number[],
  previous: readonly number[],
): number {
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
