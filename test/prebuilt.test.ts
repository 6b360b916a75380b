// The prebuilt addon, and the packages that bring it: installed by name from a registry, into empty folders of machines without a
// compiler and without FFmpeg.
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as esbuild from 'esbuild';
import { afterAll, beforeAll, expect } from 'vitest';
import { SOURCES } from '../scripts/build-ffmpeg.mjs';
import { openVideo } from '../src/index.ts';
import { clip, type GoodClip } from './helpers/clips.ts';
import { digests } from './helpers/frames.ts';
import { HAS_PREBUILT, prebuiltTest as test } from './helpers/prebuilt.ts';
import { emptyProject, type Project } from './helpers/project.ts';
import { type Registry, startRegistry } from './helpers/registry.ts';
import { temporaryDirectory } from './helpers/temporary.ts';

const root = join(import.meta.dirname, '..');
const folder = temporaryDirectory();
const packages = join(folder, 'packages');
const target = `${process.platform}-${process.arch}`;
const addon = join(root, 'prebuilds', target, 'rushes.glibc.node');
let registry: Registry;
let project: Project;

async function run(command: string, ...args: string[]): Promise<string> {
  const options = { cwd: root, maxBuffer: 1e8 };
  return (await promisify(execFile)(command, args, options)).stdout;
}

beforeAll(async () => {
  if (!HAS_PREBUILT) return;
  await run(process.execPath, 'scripts/prebuild.mjs');
  await run(process.execPath, 'scripts/pack.mjs', '--out', packages);
  registry = await startRegistry(packages);
  project = await emptyProject(folder, { env: { npm_config_registry: registry.url } });
  await project.run('npm', 'install', 'rushes', '--ignore-scripts');
}, 600_000);

afterAll(() => registry?.[Symbol.asyncDispose]());

test('the prebuilt addon needs no library but those of every system', async () => {
  const needed = [...(await run('readelf', '-dW', addon)).matchAll(/NEEDED.*\[(.*)\]/g)];
  const everywhere = /^(lib(c|m|dl|pthread)\.so\.\d|ld-linux-[\w-]+\.so\.\d)$/;
  expect(needed.map(([, name]) => name)).toContain('libc.so.6');
  expect(needed.filter(([, name]) => !everywhere.test(String(name)))).toEqual([]);
});

test('the prebuilt addon needs no newer glibc than Node 20 does, 2.28', async () => {
  const symbols = await run('objdump', '-T', addon);
  const versions = [...symbols.matchAll(/GLIBC_2\.(\d+)/g)].map(([, minor]) =>
    Number(minor),
  );
  expect(versions.length).toBeGreaterThan(0);
  expect(Math.max(...versions)).toBeLessThanOrEqual(28);
});

test('the prebuilt addon exports what Node looks for and nothing else', async () => {
  const defined = await run('nm', '-D', '--defined-only', addon);
  expect(defined.match(/\S+$/gm)?.sort()).toEqual([
    'napi_register_module_v1',
    'node_api_module_get_api_version_v1',
  ]);
});

test('the prebuilt addon asks for nothing but what the C library and Node have', async () => {
  const undefinedSymbols = await run('nm', '-D', '--undefined-only', addon);
  const names = [...undefinedSymbols.matchAll(/ U (\S+)$/gm)].map(([, name]) => name);
  const known = /@(GLIBC|GCC)_|^(napi|node_api)_/;
  expect(names.filter((name) => !known.test(String(name)))).toEqual([]);
});

test('the prebuilt addon does not tell where it was built', () => {
  const bytes = readFileSync(addon);
  for (const place of [root, homedir(), 'rushes-build']) {
    expect(bytes.includes(place), place).toBe(false);
  }
});

test('its FFmpeg is under the LGPL and can open devices', () => {
  const { versions } = createRequire(import.meta.url)(addon);
  const { configuration, ffmpeg, license } = versions();
  expect(ffmpeg).toBe(SOURCES.ffmpeg?.version);
  expect(license).toBe('LGPL version 2.1 or later');
  expect(configuration).not.toMatch(/--enable-(gpl|nonfree|version3)/);
  expect(configuration).toMatch(/--enable-vaapi .*--enable-vulkan .*--enable-nvdec/);
});

test('the package for this platform is at most 12 MB, with licences and sources named', async () => {
  const file = readdirSync(packages).find((name) => name.includes(target));
  expect(statSync(join(packages, String(file))).size).toBeLessThanOrEqual(12e6);
  const installed = join(project.folder, 'node_modules', '@rushes', target);
  const readme = readFileSync(join(installed, 'README.md'), 'utf8');
  const licences = readdirSync(join(installed, 'licences'));
  for (const [name, { url, sha256 }] of Object.entries(SOURCES)) {
    expect(readme).toContain(url);
    expect(readme).toContain(sha256);
    expect(licences.some((licence) => licence.startsWith(name))).toBe(true);
  }
  expect(readme).toContain('--disable-encoders');
  const { os, cpu, libc } = JSON.parse(
    readFileSync(join(installed, 'package.json'), 'utf8'),
  );
  expect({ os, cpu, libc }).toEqual({
    os: [process.platform],
    cpu: [process.arch],
    libc: ['glibc'],
  });
});

