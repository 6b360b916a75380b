/** How chroma is distributed in a picture, wherever it is. */

import { at, type Plane } from './plane.ts';

/** Bins of a chroma histogram: each of 4 levels, from 64 on. What lies outside, as hardly anything does, counts for the outermost. */
const CHROMA_BINS = 32;

export interface ChromaHistogram {
  /** Samples of one plane. */
  readonly count: number;
  /** Of both planes, one after the other. */
  readonly bins: readonly number[];
}

/** How often each level of U and of V occurs, wherever it does: motion and a displaced camera leave that nearly as it was. */
export function chromaHistogram(u: Plane, v: Plane): ChromaHistogram {
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
export function chromaDistance(a: ChromaHistogram, b: ChromaHistogram): number {
  // |p / count − q / count|, without dividing.
  const apart = a.bins.reduce(
    (sum, p, i) => sum + Math.abs(p * b.count - (b.bins[i] as number) * a.count),
    0,
  );
  return apart / (4 * a.count * b.count);
}

/** The two bins in the middle, 15 and 16, are grey. */
export function colorShare({ count, bins }: ChromaHistogram): number {
  const grey = [15, 16, CHROMA_BINS + 15, CHROMA_BINS + 16];
  const sum = grey.reduce((total, i) => total + (bins[i] as number), 0);
  return (2 * count - sum) / (2 * count);
}
