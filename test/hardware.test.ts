import { createReadStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  afterAll,
  afterEach,
  beforeAll,
  describe,
  expect,
  type TestContext,
  test,
} from 'vitest';
import {
  fasterHardware,
  type HardwareVerdict,
  storedVerdicts,
  storeVerdict,
} from '../src/hardware-verdicts.ts';
import {
  analyze,
  type DecodePath,
  type Frame,
  type HardwareChoice,
  MediaError,
  type OpenOptions,
  openVideo,
} from '../src/index.ts';
import { loadAddon, type NativeSimulation } from '../src/native.ts';
import { CLIPS, clip, facts, type GoodClip, testOf } from './helpers/clips.ts';
import { type Digest, digest, digests, expectSameList, psnr } from './helpers/frames.ts';
import { mediaFile, mediaTest } from './helpers/media.ts';
import { BROKEN_NAMES, MEDIA_NAMES } from './helpers/media-names.ts';
import { readReference } from './helpers/reference.ts';

// What was measured on this machine decides nothing here.
let directory: string;
const before = process.env.RUSHES_CACHE_DIR;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'rushes-verdicts-'));
  process.env.RUSHES_CACHE_DIR = directory;
});
afterAll(() => {
  if (before === undefined) delete process.env.RUSHES_CACHE_DIR;
  else process.env.RUSHES_CACHE_DIR = before;
  rmSync(directory, { recursive: true, force: true });
});

/** Every device from now on; frames lie in memory where `surfaces` is 0, and the device need not work here. */
function simulate(plan: Partial<NativeSimulation>): void {
  const nowhere = {
    ...{ failsToOpen: false, failsAtFrame: -1, failsAtTransfer: -1, failsAtScaling: -1 },
  };
  loadAddon().simulateHardware({ ...nowhere, surfaces: 0, ...plan });
}

afterEach(() => loadAddon().simulateHardware(null));

/** A type that this FFmpeg knows. */
const TYPE = 'vulkan';

interface Decoded {
  readonly frames: Digest[];
  readonly path: DecodePath;
  /** What ended it, or was skipped. */
  readonly errors: string[];
}

/** The first frames as they are decoded, stepping over damage. */
async function decode(
  source: string,
  hardware: HardwareChoice,
  limit = Number.POSITIVE_INFINITY,
): Promise<Decoded> {
  await using video = await openVideo(source, {
    pixelFormat: 'native',
    onDecodeError: 'skip',
    threads: 2,
    hardware,
  });
  const frames: Digest[] = [];
  const errors: string[] = [];
  try {
    for await (const frame of video.frames()) {
      frames.push(digest(frame));
      if (frames.length >= limit) break;
    }
  } catch (error) {
    if (!(error instanceof MediaError)) throw error;
    errors.push(error.message);
  }
  errors.push(...video.errors.map(({ message }) => message));
  return { frames, path: video.decodePath, errors };
}

describe('hardware', () => {
  const name = 'h264-bframes-audio.mp4';

  test('is a device type, auto or none', async () => {
    await expect(openVideo(clip(name), { hardware: 'gpu' as 'cuda' })).rejects.toThrow(
      new TypeError(
        "hardware must be one of 'auto', 'none', 'videotoolbox', 'cuda', 'vaapi', 'qsv', 'd3d11va', 'd3d12va', 'dxva2', " +
          "'vulkan', 'vdpau', 'drm', 'mediacodec', 'opencl', 'amf', got 'gpu'",
      ),
    );
  });

  testOf(name)('is not used unless a measurement speaks for it', async () => {
    for (const hardware of [undefined, 'auto', 'none'] as const) {
      await using video = await openVideo(clip(name), { hardware });
      expect(video.decodePath).toMatchObject({ hardware: null, fallbackReason: null });
    }
  });

  testOf(name)('that does not work here gives way to software and says so', async () => {
    const wanted = await decode(clip(name), 'none');
    for (const hardware of ['videotoolbox', 'cuda', 'vaapi', 'opencl'] as const) {
      const got = await decode(clip(name), hardware);
      expectSameList(got.frames, wanted.frames);
      if (got.path.hardware === hardware) continue; // it does work here
      expect(got.path).toMatchObject({
        ...wanted.path,
        fallbackReason: expect.anything(),
      });
      expect(got.path.fallbackReason).toMatch(new RegExp(`^${hardware}: .`));
    }
  });
});

