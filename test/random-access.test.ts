import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect } from 'vitest';
import {
  type Frame,
  type FrameAddress,
  type FrameIndex,
  openVideo,
} from '../src/index.ts';
import { clip, facts, testOf } from './helpers/clips.ts';
import { type Digest, digests, expectSameList, md5 } from './helpers/frames.ts';
import { mediaFile, mediaTest } from './helpers/media.ts';
import { MEDIA_NAMES } from './helpers/media-names.ts';
import { type ReferenceFrame, readReference } from './helpers/reference.ts';

/** Accesses per file, in random order. */
const ACCESSES = 200;
/** What one `framesAt` of these tests may hold in memory, and how many pixels single accesses may decode. */
const HELD_BYTES = 96 * 1024 * 1024;
const SINGLE_PIXELS = 100e6;

describe('index of real clips', () => {
  for (const name of MEDIA_NAMES) {
    mediaTest(`${name}: every frame that decoding yields, and when`, async () => {
      await using video = await openVideo(mediaFile(`media/${name}`));
      const index = await video.index();
      const wanted = readReference(name, video.info.streamIndex);
      expectSameList(index.pts, column(wanted, 'pts'));
      // FFmpeg 5.1 gives a FLV's first packet no duration; 7.1 gives it 1 ms, like the others.
      const known = (durations: readonly number[]) =>
        durations.slice(name === 'exo_sample.flv' ? 1 : 0);
      expectSameList(known(index.duration), known(column(wanted, 'duration')));
      expectSameList(index.keyFrames, keyFrames(name, wanted));
      expect(index.length).toBe(wanted.length);
      expectRising(index.pts);
      for (const list of [index.position, index.order]) {
        expect(list.length).toBe(index.length);
      }
      expect(JSON.parse(JSON.stringify(index))).toEqual(index);
      expect(video.info).toMatchObject({
        frameCount: wanted.length,
        frameCountSource: 'counted',
      });
      const timeless = /264$/.test(name) || name === 'sine_stereo_mp2.mpg';
      expect(index.source).toBe(timeless ? 'frames' : 'packets');
    });
  }
});

function column<K extends keyof ReferenceFrame>(frames: ReferenceFrame[], name: K) {
  return frames.map((frame) => frame[name]);
}

function keyFrames(name: string, frames: readonly ReferenceFrame[]): number[] {
  const keys = frames.flatMap(({ keyFrame }, i) => (keyFrame ? [i] : []));
  // The container marks frame 18, which the decoder does not: an index knows packets only.
  return name === 'sample_with_increasing_timestamps_360p.mp4'
    ? [...keys, 18].sort((a, b) => a - b)
    : keys;
}

function expectRising(list: readonly number[]): void {
  expect(list.findIndex((value, i) => i > 0 && value <= (list[i - 1] as number))).toBe(
    -1,
  );
}

describe('random access to real clips', () => {
  for (const name of MEDIA_NAMES) {
    mediaTest(
      `${name}: any frame in any order equals sequential decoding, bit for bit`,
      async () => {
        await using video = await openVideo(mediaFile(`media/${name}`), {
          pixelFormat: 'native',
        });
        const index = await video.index();
        const wanted = readReference(name, video.info.streamIndex);
        const { width, height } = video.frameSize;
        const pixels = width * height;
        const seen = new SeenFrames(wanted);

        const held = clamp(HELD_BYTES / (pixels * 3), 5, ACCESSES);
        const accesses = randomAccesses(index, name, held);
        const frames = await video.framesAt(accesses.map(({ address }) => address));
        expect(frames.length).toBe(accesses.length);
        accesses.forEach(({ number }, i) => {
          seen.expectFrame(frames[i], number);
        });

        // What does not fit into memory comes one after another, from the same few frames.
        if (held < ACCESSES) {
          const numbers = accesses.map(({ number }) => number).sort((a, b) => a - b);
          const each = Math.ceil(ACCESSES / held);
          const repeated = numbers.flatMap((number) => Array<number>(each).fill(number));
          let next = 0;
          const times = repeated.map((number) => timeOf(index, number));
          for await (const frame of video.frames({ times })) {
            seen.expectFrame(frame, repeated[next++]);
          }
          expect(next).toBe(repeated.length);
        }

        const perSeek = pixels * (index.length / index.keyFrames.length / 2);
        const singles = clamp(SINGLE_PIXELS / perSeek, 2, 10);
        for (const { address, number } of randomAccesses(index, `${name}!`, singles)) {
          seen.expectFrame(await video.frameAt(address), number);
        }
      },
      180_000, // TestPatternHDR.mp4
    );
  }
});

