import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect } from 'vitest';
import { FramePool } from '../src/frame-pool.ts';
import { type Frame, openVideo } from '../src/index.ts';
import { clip, type GoodClip, testOf } from './helpers/clips.ts';
import { type Digest, digest, digests, md5 } from './helpers/frames.ts';

const NAME = 'h264-bframes-audio.mp4';
const test = testOf(NAME);

describe('a frame that is given back', () => {
  for (const name of [NAME, 'size-change.h264'] satisfies GoodClip[]) {
    testOf(name)(`leaves frames to come as they are: ${name}`, async () => {
      await using video = await openVideo(clip(name), { pixelFormat: 'native' });
      const whole = await digests(video.frames());
      await fc.assert(
        fc.asyncProperty(
          // Each frame is held for so many more, and given back then, or never.
          fc.array(fc.option(fc.nat(9)), { minLength: 1, maxLength: 12 }),
          async (delays) => {
            const held: { frame: Frame; until: number; was: string }[] = [];
            const found: Digest[] = [];
            for await (const frame of video.frames()) {
              const number = found.length;
              found.push(digest(frame));
              const delay = delays[number % delays.length] ?? Number.POSITIVE_INFINITY;
              held.push({ frame, until: number + delay, was: md5(frame.data) });
              for (const one of held) {
                if (one.until > number) continue;
                // Not written to while it was held.
                if (one.frame.data.length > 0) expect(md5(one.frame.data)).toBe(one.was);
                video.recycle(one.frame);
              }
            }
            expect(found).toEqual(whole);
          },
        ),
        { numRuns: 10 },
      );
    });
  }

  test('is empty, and may be given back again', async () => {
    await using video = await openVideo(clip(NAME), { width: 64 });
    const frame = await video.frameAt(0);
    expect(frame.data.length).toBeGreaterThan(0);
    video.recycle(frame);
    video.recycle(frame);
    expect(frame.data.length).toBe(0);
  });

  test('may be of another video, of another size, or no longer there', async () => {
    await using small = await openVideo(clip(NAME), { width: 32 });
    await using large = await openVideo(clip(NAME), { width: 64 });
    const whole = await digests(large.frames());
    const [frame] = await small.framesAt([0]);
    large.recycle(frame as Frame);
    const sent = await large.frameAt(0);
    structuredClone(sent.data.buffer, { transfer: [sent.data.buffer] });
    large.recycle(sent);
    expect(await digests(large.frames())).toEqual(whole);
  });
});

describe('memory of frames that were given back', () => {
  // Fresh memory is not zeroed: what another test left there must not look like this one's.
  const marker = () => randomBytes(8);
  const given = (pool: FramePool, bytes: number, mark: Uint8Array) => {
    const { buffer } = new Uint8Array(bytes);
    new Uint8Array(buffer).set(mark);
    pool.giveBack(buffer, bytes);
  };
  /** How many of these are memory that was given back, and not fresh. */
  const used = (buffers: ArrayBuffer[], mark: Uint8Array) =>
    buffers.filter((buffer) => Buffer.from(buffer, 0, mark.length).equals(mark)).length;

  test('is what later frames get, once', () => {
    const [pool, mark] = [new FramePool(), marker()];
    pool.take(1, 1000);
    given(pool, 1000, mark);
    expect(used(pool.take(1, 1000), mark)).toBe(1);
    expect(used(pool.take(1, 1000), mark)).toBe(0);
  });

  test('is kept for frames of that size only', () => {
    const [pool, mark] = [new FramePool(), marker()];
    pool.take(1, 1000);
    given(pool, 1000, mark);
    expect(pool.take(1, 1001)[0]?.byteLength).toBe(1001);
    expect(used(pool.take(1, 1000), mark)).toBe(0);
  });

  test('is at most as much as the largest read took', () => {
    const [pool, mark] = [new FramePool(), marker()];
    pool.take(1, 1000);
    pool.take(4, 1000);
    pool.take(2, 1000);
    for (let i = 0; i < 10; i++) given(pool, 1000, mark);
    expect(used(pool.take(10, 1000), mark)).toBe(4);
  });
});
