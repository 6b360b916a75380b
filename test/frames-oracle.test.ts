import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import sharp, { type FitEnum } from 'sharp';
import { describe, expect, test } from 'vitest';
import { type OpenOptions, openVideo, type PixelFormat } from '../src/index.ts';
import { CLIPS, clip, facts, type GoodClip, testOf } from './helpers/clips.ts';
import { ffprobeFrames, framemd5 } from './helpers/ffmpeg.ts';
import {
  batchDigests,
  type Digest,
  digests,
  expectSameList,
  md5,
} from './helpers/frames.ts';
import { mediaFile, mediaTest } from './helpers/media.ts';
import { BROKEN_NAMES, MEDIA_NAMES, TURNED_NAMES } from './helpers/media-names.ts';
import { expectedPts, readFramemd5, readFrameTable } from './helpers/oracle.ts';
import { type Selection, select } from './helpers/selection.ts';

const GOOD_CLIPS = Object.keys(CLIPS) as GoodClip[];

describe('real clips', () => {
  mediaTest('are the ones listed', async () => {
    expect(readdirSync(mediaFile('media')).sort()).toEqual([...MEDIA_NAMES].sort());
    expect(readdirSync(mediaFile('broken')).sort()).toEqual([...BROKEN_NAMES].sort());
  });

  for (const name of MEDIA_NAMES) {
    mediaTest(
      `${name} gives the frames and times that FFmpeg does, bit for bit`,
      async () => {
        await using video = await openVideo(mediaFile(`media/${name}`), {
          pixelFormat: 'native',
        });
        // All are decoded; of 10 GB of pixels a fifth will do to be hashed.
        const step = name === 'TestPatternHDR.mp4' ? 5 : 1;
        const got = await batchDigests(video, { size: 2, step });
        const wanted = readOracle(name, video.info.streamIndex);
        expectSameList(
          got.map(essence),
          wanted.filter((_, i) => i % step === 0).map(essence),
        );
      },
      180_000,
    );
  }

  for (const name of TURNED_NAMES) {
    mediaTest(`${name} is turned upright as the ffmpeg tool does it`, async () => {
      await using video = await openVideo(mediaFile(`media/${name}`), {
        pixelFormat: 'yuv420p',
        squarePixels: false,
      });
      const oracle = readFramemd5(
        mediaFile(`oracle/${name}.autorotated-first5.framemd5`),
      );
      const got = await digests(video.frames(), oracle.length);
      expect(got.map(({ md5 }) => md5)).toEqual(oracle.map(({ md5 }) => md5));
    });
  }
});

/** What the oracle's tables tell of a frame. */
type Essence = Pick<Digest, 'pts' | 'md5' | 'keyFrame' | 'width' | 'height'>;

function essence({ pts, md5, keyFrame, width, height }: Essence): Essence {
  return { pts, md5, keyFrame, width, height };
}

/** Hash and table joined. The stream that FFmpeg finds best need not be the first. */
function readOracle(name: string, streamIndex: number): Essence[] {
  if (name === 'nasa_13013.mp4') return readSecondStream(name, streamIndex);
  const hashes = readFramemd5(mediaFile(`oracle/${name}.framemd5.gz`));
  const table = readFrameTable(mediaFile(`oracle/${name}.frames.csv.gz`));
  const times = expectedPts(table);
  expect(hashes.length).toBe(table.length);
  return table.map(({ keyFrame, width, height }, index) => {
    const pts = times[index] ?? Number.NaN;
    return { pts, md5: hashes[index]?.md5 ?? '', keyFrame, width, height };
  });
}

/** The table of this one comes from another project (torchcodec). */
function readSecondStream(name: string, streamIndex: number): Essence[] {
  expect(streamIndex).toBe(3);
  const path = mediaFile(`oracle/torchcodec/${name}.stream3.all_frames_info.json`);
  const table = JSON.parse(readFileSync(path, 'utf8')) as Record<string, string>[];
  return readFramemd5(mediaFile(`oracle/${name}.v1.framemd5.gz`)).map(
    ({ md5 }, index) => ({
      pts: Math.round(Number(table[index]?.pts_time) * 30_000),
      md5,
      keyFrame: [0, 240].includes(index), // group 6 of the folder's README
      width: 480,
      height: 270,
    }),
  );
}

