/** Imports that are short of memory: in a real control group, and with figures that say so. */
import { copyFileSync, mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  type ImportProgress,
  importVideos,
  type MemoryFigures,
  MemoryMonitor,
} from '../src/index.ts';
import { CAN_LIMIT_MEMORY, withMemoryLimit } from './helpers/cgroup.ts';
import { LIBRARY, runScript } from './helpers/child.ts';
import { clip } from './helpers/clips.ts';
import { ffmpeg } from './helpers/ffmpeg.ts';
import { temporaryDirectory } from './helpers/temporary.ts';

const TEMPORARY = temporaryDirectory();
const MIB = 2 ** 20;
const LIMIT = 256 * MIB;

/** Imports a folder with four files at once asked for, in a group that it was moved to. */
const SCRIPT = `
  import { readFileSync } from 'node:fs';
  import { importVideos, MemoryMonitor } from ${LIBRARY};
  await new Promise((go) => process.once('message', go)); // moved by now
  const [folder] = process.argv.slice(1);
  const monitor = new MemoryMonitor({ interval: 200 }).start();
  let most = 0;
  const batchSizes = new Set();
  const onProgress = ({ active }) => {
    // Files that are open, and past the gate.
    most = Math.max(most, active.filter(({ progress }) => progress !== null).length);
    batchSizes.add(monitor.batchSize());
  };
  const outcomes = [];
  const options = { concurrency: 4, threads: 1, monitor, onProgress };
  for await (const { analysis, error } of importVideos(folder, options)) {
    outcomes.push(error?.message ?? [analysis.frames, analysis.complete]);
  }
  const peak = Number(/VmHWM:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024;
  process.stdout.write(JSON.stringify({ outcomes, most, batchSizes: [...batchSizes], peak }));
  process.disconnect();
`;

async function footage4k(count: number): Promise<string> {
  const folder = join(TEMPORARY, '4k');
  mkdirSync(folder);
  const first = join(folder, '0.mp4');
  const source = 'testsrc2=size=3840x2160:rate=30:duration=1';
  const encoder = ['-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '2', '-refs', '4'];
  await ffmpeg(['-f', 'lavfi', '-i', source, ...encoder, '-pix_fmt', 'yuv420p', first]);
  for (let i = 1; i < count; i++) copyFileSync(first, join(folder, `${i}.mp4`));
  return folder;
}

test.skipIf(!CAN_LIMIT_MEMORY)(
  'finishes every 4K file of a folder within 256 MiB, one at a time',
  async () => {
    const folder = await footage4k(6);
    await withMemoryLimit(LIMIT, async (enter) => {
      const ended = await runScript(SCRIPT, [folder], {
        ipc: true,
        timeout: 100_000,
        onStart: (child) => {
          enter(child.pid as number);
          child.send('go');
        },
      });
      expect(ended).toMatchObject({ code: 0, signal: null, stderr: '' });
      const { outcomes, most, batchSizes, peak } = JSON.parse(ended.stdout);
      expect(outcomes).toEqual(Array(6).fill([30, true]));
      expect(most).toBe(1);
      expect(batchSizes).toContain(1);
      expect(peak).toBeLessThan(LIMIT);
    });
  },
  120_000,
);

/** Figures of a process in a quiet host of 16 GiB. */
function figuresOf(rss: number): MemoryFigures {
  const GIB = 1024 * MIB;
  return {
    process: {
      ...{ rss, external: 0, arrayBuffers: 0, native: 0 },
      ...{ constrained: null, available: null },
    },
    heap: { used: 10 * MIB, total: 20 * MIB, limit: 4 * GIB },
    containers: [],
    host: { total: 16 * GIB, available: 15 * GIB },
    mayUse: 16 * GIB,
    stall: null,
  };
}

/** Runs an import with so much used of a budget of 1000 MiB. @returns the most files that were past the gate at once */
async function mostAtOnce(used: number, budget = 1000 * MIB): Promise<number> {
  const reader = () => figuresOf(used);
  using monitor = new MemoryMonitor({ reader, budget });
  let most = 0;
  const onProgress = ({ active }: ImportProgress) => {
    most = Math.max(most, active.filter(({ progress }) => progress !== null).length);
  };
  const paths = Array(12).fill(clip('cuts.mp4'));
  const options = { concurrency: 10, threads: 1, monitor, onProgress };
  let results = 0;
  for await (const { analysis } of importVideos(paths, options)) {
    expect(analysis?.complete).toBe(true);
    results += 1;
  }
  expect(results).toBe(12);
  expect(monitor.reserved).toBe(0);
  return most;
}

test.each([
  ['low', 100, 10],
  ['moderate', 520, 6],
  ['high', 600, 3],
  ['critical', 900, 1],
])('at level %s, no more files go on at once than it lets', async (_, used, allowed) => {
  const most = await mostAtOnce(used * MIB);
  expect(most).toBeLessThanOrEqual(allowed);
  expect(most).toBeGreaterThanOrEqual(Math.min(allowed, 2));
});

test('files wait for memory that is promised to others, though none is used yet', async () => {
  // 160x90, 19 frames at most: 8 MiB and a bit each. 50 MiB lie below the critical 65 %.
  const most = await mostAtOnce(600 * MIB, 1000 * MIB);
  expect(most).toBeLessThanOrEqual(3);
  const tight = await mostAtOnce(10 * MIB, 40 * MIB);
  expect(tight).toBe(1);
});

const CORES = availableParallelism();
test.each([
  ['low', 100, 'share the cores', Math.max(1, CORES >> 1)],
  ['moderate', 520, 'come one by one and have all cores', CORES],
  ['critical', 900, 'come one by one and have one thread', 1],
])('at level %s (%i MiB used), two files %s', async (_, used, __, threads) => {
  const reader = () => figuresOf(used * MIB);
  using monitor = new MemoryMonitor({ reader, budget: 1000 * MIB });
  const paths = Array(3).fill(clip('cuts.mp4'));
  for await (const { index, analysis } of importVideos(paths, {
    concurrency: 2,
    monitor,
  })) {
    if (index === 2) continue; // alone by then
    expect(analysis?.decodePath.threads).toBe(threads);
  }
});
