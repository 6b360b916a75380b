import { copyFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  analyze,
  type Clip,
  clipsFrom,
  clipThumbnail,
  loadClip,
  openVideo,
} from '../src/index.ts';
import { madeAnalysis } from './helpers/analyses.ts';
import { clip, testOf } from './helpers/clips.ts';
import { digests, md5 } from './helpers/frames.ts';
import { temporaryDirectory } from './helpers/temporary.ts';

const total = (clips: readonly Clip[]) =>
  clips.reduce((sum, { start, end }) => sum + end - start, 0);

describe('clipsFrom', () => {
  test('divides long segments evenly and leaves out short ones', () => {
    // Segments of 1.1, 4.6 and 19.6 s.
    const analysis = madeAnalysis({ lengths: [2, 1.5, 2, 5, 2, 20] });
    const clips = clipsFrom(analysis, { minimum: 2, maximum: 8 });
    const lengths = [...clips]
      .sort((a, b) => a.start - b.start)
      .map((c) => c.end - c.start);
    expect(lengths.map((length) => Number(length.toFixed(3)))).toEqual([
      4.6, 6.533, 6.533, 6.533,
    ]);
    expect(clipsFrom(analysis).length).toBe(5);
  });

  test('takes the best until they come to the target', () => {
    const analysis = madeAnalysis({ lengths: [2, 5, 2, 5, 2, 5] });
    const all = clipsFrom(analysis);
    expect(all.map(({ score }) => score)).toEqual(
      all.map(({ score }) => score).sort((a, b) => b - a),
    );
    const some = clipsFrom(analysis, { target: 7 });
    expect(total(some)).toBeCloseTo(7, 9);
    expect(some[0]).toEqual(all[0]);
    expect(some[1]).toMatchObject({ shot: all[1]?.shot });
    // What is left over is less than the minimum.
    expect(clipsFrom(analysis, { target: 5 })).toEqual([all[0]]);
    expect(clipsFrom(analysis, { target: 100 })).toEqual(all);
  });

  test('keeps within its segments and its limits, whatever they are', () => {
    const lengths = fc.array(fc.double({ min: 0.5, max: 60, noNaN: true }), {
      ...{ minLength: 1, maxLength: 8 },
    });
    const seconds = fc.double({ min: 0.1, max: 20, noNaN: true });
    const target = fc.option(seconds, { nil: undefined });
    fc.assert(
      fc.property(lengths, seconds, seconds, target, (lengths, a, b, target) => {
        const analysis = madeAnalysis({ lengths });
        const [minimum, maximum] = [Math.min(a, b), Math.max(a, b)];
        const clips = clipsFrom(analysis, { minimum, maximum, target });
        for (const { start, end, shot, representative } of clips) {
          const segment = analysis.segments.find((segment) => segment.shot === shot);
          expect(start).toBeGreaterThanOrEqual((segment?.start ?? 0) - 1e-9);
          expect(end).toBeLessThanOrEqual((segment?.end ?? 0) + 1e-9);
          expect(end - start).toBeLessThanOrEqual(maximum + 1e-9);
          expect(end - start).toBeGreaterThanOrEqual(minimum - 1e-9);
          expect(representative).toBeGreaterThanOrEqual(start);
          expect(representative).toBeLessThan(end);
        }
        if (target !== undefined) expect(total(clips)).toBeLessThanOrEqual(target + 1e-9);
        const byTime = [...clips].sort((x, y) => x.start - y.start);
        for (const [i, { start }] of byTime.slice(1).entries()) {
          expect(start).toBeGreaterThanOrEqual((byTime[i]?.end ?? 0) - 1e-9);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('is plain data, and refuses mistakes', () => {
    const analysis = madeAnalysis({ lengths: [1, 4] });
    const clips = clipsFrom(analysis);
    expect(JSON.parse(JSON.stringify(clips))).toEqual(clips);
    expect(() => clipsFrom(analysis, { minimum: 9 })).toThrow(/maximum .* 8 < 9/);
    expect(() => clipsFrom(analysis, { minimum: 0 })).toThrow(RangeError);
    expect(() => clipsFrom(analysis, { target: Number.NaN })).toThrow(TypeError);
  });
});

describe('loadClip', () => {
  const part = { source: clip('cuts.mp4'), start: 2.4, end: 3.2 };

  testOf('cuts.mp4')('yields the frames of the span and no others', async () => {
    await using video = await openVideo(part.source, { width: 80 });
    const all = await digests(video.frames());
    const loaded = await digests(loadClip(part, { width: 80 }));
    expect(loaded).toEqual(all.slice(60, 80));
    expect(await digests(loadClip(part, { width: 80, step: 5 }))).toEqual(
      [60, 65, 70, 75].map((i) => all[i]),
    );
  });

  testOf('cuts.mp4')(
    'reads from elsewhere if told so, and may be left early',
    async () => {
      const moved = join(temporaryDirectory(), 'moved.mp4');
      await copyFile(part.source, moved);
      const gone = { ...part, source: '/gone.mp4' };
      for (const source of [moved, await readFile(moved)]) {
        for await (const frame of loadClip(gone, { source })) {
          expect(frame.time).toBe(2.4);
          break;
        }
      }
      await expect(loadClip(gone).next()).rejects.toMatchObject({
        code: 'ERR_NOT_FOUND',
      });
    },
  );
});

describe('clipThumbnail', () => {
  testOf('cuts.mp4')('is of the representative frame of a real clip', async () => {
    const [best] = clipsFrom(await analyze(clip('cuts.mp4')));
    const picture = await clipThumbnail(best as Clip, { width: 64 });
    expect(picture.time).toBe(best?.representative);
    const bytes = await readFile(clip('cuts.mp4'));
    const again = await clipThumbnail(best as Clip, { width: 64, source: bytes });
    expect(md5(again.data)).toBe(md5(picture.data));
  });
});