describe('generated clips', () => {
  for (const name of GOOD_CLIPS) {
    testOf(name)(`${name} gives the frames that the ffmpeg tool does`, async () => {
      await using video = await openVideo(clip(name), { pixelFormat: 'native' });
      const got = await digests(video.frames());
      const wanted = await framemd5(clip(name));
      const line = ({ pts, md5 }: { pts: number; md5: string }) => ({ pts, md5 });
      expectSameList(got.map(line), wanted.map(line));
      expect(got.length).toBe(facts(name).frames);
      expect(new Set(got.slice(0, 10).map(({ pixelFormat }) => pixelFormat))).toEqual(
        new Set([facts(name).pixelFormat ?? 'yuv420p']),
      );
    });

    testOf(name)(`${name} has the times, key frames and sizes of ffprobe`, async () => {
      await using video = await openVideo(clip(name), { pixelFormat: 'native' });
      const { frames: probed, timeBase } = await ffprobeFrames(clip(name));
      const got = await digests(video.frames());
      expect(video.info.timeBase).toEqual(timeBase);
      const shape = ({ keyFrame, width, height }: (typeof probed)[number] | Digest) => ({
        keyFrame,
        width,
        height,
      });
      expectSameList(got.map(shape), probed.map(shape));
      const { width, height } = CLIPS[name];
      expect(got[0]).toMatchObject({ width, height });
      for (const { time, pts } of got) {
        expect(time).toBeCloseTo((pts * timeBase.num) / timeBase.den, 9);
      }
      const { start } = CLIPS[name] as { start?: number };
      if (start !== undefined) expect(got[0]?.time).toBeCloseTo(start, 9);
    });
  }
});

const RGB_FORMATS = ['rgb24', 'bgr24', 'rgba'] as const;
const FORMATS: readonly PixelFormat[] = [...RGB_FORMATS, 'gray8', 'yuv420p', 'rgb48le'];

describe('pixel formats, unscaled', () => {
  /** What to ask ffmpeg for. Its yuv420p is of limited range, ours of the stream's own. */
  const ffmpegName = (name: GoodClip, format: PixelFormat) => {
    if (format === 'gray8') return 'gray';
    return format === 'yuv420p' && name === 'full-range.mp4' ? 'yuvj420p' : format;
  };
  /** See README.md, "Colour": by FFmpeg's default only what everyone converts so. */
  const isConvertedAccurately = (stored = 'yuv420p', wanted: string) =>
    !['yuv420p', 'yuvj420p'].includes(stored) && wanted !== 'rgb48le';
  const ACCURATE = 'bicubic+accurate_rnd+full_chroma_int+full_chroma_inp';
  // Turning and pixel shape have tests of their own, and ffmpeg would scale these.
  const asStored: OpenOptions = { autorotate: false, squarePixels: false };
  const clips = GOOD_CLIPS.filter((name) => name !== 'size-change.h264');

  for (const name of clips) {
    for (const pixelFormat of FORMATS) {
      testOf(name)(`${name} as ${pixelFormat} equals the ffmpeg tool's`, async () => {
        await using video = await openVideo(clip(name), { ...asStored, pixelFormat });
        const got = await digests(video.frames(), 5);
        const output = ['-frames:v', '5', '-pix_fmt', ffmpegName(name, pixelFormat)];
        if (isConvertedAccurately(facts(name).pixelFormat, pixelFormat)) {
          output.push('-sws_flags', ACCURATE);
        }
        const wanted = await framemd5(clip(name), { output });
        expect(got.map(({ md5 }) => md5)).toEqual(wanted.map(({ md5 }) => md5));
        expect(got[0]?.pixelFormat).toBe(pixelFormat);
      });
    }
  }
});

