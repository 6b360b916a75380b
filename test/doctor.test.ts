import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Diagnosis } from '../src/index.ts';
import { rushes } from './helpers/child.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'rushes-doctor-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Where hardware is looked for once, for all of these tests. */
const env = () => ({ RUSHES_CACHE_DIR: join(directory, 'cache') });

async function doctor(
  more: Record<string, string> = {},
): Promise<Diagnosis & { code: number | null }> {
  const { stdout, code } = await rushes(['doctor', '--json'], {
    env: { ...env(), ...more },
  });
  return { ...JSON.parse(stdout), code };
}

describe('rushes doctor', () => {
  test('says that everything works, and with what', async () => {
    const found = await doctor({ UV_THREADPOOL_SIZE: '7' });
    expect(found).toMatchObject({
      code: 0,
      works: true,
      backend: 'native',
      addon: { origin: 'built' },
    });
    expect(found.problems.filter(({ severity }) => severity === 'error')).toEqual([]);
    expect(found.addon.file).toMatch(/rushes\.node$/);
    // The tool comes with the libraries.
    const tool = execFileSync('ffmpeg', ['-hide_banner', '-version'], {
      encoding: 'utf8',
    });
    const { configuration = '', license, libraries } = found.ffmpeg ?? {};
    expect(tool).toContain(configuration);
    expect(license).toMatch(configuration.includes('--enable-gpl') ? /^GPL/ : /^LGPL/);
    expect(Object.keys(libraries ?? {})).toEqual([
      'libavformat',
      'libavcodec',
      'libavutil',
      'libswscale',
      ...(process.env.CI || 'libavfilter' in (libraries ?? {}) ? ['libavfilter'] : []),
    ]);
    const files = execFileSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }).trim();
    expect(found.limits).toMatchObject({
      openFiles: files === 'unlimited' ? null : Number(files),
      uvThreads: 7,
    });
    expect(found.hardware?.devices.length).toBeGreaterThan(10);
    expect(found.cache).toMatchObject({
      directory: env().RUSHES_CACHE_DIR,
      persistent: true,
    });
  });

  test('says it to people, in sections', async () => {
    const { stdout, code } = await rushes(['doctor'], { env: env() });
    expect(code).toBe(0);
    for (const words of [
      /^rushes\n {2}backend +native\n/,
      /\nmachine\n/,
      /\ndevices that decode\n/,
      /\n {2}videotoolbox +/,
      /Everything needed works\.\n$/,
    ]) {
      expect(stdout).toMatch(words);
    }
  });

  test('ends with 1 and says what mends it if nothing decodes', async () => {
    // An addon that cannot be loaded in place of ours, and no beamcoder.
    const found = await doctor({ RUSHES_BACKEND: 'beamcoder' });
    if (found.backend === 'beamcoder') return; // it is installed here
    expect(found).toMatchObject({ code: 1, works: false, backend: null });
    expect(found.problems[0]).toMatchObject({ severity: 'error' });
    expect(found.problems[0]?.what).toMatch(/beamcoder could not be loaded/);
    const { stdout, code } = await rushes(['doctor'], {
      env: { ...env(), RUSHES_BACKEND: 'beamcoder' },
    });
    expect(code).toBe(1);
    expect(stdout).toMatch(/\nproblems\n {2}error +beamcoder could not be loaded/);
    expect(stdout).toMatch(/Something needed is broken\.\n$/);
  });

  test('warns of a cache that cannot be used, and still ends with 0', async () => {
    const file = join(directory, 'no-folder');
    writeFileSync(file, '');
    const found = await doctor({ RUSHES_CACHE_DIR: file });
    expect(found).toMatchObject({ code: 0, works: true, cache: { persistent: false } });
    const what = `${file} cannot be used: analyses are not remembered`;
    expect(found.problems).toContainEqual(
      expect.objectContaining({ severity: 'warning', what }),
    );
  });

  test('takes no file, and no tool without a name', async () => {
    expect(await rushes(['doctor', 'file.mp4'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("'file.mp4' is too much"),
    });
    expect(await rushes(['doctor', '--ffmpeg', ''])).toMatchObject({ code: 2 });
  });
});