describe('a device that fails in mid-stream', () => {
  const name = 'keyframes.mp4';

  testOf(name)('shows in the decode path from then on, in every iteration', async () => {
    simulate({ failsAtFrame: 30 });
    await using video = await openVideo(clip(name), { hardware: TYPE, threads: 2 });
    expect(video.decodePath).toMatchObject({ hardware: TYPE, fallbackReason: null });
    expect(video.decodePath.threads).toBe(1);
    const wanted = await decode(clip(name), 'none');
    const frames = await digests(video.frames());
    expect(frames.map(({ pts }) => pts)).toEqual(wanted.frames.map(({ pts }) => pts));
    const after = video.decodePath;
    expect(after).toMatchObject({ hardware: null, threads: 2, threadType: 'frame' });
    expect(after.fallbackReason).toMatch(`${TYPE}: avcodec_receive_frame: `);
    // Iterations that overlap have decoders of their own; none tries the device again.
    const both = await Promise.all([digests(video.frames()), digests(video.frames())]);
    for (const again of both) expectSameList(again, frames);
    expect(video.decodePath).toEqual(after);
  });

  testOf(name)('changes no random access, batch, range or key frame', async () => {
    const read = async (hardware: HardwareChoice) => {
      await using video = await openVideo(clip(name), { hardware, width: 48 });
      const all: Frame[] = await video.framesAt([3.9, 0.2, 2.1, { index: -1 }, 0.2]);
      for await (const frame of video.frames({ start: 1.3, end: 3.1 })) all.push(frame);
      for await (const frame of video.frames({ keyFrames: true })) all.push(frame);
      for await (const batch of video.batches({ every: 0.3 })) all.push(...batch);
      return { frames: all.map(digest), path: video.decodePath };
    };
    const wanted = await read('none');
    for (const failsAtFrame of [-1, 0, 1, 2, 5, 13, 40, 77]) {
      simulate({ failsAtFrame });
      const got = await read(TYPE);
      expectSameList(got.frames, wanted.frames);
      expect(got.path.hardware).toBe(failsAtFrame < 0 ? TYPE : null);
    }
  });

  testOf('start-offset.ts')(
    'loses no frame of a stream, which cannot be read twice',
    async () => {
      const wanted = await decode(clip('start-offset.ts'), 'none');
      for (const failsAtFrame of [0, 20, 45]) {
        simulate({ failsAtFrame });
        const source = createReadStream(clip('start-offset.ts'));
        await using video = await openVideo(source, {
          pixelFormat: 'native',
          hardware: TYPE,
        });
        expectSameList(await digests(video.frames()), wanted.frames);
        expect(video.decodePath.hardware).toBeNull();
      }
    },
  );

  testOf(name)('may be left, aborted and closed in mid-read', async () => {
    simulate({ failsAtFrame: 30 });
    const video = await openVideo(clip(name), { hardware: TYPE });
    const abort = new AbortController();
    const frames = video.frames({ signal: abort.signal });
    expect((await frames.next()).done).toBe(false);
    abort.abort(new Error('enough'));
    await expect(digests(frames)).rejects.toThrow('enough');
    const rest = digests(video.frames()).catch((error: unknown) => error);
    await video.close();
    expect(await rest).toMatchObject({ code: 'ERR_CLOSED' });
  });

  testOf('cuts.mp4')('changes no analysis but for its decode path', async () => {
    const { decodePath: software, ...wanted } = await analyze(clip('cuts.mp4'));
    simulate({ failsAtFrame: 100 });
    const { decodePath, ...got } = await analyze(clip('cuts.mp4'), { hardware: TYPE });
    expect(got).toEqual(wanted);
    expect(decodePath).toEqual({ ...software, fallbackReason: expect.any(String) });
  });

  test('loses no frame of any clip', async () => {
    for (const each of Object.keys(CLIPS) as GoodClip[]) {
      const wanted = await decode(clip(each), 'none');
      for (const failsAtFrame of [0, Math.floor(facts(each).frames / 2)]) {
        simulate({ failsAtFrame });
        const got = await decode(clip(each), TYPE);
        expectSameList(got.frames, wanted.frames);
        expect(got.path.hardware, each).toBeNull();
      }
    }
  });

  /** The best stream of nasa_13013.mp4, the only one of them that has several. */
  const NASA_STREAM = 3;

  mediaTest(
    'loses no frame of real clips, and repeats none',
    async () => {
      for (const name of MEDIA_NAMES) {
        const source = mediaFile(`media/${name}`);
        const reference = readReference(name, NASA_STREAM);
        const { width, height } = reference[0] as (typeof reference)[0];
        // Of large pictures a few will do: most of what they cost is decoding.
        const limit = Math.max(6, Math.floor(Math.min(32, 10e6 / (width * height))));
        const wanted = reference.slice(0, limit);
        simulate({ failsAtFrame: Math.floor(wanted.length * 0.7) });
        const got = await decode(source, TYPE, wanted.length);
        const shown = ({ pts, md5 }: { pts: number; md5: string }) => ({
          name,
          pts,
          md5,
        });
        expectSameList(got.frames.map(shown), wanted.map(shown));
        expect(got.errors, name).toEqual([]);
      }
    },
    300_000,
  );

  mediaTest(
    'loses no frame of damaged clips that software gives',
    async () => {
      for (const name of BROKEN_NAMES) {
        const source = mediaFile(`broken/${name}`);
        const wanted = await decode(source, 'none', 32).catch(() => undefined);
        if (wanted === undefined) continue; // bad-input.test.ts says why
        simulate({ failsAtFrame: Math.floor(wanted.frames.length * 0.7) });
        const got = await decode(source, TYPE, 32);
        // What stands in for damaged parts depends on what was decoded before.
        const shown = ({ pts }: Digest) => ({ name, pts });
        expectSameList(got.frames.map(shown), wanted.frames.map(shown));
        // How often one damaged place is reported depends on frame threads.
        const damaged = wanted.errors.length > 0;
        expect({ name, damaged: got.errors.length > 0 }).toEqual({ name, damaged });
      }
    },
    120_000,
  );
});

