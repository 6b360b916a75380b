// The same questions to both backends: whatever beamcoder answers, the ffmpeg tool or the addon has to answer, too.

import { once } from 'node:events';
import { createReadStream, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { describe, expect } from 'vitest';
import {
  analyze,
  type Frame,
  type FrameSelection,
  MediaError,
  type OpenOptions,
  openVideo,
  probe,
  type Video,
} from '../src/index.ts';
import { hasBeamcoder, beamcoderTest as test } from './helpers/beamcoder.ts';
import { LIBRARY } from './helpers/child.ts';
import {
  BAD_CLIPS,
  type ClipName,
  CUTS_AT,
  clip,
  facts,
  type GoodClip,
} from './helpers/clips.ts';
import { ffmpeg, ffprobeFrames, framemd5 } from './helpers/ffmpeg.ts';
import { digests, expectSameList, psnr } from './helpers/frames.ts';
import { mediaFile, mediaTest } from './helpers/media.ts';
import { readReference } from './helpers/reference.ts';
import { temporaryDirectory } from './helpers/temporary.ts';

const BOTH = ['native', 'beamcoder'] as const;
const NAME = 'h264-bframes-audio.mp4';
const FOLDER = temporaryDirectory();

function open(name: ClipName, options: OpenOptions = {}): Promise<Video> {
  return openVideo(clip(name), { backend: 'beamcoder', ...options });
}

async function framesOf(
  name: ClipName,
  options: OpenOptions,
  selection: FrameSelection = {},
): Promise<Frame[]> {
  await using video = await open(name, options);
  const frames: Frame[] = [];
  for await (const frame of video.frames(selection)) frames.push(frame);
  return frames;
}

describe('frames as decoded', () => {
  const clips: readonly GoodClip[] = [
    NAME,
    'full-range.mp4',
    'gray.mkv',
    'mpeg2.ts',
    'odd-size.mp4',
    'rgb.mp4',
    'rotate90.mp4',
    'size-change.h264',
    'start-offset.ts',
    'ten-bit.mp4',
    'vfr.mp4',
    'vp9.webm',
    'yuv444.mp4',
  ];
  for (const name of clips) {
    test(`${name}: both backends give the ffmpeg tool's, bit for bit, at ffprobe's times`, async () => {
      const hashes = await framemd5(clip(name));
      const probed = await ffprobeFrames(clip(name));
      for (const backend of BOTH) {
        await using video = await open(name, { backend, pixelFormat: 'native' });
        expect(video.decodePath).toMatchObject({ backend, fallbackReason: null });
        const frames = await digests(video.frames());
        expectSameList(
          frames.map(({ md5 }) => md5),
          hashes.map(({ md5 }) => md5),
        );
        const { num, den } = probed.timeBase;
        // A raw stream's frames have no times for ffprobe to tell.
        if (name === 'size-change.h264') continue;
        expectSameList(
          frames.map(({ pts, time, keyFrame }) => ({ pts, time, keyFrame })),
          probed.frames.map(({ pts, keyFrame }) => ({
            ...{ pts, time: (pts * num) / den, keyFrame },
          })),
        );
      }
    });
  }
});

describe.skipIf(!hasBeamcoder)('frames of real clips', () => {
  for (const name of [
    'av1_video.mkv',
    'bbb_2500ms.ts',
    'discard_first_keyframe.mp4',
    'exo_sample.avi',
    'h265_video.mp4',
    'resolution-change.webm',
    'sine_stereo_mp2.mpg',
    'vp9-superframes.webm',
  ]) {
    mediaTest(`${name}: those of the oracle, bit for bit, when it says`, async () => {
      const path = mediaFile(`media/${name}`);
      await using video = await openVideo(path, {
        ...{ backend: 'beamcoder', pixelFormat: 'native' },
      });
      const wanted = readReference(name, video.info.streamIndex).slice(0, 60);
      expectSameList(
        (await digests(video.frames(), 60)).map(
          ({ pts, keyFrame, md5, width, height }) => ({
            ...{ pts, keyFrame, width, height, md5 },
          }),
        ),
        wanted.map(({ duration: _, ...frame }) => frame),
      );
    });
  }

  mediaTest('high dynamic range is brought down as the addon does it', async () => {
    const path = mediaFile('media/hdr10-video-with-sdr-container.mp4');
    const [native, beamcoder] = await Promise.all(
      BOTH.map(async (backend) => {
        await using video = await openVideo(path, { backend, width: 160 });
        return await video.frameAt({ index: 3 });
      }),
    );
    const data = (frame: Frame | undefined) => frame?.data as Uint8Array;
    // In doubles here, in floats there: a level at most, now and then.
    expect(psnr(data(beamcoder), data(native), false)).toBeGreaterThan(48);
  });
});

test('a video is the same for both, but for what the package does not hand on', async () => {
  for (const name of [
    'rotate90.mp4',
    'sar.mp4',
    'start-offset.ts',
    'ten-bit.mp4',
  ] as const) {
    const [native, beamcoder] = await Promise.all(
      BOTH.map((backend) => probe(clip(name), { backend })),
    );
    expect(beamcoder).toEqual({ ...native, variableFrameRate: null, chapters: [] });
  }
});

test('every choice of frames is the same for both', async () => {
  await using native = await open(NAME, { backend: 'native' });
  await using beamcoder = await open(NAME);
  const selections: readonly FrameSelection[] = [
    { start: 1.3, end: 2.1 },
    { start: 4.9 },
    { start: 100 },
    { every: 0.3 },
    { every: 0.25, start: 0.9, end: 2 },
    { fps: 3 },
    { step: 7, start: 0.5 },
    { keyFrames: true },
    { times: [0, 1.234, 1.234, 4.99] },
    { start: 0, end: 0.2 },
  ];
  for (const selection of selections) {
    // Small pictures are not what is compared here: which frames they are.
    const list = async (video: Video) =>
      (await digests(video.frames(selection))).map(({ md5: _, ...frame }) => frame);
    expect(await list(beamcoder), JSON.stringify(selection)).toEqual(await list(native));
  }
  const sizes: number[] = [];
  for await (const batch of beamcoder.batches({ size: 50 })) sizes.push(batch.length);
  expect(sizes).toEqual([50, 50, 25]);
});

test('the index is the same for both, and any frame is reached exactly', async () => {
  for (const name of [NAME, 'vp9.webm', 'size-change.h264', 'start-offset.ts'] as const) {
    await using native = await open(name, { backend: 'native' });
    await using video = await open(name, { pixelFormat: 'native' });
    const index = await video.index();
    expect(index).toEqual(await native.index());
    const hashes = await framemd5(clip(name));
    const order = [index.length - 1, 3, 17, 17, 0, 24];
    const found = await video.framesAt(order.map((number) => ({ index: number })));
    const wanted = order.map((number) => hashes[number]?.md5);
    expect((await digests(iterate(found))).map(({ md5 }) => md5)).toEqual(wanted);
    const frame = await video.frameAt({ pts: index.pts[20] as number });
    expect((await digests(iterate([frame])))[0]?.md5).toBe(hashes[20]?.md5);
  }
});

async function* iterate(frames: readonly Frame[]): AsyncGenerator<Frame> {
  yield* frames;
}

describe('pictures', () => {
  const cases: readonly { name: GoodClip; options: OpenOptions }[] = [
    { name: 'cuts.mp4', options: { width: 80 } },
    { name: 'cuts.mp4', options: {} },
    { name: 'cuts.mp4', options: { width: 80, pixelFormat: 'yuv420p' } },
    {
      name: 'cuts.mp4',
      options: { width: 70, height: 70, fit: 'contain', pixelFormat: 'rgba' },
    },
    {
      name: 'cuts.mp4',
      options: { width: 64, height: 64, fit: 'cover', pixelFormat: 'bgr24' },
    },
    {
      name: 'cuts.mp4',
      options: { width: 81, height: 33, fit: 'fill', pixelFormat: 'gray8' },
    },
    { name: 'cuts.mp4', options: { width: 320, withoutEnlargement: false } },
    { name: 'full-range.mp4', options: { width: 48 } },
    {
      name: 'full-range.mp4',
      options: { width: 49, height: 49, fit: 'contain', pixelFormat: 'yuv420p' },
    },
    { name: 'ten-bit.mp4', options: { width: 48, pixelFormat: 'rgb48le' } },
    { name: 'ten-bit.mp4', options: {} },
    { name: 'rgb.mp4', options: { width: 48 } },
    { name: 'yuv444.mp4', options: { width: 50 } },
    { name: 'gray.mkv', options: { width: 32, pixelFormat: 'gray8' } },
    {
      name: 'transverse.mp4',
      options: { width: 40, height: 60, fit: 'contain', pixelFormat: 'yuv420p' },
    },
    { name: 'sar-rotate90.mp4', options: { width: 40 } },
    { name: 'odd-size.mp4', options: { width: 31 } },
    { name: 'odd-size.mp4', options: { width: 60, pixelFormat: 'yuv420p' } },
    { name: 'ten-bit.mp4', options: { width: 35, pixelFormat: 'yuv420p' } },
    { name: 'yuv444.mp4', options: { width: 49, pixelFormat: 'yuv420p' } },
    { name: 'rgb.mp4', options: { width: 49, pixelFormat: 'yuv420p' } },
  ];
  for (const { name, options } of cases) {
    const words = Object.entries(options).map(([key, value]) => `${key} ${value}`);
    // Both average areas, the addon more exactly.
    test(`${name}, ${words.join(', ') || 'whole'}: as the addon's to 40 dB`, async () => {
      const selection = { step: 12 };
      const [native, beamcoder] = await Promise.all([
        framesOf(name, { ...options, backend: 'native' }, selection),
        framesOf(name, options, selection),
      ]);
      expect(beamcoder.map(({ data: _, ...rest }) => rest)).toEqual(
        native?.map(({ data: _, ...rest }) => rest),
      );
      for (const [i, { data, pixelFormat }] of beamcoder.entries()) {
        const wanted = (native as Frame[])[i]?.data as Uint8Array;
        expect(psnr(data, wanted, pixelFormat === 'rgb48le')).toBeGreaterThan(40);
      }
    });
  }
});

const SITED = temporaryDirectory();

test('chroma is scaled from where the stream says that it lies, to where it says', async () => {
  // Table E.2 of H.264 counts them: left, which all other clips have, is 0.
  for (const [i, site] of [
    'center',
    'topleft',
    'top',
    'bottomleft',
    'bottom',
  ].entries()) {
    const path = join(SITED, `${site}.mp4`);
    const filter = `h264_metadata=chroma_sample_loc_type=${i + 1}`;
    await ffmpeg(['-i', clip('upright.mp4'), '-c', 'copy', '-bsf:v', filter, path]);
    for (const options of [
      { width: 48, pixelFormat: 'yuv420p' },
      { width: 49 },
    ] as const) {
      const [native, beamcoder] = await Promise.all(
        BOTH.map(async (backend) => {
          await using video = await openVideo(path, { ...options, backend });
          expect(video.info.color.chromaLocation).toBe(site);
          return (await video.frameAt({ index: 12 })).data;
        }),
      );
      const ratio = psnr(beamcoder as Uint8Array, native as Uint8Array);
      expect(ratio, `${site} ${options.width}`).toBeGreaterThan(40);
    }
  }
});

test('an analysis comes to the same cuts and, within rounding, the same samples', async () => {
  const [native, beamcoder] = await Promise.all(
    BOTH.map((backend) => analyze(clip('cuts.mp4'), { backend, fps: 10 })),
  );
  expect(beamcoder?.decodePath.backend).toBe('beamcoder');
  expect(beamcoder?.complete).toBe(true);
  const cuts = beamcoder?.events.flatMap((event) =>
    event.type === 'cut' ? event.frame : [],
  );
  expect(cuts).toEqual(CUTS_AT);
  expect(beamcoder?.shots.map(({ start, end }) => [start, end])).toEqual(
    native?.shots.map(({ start, end }) => [start, end]),
  );
  expect(beamcoder?.samples.length).toBe(native?.samples.length);
  for (const [i, sample] of (beamcoder?.samples ?? []).entries()) {
    const wanted = native?.samples[i] as typeof sample;
    const { time, pts, keyFrame, hash } = sample;
    expect({ time, pts, keyFrame, hash }).toMatchObject({
      ...{
        time: wanted.time,
        pts: wanted.pts,
        keyFrame: wanted.keyFrame,
        hash: wanted.hash,
      },
    });
    // At the clip's own size, where nothing is scaled; chroma may be sited otherwise by a part of a sample.
    for (const name of [
      'brightness',
      'contrast',
      'sharpness',
      'motion',
      'quality',
    ] as const) {
      expect(sample[name], name).toBeCloseTo(wanted[name], 6);
    }
    expect(Math.abs(sample.saturation - wanted.saturation)).toBeLessThan(1);
  }
});

describe('what cannot be decoded', () => {
  const cases = Object.entries({
    ...BAD_CLIPS,
    'damaged.mp4': 'ERR_DECODE',
    'truncated.mp4': 'ERR_TRUNCATED',
    'truncated.mkv': 'ERR_TRUNCATED',
    'encrypted.mp4': 'ERR_ENCRYPTED',
    'encrypted.mkv': 'ERR_ENCRYPTED',
  }) as [ClipName, string][];
  test('has the codes that it has with the addon, and frames before the damage', async () => {
    for (const [name, code] of cases) {
      const read = async (backend: (typeof BOTH)[number]) => {
        let frames = 0;
        try {
          await using video = await open(name, { backend, pixelFormat: 'native' });
          for await (const _ of video) frames++;
          return { frames, failure: undefined };
        } catch (failure) {
          return { frames, failure: failure as MediaError };
        }
      };
      const native = await read('native');
      const { frames, failure } = await read('beamcoder');
      expect(failure, name).toBeInstanceOf(MediaError);
      expect(failure).toMatchObject({ code, source: clip(name) });
      // The addon learns of damage by as many frames early as it has threads.
      expect(frames, name).toBeGreaterThanOrEqual(native.frames);
      expect(frames, name).toBeLessThan(native.frames + 64);
    }
  });

  test('is stepped over where asked for, and listed', async () => {
    await using video = await open('damaged.mp4', { onDecodeError: 'skip' });
    const frames = await digests(video.frames());
    expect(frames.length).toBe(99);
    expect(video.errors).toMatchObject([{ code: 'ERR_DECODE', time: 1.8 }]);
  });

  test('a missing file, a folder and a special file have their codes', async () => {
    const codes = {
      '/nowhere.mp4': 'ERR_NOT_FOUND',
      '/': 'ERR_IS_DIRECTORY',
      '/dev/null': 'ERR_UNSUPPORTED',
    };
    for (const [path, code] of Object.entries(codes)) {
      await expect(openVideo(path, { backend: 'beamcoder' })).rejects.toMatchObject({
        code,
      });
    }
  });
});

describe('sources', () => {
  test('bytes and streams give the same frames as the file', async () => {
    const wanted = await framesOf(NAME, {});
    const bytes = readFileSync(clip(NAME));
    for (const source of [bytes, createReadStream(clip(NAME))]) {
      await using video = await openVideo(source, { backend: 'beamcoder' });
      expect(await digests(video.frames())).toEqual(await digests(iterate(wanted)));
    }
  });

  test('a stream that breaks off is an error with its cause', async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield readFileSync(clip(NAME)).subarray(0, 5000);
      throw new Error('the wire was cut');
    }
    await expect(openVideo(broken(), { backend: 'beamcoder' })).rejects.toMatchObject({
      code: 'ERR_IO',
      message: '<stream>: read: the wire was cut',
    });
  });
});

