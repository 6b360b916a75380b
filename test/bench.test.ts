/** The benchmark suite on a tiny clip, with the peers that need no package: it still runs, and still compares. */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { clip } from './helpers/clips.ts';
import { ffmpegTest } from './helpers/ffmpeg.ts';
import { temporaryDirectory } from './helpers/temporary.ts';

const exec = promisify(execFile);
const directory = temporaryDirectory();
const bench = join(import.meta.dirname, '..', 'bench');

/** A module of the suite, which has no types. */
const load = (name: string) => import(pathToFileURL(join(bench, name)).href);

interface Outcome {
  readonly workloads: Record<
    string,
    {
      readonly peers: Record<
        string,
        { cpu: { median: number }; psnr?: { least: number } }
      >;
      readonly notRun: Record<string, string>;
    }
  >;
}

ffmpegTest('the suite measures a clip, and its peers come to the same work', async () => {
  const { stdout } = await exec(process.execPath, [
    ...[join(bench, 'run.mjs'), '--json', '--rounds', '1'],
    ...[
      '--clip',
      clip('keyframes.mp4'),
      '--peers',
      'ffmpeg-area,ffmpeg-pipe,ffmpeg-detect',
    ],
    ...['--results', join(directory, 'results.json')],
  ]);
  const { workloads } = JSON.parse(stdout) as Outcome;
  const pictures = ['rushes', 'ffmpeg-decode', 'ffmpeg-area', 'ffmpeg-pipe'];
  const found = Object.fromEntries(
    Object.entries(workloads).map(([name, { peers }]) => [name, Object.keys(peers)]),
  );
  expect(found).toEqual({
    'every-frame-rgb24:keyframes.mp4': pictures,
    'every-frame-gray8:keyframes.mp4': pictures,
    'one-a-second:keyframes.mp4': pictures,
    'analysis:keyframes.mp4': ['rushes', 'ffmpeg-decode', 'ffmpeg-detect'],
  });
  for (const { peers, notRun } of Object.values(workloads)) {
    expect(notRun).toEqual({});
    for (const { cpu } of Object.values(peers)) expect(cpu.median).toBeGreaterThan(0);
  }
  // Not scaled, so equal to the tool's.
  expect(workloads['every-frame-rgb24:keyframes.mp4']?.peers.rushes?.psnr?.least).toBe(
    100,
  );
});

test('a peer with another number of frames, or another time, is not measured', async () => {
  const { difference } = await load('compare.mjs');
  const expected = { frames: 3, times: [0, 0.04, 0.08] };
  expect(difference({ frames: 3, times: [] }, expected)).toBeUndefined();
  expect(difference({ frames: 3, times: [0, 0.0401, 0.08] }, expected)).toBeUndefined();
  expect(difference({ frames: 2, times: [] }, expected)).toBe('2 frames, not 3');
  expect(difference({ frames: 3, times: [0.04, 0.08, 0.12] }, expected)).toBe(
    'frame 0 is at 0.04 s, not at 0 s',
  );
  expect(difference({ frames: 3, times: [0, null, 0.08] }, expected)).toContain(
    'frame 1',
  );
});

test('pictures are compared frame by frame: luma in decibels, and the means of channels', async () => {
  const { comparePictures, pictureDifference } = await load('compare.mjs');
  const path = join(directory, 'a');
  const other = join(directory, 'b');
  await writeFile(path, Uint8Array.of(10, 20, 30, 40));
  await writeFile(other, Uint8Array.of(10, 20, 31, 40));
  // Of the second frame, one sample in two is off by one: 10·log10(255² / 0.5).
  expect(await comparePictures(path, other, 2, 1)).toEqual([
    { psnr: 100, meanOff: 0 },
    { psnr: expect.closeTo(51.14, 2), meanOff: 0.5 },
  ]);
  await writeFile(other, Uint8Array.of(10, 20));
  await expect(comparePictures(path, other, 2, 1)).rejects.toThrow('another number');

  // Red and blue in each other's place.
  await writeFile(path, Uint8Array.of(90, 50, 60));
  await writeFile(other, Uint8Array.of(60, 50, 90));
  const [swapped] = await comparePictures(path, other, 3, 3);
  expect(pictureDifference(swapped)).toBe('other colours: off by 30.0 levels');
  expect(pictureDifference({ psnr: 27, meanOff: 0 })).toContain('another picture');
  expect(pictureDifference({ psnr: 40, meanOff: 1 })).toBeUndefined();
});

test('medians are of the ratios in each round, not ratios of medians', async () => {
  const { ratios } = await load('statistics.mjs');
  expect(ratios([1, 4, 9], [1, 2, 3])).toEqual({ median: 2, least: 1, greatest: 3 });
  expect(ratios([1, 2], [1, 1]).median).toBe(1.5);
});

test('spans agree with labels where half of both is common, boxes within 2 pixels', async () => {
  const { scoreSpans } = await load('accuracy/spans.mjs');
  const crop = { left: 0, top: 20, width: 320, height: 140 };
  const film = (black: number[], top: number) => ({
    film: {
      ...{ gradual: [[70, 80, 'fade-out']], black: [[20, 30]], freezes: [], frames: 100 },
      ...{ shots: [{ begin: 0, group: 'any', tricks: [] }], crop },
    },
    changes: Array.from({ length: 100 }, (_, frame) => ({ time: frame / 25 })),
    size: { width: 320, height: 180 },
    spans: { ...spans([black, [75, 82]]), transitions: [] },
    borders: [{ start: 0, end: 3, crop: { ...crop, top, height: 160 - top } }],
    filtered: { ...spans([]), boxes: [{ crop, share: 0.4 }] },
  });
  const spans = (ranges: number[][]) => ({
    black: ranges.map(([start = 0, end = 0]) => ({
      ...{ type: 'black', start: start / 25, end: end / 25 },
    })),
    freezes: [],
  });
  // What is black at the end of a fade has no label, and is not false.
  const scores = scoreSpans([film([20, 40], 22), film([20, 41], 23)]);
  const counts = { right: 1, wrong: 1, missed: 1, precision: 0.5, recall: 0.5, f1: 0.5 };
  expect(scores['rushes, black']).toEqual({
    ...{ ...counts, distances: { median: 0.2, tenth: 0.4 } },
  });
  expect(scores['rushes, bars']).toMatchObject(counts);
  expect(scores['rushes, fades']).toMatchObject({ right: 0, wrong: 0, missed: 2 });
  // A box of less than half of a film is not the film's.
  expect(scores['cropdetect=round=2:reset=1, bars']).toMatchObject({
    wrong: 0,
    missed: 2,
  });
});