let vulkanWorks: Promise<boolean> | undefined;

/** Skips a test where no Vulkan device can hold frames. In CI one must: the set-up installs Mesa's, which needs no graphics card. */
async function needVulkan(context: TestContext): Promise<void> {
  vulkanWorks ??= (async () => {
    simulate({ surfaces: 4 });
    const { path } = await decode(clip('upright.mp4'), 'vulkan', 1);
    return path.hardware === 'vulkan';
  })();
  if (await vulkanWorks) return;
  if (process.env.CI) throw new Error('there is no Vulkan device');
  context.skip('there is no Vulkan device');
}

/** The same where FFmpeg has no filters. */
async function needFilters(context: TestContext): Promise<void> {
  await needVulkan(context);
  if ('libavfilter' in loadAddon().versions()) return;
  if (process.env.CI) throw new Error('rushes was built without libavfilter');
  context.skip('rushes was built without libavfilter');
}

describe('surfaces of a real device', () => {
  testOf('ten-bit.mp4')(
    'come to memory as software would have made them',
    async (context) => {
      await needVulkan(context);
      for (const name of [
        'h264-bframes-audio.mp4',
        'ten-bit.mp4',
        'odd-size.mp4',
      ] as const) {
        // FFmpeg's Vulkan holds two surfaces itself: we hold one at a time.
        simulate({ surfaces: 3 });
        const got = await decode(clip(name), 'vulkan');
        const wanted = await decode(clip(name), 'none');
        expectSameList(got.frames, wanted.frames);
        expect(got.path).toMatchObject({ hardware: 'vulkan', fallbackReason: null });
      }
    },
  );
});