/** Compares frames to the table; hashes only pixels not seen before. */
class SeenFrames {
  readonly #wanted: readonly ReferenceFrame[];
  readonly #right = new Map<number, Uint8Array>();

  constructor(wanted: readonly ReferenceFrame[]) {
    this.#wanted = wanted;
  }

  expectFrame(frame: Frame | undefined, number = -1): void {
    const { pts, keyFrame, width, height, md5: hash } = this.#wanted[number] ?? {};
    expect({ number, ...factsOf(frame) }).toEqual({
      number,
      pts,
      keyFrame,
      width,
      height,
    });
    const data = frame?.data ?? new Uint8Array();
    const before = this.#right.get(number);
    if (before !== undefined && Buffer.compare(before, data) === 0) {
      expect(data.buffer === before.buffer).toBe(false); // each has pixels of its own
      return;
    }
    expect({ number, md5: md5(data) }).toEqual({ number, md5: hash });
    this.#right.set(number, data);
  }
}

function factsOf(frame: Frame | undefined) {
  if (frame === undefined) return {};
  const { pts, keyFrame, width, height } = frame;
  return { pts, keyFrame, width, height };
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(Math.floor(value), low), high);
}

function timeOf({ pts, timeBase }: FrameIndex, number: number): number {
  return ((pts[number] as number) * timeBase.num) / timeBase.den;
}

/** The moment at which the next frame appears. */
function endOf(index: FrameIndex, number: number): number {
  if (number < index.length - 1) return timeOf(index, number + 1);
  const { num, den } = index.timeBase;
  return timeOf(index, number) + ((index.duration[number] as number) * num) / den;
}

/** All ways to name one frame. */
function addressesOf(index: FrameIndex, number: number): FrameAddress[] {
  const [begin, end] = [timeOf(index, number), endOf(index, number)];
  return [
    { index: number },
    { index: number - index.length },
    { pts: index.pts[number] as number },
    begin,
    (begin + end) / 2,
    Math.max(begin, end - 1e-6),
  ];
}

/** As many random frames, by random addresses; the same ones for the same seed. */
function randomAccesses(index: FrameIndex, seed: string, count: number) {
  const one = fc.noBias(fc.record({ number: fc.nat(index.length - 1), way: fc.nat(5) }));
  const sampled = fc.sample(one, { numRuns: count, seed: hashOf(seed) });
  return sampled.map(({ number, way }) => ({
    number,
    address: addressesOf(index, number)[way] as FrameAddress,
  }));
}

function hashOf(text: string): number {
  return Number.parseInt(md5(Buffer.from(text)).slice(0, 7), 16);
}

