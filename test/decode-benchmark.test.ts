import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Brought, compare } from '../src/benchmark/comparison.ts';
import { candidates } from '../src/benchmark/decode-paths.ts';
import type { BenchmarkRun } from '../src/benchmark/job.ts';
import { SpreadSample } from '../src/benchmark/spread-sample.ts';
import { verdictOf } from '../src/benchmark/summary.ts';
import { storedVerdicts } from '../src/hardware-verdicts.ts';
import {
  type BenchmarkProgress,
  benchmarkDecodePaths,
  type DecodePathResult,
} from '../src/index.ts';
import { hasBeamcoder } from './helpers/beamcoder.ts';
import { CLEAN, rushes } from './helpers/child.ts';
import { clip, testOf } from './helpers/clips.ts';
import { ffmpegTest } from './helpers/ffmpeg.ts';

const CLIP = 'cuts.mp4';
const SMALL = { frames: 20, rounds: 1, width: 80 } as const;
const FFMPEG = 'ffmpeg over a pipe';
const { PATH } = process.env;
const folders: string[] = [];

beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), 'rushes-verdicts-'));
  folders.push(folder);
  process.env.RUSHES_CACHE_DIR = folder;
});

afterEach(() => {
  delete process.env.RUSHES_CACHE_DIR;
  process.env.PATH = PATH;
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** Puts a program named ffmpeg before the real one. */
function replaceFfmpeg(script: string): void {
  const folder = mkdtempSync(join(tmpdir(), 'rushes-bin-'));
  folders.push(folder);
  const file = join(folder, 'ffmpeg');
  writeFileSync(file, `#!/bin/sh\n[ "$1" = -version ] && exit 0\n${script}\n`);
  chmodSync(file, 0o755);
  process.env.PATH = folder + delimiter + PATH;
}

function find(paths: readonly DecodePathResult[], name: string): DecodePathResult {
  return paths.find((path) => path.name === name) as DecodePathResult;
}

describe('a benchmark of decode paths', () => {
  ffmpegTest('runs each one that is here and brings the same frames', async () => {
    const progress: BenchmarkProgress[] = [];
    const result = await benchmarkDecodePaths(clip(CLIP), {
      ...SMALL,
      onProgress: (now) => progress.push(now),
    });
    expect(result).toMatchObject({
      source: clip(CLIP),
      video: { codec: 'h264', pixelFormat: 'yuv420p', width: 160, height: 90 },
      output: { width: 80, height: 45, pixelFormat: 'rgb24' },
      machine: { cores: availableParallelism(), node: process.versions.node },
      ...{ frames: 20, rounds: 1 },
    });
    expect(JSON.parse(JSON.stringify(result))).toEqual(result);
    const { paths } = result;
    const names = paths.map(({ name }) => name);
    expect(names[0]).toBe('software, 1 thread');
    expect(names).toContain(FFMPEG);
    expect(names.includes('beamcoder')).toBe(hasBeamcoder);
    const working = paths.filter(({ unusable }) => unusable === null);
    expect(working.length).toBeGreaterThanOrEqual(hasBeamcoder ? 3 : 2);
    for (const path of working) {
      const { name, framesPerSecond, cpuPerFrame, peakMemory, firstFrame } = path;
      expect(framesPerSecond, name).toBeGreaterThan(0);
      // The first frame is part of the time for all.
      expect(firstFrame, name).toBeLessThan(20 / (framesPerSecond as number));
      expect(path.identical || (path.psnr as number) >= 28, name).toBe(true);
      if (process.platform !== 'linux' && path.kind !== 'software') continue;
      expect(cpuPerFrame, name).toBeGreaterThan(0);
      // No Node is smaller.
      expect(peakMemory, name).toBeGreaterThan(20e6);
    }
    expect(find(paths, 'software, 1 thread').speed).toBe(1);
    const most = Math.max(...working.map((path) => path.framesPerSecond as number));
    expect(find(paths, result.fastest).framesPerSecond).toBe(most);

    expect(result.stored).toBe(true);
    const { codec, pixelFormat } = result.video;
    const kept = { codec, pixelFormat, ...verdictOf(paths) };
    expect(kept.hardware).toBe(result.hardware);
    expect(await storedVerdicts()).toMatchObject([kept]);

    const fractions = progress.map(({ fraction }) => fraction);
    expect(fractions).toEqual([...fractions].sort((a, b) => a - b));
    const run = progress.filter(({ stage }) => stage === 'measure');
    expect(run.map(({ path }) => path).sort()).toEqual(
      working.map(({ name }) => name).sort(),
    );
  });

  testOf(CLIP)('counts no path whose frames are others', async () => {
    replaceFfmpeg('exec head -c 1000000 /dev/zero');
    const options = { ...SMALL, store: false };
    const { paths, stored } = await benchmarkDecodePaths(clip(CLIP), options);
    expect([stored, await storedVerdicts()]).toEqual([false, []]);
    expect(find(paths, FFMPEG)).toMatchObject({
      unusable: expect.stringMatching(/^its frames are not software's: \d+\.\d dB$/),
      ...{ identical: false, framesPerSecond: null, speed: null },
    });
  });

  ffmpegTest('counts no path whose later frames are others', async () => {
    // 16 of 20 frames of 80x45 in rgb24, and then blackness.
    const real = spawnSync('which', ['ffmpeg'], { encoding: 'utf8' }).stdout.trim();
    replaceFfmpeg(
      `${real} "$@" | head -c ${16 * 80 * 45 * 3}; exec head -c ${4 * 80 * 45 * 3} /dev/zero`,
    );
    const { paths } = await benchmarkDecodePaths(clip(CLIP), SMALL);
    expect(find(paths, FFMPEG).unusable).toMatch(/^its frames are not software's: /);
  });

  testOf(CLIP)(
    'counts no path that brings too few frames, or fails, and says why',
    async () => {
      replaceFfmpeg('exit 0');
      const none = await benchmarkDecodePaths(clip(CLIP), SMALL);
      expect(find(none.paths, FFMPEG).unusable).toBe(
        '0 frames came where software gives 20',
      );
      replaceFfmpeg('echo "no such luck" >&2; exit 3');
      const failed = await benchmarkDecodePaths(clip(CLIP), SMALL);
      expect(find(failed.paths, FFMPEG).unusable).toBe('no such luck');
    },
  );

  testOf(CLIP)('measures so many seconds, and ends when told to', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const stages: string[] = [];
    const benchmark = benchmarkDecodePaths(clip(CLIP), {
      ...{ seconds: 0.4, rounds: 2, signal: controller.signal },
      onProgress: ({ stage }) => {
        stages.push(stage);
        if (stage === 'measure') controller.abort(reason);
      },
    });
    await expect(benchmark).rejects.toBe(reason);
    expect(stages.at(-1)).toBe('measure');
  });

  test('refuses mistakes before any work, and files with their codes', async () => {
    const path = clip(CLIP);
    await expect(benchmarkDecodePaths(path, { frames: 1, seconds: 1 })).rejects.toThrow(
      'frames and seconds cannot be combined',
    );
    await expect(benchmarkDecodePaths(path, { rounds: 0 })).rejects.toThrow(RangeError);
    const bytes = new Uint8Array() as unknown as string;
    await expect(benchmarkDecodePaths(bytes)).rejects.toThrow(TypeError);
    await expect(benchmarkDecodePaths('/nowhere.mp4')).rejects.toMatchObject({
      code: 'ERR_NOT_FOUND',
    });
  });
});

test('a spread sample has items of the whole row, at the same places each time', () => {
  for (const length of [0, 1, 6, 11, 12, 13, 24, 25, 300, 1001]) {
    const sample = new SpreadSample<number>();
    for (let i = 0; i < length; i++) sample.add(i);
    const [first = 0, second = 1] = sample.items;
    const stride = second - first;
    const every = Array.from(
      { length: Math.ceil(length / stride) },
      (_, i) => i * stride,
    );
    expect(sample.items).toEqual(every);
    expect(sample.items.length).toBeLessThanOrEqual(12);
    expect(sample.items.length).toBeGreaterThanOrEqual(Math.min(length, 6));
  }
});

test('software with more threads has to bring the same bytes, others what looks the same', () => {
  const run = { frames: 1, hardware: 'cuda', fallbackReason: null } as BenchmarkRun;
  const brought = (digest: string, value: number, more: object = {}): Brought => ({
    answer: { run: { ...run, digest, scaleFilter: null, ...more } },
    sample: [new Uint8Array(300).fill(value)],
  });
  const check = (kind: DecodePathResult['kind'], ...come: Parameters<typeof brought>) => {
    const all = candidates(['cuda'], true);
    const candidate = all.find((each) => each.kind === kind) as (typeof all)[0];
    return compare(candidate, brought(...come), brought('a', 100));
  };
  const equal = { unusable: null, identical: true, psnr: null };
  expect(check('software', 'a', 100)).toEqual(equal);
  // The frames that differ are not in the sample.
  const words = "its frames are not software's: some differ";
  expect(check('software', 'b', 100)).toMatchObject({ unusable: words, psnr: null });
  expect(check('hardware', 'b', 100)).toEqual({ ...equal, identical: false });
  // Two levels are 42.1 dB, four 36.1.
  expect(check('hardware', 'b', 102)).toMatchObject({
    unusable: null,
    psnr: expect.closeTo(42.1, 1),
  });
  expect(check('hardware', 'b', 104).unusable).toMatch(/: 36\.1 dB$/);
  expect(check('ffmpeg', 'b', 104).unusable).toBeNull();
  expect(check('hardware', 'a', 100, { hardware: null }).unusable).toBe(
    'it decodes in software',
  );
  // What a device makes smaller need not look quite the same, but the device has to do it.
  expect(check('hardware-scaled', 'b', 104, { scaleFilter: 'scale_cuda' })).toMatchObject(
    {
      unusable: null,
    },
  );
  const scaleFallbackReason = 'scale_cuda: no such filter';
  expect(check('hardware-scaled', 'a', 100, { scaleFallbackReason }).unusable).toBe(
    scaleFallbackReason,
  );
});

test('devices also make frames smaller where there is anything to make smaller', () => {
  const names = (scales: boolean) =>
    candidates(['cuda', 'vaapi'], scales).flatMap(({ name, kind }) =>
      kind.startsWith('hardware') ? [name] : [],
    );
  expect(names(false)).toEqual(['cuda', 'vaapi']);
  expect(names(true)).toEqual([
    ...['cuda', 'cuda, scaled there', 'vaapi', 'vaapi, scaled there'],
  ]);
});

test('the verdict is the device that beats software at its best, and no other program', () => {
  const path = (kind: DecodePathResult['kind'], name: string, rate: number | null) =>
    ({ kind, name, framesPerSecond: rate }) as DecodePathResult;
  const software = [path('software', 'one', 90), path('software', 'two', 130)];
  const program = path('ffmpeg', FFMPEG, 900);
  const slow = path('hardware', 'vaapi', 110);
  const fast = path('hardware', 'cuda', 400);
  const broken = path('hardware', 'vulkan', null);
  const scaled = path('hardware-scaled', 'vaapi, scaled there', 800);
  expect(verdictOf([...software, program, slow, scaled, broken])).toEqual({
    hardware: null,
    framesPerSecond: { software: 130, vaapi: 110 },
  });
  expect(verdictOf([...software, program, slow, fast])).toEqual({
    hardware: 'cuda',
    framesPerSecond: { cuda: 400, software: 130, vaapi: 110 },
  });
});

describe('rushes bench', () => {
  ffmpegTest('prints a table for people, and the same as JSON', async () => {
    const args = [
      'bench',
      '--frames',
      '10',
      '--rounds',
      '1',
      '--width',
      '80',
      clip(CLIP),
    ];
    const { stdout, ...rest } = await rushes(args);
    expect(rest).toEqual(CLEAN);
    expect(stdout).toMatch(/frames\/s +x +CPU ms\/frame +peak memory +first frame/);
    expect(stdout).toMatch(/\nsoftware, 1 thread +[\d.]+ +1\.00 /);
    expect(stdout).toMatch(/\nffmpeg over a pipe +[\d.]+ +[\d.]+ /);
    expect(stdout).toMatch(/Fastest: /);
    const json = await rushes(['bench', '--json', ...args.slice(1)]);
    expect(JSON.parse(json.stdout)).toMatchObject({ frames: 10, rounds: 1 });
  });

  test('says which argument is wrong, and fails for a file that is missing', async () => {
    const wrong = await rushes(['bench', '--frames', 'many', clip(CLIP)]);
    expect(wrong).toMatchObject({ code: 2, stdout: '' });
    expect(wrong.stderr).toMatch(
      /--frames wants a whole number, 1 to 1000000, got 'many'/,
    );
    const missing = await rushes(['bench', '/nowhere.mp4']);
    expect(missing).toMatchObject({ code: 1, stdout: '' });
    expect(missing.stderr).toMatch(/nowhere\.mp4/);
  });
});