describe('frames made smaller on a real device', () => {
  // We hold one. Since FFmpeg 6.1 scale_vulkan keeps those that it has read until it has started four more on the same queue.
  const SURFACES = 5;
  const read = async (name: GoodClip, options: OpenOptions) => {
    await using video = await openVideo(clip(name), { threads: 2, ...options });
    const frames: Frame[] = [];
    for await (const frame of video.frames()) frames.push(frame);
    return { frames, path: video.decodePath };
  };

  // The device interpolates between four samples, after halving the picture as often as it takes; software averages areas. At half
  // the size these are the same samples, rounded twice; chroma, which lies elsewhere, and other sizes differ by more, most
  // in a test pattern, which is all edges. Samples that are picked instead, or pictures that are not halved, are 3.5 dB and more below.
  // For RGB of 4:2:0 the device makes them twice as large, and the rest is done in memory, so that chroma keeps its detail: 17 and 20 dB otherwise.
  test.for([
    ['h264-bframes-audio.mp4', { width: 64, pixelFormat: 'yuv420p' }, 36],
    ['h264-bframes-audio.mp4', { width: 32, pixelFormat: 'rgb24' }, 28],
    ['ten-bit.mp4', { width: 24, pixelFormat: 'rgb24' }, 28],
    ['h264-bframes-audio.mp4', { width: 64, pixelFormat: 'gray8' }, 50],
    ['yuv444.mp4', { width: 48, pixelFormat: 'rgb24' }, 45],
    ['ten-bit.mp4', { width: 48, pixelFormat: 'gray8' }, 50],
    ['ten-bit.mp4', { width: 31, pixelFormat: 'gray8' }, 32],
    ['odd-size.mp4', { width: 31, pixelFormat: 'gray8' }, 28],
    ['rotate90.mp4', { width: 31, pixelFormat: 'gray8' }, 32],
    ['full-range.mp4', { width: 48, height: 48, fit: 'cover', pixelFormat: 'gray8' }, 32],
  ] as const)('%s as %o is that of software to %d dB', async (row, context) => {
    await needFilters(context);
    const [name, options, least] = row;
    const wanted = await read(name, { ...options, hardware: 'none' });
    simulate({ surfaces: SURFACES });
    const got = await read(name, { ...options, hardware: 'vulkan' });
    expect(got.path).toMatchObject({
      ...{ hardware: 'vulkan', fallbackReason: null },
      ...{ scaleFilter: 'scale_vulkan', scaleFallbackReason: null },
    });
    const facts = ({ data, ...rest }: Frame) => rest;
    expect(got.frames.map(facts)).toEqual(wanted.frames.map(facts));
    for (const [i, { data }] of got.frames.entries()) {
      const ratio = psnr(data, wanted.frames[i]?.data as Uint8Array);
      expect(ratio, `frame ${i}`).toBeGreaterThan(least);
      // Otherwise it has not been made on the device.
      expect(ratio).toBeLessThan(Number.POSITIVE_INFINITY);
    }
  });

  testOf('keyframes.mp4')(
    'are made smaller in memory from where the filter fails',
    async (context) => {
      await needFilters(context);
      const options = { width: 48, pixelFormat: 'gray8' } as const;
      const wanted = await read('keyframes.mp4', { ...options, hardware: 'none' });
      for (const failsAtScaling of [0, 37]) {
        simulate({ surfaces: SURFACES, failsAtScaling });
        const got = await read('keyframes.mp4', { ...options, hardware: 'vulkan' });
        expect(got.path).toMatchObject({
          ...{ hardware: 'vulkan', fallbackReason: null, scaleFilter: null },
          scaleFallbackReason: expect.stringMatching(
            /^scale_vulkan: av_buffersink_get_frame: /,
          ),
        });
        const shown = (frames: readonly Frame[], from: number) =>
          frames.slice(from).map(digest);
        expectSameList(
          shown(got.frames, failsAtScaling),
          shown(wanted.frames, failsAtScaling),
        );
        expect(got.frames.map(({ pts }) => pts)).toEqual(
          wanted.frames.map(({ pts }) => pts),
        );
      }
    },
  );

  testOf('keyframes.mp4')(
    'lose none when the device fails behind a seek',
    async (context) => {
      await needFilters(context);
      const at = async (hardware: HardwareChoice) => {
        await using video = await openVideo(clip('keyframes.mp4'), {
          ...{ width: 48, pixelFormat: 'gray8', hardware },
        });
        const frames: Frame[] = await video.framesAt([3.9, 0.2, 2.1]);
        for await (const frame of video.frames({ start: 1.3 })) frames.push(frame);
        return { frames, path: video.decodePath };
      };
      const wanted = await at('none');
      simulate({ surfaces: SURFACES, failsAtTransfer: 30 });
      const got = await at('vulkan');
      expect(got.frames.map(({ pts }) => pts)).toEqual(
        wanted.frames.map(({ pts }) => pts),
      );
      expect(got.path).toMatchObject({ hardware: null, scaleFilter: null });
      expectSameList(
        got.frames.slice(-10).map(digest),
        wanted.frames.slice(-10).map(digest),
      );
    },
  );

  testOf('cuts.mp4')('are not what is measured', async (context) => {
    await needFilters(context);
    const options = { width: 80, end: 2 };
    const { decodePath: software, ...wanted } = await analyze(clip('cuts.mp4'), options);
    simulate({ surfaces: SURFACES });
    const { decodePath, ...got } = await analyze(clip('cuts.mp4'), {
      ...options,
      hardware: 'vulkan',
    });
    expect(decodePath).toMatchObject({ hardware: 'vulkan', scaleFilter: null });
    expect(got).toEqual(wanted);
  });
});

