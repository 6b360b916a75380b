import fc from 'fast-check';
import { describe, expect } from 'vitest';
import { MemoryMonitor, openVideo } from '../src/index.ts';
import { clip, facts, type GoodClip, testOf } from './helpers/clips.ts';
import { batchDigests, digests } from './helpers/frames.ts';

const NAME = 'h264-bframes-audio.mp4';
const FRAMES = facts(NAME).frames;
const test = testOf(NAME);

/** Gives these sizes in turn, and notes that it was asked. */
function sizesInTurn(sizes: readonly number[]) {
  const asked: number[] = [];
  const batchSize = () => {
    const size = sizes[asked.length % sizes.length] as number;
    asked.push(size);
    return size;
  };
  return { asked, batchSize };
}

describe('batches whose size changes', () => {
  for (const name of [NAME, 'size-change.h264'] satisfies GoodClip[]) {
    testOf(name)(`give the same frames, whatever the sizes: ${name}`, async () => {
      await using video = await openVideo(clip(name), { pixelFormat: 'native' });
      const whole = await digests(video.frames());
      expect(whole.length).toBe(facts(name).frames);
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 8 }),
          async (sizes) => {
            expect(await batchDigests(video, { size: sizesInTurn(sizes) })).toEqual(
              whole,
            );
          },
        ),
        { numRuns: 20 },
      );
    });
  }

  test('are as long as was asked for each, and the last holds the rest', async () => {
    await using video = await openVideo(clip(NAME), { width: 32 });
    const sizes = sizesInTurn([10, 6, 3, 1, 17]);
    const lengths: number[] = [];
    for await (const batch of video.batches({ size: sizes })) lengths.push(batch.length);
    // Two reads are asked for ahead.
    const [last = 0, ...rest] = lengths.reverse();
    expect(sizes.asked.slice(0, rest.length)).toEqual(rest.reverse());
    expect(last).toBe(FRAMES - rest.reduce((sum, length) => sum + length, 0));
    expect(last).toBeLessThanOrEqual(sizes.asked[rest.length] as number);
  });

  test('follow the pressure that a monitor sees', async () => {
    const { reader, fill } = figuresOf(1000);
    const monitor = new MemoryMonitor({ reader, budget: 1000 });
    await using video = await openVideo(clip(NAME), { width: 32 });
    const lengths: number[] = [];
    for await (const batch of video.batches({ size: monitor })) {
      lengths.push(batch.length);
      if (lengths.length === 1) fill(600);
      if (lengths.length === 4) fill(900);
      monitor.sample();
    }
    // Two were asked for before the first came; so it is with every change.
    expect(lengths.slice(0, 8)).toEqual([10, 10, 3, 3, 3, 1, 1, 1]);
  });

  test('are refused for what gives no size, at once or when asked', async () => {
    await using video = await openVideo(clip(NAME));
    expect(() => video.batches({ size: {} as never })).toThrow(TypeError);
    const wrong = (size: unknown) => ({ size: { batchSize: () => size as number } });
    await expect(video.batches(wrong(0)).next()).rejects.toThrow(RangeError);
    await expect(video.batches(wrong(undefined)).next()).rejects.toThrow(TypeError);
    expect((await batchDigests(video)).length).toBe(FRAMES); // the video still works
  });
});

/** A reader of a process that uses 0 of `total` bytes, until it is told otherwise. */
function figuresOf(total: number) {
  let rss = 0;
  const reader = () => ({
    process: {
      rss,
      external: 0,
      arrayBuffers: 0,
      native: null,
      constrained: null,
      available: null,
    },
    heap: { used: 0, total, limit: total },
    containers: [],
    host: { total, available: total },
    mayUse: total,
    stall: null,
  });
  const fill = (bytes: number) => {
    rss = bytes;
  };
  return { reader, fill };
}
