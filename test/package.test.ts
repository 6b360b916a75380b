// What users get: `npm pack`, installed into an empty project, where the package's own
// install script builds the addon from its sources.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { clip, testOf } from './helpers/clips.ts';

const root = join(import.meta.dirname, '..');
const CLIP = 'h264-bframes-audio.mp4';
const testOfClip = testOf(CLIP);

let project: string;
/** The package as it would be published. */
let tarball: Buffer<ArrayBuffer>;
/** The paths in it. */
let packed: string[];

/** Runs a command in the empty project, as if from a shell: not as part of `npm test`. */
async function run(command: string, ...args: string[]): Promise<string> {
  const environment = Object.entries(process.env).filter(
    ([name]) => !/^(npm_(package|lifecycle|config_local)|VITEST|NODE_ENV)/.test(name),
  );
  const env = Object.fromEntries(environment);
  const { stdout } = await promisify(execFile)(command, args, { cwd: project, env });
  return stdout.trim();
}

async function writeProject(files: Record<string, string>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(project, name), text);
  }
}

beforeAll(async () => {
  project = await realpath(await mkdtemp(join(tmpdir(), 'rushes-package-')));
  await mkdir(join(project, 'tarball'));
  // dist/ is there: `npm test` begins with the set-up.
  const pack = [
    'pack',
    root,
    '--pack-destination',
    'tarball',
    '--ignore-scripts',
    '--json',
  ];
  const [{ filename, files }] = JSON.parse(await run('npm', ...pack)) as [
    { filename: string; files: { path: string }[] },
  ];
  packed = files.map(({ path }) => path);
  tarball = await readFile(join(project, 'tarball', filename));
  await writeProject({ 'package.json': '{ "private": true }' });
  const quietly = ['--prefer-offline', '--no-audit', '--no-fund'];
  await run('npm', 'install', join(project, 'tarball', filename), ...quietly);
}, 900_000); // it compiles

afterAll(() => rm(project, { recursive: true, force: true }));

test('the package holds no test, no medium and nothing of the TypeScript sources', () => {
  const allowed =
    /^(dist\/.*\.(d\.ts|js|mjs|map|json|css)|native\/[^/]+\.(cc|h|map)|scripts\/[^/]+\.mjs|docs\/.*\.(md|svg)|schemas\/[^/]+\.json|CMakeLists\.txt|LICENSE|binding\.gyp|package\.json|[A-Z]+\.md)$/;
  expect(packed.filter((path) => !allowed.test(path))).toEqual([]);
  expect(packed).toEqual(
    expect.arrayContaining(['LICENSE', 'README.md', 'dist/index.mjs']),
  );
});

test('the package is small, since addons are in packages of their own', () => {
  expect(tarball.length).toBeLessThan(1_000_000);
});

test('publint and Are The Types Wrong find nothing in it', async () => {
  const { messages } = await publint({ pack: { tarball: tarball.buffer }, strict: true });
  expect(messages).toEqual([]);
  const { problems } = (await checkPackage(
    createPackageFromTarballData(new Uint8Array(tarball)),
  )) as { problems: object[] };
  expect(problems).toEqual([]);
});

test('installing the package builds the addon where no prebuilt one came along', async () => {
  const find = "require('node-gyp-build').path('node_modules/rushes')";
  const addon = relative(project, await run(process.execPath, '--print', find));
  expect(addon).toContain(join('node_modules', 'rushes', 'build'));
});

testOfClip('the package works from an ES module', async () => {
  await writeProject({
    'app.mjs': `
      import { openVideo, probe } from 'rushes';
      const video = await openVideo(process.argv[2]);
      let frames = 0;
      for await (const frame of video.frames()) frames++;
      await video.close();
      const { duration } = await probe(process.argv[2]);
      console.log(JSON.stringify({ frames, duration }));`,
  });
  expect(JSON.parse(await run(process.execPath, 'app.mjs', clip(CLIP)))).toEqual({
    frames: 125,
    duration: 5,
  });
});

testOfClip('the package works from CommonJS', async () => {
  await writeProject({
    'app.cjs': `
      const { probe } = require('rushes');
      probe(process.argv[2]).then(({ duration }) => console.log(duration));`,
  });
  expect(await run(process.execPath, 'app.cjs', clip(CLIP))).toBe('5');
});

test('an error is the same MediaError for an ES module and for CommonJS', async () => {
  await writeProject({
    'errors.mjs': `
      import { createRequire } from 'node:module';
      import * as fromEsm from 'rushes';
      const fromCommonJs = createRequire(import.meta.url)('rushes');
      const error = await fromCommonJs.probe('missing.mp4').catch((error) => error);
      console.log(JSON.stringify({
        isOne: fromEsm.MediaError === fromCommonJs.MediaError,
        isInstance: error instanceof fromEsm.MediaError,
        names: Object.keys(fromCommonJs).every((name) => name in fromEsm),
      }));`,
  });
  expect(JSON.parse(await run(process.execPath, 'errors.mjs'))).toEqual({
    isOne: true,
    isInstance: true,
    names: true,
  });
});

test('the types hold for ES modules and for CommonJS, without skipping a check', async () => {
  const use = `
    async function use(path: string): Promise<number> {
      try {
        const video = await openVideo(path);
        for await (const frame of video.frames()) return frame.time;
        const info: VideoInfo = await probe(path);
        return info.duration ?? 0;
      } catch (error) {
        if (error instanceof MediaError && error.code === 'ERR_NOT_FOUND') return -1;
        // @ts-expect-error: no such code, so the types are there and not \`any\`
        if (error instanceof MediaError && error.code === 'ERR_NO_SUCH_CODE') return -2;
        throw error;
      }
    }`;
  await writeProject({
    'esm.mts': `import { MediaError, openVideo, probe, type VideoInfo } from 'rushes';${use}
      export { use };`,
    'commonjs.cts': `import rushes = require('rushes');
      const { MediaError, openVideo, probe } = rushes;
      type VideoInfo = rushes.VideoInfo;${use}
      export = use;`,
    'tsconfig.json': JSON.stringify({
      compilerOptions: {
        module: 'nodenext',
        target: 'es2022',
        lib: ['es2022', 'esnext.disposable'],
        strict: true,
        noEmit: true,
        skipLibCheck: false,
        // Of the repository: the project depends on nothing but the package.
        typeRoots: [join(root, 'node_modules', '@types')],
        types: ['node'],
      },
      files: ['esm.mts', 'commonjs.cts'],
    }),
  });
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  expect(await run(process.execPath, tsc)).toBe('');
});

test('the package brings the command line', async () => {
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const printed = await run('npx', '--no-install', 'rushes', '--version');
  expect(printed).toBe(`rushes ${version}`);
});