describe('orientation', () => {
  const turned = GOOD_CLIPS.filter((name) => {
    const { rotation, flipped } = facts(name);
    return rotation !== undefined || flipped !== undefined;
  });

  for (const name of turned) {
    testOf(name)(`${name} is turned as the ffmpeg tool does it`, async () => {
      await using video = await openVideo(clip(name), {
        pixelFormat: 'yuv420p',
        squarePixels: false,
      });
      const { rotation = 0, flipped = false } = facts(name);
      expect(video.info).toMatchObject({ rotation, flipped });
      const got = await digests(video.frames(), 3);
      const output = ['-frames:v', '3', '-pix_fmt', 'yuv420p'];
      const wanted = await framemd5(clip(name), { output, autorotate: true });
      expect(got.map(({ md5 }) => md5)).toEqual(wanted.map(({ md5 }) => md5));
    });

    testOf(name)(
      `${name} turned as rgb24 has the pixels of the upright one`,
      async () => {
        const shape = { squarePixels: false, pixelFormat: 'rgb24' } as const;
        await using video = await openVideo(clip(name), shape);
        await using stored = await openVideo(clip(name), { ...shape, autorotate: false });
        const { rotation = 0, flipped = false } = facts(name);
        const [got] = await collect(video.frames(), 1);
        const [raw] = await collect(stored.frames(), 1);
        if (!got || !raw) throw new Error('no frame');
        const { width, height } = raw;
        const turnedRaw = sharp(raw.data, { raw: { width, height, channels: 3 } })
          .rotate(rotation)
          .raw();
        const { data, info } = await turnedRaw.toBuffer({ resolveWithObject: true });
        const upright = flipped
          ? await sharp(data, { raw: { ...info, channels: 3 } })
              .flop()
              .raw()
              .toBuffer()
          : data;
        expect([got.width, got.height]).toEqual([info.width, info.height]);
        expect(md5(got.data)).toBe(md5(upright));
      },
    );
  }
});

async function collect<T>(items: AsyncIterable<T>, limit: number): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) {
    all.push(item);
    if (all.length >= limit) break;
  }
  return all;
}