describe('stopping', () => {
  test('close() and abort end a pass at any moment', async () => {
    for (const after of [0, 1, 5, 40]) {
      const video = await open(NAME);
      const read = async () => {
        let frames = 0;
        for await (const _ of video) if (frames++ === after) void video.close();
      };
      await expect(read()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
      await video.close();
      await expect(video.frameAt(0)).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    }
    await using video = await open(NAME);
    const controller = new AbortController();
    const reason = new Error('enough');
    const read = async () => {
      for await (const _ of video.frames({ signal: controller.signal })) {
        controller.abort(reason);
      }
    };
    await expect(read()).rejects.toBe(reason);
    expect((await digests(video.frames())).length).toBe(facts(NAME).frames);
  });

  test('a signal that aborts while a video is opened ends that', async () => {
    const controller = new AbortController();
    const opening = open(NAME, { signal: controller.signal });
    controller.abort();
    await expect(opening).rejects.toBe(controller.signal.reason);
  });

  test('two passes at once do not disturb each other', async () => {
    await using video = await open(NAME);
    const [all, some] = await Promise.all([
      digests(video.frames()),
      digests(video.frames({ start: 2 })),
    ]);
    expect(all.length).toBe(125);
    expect(some).toEqual(all.slice(50));
  });
});

test('close() ends the process, and leaves neither descriptors nor files', async () => {
  if (process.platform !== 'linux') return;
  const { TMPDIR } = process.env;
  process.env.TMPDIR = FOLDER; // other programs use the system's
  const children = () =>
    readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim();
  const descriptors = () => readdirSync('/proc/self/fd').length;
  const files = () => readdirSync(FOLDER);
  const before = [children(), descriptors(), []];
  try {
    const video = await openVideo(readFileSync(clip(NAME)), { backend: 'beamcoder' });
    expect(children()).not.toBe(before[0]);
    expect(files().length).toBe(1);
    await video.close();
    await expect.poll(() => [children(), descriptors(), files()]).toEqual(before);
  } finally {
    if (TMPDIR === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = TMPDIR;
  }
});

test('works in a worker thread', async () => {
  const worker = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads');
    (async () => {
      const { openVideo } = await import(${LIBRARY});
      const video = await openVideo(workerData, { backend: 'beamcoder' });
      let frames = 0;
      for await (const _ of video) frames++;
      await video.close();
      parentPort.postMessage(frames);
    })();`,
    { eval: true, workerData: clip(NAME) },
  );
  expect(await once(worker, 'message')).toEqual([facts(NAME).frames]);
  await worker.terminate();
});
