import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { expect } from 'vitest';
import {
  analyze,
  contactSheet,
  representativeTimes,
  type SheetCell,
} from '../src/index.ts';
import { rushes } from './helpers/child.ts';
import { CUTS_AT, clip, testOf } from './helpers/clips.ts';
import { temporaryDirectory } from './helpers/temporary.ts';

const test = testOf('cuts.mp4');
const FILE = clip('cuts.mp4');
const folder = temporaryDirectory();

async function sheet(name: string, ...options: string[]) {
  const path = join(folder, name);
  const { code, stdout, stderr } = await rushes(['sheet', FILE, '-o', path, ...options]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return { path, stdout };
}

test('rushes sheet shows one picture of every shot', async () => {
  const { path, stdout } = await sheet('shots.png', '--json', '--columns', '2');
  const { cells, ...rest } = JSON.parse(stdout) as { cells: SheetCell[] };
  const times = cells.map(({ time }) => time);
  expect(times).toEqual(representativeTimes(await analyze(FILE)));
  const edges = [0, ...CUTS_AT, 230].map((frame) => frame / 25);
  for (const [i, time] of times.entries()) {
    expect(time).toBeGreaterThanOrEqual(edges[i] as number);
    expect(time).toBeLessThan(edges[i + 1] as number);
  }
  const { width, height, format } = await sharp(path).metadata();
  expect(rest).toMatchObject({ source: FILE, path, width, height });
  expect(format).toBe('png');
  const wanted = await contactSheet(FILE, { times, columns: 2, format: 'png' });
  expect(readFileSync(path).equals(wanted.data)).toBe(true);
});

for (const [ending, format] of [
  ['jpg', 'jpeg'],
  ['JPEG', 'jpeg'],
  ['webp', 'webp'],
  ['avif', 'heif'],
]) {
  test(`rushes sheet writes ${ending}, a picture every so many seconds`, async () => {
    const options = ['--every', '2', '--width', '500', '--no-timecodes'];
    const { path, stdout } = await sheet(`every.${ending}`, ...options);
    expect(stdout).toMatch(/: 5 pictures, \d+x\d+\n$/); // 9.2 s
    expect((await sharp(path).metadata()).format).toBe(format);
  });
}

test('rushes sheet shows no more shots than asked for, and says so', async () => {
  const path = join(folder, 'few.jpg');
  const args = ['sheet', FILE, '-o', path, '--shots', '--count', '2', '--json'];
  const { code, stdout, stderr } = await rushes(args);
  expect(code).toBe(0);
  expect(stderr).toMatch(/cuts\.mp4: 2 of 4 shots are shown\n$/);
  expect(JSON.parse(stdout).cells.length).toBe(2);
});

test('rushes sheet leaves nothing behind where it fails', async () => {
  const path = join(folder, 'failed.jpg');
  const { code, stderr } = await rushes(['sheet', '/gone.mp4', '-o', path]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/gone\.mp4: .*ERR_NOT_FOUND/);
  expect(existsSync(path)).toBe(false);
});