describe('which frames', () => {
  const clips: GoodClip[] = [
    'vfr.mp4',
    'h264-bframes-audio.mp4',
    'keyframes.mp4',
    'start-offset.mp4',
    'start-offset.ts',
    'mpeg2.ts',
    'size-change.h264',
  ];

  /** ffprobe's table with times in seconds. */
  async function table(name: GoodClip) {
    const { frames, timeBase } = await ffprobeFrames(clip(name));
    const seconds = timeBase.num / timeBase.den;
    let next = 0;
    return frames.map((frame) => {
      const pts = Number.isNaN(frame.pts) ? next : frame.pts;
      next = pts + frame.duration;
      return {
        ...frame,
        pts,
        time: pts * seconds,
        duration: frame.duration * seconds,
      };
    });
  }

  async function expectSelection(name: GoodClip, selections: Selection[]): Promise<void> {
    await using video = await openVideo(clip(name), { width: 16, pixelFormat: 'gray8' });
    const frames = await table(name);
    for (const selection of selections) {
      const got = await digests(video.frames(selection));
      const wanted = select(frames, selection).map((index) => frames[index]?.pts);
      expect({ selection, pts: got.map(({ pts }) => pts) }).toEqual({
        selection,
        pts: wanted,
      });
    }
  }

  testOf('start-offset.ts')('by range: start is in, end is out', async () => {
    await expectSelection('start-offset.ts', [
      { start: 10.4, end: 10.8 },
      { start: 10.4 },
      { end: 10.04 },
      { start: 0, end: 5 },
      { start: 11.96 },
      { start: 100 },
    ]);
  });

  testOf('vfr.mp4')('every so many seconds: the frame on screen then', async () => {
    await expectSelection('vfr.mp4', [
      { every: 0.5 },
      { every: 0.01 },
      { every: 0.1, start: 1.01, end: 3.33 },
      { every: 100 },
      { every: 1 / 3, start: -1 },
    ]);
  });

  testOf('keyframes.mp4')('every nth, and key frames', async () => {
    await expectSelection('keyframes.mp4', [
      { step: 7 },
      { step: 7, start: 0.5, end: 3 },
      { keyFrames: true },
      { keyFrames: true, step: 3 },
      { keyFrames: true, start: 0.5, end: 3 },
    ]);
  });

  // Without timestamps the time of a frame is only known from the frames before it.
  testOf('size-change.h264')('of a raw stream: times do not depend on it', async () => {
    await expectSelection('size-change.h264', [
      { keyFrames: true },
      { keyFrames: true, start: 0.2 },
      { start: 0.41 },
      { every: 0.25, start: 0.3 },
    ]);
  });

  testOf('vfr.mp4')('fps is the same as every', async () => {
    await using video = await openVideo(clip('vfr.mp4'), { pixelFormat: 'gray8' });
    expect(await digests(video.frames({ fps: 4 }))).toEqual(
      await digests(video.frames({ every: 0.25 })),
    );
  });

  for (const name of clips) {
    testOf(name)(`any choice from ${name} is what its table says`, async () => {
      const frames = await table(name);
      const [from, to] = [(frames[0]?.time ?? 0) - 0.5, (frames.at(-1)?.time ?? 0) + 0.5];
      // Times between frames, and exactly those of frames.
      const moment = fc.oneof(
        fc.integer({ min: Math.floor(from * 1000), max: Math.ceil(to * 1000) }),
        fc.constantFrom(...frames.map(({ time }) => time * 1000)),
      );
      const start = moment.map((ms) => ms / 1000);
      const length = fc.integer({ min: 1, max: 3000 }).map((ms) => ms / 1000);
      const choice = fc
        .record(
          {
            start,
            length,
            how: fc.oneof(
              fc.record({ step: fc.integer({ min: 1, max: 30 }) }),
              fc.record({
                every: fc.integer({ min: 5, max: 2500 }).map((n) => n / 1000),
              }),
              fc.record({
                keyFrames: fc.constant(true),
                step: fc.integer({ min: 1, max: 3 }),
              }),
            ),
          },
          { requiredKeys: [] },
        )
        .map(({ start, length, how }): Selection => {
          const range = start === undefined ? {} : { start };
          const end = length === undefined ? {} : { end: (start ?? from) + length };
          return { ...range, ...end, ...how };
        });
      await using video = await openVideo(clip(name), {
        width: 16,
        pixelFormat: 'gray8',
      });
      await fc.assert(
        fc.asyncProperty(choice, async (selection) => {
          const got = await digests(video.frames(selection));
          const wanted = select(frames, selection).map((index) => frames[index]?.pts);
          expect(got.map(({ pts }) => pts)).toEqual(wanted);
        }),
        { numRuns: 60 },
      );
    });
  }

  testOf('keyframes.mp4')('chosen frames have the pixels of a whole pass', async () => {
    await using video = await openVideo(clip('keyframes.mp4'), {
      pixelFormat: 'native',
    });
    const all = await digests(video.frames());
    const byPts = new Map(all.map((frame) => [frame.pts, frame.md5]));
    for (const selection of [
      { start: 2.1, end: 3 },
      { every: 0.3, start: 1.5 },
      { keyFrames: true },
      { step: 9, start: 1 },
    ]) {
      const got = await digests(video.frames(selection));
      expect(got.length).toBeGreaterThan(2);
      for (const { pts, md5 } of got) expect(md5).toBe(byPts.get(pts));
    }
  });
});