describe("hardware: 'auto'", () => {
  const verdict: HardwareVerdict = {
    codec: 'h264',
    pixelFormat: 'yuv420p',
    width: 128,
    height: 96,
    hardware: TYPE,
    framesPerSecond: { software: 100, [TYPE]: 200 },
    measuredAt: '2026-01-01T00:00:00.000Z',
  };

  testOf('h264-bframes-audio.mp4')(
    'uses the device that was measured faster',
    async () => {
      simulate({});
      const pathOf = async (name: GoodClip) => {
        await using video = await openVideo(clip(name));
        return video.decodePath.hardware;
      };
      expect(await pathOf('h264-bframes-audio.mp4')).toBeNull();
      await storeVerdict(verdict);
      expect(await pathOf('h264-bframes-audio.mp4')).toBe(TYPE);
      expect(await pathOf('keyframes.mp4')).toBe(TYPE); // half the pixels
      expect(await pathOf('ten-bit.mp4')).toBeNull(); // another pixel format
      expect(await pathOf('vp9.webm')).toBeNull(); // another codec
      await storeVerdict({ ...verdict, hardware: null });
      expect(await pathOf('h264-bframes-audio.mp4')).toBeNull();
      expect(await storedVerdicts()).toHaveLength(1);
    },
  );

  testOf('h264-bframes-audio.mp4')(
    'gives the pixels of software, made smaller in memory',
    async (context) => {
      await needFilters(context);
      const read = async (hardware?: HardwareChoice) => {
        await using video = await openVideo(clip('h264-bframes-audio.mp4'), {
          ...{ width: 32, hardware },
        });
        const frames = await digests(video.frames());
        return { frames, path: video.decodePath };
      };
      const wanted = await read('none');
      simulate({ surfaces: 3 });
      await storeVerdict(verdict);
      const got = await read();
      expect(got.path).toMatchObject({ hardware: TYPE, fallbackReason: null });
      expect(got.path).toMatchObject({ scaleFilter: null, scaleFallbackReason: null });
      expectSameList(got.frames, wanted.frames);
    },
  );

  test('counts half to twice as many pixels as about the same size', async () => {
    await storeVerdict(verdict);
    const at = (width: number, height: number) =>
      fasterHardware({ codec: 'h264', pixelFormat: 'yuv420p', width, height });
    expect(await at(128, 48)).toBe(TYPE);
    expect(await at(128, 192)).toBe(TYPE);
    expect(await at(128, 46)).toBeNull();
    expect(await at(128, 194)).toBeNull();
  });
});
