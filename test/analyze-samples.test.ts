import { describe, expect } from 'vitest';
import { type Analysis, type AnalyzeOptions, analyze } from '../src/index.ts';
import { clip, facts, type GoodClip, testOf } from './helpers/clips.ts';

/** What an analysis without cuts has in common with one that looks at every frame. */
function common({ samples, shots, errors }: Analysis) {
  return {
    samples: samples.map(({ sceneScore: _, ...sample }) => sample),
    start: shots[0]?.start,
    end: shots.at(-1)?.end,
    errors,
  };
}

const RANGES: AnalyzeOptions[] = [
  { fps: 2 },
  { fps: 0.3, start: 0.5 },
  { fps: 7, end: 0.9 },
  { fps: 3, start: 8.5, end: 11.1 },
  { fps: 100 },
];
const CLIPS = [
  ...['h264-bframes-audio.mp4', 'cuts.mp4', 'vfr.mp4', 'keyframes.mp4', 'mpeg2.ts'],
  ...[
    'start-offset.mp4',
    'start-offset.ts',
    'vp9.webm',
    'size-change.h264',
    'rotate90.mp4',
  ],
] as GoodClip[];

describe('analyze without cuts', () => {
  for (const name of CLIPS) {
    testOf(name)(`gives the same samples: ${name}`, async () => {
      for (const range of RANGES) {
        const whole = await analyze(clip(name), range).catch((error: Error) => error);
        const sparse = await analyze(clip(name), { ...range, cuts: false }).catch(
          (error: Error) => error,
        );
        if (whole instanceof Error || sparse instanceof Error) {
          expect(sparse).toEqual(whole); // nothing in that range
          continue;
        }
        expect(common(sparse)).toEqual(common(whole));
      }
    });
  }

  testOf('h264-bframes-audio.mp4')('looks only at what samples need', async () => {
    const name = 'h264-bframes-audio.mp4';
    const { frames, samples } = await analyze(clip(name), { fps: 2, cuts: false });
    expect(facts(name).frames).toBeGreaterThan(3 * samples.length);
    // The frame before each, and the last.
    expect(frames).toBeLessThanOrEqual(2 * samples.length + 1);
  });
});
