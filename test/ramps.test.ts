import { describe, expect, test } from 'vitest';
import { RecentFrames, Window } from '../src/detectors/ramps.ts';
import { SIGNATURE } from '../src/measures.ts';
import { random } from './helpers/pictures.ts';

/** Levels of two pictures that have nothing in common. */
const [FIRST, LAST] = [1, 2].map((seed) =>
  Array.from({ length: SIGNATURE }, (_, i) => 40 + 170 * random(seed * 200 + i)),
) as [number[], number[]];
/** Variance of what is finer than cells, before and after. */
const [FINE_FIRST, FINE_LAST] = [300, 500];
/** Frames of a dissolve at 25 a second, level ones before and after, and in all. */
const [SPAN, LEVEL] = [20, 5];
const COUNT = SPAN + 2 * LEVEL;

function varianceOf(signature: Uint8Array): number {
  const mean = signature.reduce((sum, cell) => sum + cell, 0) / SIGNATURE;
  return signature.reduce((sum, cell) => sum + (cell - mean) ** 2, 0) / SIGNATURE;
}

/** The ramp of a dissolve whose details have the variance `fineAt` at a share; `leap` is the frame with a mismatch of 0.7. */
function rampOf(fineAt: (share: number) => number, leap?: number) {
  const frames = new RecentFrames();
  for (let i = 0; i < COUNT; i++) {
    const share = Math.min(1, Math.max(0, (i - LEVEL + 0.5) / SPAN));
    const signature = Uint8Array.from(FIRST, (level, k) =>
      Math.round(level + share * ((LAST[k] as number) - level)),
    );
    frames.push({
      ...{ time: i / 25, signature, dark: 0, color: 0, plain: undefined },
      ...{ mark: undefined, chroma: 0, residual: 0.03 * i },
      variance: varianceOf(signature) + fineAt(share),
      mismatch: i === leap ? 0.7 : 0.05,
    });
  }
  const window = new Window(frames);
  window.set(0, COUNT - 1, undefined);
  return window.ramp(0.25);
}

const mixed = (s: number) => (1 - s) ** 2 * FINE_FIRST + s ** 2 * FINE_LAST;
const kept = (s: number) => (1 - s) * FINE_FIRST + s * FINE_LAST;

describe('the ramp of a dissolve', () => {
  test('has details that sink as those of mixtures do, or do not', () => {
    expect(rampOf(mixed)?.fineSag).toBeCloseTo(1, 2);
    expect(rampOf(kept)?.fineSag).toBeCloseTo(0, 2);
    expect(rampOf((s) => 2 * kept(s) - mixed(s))?.fineSag).toBeCloseTo(-1, 2);
  });

  test('tells what no movement explains, in 1/25 s, and the largest step', () => {
    const ramp = rampOf(mixed, LEVEL + 7);
    expect(ramp?.unexplained).toBeCloseTo(0.03, 12);
    expect(ramp?.jump).toBe(0.7);
    // Before and after the dissolve nothing counts.
    expect(rampOf(mixed, 1)?.jump).toBe(0.05);
    expect(rampOf(mixed, COUNT - 1)?.jump).toBe(0.05);
  });
});
