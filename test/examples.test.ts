// The small examples, run as a reader of them would.
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { copyFile, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { clip, facts, testOf } from './helpers/clips.ts';
import { temporaryDirectory } from './helpers/temporary.ts';

const EXAMPLES = join(import.meta.dirname, '..', 'examples');
const TEMPORARY = temporaryDirectory();
// 9.2 s: a frame on screen at 0, 1, … 9 s.
const CLIP = 'cuts.mp4';
const testOfClip = testOf(CLIP);

/** The lines that an example prints on standard output. */
async function lines(name: string, ...args: string[]): Promise<string[]> {
  const env = { ...process.env, RUSHES_CACHE_DIR: join(TEMPORARY, 'cache') };
  const command = [join(EXAMPLES, name), ...args];
  const { stdout } = await promisify(execFile)(process.execPath, command, { env });
  return stdout.trim().split('\n');
}

const files = readdirSync(EXAMPLES).filter((name) => name.endsWith('.mjs'));

describe('each small example', () => {
  test.for(files)('%s is at most 40 lines long, and listed', (name) => {
    const text = readFileSync(join(EXAMPLES, name), 'utf8');
    expect(text.trimEnd().split('\n').length).toBeLessThanOrEqual(40);
    expect(readFileSync(join(EXAMPLES, 'README.md'), 'utf8')).toContain(`](${name})`);
  });
});

testOfClip('thumbnails.mjs writes a picture for each second', async () => {
  const folder = join(TEMPORARY, 'thumbnails');
  expect(await lines('thumbnails.mjs', clip(CLIP), folder)).toHaveLength(10);
  expect(await readdir(folder)).toHaveLength(10);
  const { format, width, height } = await sharp(join(folder, '9.000.webp')).metadata();
  expect({ format, width, height }).toEqual({ format: 'webp', ...size() });
});

/** Smaller than 320 wide, so never enlarged. */
function size() {
  const { width, height } = facts(CLIP);
  return { width, height };
}

testOfClip('tensor.mjs makes normalised planes of frames', async () => {
  const printed = await lines('tensor.mjs', clip(CLIP));
  expect(printed).toHaveLength(10);
  for (const line of printed) {
    const [, dims, first] = line.split(' ');
    expect(dims).toBe('1x3x224x224');
    // Of 0 and of 255 in the red plane: (0 − 0.485) / 0.229 and (1 − 0.485) / 0.229.
    expect(Number(first)).toBeGreaterThanOrEqual(-2.118);
    expect(Number(first)).toBeLessThanOrEqual(2.249);
  }
});

testOf('vfr.mp4')('sampling.mjs tells the true times of frames', async () => {
  const times = (await lines('sampling.mjs', clip('vfr.mp4'))).map((line) =>
    Number.parseFloat(line),
  );
  // Of each second, the frame that is on screen then: never a later one.
  for (const [second, time] of times.entries()) expect(time).toBeLessThanOrEqual(second);
  expect(times.some((time) => !Number.isInteger(time))).toBe(true);
});

testOfClip('import.mjs decodes a folder once', async () => {
  const folder = join(TEMPORARY, 'footage');
  await mkdir(folder);
  await copyFile(clip(CLIP), join(folder, CLIP));
  const [first] = await lines('import.mjs', folder);
  expect(first).toMatch(/cuts\.mp4: 4 shots, best from .* \(decoded\)$/);
  const [again] = await lines('import.mjs', folder);
  expect(again).toBe(first?.replace('decoded', 'from the cache'));
});

testOfClip('workers.mjs shares files out and ends', async () => {
  const paths = [clip(CLIP), clip('upright.mp4'), clip(CLIP)];
  const printed = await lines('workers.mjs', ...paths);
  expect(printed.map((line) => line.split(' ')[0]).sort()).toEqual(paths.toSorted());
  expect(new Set(printed).size).toBe(2);
});

testOfClip('abort.mjs finishes in time, and stops when it does not', async () => {
  expect(await lines('abort.mjs', clip(CLIP))).toEqual(['4 shots']);
  const stopped = lines('abort.mjs', clip(CLIP), '0');
  await expect(stopped).rejects.toMatchObject({
    code: 1,
    stderr: 'stopped: The operation was aborted due to timeout\n',
  });
});