test('the bill of materials names what is inside the addon', () => {
  const file = readdirSync(packages).find((name) => name.endsWith('.cdx.json'));
  const { components } = JSON.parse(readFileSync(join(packages, String(file)), 'utf8'));
  const addonPackage = components.find(
    ({ name }: { name: string }) => name === `@rushes/${target}`,
  );
  const inside = addonPackage.components.map(
    ({ name, version }: { name: string; version: string }) => [name, version],
  );
  expect(inside).toEqual(
    Object.entries(SOURCES).map(([name, { version }]) => [name, version]),
  );
  expect(components.map(({ name }: { name: string }) => name)).toContain('lmdb');
});

const CLIPS: readonly GoodClip[] = [
  'h264-bframes-audio.mp4',
  'mpeg2.ts',
  'ten-bit.mp4',
  'vfr.mp4',
  'vp9.webm',
];

/** Prints [pts, MD5] of each frame of each clip; `openVideo` and `createHash` are in scope. */
const DECODE = `
  (async () => {
    const all = [];
    for (const path of ${JSON.stringify(CLIPS.map(clip))}) {
      const video = await openVideo(path, { pixelFormat: 'native' });
      const frames = [];
      for await (const { pts, data } of video) {
        frames.push([pts, createHash('md5').update(data).digest('hex')]);
      }
      await video.close();
      all.push(frames);
    }
    return all;
  })()`;
const PRINT = `${DECODE}.then((all) => console.log(JSON.stringify(all)));`;

/** The same by the addon of the clone, with the FFmpeg of this system. */
async function wanted(): Promise<unknown> {
  const all = [];
  for (const name of CLIPS) {
    await using video = await openVideo(clip(name), { pixelFormat: 'native' });
    const frames = await digests(video.frames());
    all.push(frames.map(({ pts, md5 }) => [pts, md5]));
  }
  return all;
}

test('without a compiler and without install scripts, an ES module decodes as the clone does', async () => {
  await project.write({
    'app.mjs': `import { createHash } from 'node:crypto';
      import { openVideo } from 'rushes';${PRINT}`,
  });
  expect(JSON.parse(await project.run('node', 'app.mjs'))).toEqual(await wanted());
});

test('so does CommonJS, in two worker threads at once', async () => {
  await project.write({
    'app.cjs': `const { createHash } = require('node:crypto');
      const { isMainThread, parentPort, Worker } = require('node:worker_threads');
      const { openVideo } = require('rushes');
      if (isMainThread) {
        const answer = () => new Promise((done) => new Worker(__filename).on('message', done));
        Promise.all([answer(), answer()]).then((both) => console.log(JSON.stringify(both)));
      } else ${DECODE}.then((all) => parentPort.postMessage(all));`,
  });
  const frames = await wanted();
  expect(JSON.parse(await project.run('node', 'app.cjs'))).toEqual([frames, frames]);
});

test('so does a bundle of esbuild that leaves only packages with native parts outside', async () => {
  await esbuild.build({
    stdin: {
      contents: `import { createHash } from 'node:crypto';
        import { openVideo } from 'rushes';${PRINT}`,
      resolveDir: project.folder,
    },
    bundle: true,
    platform: 'node',
    external: ['sharp', 'lmdb', '@rushes/*'],
    outfile: join(project.folder, 'bundle.cjs'),
    logLevel: 'silent',
  });
  expect(JSON.parse(await project.run('node', 'bundle.cjs'))).toEqual(await wanted());
});

test('its install script finds the prebuilt addon and builds nothing', async () => {
  const printed = await project.run('node', 'node_modules/rushes/scripts/install.mjs');
  expect(printed).toBe('');
  expect(readdirSync(join(project.folder, 'node_modules', 'rushes'))).not.toContain(
    'build',
  );
});

test('where the C library is musl, npm takes none for glibc, and the first use says which package is missing', async () => {
  const env = { npm_config_registry: registry.url, LIBC: 'musl' };
  const alpine = await emptyProject(folder, { env });
  await alpine.run('npm', 'install', 'rushes', '--ignore-scripts', '--libc=musl');
  expect(readdirSync(join(alpine.folder, 'node_modules'))).not.toContain('@rushes');
  await alpine.write({
    'app.mjs': `import { probe } from 'rushes';
      const { code, message } = await probe('app.mjs').catch((error) => error);
      console.log(code, message);`,
  });
  const printed = await alpine.run('node', 'app.mjs');
  expect(printed).toMatch(/^ERR_ADDON /);
  expect(printed).toContain(`@rushes/${target}-musl`);
  expect(printed).toContain('libc=musl');
});
