import { describe, expect } from 'vitest';
import { type Frame, MediaError, openVideo, type Video } from '../src/index.ts';
import { type Digest, digest, digests, md5 } from './helpers/frames.ts';
import { mediaFile, mediaTest } from './helpers/media.ts';
import { BROKEN_NAMES, MEDIA_NAMES } from './helpers/media-names.ts';
import { readReference } from './helpers/reference.ts';
import { select } from './helpers/selection.ts';

/** How many pixels one test may have decoded on the way to its frames: 87 frames of 640 × 360, in which each of the gaps below occurs. */
const PIXELS = 20e6;
/** However large they are: four groups of pictures as encoders reorder them. */
const LEAST = 16;

/** H.264 in MP4 of 3840 × 2160: what is skipped there does not depend on the size, and once is enough. */
const LARGE = ['TestPatternHDR.mp4', 'portrait_4k60.mp4'];

/**
 * Frames that lie apart in a stretch of a film, so that most of those between are decoded for nothing, or skipped.
 * The gaps change: every kind of frame, also one that nothing refers to, is among those wanted.
 */
function* sparse(length: number, pixels: number): Generator<number> {
  const span = Math.min(length, Math.max(LEAST, Math.floor(PIXELS / pixels)));
  const begin = Math.floor((length - span) / 2);
  for (let at = 2, gap = 3; at < span; at += gap, gap = (gap % 11) + 3) yield begin + at;
}

describe('frames that lie apart equal those of sequential decoding, bit for bit', () => {
  for (const name of MEDIA_NAMES) {
    mediaTest(
      `${name}`,
      async () => {
        await using video = await openVideo(mediaFile(`media/${name}`), {
          pixelFormat: 'native',
        });
        const { length } = await video.index();
        const wanted = readReference(name, video.info.streamIndex);
        const { width, height } = video.frameSize;
        const numbers = [...sparse(length, width * height)];
        for (const group of groups(numbers)) {
          const frames = await video.framesAt(group.map((index) => ({ index })));
          expect(frames.map(essence)).toEqual(
            group.map((number) => {
              const { pts, keyFrame, md5: hash } = wanted[number] as (typeof wanted)[0];
              return { pts, keyFrame, md5: hash };
            }),
          );
        }
      },
      180_000, // 4K
    );
  }
});

describe('frames at intervals are those of sequential decoding that are on screen then, bit for bit', () => {
  for (const name of MEDIA_NAMES.filter((each) => !LARGE.includes(each))) {
    mediaTest(
      name,
      async () => {
        await using video = await openVideo(mediaFile(`media/${name}`), {
          pixelFormat: 'native',
        });
        const { num, den } = video.info.timeBase;
        const wanted = readReference(name, video.info.streamIndex).map((frame) => ({
          ...frame,
          time: (frame.pts * num) / den,
          duration: (frame.duration * num) / den,
        }));
        const timeOf = (number: number) => wanted[number]?.time ?? 0;
        const { width, height } = video.frameSize;
        const numbers = [...sparse(wanted.length, width * height)];
        const [first, last] = [numbers[0] ?? 0, numbers.at(-1) ?? 0];
        const [start, end] = [timeOf(first), timeOf(last)];
        const selections = [
          { start, end, every: (end - start) / 2.7 || 1 },
          { start, end, every: (end - start) / 11 || 1 },
          { end: timeOf(last - first), every: (end - start) / 5 || 1 },
        ];
        for (const selection of selections) {
          const got = await digests(video.frames(selection));
          const chosen = select(wanted, selection).map((number) => wanted[number]);
          expect(got.map(({ pts, md5: hash }) => [pts, hash])).toEqual(
            chosen.map((frame) => [frame?.pts, frame?.md5]),
          );
        }
      },
      180_000, // 4K
    );
  }
});

mediaTest('frames far apart are the same as those near each other', async () => {
  const path = mediaFile('media/movie_300.mp4'); // five minutes, a key frame every ten seconds
  await using video = await openVideo(path, { width: 64, pixelFormat: 'gray8' });
  const far = await digests(video.frames({ every: 37.3 }));
  const near = await digests(video.frames({ every: 37.3 / 8 }));
  expect(far.length).toBe(9);
  expect(far).toEqual(near.filter((_, i) => i % 8 === 0));
});

/** Of a few each, so that little is held in memory and both long and short ways occur. */
function groups(numbers: readonly number[]): number[][] {
  const all: number[][] = [];
  for (let at = 0; at < numbers.length; at += 6) all.push(numbers.slice(at, at + 6));
  return all;
}

function essence({ pts, keyFrame, data }: Frame) {
  return { pts, keyFrame, md5: md5(data) };
}

describe('of damaged files, too, as far as they can be had', () => {
  /** Its damage reaches behind later key frames, which decode without an error where decoding begins at them. */
  const lasting = 'no_timescale.mp4';
  for (const name of BROKEN_NAMES.filter((each) => each !== lasting)) {
    mediaTest(name, async () => {
      const video = await openDamaged(mediaFile(`broken/${name}`));
      if (video === null) return; // bad-input.test.ts says what it is refused with
      await using _ = video;
      const sequential = await settled(digests(video.frames()));
      const index = await settled(video.index());
      if (sequential === null || index === null) return;
      const hashes = new Map(sequential.map((frame) => [frame.pts, frame.md5]));
      const numbers = [...sparse(index.length, 1e6)];
      const got: Digest[] = [];
      for (const group of groups(numbers)) {
        const frames = await video.framesAt(group.map((at) => ({ index: at })));
        got.push(...frames.map(digest));
      }
      const wanted = got.map(({ pts }) => ({ pts, md5: hashes.get(pts) }));
      expect(got.map(({ pts, md5: hash }) => ({ pts, md5: hash }))).toEqual(wanted);
    });
  }

  async function openDamaged(path: string): Promise<Video | null> {
    // One thread: with more, FFmpeg may patch damage with another picture each time.
    return settled(
      openVideo(path, { pixelFormat: 'native', onDecodeError: 'skip', threads: 1 }),
    );
  }

  /** Null for a failure that a damaged file may end with. */
  async function settled<T>(promise: Promise<T>): Promise<T | null> {
    try {
      return await promise;
    } catch (error) {
      expect(error).toBeInstanceOf(MediaError);
      return null;
    }
  }
});
