// Which backend decodes, and what is said where none can. In copies of the built package, so that an addon can really be missing or broken.
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { type Diagnosis, openVideo } from '../src/index.ts';
import { BEAMCODER_PATH, beamcoderTest } from './helpers/beamcoder.ts';
import { CLEAN, runScript } from './helpers/child.ts';
import { clip, facts } from './helpers/clips.ts';

const ROOT = resolve(import.meta.dirname, '..');
const NAME = 'upright.mp4';
const folders: string[] = [];

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** The built package, without tests and sources; its addon as it was built, moved away, or cut short. */
function copyOfPackage(addon: 'whole' | 'missing' | 'corrupt'): string {
  const folder = mkdtempSync(join(tmpdir(), 'rushes-copy-'));
  folders.push(folder);
  cpSync(join(ROOT, 'dist'), join(folder, 'dist'), { recursive: true });
  copyFileSync(join(ROOT, 'package.json'), join(folder, 'package.json'));
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  if (addon === 'missing') return folder;
  const release = join(folder, 'build', 'Release');
  mkdirSync(release, { recursive: true });
  const file = join(release, 'rushes.node');
  if (addon === 'whole')
    copyFileSync(join(ROOT, 'build', 'Release', 'rushes.node'), file);
  else writeFileSync(file, 'not an addon');
  return folder;
}

/** Opens the clip in a process of its own and counts its frames; says what decoded them, or why nothing could. */
async function openThere(
  folder: string,
  options: { backend?: string; env?: Record<string, string> } = {},
): Promise<Record<string, unknown>> {
  const library = JSON.stringify(join(folder, 'dist', 'index.mjs'));
  const { stdout, ...rest } = await runScript(
    `import { openVideo } from ${library};
    try {
      const video = await openVideo(process.argv[1], ${JSON.stringify({ backend: options.backend })});
      let frames = 0;
      for await (const _ of video) frames++;
      await video.close();
      console.log(JSON.stringify({ frames, ...video.decodePath }));
    } catch ({ code, message, name }) {
      console.log(JSON.stringify({ code, message, name }));
    }`,
    [clip(NAME)],
    // The addon of the copies is in build/, to which PREBUILDS_ONLY would not look.
    { env: { NODE_PATH: BEAMCODER_PATH, PREBUILDS_ONLY: '', ...options.env } },
  );
  expect(rest).toEqual(CLEAN);
  return JSON.parse(stdout);
}

/** What `rushes doctor --json` of that copy says, and its exit code. */
async function doctorThere(folder: string, env: Record<string, string> = {}) {
  const cli = JSON.stringify(join(folder, 'dist', 'cli.mjs'));
  const { stdout, code, stderr } = await runScript(
    `process.argv = [process.argv[0], ${cli}, 'doctor', '--json'];
    await import(${cli});`,
    [],
    {
      env: { NODE_PATH: BEAMCODER_PATH, RUSHES_CACHE_DIR: join(folder, 'cache'), ...env },
    },
  );
  expect(stderr).toBe('');
  return { code, ...(JSON.parse(stdout) as Diagnosis) };
}

const { frames } = facts(NAME);
const WITHOUT_BEAMCODER = { NODE_PATH: '' };