describe('index and sample times found without FFmpeg', () => {
  /** Of ExoPlayer's extractors; in another folder than the rest is the damaged one. */
  const files = [
    'media/exo_sample.avi',
    'media/exo_sample.flv',
    'media/exo_sample.mkv',
    'media/exo_sample.mp4',
    'media/sample_fragmented.mp4',
    'media/sample_fragmented_seekable.mp4',
    'media/sample_h264_mpeg_audio.ts',
    'media/sample_h265.ts',
    'media/sample_partially_fragmented.mp4',
    'media/sample_with_colr_mdcv_and_clli.mp4',
    'broken/sample_mdat_too_long.mp4',
  ];
  /** ExoPlayer rounds down to whole microseconds, and once more where its clock is another: 4/3 µs in the AVI. */
  const TOLERANCE = 1.34e-6;

  for (const file of files) {
    mediaTest(`${file} agree with ExoPlayer's within 1.3 µs`, async () => {
      await using video = await openVideo(mediaFile(file));
      const index = await video.index();
      const wanted = exoplayerTimes(file);
      // Its TS reader drops the last sample of the file and starts the clock at 0.
      const transportStream = file.endsWith('.ts');
      const lastPacket = index.order.indexOf(Math.max(...index.order));
      const got = index.pts
        .map((_, i) => timeOf(index, i))
        .filter((_, i) => !(transportStream && i === lastPacket));
      const shift = transportStream ? (got[0] as number) - (wanted[0] as number) : 0;
      expect(got.length).toBe(wanted.length);
      got.forEach((time, i) => {
        const off = Math.abs(time - shift - (wanted[i] as number));
        expect({ i, close: off <= TOLERANCE, off }).toMatchObject({ i, close: true });
      });
    });
  }

  /** Seconds, rising. */
  function exoplayerTimes(file: string): number[] {
    const name = file.replace(/^.*\//, '');
    const path = mediaFile(`oracle/external/${name}.exoplayer-extractor.dump.gz`);
    const tracks = gunzipSync(readFileSync(path))
      .toString()
      .split(/^track \d+:$/m);
    const video = tracks.find((track) => track.includes('sampleMimeType = video/')) ?? '';
    return [...video.matchAll(/^ {4}time = (\d+)$/gm)]
      .map(([, microseconds]) => Number(microseconds) / 1e6)
      .sort((a, b) => a - b);
  }
});

describe('frames that do not exist', () => {
  const name = 'start-offset.mp4'; // 50 frames from 8.32 s at 25 a second
  const open = () => openVideo(clip(name), { width: 16, pixelFormat: 'gray8' });
  const before: FrameAddress[] = [8.3, 0, -1, { index: -51 }];
  const behind: FrameAddress[] = [10.32, 11, { index: 50 }, { index: 10_000 }];

  testOf(name)('are a RangeError that names the address and the range', async () => {
    await using video = await open();
    for (const address of [...before, ...behind]) {
      const call = video.frameAt(address);
      await expect(call).rejects.toThrow(RangeError);
      await expect(call).rejects.toThrow(JSON.stringify(address));
      await expect(call).rejects.toThrow('50 frames from 8.32 to 10.32 s');
      await expect(video.framesAt([9, address])).rejects.toThrow(RangeError);
    }
    const { pts } = await video.index();
    const between = { pts: (pts[3] as number) + 1 };
    await expect(video.frameAt(between)).rejects.toThrow(RangeError);
    for (const times of [[8], [9, 10.5]]) {
      await expect(digests(video.frames({ times }))).rejects.toThrow(RangeError);
    }
    // It can still be used.
    expect((await video.frameAt({ index: 49 })).pts).toBe(pts[49]);
  });

  testOf(name)('are clamped to the nearest frame, if so wanted', async () => {
    await using video = await open();
    const { pts } = await video.index();
    const clamp = { outOfRange: 'clamp' } as const;
    for (const address of before) {
      expect((await video.frameAt(address, clamp)).pts).toBe(pts[0]);
    }
    for (const address of behind) {
      expect((await video.frameAt(address, clamp)).pts).toBe(pts[49]);
    }
    const mixed = await video.framesAt([...behind, 9, ...before], clamp);
    expect(mixed.map((frame) => frame.pts)).toEqual([
      ...behind.map(() => pts[49]),
      pts[17],
      ...before.map(() => pts[0]),
    ]);
    const got = await digests(video.frames({ times: [0, 1, 9, 100], ...clamp }));
    expect(got.map((frame) => frame.pts)).toEqual([pts[0], pts[0], pts[17], pts[49]]);
  });

  testOf(name)('are left out, if so wanted', async () => {
    await using video = await open();
    const { pts } = await video.index();
    const skip = { outOfRange: 'skip' } as const;
    expect(await video.framesAt([...before, ...behind], skip)).toEqual([]);
    const got = await video.framesAt([11, 9, { index: 50 }, { index: -1 }, 9], skip);
    expect(got.map((frame) => frame.pts)).toEqual([pts[17], pts[49], pts[17]]);
    const times = [0, 9, 9, 10.31, 10.32];
    const yielded = await digests(video.frames({ times, ...skip }));
    expect(yielded.map((frame) => frame.pts)).toEqual([pts[17], pts[17], pts[49]]);
    expect(await digests(video.frames({ times: [0, 1], ...skip }))).toEqual([]);
  });

  testOf(name)('of an empty list are none', async () => {
    await using video = await open();
    expect(await video.framesAt([])).toEqual([]);
    expect(await digests(video.frames({ times: [] }))).toEqual([]);
  });
});

testOf('start-offset.mp4')('negative numbers count from the end', async () => {
  await using video = await openVideo(clip('start-offset.mp4'));
  const { pts } = await video.index();
  for (const number of [-1, -2, -25, -50]) {
    expect((await video.frameAt({ index: number })).pts).toBe(pts.at(number));
  }
});

testOf('h264-bframes-audio.mp4')(
  'a frame given twice has pixels of its own each time',
  async () => {
    await using video = await openVideo(clip('h264-bframes-audio.mp4'));
    const twice = await video.framesAt([{ index: 7 }, { index: 7 }]);
    const yielded: Frame[] = [];
    const { time } = twice[0] as Frame;
    for await (const frame of video.frames({ times: [time, time, time] })) {
      const { data } = frame;
      expect(md5(data)).toBe(md5(twice[0]?.data as Uint8Array));
      yielded.push(frame);
    }
    for (const frame of [...twice, ...yielded]) {
      structuredClone(frame.data, { transfer: [frame.data.buffer] }); // detaches
    }
    expect([...twice, ...yielded].map(({ data }) => data.length)).toEqual(
      Array(5).fill(0),
    );
  },
);

testOf('keyframes.mp4')('any frame is found after a pass over key frames', async () => {
  const video = await openVideo(clip('keyframes.mp4'), { pixelFormat: 'native' });
  await using _ = video;
  const all = await digests(video.frames());
  await digests(video.frames({ keyFrames: true }));
  const found = await video.framesAt([{ index: 13 }, { index: 57 }]);
  expect(found.map(({ data }) => md5(data))).toEqual([all[13]?.md5, all[57]?.md5]);
});

testOf('upright.mp4')('wrong addresses and options are refused by name', async () => {
  await using video = await openVideo(clip('upright.mp4'));
  const wrong: [() => Promise<unknown>, ErrorConstructor, RegExp][] = [
    [() => video.frameAt(Number.NaN), TypeError, /time.*NaN/],
    [() => video.frameAt('1' as never), TypeError, /time.*'1'/],
    [() => video.frameAt(null as never), TypeError, /time/],
    [() => video.frameAt(undefined as never), TypeError, /time/],
    [() => video.frameAt({ index: 1.5 }), TypeError, /index.*1\.5/],
    [() => video.frameAt({ pts: '3' } as never), TypeError, /pts.*'3'/],
    [() => video.frameAt({} as never), TypeError, /pts|index/],
    [() => video.framesAt([0, { index: Number.NaN }]), TypeError, /index.*NaN/],
    [() => video.framesAt(7 as never), TypeError, /./],
    [
      () => video.framesAt([0], { outOfRange: 'wrap' as never }),
      TypeError,
      /outOfRange.*'wrap'/,
    ],
    [() => video.framesAt([0], { signal: 1 as never }), TypeError, /signal.*1/],
    [() => video.index({ signal: {} as never }), TypeError, /signal/],
    [() => first(video.frames({ times: 1 as never })), TypeError, /times.*1/],
    [() => first(video.frames({ times: [0, Number.NaN] })), TypeError, /times\[1\].*NaN/],
    [() => first(video.frames({ times: [1, 0] })), RangeError, /times.*0 after 1/],
    [() => first(video.frames({ times: [0], start: 1 })), TypeError, /times and start/],
    [
      () => first(video.frames({ times: [0], outOfRange: 'none' as never })),
      TypeError,
      /outOfRange.*'none'/,
    ],
  ];
  for (const [call, type, message] of wrong) {
    const rejection = (async () => await call())();
    await expect(rejection).rejects.toThrow(type);
    await expect(rejection).rejects.toThrow(message);
  }
  expect((await video.frameAt(0)).pts).toBe(0);

  async function first(frames: AsyncIterable<Frame>): Promise<void> {
    for await (const _ of frames) break;
  }
});

describe('ending a search', () => {
  const name = 'h264-bframes-audio.mp4';

  testOf(name)(
    'an aborted index rejects with the reason, and can be made anew',
    async () => {
      await using video = await openVideo(clip(name));
      const reason = new Error('enough');
      await expect(video.index({ signal: AbortSignal.abort(reason) })).rejects.toBe(
        reason,
      );
      const controller = new AbortController();
      const indexing = video.index({ signal: controller.signal });
      controller.abort(reason);
      await expect(indexing).rejects.toBe(reason);
      expect((await video.index()).length).toBe(facts(name).frames);
    },
  );

  mediaTest('an index under way is aborted, also where it decodes', async () => {
    await using video = await openVideo(
      mediaFile('media/VID_1280x720_cabac_temporal_direct.264'),
    );
    const reason = new Error('enough');
    const controller = new AbortController();
    const indexing = video.index({ signal: controller.signal });
    setImmediate(() => controller.abort(reason));
    await expect(indexing).rejects.toBe(reason);
    expect((await video.index()).length).toBe(300);
  });

  testOf(name)(
    'an aborted framesAt rejects with the reason; the video goes on',
    async () => {
      await using video = await openVideo(clip(name));
      const all = await digests(video.frames());
      const numbers = all.map((_, index) => ({ index }));
      const reason = new Error('enough');
      const controller = new AbortController();
      const search = video.framesAt(numbers, { signal: controller.signal });
      setImmediate(() => controller.abort(reason));
      await expect(search).rejects.toBe(reason);
      const late = video.framesAt(numbers, { signal: AbortSignal.abort(reason) });
      await expect(late).rejects.toBe(reason);
      expect(md5((await video.frameAt({ index: 60 })).data)).toBe(all[60]?.md5);
    },
  );

  testOf(name)('close during framesAt and index rejects with ERR_CLOSED', async () => {
    const video = await openVideo(clip(name));
    const { length } = await video.index();
    const addresses = Array.from({ length }, (_, index) => ({ index }));
    const search = expectClosed(video.framesAt(addresses));
    await video.close();
    await search;
    await expectClosed(video.framesAt(addresses));
    await expectClosed(video.frameAt(0));

    const other = await openVideo(clip(name));
    const indexing = expectClosed(other.index());
    await other.close();
    await indexing;
    await expectClosed(other.index());
  });

  async function expectClosed(call: Promise<unknown>): Promise<void> {
    await expect(call).rejects.toMatchObject({ name: 'MediaError', code: 'ERR_CLOSED' });
  }
});

testOf('upright.mp4')('searches at once do not disturb each other', async () => {
  await using video = await openVideo(clip('upright.mp4'));
  const all: Digest[] = await digests(video.frames());
  const got = await Promise.all(
    [24, 0, 12, 12, 3].map((index) => video.frameAt({ index })),
  );
  expect(got.map(({ data }) => md5(data))).toEqual(
    [24, 0, 12, 12, 3].map((index) => all[index]?.md5),
  );
});