describe('passes over one video', () => {
  const name = 'h264-bframes-audio.mp4';

  testOf(name)('a second pass equals the first', async () => {
    await using video = await openVideo(clip(name));
    const first = await digests(video.frames());
    expect(first.length).toBe(facts(name).frames);
    expectSameList(await digests(video.frames()), first);
    expectSameList(await digests(video), first);
  });

  testOf(name)('two at once are independent', async () => {
    await using video = await openVideo(clip(name), { pixelFormat: 'gray8' });
    const whole = await digests(video.frames());
    const late = await digests(video.frames({ start: 2 }));
    const [one, other] = [video.frames(), video.frames({ start: 2 })];
    const got: [Digest[], Digest[]] = [[], []];
    for (let turn = 0; ; turn++) {
      // Unevenly, so that neither stays a fixed distance ahead.
      const which = turn % 3 === 0 ? 1 : 0;
      const next = await (which === 0 ? one : other).next();
      if (next.done) break;
      got[which].push(...(await digests(asyncOf(next.value))));
    }
    const rest = [await digests(one), await digests(other)] as const;
    expectSameList([...got[0], ...rest[0]], whole);
    expectSameList([...got[1], ...rest[1]], late);
  });

  testOf(name)('two read in parallel are independent', async () => {
    await using video = await openVideo(clip(name), { pixelFormat: 'gray8' });
    const whole = await digests(video.frames());
    const both = await Promise.all([digests(video.frames()), batchDigests(video)]);
    for (const got of both) expectSameList(got, whole);
  });

  testOf(name)('any batch size gives the same frames', async () => {
    await using video = await openVideo(clip(name), { width: 32 });
    const whole = await digests(video.frames());
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 200 }), async (size) => {
        const lengths: number[] = [];
        const got: Digest[] = [];
        for await (const batch of video.batches({ size })) {
          lengths.push(batch.length);
          got.push(...(await digests(asyncOf(...batch))));
        }
        expectSameList(got, whole);
        for (const length of lengths) expect(length).toBeLessThanOrEqual(size);
        expect(lengths).not.toContain(0);
      }),
      { numRuns: 25, examples: [[1], [124], [125], [126]] },
    );
  });

  testOf(name)('any number of threads gives the same frames', async () => {
    const all = await Promise.all(
      [1, 2, 3, 8].map(async (threads) => {
        await using video = await openVideo(clip(name), {
          threads,
          pixelFormat: 'native',
        });
        expect(video.decodePath.threads).toBe(threads);
        return await digests(video.frames()); // before it is closed
      }),
    );
    for (const got of all) expectSameList(got, all[0] ?? []);
  });

  testOf('size-change.h264')(
    'frames of changing size fit one size, unless native',
    async () => {
      await using fitted = await openVideo(clip('size-change.h264'));
      await using native = await openVideo(clip('size-change.h264'), {
        pixelFormat: 'native',
      });
      const size = ({ width, height }: Digest) => `${width}x${height}`;
      expect(new Set((await digests(fitted.frames())).map(size))).toEqual(
        new Set(['96x64']),
      );
      expect(new Set((await digests(native.frames())).map(size))).toEqual(
        new Set(['96x64', '160x144', '64x96']),
      );
    },
  );
});

async function* asyncOf<T>(...items: T[]): AsyncGenerator<T> {
  yield* items;
}

