/** Comparing pictures by their signatures: 16x9 cells of mean luma, as `FrameChange.signature` has them. */
import { SIGNATURE } from '../measures.ts';

export type Signature = Uint8Array;

/** Mean luma, 0–255. */
export function meanOf(picture: Signature): number {
  let sum = 0;
  for (let i = 0; i < SIGNATURE; i++) sum += picture[i] as number;
  return sum / SIGNATURE;
}

/** Of the cells' luma. */
export function varianceOf(picture: Signature): number {
  let [sum, squares] = [0, 0];
  for (let i = 0; i < SIGNATURE; i++) {
    const cell = picture[i] as number;
    sum += cell;
    squares += cell * cell;
  }
  return (SIGNATURE * squares - sum * sum) / SIGNATURE ** 2;
}

/** How little two pictures have in common, 0–2: Note [Mismatch] in measures.ts, over the cells of a signature. */
export function mismatchOf(a: Signature, b: Signature): number {
  const [meanA, meanB] = [meanOf(a), meanOf(b)];
  let apart = 0;
  let varianceA = 0;
  let varianceB = 0;
  for (let i = 0; i < SIGNATURE; i++) {
    const p = (a[i] as number) - meanA;
    const q = (b[i] as number) - meanB;
    apart += (p - q) ** 2;
    varianceA += p * p;
    varianceB += q * q;
  }
  const means = (SIGNATURE * (meanA - meanB) ** 2) / 32;
  return (apart + means) / (varianceA + varianceB + means + 16 * SIGNATURE);
}

/** Where a picture lies between two others. */
export interface Mixture {
  /** How much of the second picture is in it: 0 none, 1 nothing else. */
  readonly share: number;
  /** What neither explains, as a part of what the two differ by, squared; 0 for a pure mixture. */
  readonly residual: number;
}

/** The share of `b` in `picture` = (1 − share) · a + share · b that leaves the least over. */
export function mixtureOf(picture: Signature, a: Signature, b: Signature): Mixture {
  let across = 0;
  let along = 0;
  let own = 0;
  for (let i = 0; i < SIGNATURE; i++) {
    const d = (b[i] as number) - (a[i] as number);
    const e = (picture[i] as number) - (a[i] as number);
    across += d * d;
    along += d * e;
    own += e * e;
  }
  const share = across === 0 ? 0 : along / across;
  // Two levels of noise in each cell.
  const residual = (own - share * along) / (across + 2 * SIGNATURE);
  return { share, residual: Math.max(0, residual) };
}

/**
 * How much of both pictures goes at a change from one to the other, 0–1. A caption, or something that comes into view, leaves what
 * the picture showed elsewhere in its place; in a new shot nothing stays. Of each picture it is the part of its variance (and of
 * its area) in cells that change, and of the two the smaller one counts. A picture of one colour has nothing that could stay, and of
 * two that are black but for some letters 16x9 cells do not tell what stays.
 */
export function lossBetween(
  a: { readonly signature: Signature; readonly dark: number },
  b: { readonly signature: Signature; readonly dark: number },
): number {
  if (Math.min(a.dark, b.dark) >= LETTERS) return 1;
  const [p, q] = [a.signature, b.signature];
  const [meanP, meanQ] = [meanOf(p), meanOf(q)];
  let [allP, allQ] = [0, 0];
  for (let i = 0; i < SIGNATURE; i++) {
    allP += ((p[i] as number) - meanP) ** 2 + AREA;
    allQ += ((q[i] as number) - meanQ) ** 2 + AREA;
  }
  const contrast = Math.sqrt(Math.max(allP, allQ) / SIGNATURE - AREA);
  const limit = Math.max(CHANGED, contrast / 4);
  let [lostP, lostQ] = [0, 0];
  for (let i = 0; i < SIGNATURE; i++) {
    const from = p[i] as number;
    const to = q[i] as number;
    const change = Math.min(
      Math.abs(to - from),
      Math.abs(to - meanQ - (from - meanP)), // but for a change of exposure
    );
    if (change <= limit) continue;
    lostP += (from - meanP) ** 2 + AREA;
    lostQ += (to - meanQ) ** 2 + AREA;
  }
  return Math.min(
    a.dark >= BLACK || allP < FLAT ? 1 : lostP / allP,
    b.dark >= BLACK || allQ < FLAT ? 1 : lostQ / allQ,
  );
}

/** Share of near-black samples from which on a picture is black: that of FFmpeg's vf_blackdetect.c. */
export const BLACK = 0.98;
/** Share of near-black samples from which on a picture is at most letters on black. */
const LETTERS = 0.93;
/** Variance that every cell counts for, so that area counts in flat pictures. */
const AREA = 4;
/** What a picture with a standard deviation of four levels comes to: less is flat. */
const FLAT = (16 + AREA) * SIGNATURE;
/** Luma levels by which a cell has to change at least. */
const CHANGED = 4;