describe('the backend', () => {
  test('is the addon, where it loads, and nobody looks for another', async () => {
    const found = await openThere(copyOfPackage('whole'));
    expect(found).toMatchObject({ frames, backend: 'native', fallbackReason: null });
  });

  beamcoderTest(
    'is beamcoder where the addon is missing, and the path says why',
    async () => {
      const found = await openThere(copyOfPackage('missing'));
      expect(found).toMatchObject({ frames, backend: 'beamcoder', decoder: 'h264' });
      expect(found.fallbackReason).toMatch(/addon could not be loaded.*No native build/);
    },
  );

  beamcoderTest(
    'is beamcoder where the addon is corrupt, and the path says why',
    async () => {
      const found = await openThere(copyOfPackage('corrupt'));
      expect(found).toMatchObject({ frames, backend: 'beamcoder' });
      expect(found.fallbackReason).toMatch(
        /rushes\.node: (file too short|invalid ELF header)/,
      );
    },
  );

  test('is none where neither is there: one error names each cause and its mending', async () => {
    const folder = copyOfPackage('missing');
    const found = await openThere(folder, { env: WITHOUT_BEAMCODER });
    expect(found).toMatchObject({ name: 'MediaError', code: 'ERR_ADDON' });
    for (const words of [
      /The prebuilt one: @rushes\/\S+ is not installed/,
      /`npm install` without --omit=optional/,
      /The one built here: No native build was found/,
      /`npm rebuild rushes`/,
      /the package beamcoder is not installed/,
      /`npm install beamcoder`/,
    ]) {
      expect(found.message).toMatch(words);
    }
  });

  test('is broken for doctor where neither is there, which ends with 1 and names the mending', async () => {
    const found = await doctorThere(copyOfPackage('corrupt'), WITHOUT_BEAMCODER);
    expect(found).toMatchObject({ code: 1, works: false, backend: null, ffmpeg: null });
    expect(found.addon).toEqual({ origin: null, file: null });
    const [problem] = found.problems;
    expect(problem?.severity).toBe('error');
    for (const command of [
      'npm install',
      'npm rebuild rushes',
      'npm install beamcoder',
    ]) {
      expect(problem?.what).toContain(`\`${command}\``);
    }
    expect(problem?.what).toMatch(/rushes\.node: (file too short|invalid ELF header)/);
  });

  beamcoderTest('is enough for doctor where it is beamcoder, which warns', async () => {
    const found = await doctorThere(copyOfPackage('missing'));
    expect(found).toMatchObject({ code: 0, works: true, backend: 'beamcoder' });
    expect(found.problems[0]).toMatchObject({
      severity: 'warning',
      what: expect.stringContaining('No native build was found'),
    });
  });

  test('that was asked for is taken or missed, but never another', async () => {
    const whole = copyOfPackage('whole');
    const missed = { backend: 'beamcoder', env: WITHOUT_BEAMCODER };
    expect(await openThere(whole, missed)).toMatchObject({
      code: 'ERR_ADDON',
      message: expect.stringContaining('the package beamcoder is not installed'),
    });
    expect(
      await openThere(copyOfPackage('missing'), { backend: 'native' }),
    ).toMatchObject({
      code: 'ERR_ADDON',
      message: expect.not.stringContaining('beamcoder'),
    });
  });

  beamcoderTest('follows RUSHES_BACKEND where the caller leaves the choice', async () => {
    const folder = copyOfPackage('whole');
    const env = { RUSHES_BACKEND: 'beamcoder' };
    expect(await openThere(folder, { env })).toMatchObject({
      ...{ frames, backend: 'beamcoder', fallbackReason: null },
    });
    const found = await openThere(folder, { env, backend: 'native' });
    expect(found).toMatchObject({ frames, backend: 'native' });
  });

  test('cannot be a third, by option or by environment', async () => {
    const backend = 'ffmpeg' as 'auto';
    await expect(openVideo(clip(NAME), { backend })).rejects.toThrow(
      "backend must be one of 'auto', 'native', 'beamcoder', got 'ffmpeg'",
    );
    const env = { RUSHES_BACKEND: 'ffmpeg' };
    expect(await openThere(copyOfPackage('whole'), { env })).toMatchObject({
      name: 'TypeError',
      message: expect.stringContaining("RUSHES_BACKEND must be one of 'auto'"),
    });
  });

  beamcoderTest('says what is wrong with a beamcoder that cannot be loaded', async () => {
    const modules = mkdtempSync(join(tmpdir(), 'rushes-modules-'));
    folders.push(modules);
    const release = join(modules, 'beamcoder', 'build', 'Release');
    mkdirSync(release, { recursive: true });
    writeFileSync(join(modules, 'beamcoder', 'package.json'), '{}');
    writeFileSync(join(release, 'beamcoder.node'), 'not an addon');
    const env = { NODE_PATH: modules };
    const found = await openThere(copyOfPackage('missing'), { env });
    expect(found).toMatchObject({ code: 'ERR_ADDON' });
    expect(found.message).toMatch(/beamcoder could not be loaded: .*beamcoder\.node: /);
  });
});

test('importing the library loads no part of Node that it may never use', async () => {
  const library = JSON.stringify(join(copyOfPackage('corrupt'), 'dist', 'index.mjs'));
  const { stdout, ...rest } = await runScript(
    `const before = new Set(process.moduleLoadList);
    await import(${library});
    const names = ['child_process', 'crypto', 'v8', 'zlib'].map((name) => 'NativeModule ' + name);
    console.log(names.filter((name) => !before.has(name) && process.moduleLoadList.includes(name)));`,
  );
  expect(rest).toEqual(CLEAN);
  expect(stdout).toBe('[]\n');
});

test('importing the library loads no backend', async () => {
  const library = JSON.stringify(join(copyOfPackage('corrupt'), 'dist', 'index.mjs'));
  const { stdout, ...rest } = await runScript(
    `const { probe } = await import(${library});
    const { report } = process;
    console.log(typeof probe, report.getReport().sharedObjects.some((file) => /rushes.node|libav/.test(file)));`,
  );
  expect(rest).toEqual(CLEAN);
  expect(stdout).toBe('function false\n');
});