describe('size', () => {
  const clips: GoodClip[] = [
    'upright.mp4',
    'odd-size.mp4',
    'sar.mp4',
    'rotate90.mp4',
    'sar-rotate90.mp4',
  ];

  for (const name of clips) {
    testOf(name)(`of ${name} is shown upright, with square pixels`, async () => {
      await using video = await openVideo(clip(name));
      const { width, height } = displaySize(name);
      expect(video.info).toMatchObject({ displayWidth: width, displayHeight: height });
      expect(video.frameSize).toEqual({ width, height });
    });

    testOf(name)(`of ${name} follows width, height and fit as in sharp`, async () => {
      const side = fc.integer({ min: 1, max: 300 });
      const wanted = fc.record(
        {
          width: side,
          height: side,
          fit: fc.constantFrom('inside', 'contain', 'cover', 'fill'),
          withoutEnlargement: fc.boolean(),
        },
        { requiredKeys: [] },
      );
      await fc.assert(
        fc.asyncProperty(wanted, async (options) => {
          await using video = await openVideo(clip(name), {
            ...(options as OpenOptions),
            pixelFormat: 'gray8',
          });
          const [frame] = await collect(video.frames(), 1);
          const { width, height } = await sharpSize(displaySize(name), options);
          expect(video.frameSize).toEqual({ width, height });
          expect(frame).toMatchObject({ width, height });
          expect(frame?.data.length).toBe(width * height);
        }),
        {
          numRuns: 80,
          // Sides that come to a half: sharp's rounding depends on the direction.
          examples: [
            [{ height: 167, withoutEnlargement: false }],
            [{ width: 100, height: 75, withoutEnlargement: false }],
            [{ height: 12 }],
          ],
        },
      );
    });
  }

  testOf('upright.mp4')('contain pads with black in the middle', async () => {
    const [plain, padded] = await Promise.all([
      oneFrame('upright.mp4', {}),
      oneFrame('upright.mp4', { width: 96, height: 100, fit: 'contain' }),
    ]);
    const wanted = await sharp(plain.data, {
      raw: { width: 96, height: 64, channels: 3 },
    })
      .resize({ width: 96, height: 100, fit: 'contain', withoutEnlargement: true })
      .raw()
      .toBuffer();
    expect(md5(padded.data)).toBe(md5(wanted));
  });

  testOf('upright.mp4')('cover cuts off equally at both sides', async () => {
    const [plain, cut] = await Promise.all([
      oneFrame('upright.mp4', {}),
      oneFrame('upright.mp4', { width: 64, height: 64, fit: 'cover' }),
    ]);
    const wanted = await sharp(plain.data, {
      raw: { width: 96, height: 64, channels: 3 },
    })
      .extract({ left: 16, top: 0, width: 64, height: 64 })
      .raw()
      .toBuffer();
    expect(md5(cut.data)).toBe(md5(wanted));
  });

  async function oneFrame(name: GoodClip, options: OpenOptions) {
    await using video = await openVideo(clip(name), options);
    const [frame] = await collect(video.frames(), 1);
    if (!frame) throw new Error('no frame');
    return frame;
  }

  /** Stored size, pixels made square by stretching the width, then turned. */
  function displaySize(name: GoodClip): { width: number; height: number } {
    const {
      width,
      height,
      rotation = 0,
      sampleAspectRatio: [x, y] = [1, 1],
    } = facts(name);
    const square = Math.round((width * x) / y);
    return rotation % 180 === 0
      ? { width: square, height }
      : { width: height, height: square };
  }

  /** The size that sharp itself gives a picture of this size. */
  async function sharpSize(
    size: { width: number; height: number },
    options: Partial<{
      width: number;
      height: number;
      fit: string;
      withoutEnlargement: boolean;
    }>,
  ) {
    const { fit = 'inside', withoutEnlargement = true, ...sides } = options;
    const blank = sharp({ create: { ...size, channels: 3, background: 'black' } });
    const { info } = await blank
      .resize({ ...sides, fit: fit as keyof FitEnum, withoutEnlargement })
      .raw()
      .toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height };
  }
});

test('wrong options are refused before any work, by name and value', async () => {
  const wrong: [object, RegExp][] = [
    [{ width: 0 }, /width.*0/],
    [{ height: 1.5 }, /height.*1\.5/],
    [{ width: '640' }, /width.*640/],
    [{ fit: 'outside' }, /fit.*outside/],
    [{ pixelFormat: 'rgb' }, /pixelFormat.*rgb/],
    [{ threads: -1 }, /threads.*-1/],
    [{ onDecodeError: 'ignore' }, /onDecodeError.*ignore/],
  ];
  for (const [options, message] of wrong) {
    const opening = openVideo('/nowhere.mp4', options as OpenOptions);
    await expect(opening).rejects.toThrow(message);
    await expect(opening).rejects.toSatisfy(isCallersMistake);
  }
});

testOf('upright.mp4')(
  'wrong choices of frames are refused by name and value',
  async () => {
    await using video = await openVideo(clip('upright.mp4'));
    const wrong: [Record<string, unknown>, RegExp][] = [
      [{ start: Number.NaN }, /start.*NaN/],
      [{ start: 2, end: 1 }, /end.*1/],
      [{ every: 0 }, /every.*0/],
      [{ fps: -2 }, /fps.*-2/],
      [{ step: 0 }, /step.*0/],
      [{ step: 1.5 }, /step.*1\.5/],
      [{ every: 1, fps: 1 }, /every|fps/],
    ];
    for (const [options, message] of wrong) {
      const reading = (async () => {
        for await (const _ of video.frames(options)) break;
      })();
      await expect(reading).rejects.toThrow(message);
      await expect(reading).rejects.toSatisfy(isCallersMistake);
    }
  },
);

function isCallersMistake(error: unknown): boolean {
  return error instanceof TypeError || error instanceof RangeError;
}
