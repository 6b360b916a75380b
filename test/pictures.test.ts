import { createReadStream, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect } from 'vitest';
import {
  contactSheet,
  encodePicture,
  openVideo,
  type SheetCell,
  thumbnail,
  thumbnails,
} from '../src/index.ts';
import { CLEAN, LIBRARY, runScript } from './helpers/child.ts';
import { clip, testOf } from './helpers/clips.ts';
import { ffmpeg } from './helpers/ffmpeg.ts';
import { md5 } from './helpers/frames.ts';
import { temporaryDirectory } from './helpers/temporary.ts';

const NAME = 'cuts.mp4'; // 230 frames of 160x90 at 25 frames a second
const test = testOf(NAME);
const FILE = clip(NAME);
const folder = temporaryDirectory();

/** What another reader makes of a picture file: rgb24, row by row. */
async function pixelsOf(data: Uint8Array, name: string): Promise<Buffer> {
  const path = join(folder, name);
  await sharp(data).metadata(); // a picture file at all
  await writeFile(path, data);
  return ffmpeg(['-i', path, '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-']);
}

async function frameAt(time: number, width?: number) {
  await using video = await openVideo(FILE, { width });
  return await video.frameAt(time);
}

/** A rectangle out of rgb24 pixels. */
function cut(pixels: Uint8Array, sheetWidth: number, cell: SheetCell): Uint8Array {
  const { left, top, width, height } = cell;
  const lines = Array.from({ length: height }, (_, y) => {
    const begin = ((top + y) * sheetWidth + left) * 3;
    return pixels.subarray(begin, begin + width * 3);
  });
  return Buffer.concat(lines);
}

describe('thumbnail', () => {
  test('is the frame on screen at a time, to the pixel', async () => {
    const wanted = await frameAt(3.37);
    const png = await thumbnail(FILE, { time: 3.37, format: 'png' });
    expect(png).toMatchObject({ format: 'png', width: 160, height: 90, time: 3.36 });
    expect(md5(await pixelsOf(png.data, 'one.png'))).toBe(md5(wanted.data));
  });

  const kinds = { jpeg: 'mjpeg', webp: 'webp', png: 'png', avif: 'av1' } as const;
  for (const [format, codec] of Object.entries(kinds)) {
    test(`is made as ${format}, inside the size asked for`, async () => {
      const options = { time: 1, width: 80, height: 80, format } as { format: 'jpeg' };
      const picture = await thumbnail(FILE, options);
      expect(picture).toMatchObject({ format, width: 80, height: 45, time: 1 });
      const { format: kind, compression, ...size } = await sharp(picture.data).metadata();
      expect(size).toMatchObject({ width: 80, height: 45 });
      expect([kind, compression]).toContain(codec === 'mjpeg' ? 'jpeg' : codec);
    });
  }

  test('is smaller in bytes at a lower quality', async () => {
    const sizes = [20, 80, 95].map(async (quality) => {
      const { data } = await thumbnail(FILE, { time: 1, quality });
      return data.length;
    });
    const [low, middle, high] = (await Promise.all(sizes)) as [number, number, number];
    expect(low).toBeLessThan(middle);
    expect(middle).toBeLessThan(high);
  });

  test('is by default from a tenth into the video, and never enlarged', async () => {
    expect(await thumbnail(FILE)).toMatchObject({ width: 160, height: 90, time: 0.92 });
  });

  test('of a time outside the video is its first or last frame', async () => {
    expect(await thumbnail(FILE, { time: -3 })).toMatchObject({ time: 0 });
    expect(await thumbnail(FILE, { time: 1e6 })).toMatchObject({ time: 9.16 });
  });

  testOf('start-offset.ts')('counts time on the clock of the stream', async () => {
    const source = clip('start-offset.ts'); // begins at 10 s
    expect((await thumbnail(source, { time: 0 })).time).toBeCloseTo(10, 5);
    expect((await thumbnail(source, { time: 11 })).time).toBeCloseTo(11, 5);
  });

  testOf('mpeg2.ts')('is the same from a path, bytes and a stream', async () => {
    const path = clip('mpeg2.ts');
    const options = { time: (await thumbnail(path)).time + 0.5, format: 'png' } as const;
    const sources = [path, readFileSync(path), createReadStream(path)];
    const all = await Promise.all(sources.map((source) => thumbnail(source, options)));
    const [first, ...others] = all.map(({ data, ...facts }) => ({
      ...facts,
      md5: md5(data),
    }));
    expect(others).toEqual([first, first]);
  });

  test('can be taken of a video that is open, and leaves it so', async () => {
    await using video = await openVideo(FILE, { pixelFormat: 'rgba' });
    const small = await thumbnail(video, { time: 2, width: 40 });
    expect(small).toMatchObject({ width: 40, height: 23, time: 2 });
    const whole = await thumbnail(video, { time: 2, format: 'png' });
    expect(md5(await pixelsOf(whole.data, 'open.png'))).toBe(
      md5((await frameAt(2)).data),
    );
    expect((await video.frameAt(2)).time).toBe(2);
  });

  test('refuses mistakes before any work', async () => {
    const nowhere = join(folder, 'nowhere.mp4');
    const refused = (options: object, error: typeof TypeError, words: RegExp) => {
      const thrown = expect(thumbnail(nowhere, options)).rejects;
      return thrown.toSatisfy((e) => e instanceof error && words.test(e.message));
    };
    await refused({ format: 'gif' }, TypeError, /format must be one of .*'gif'/);
    await refused({ quality: 0 }, RangeError, /quality must be 1 to 100, got 0/);
    await refused({ quality: 9, format: 'png' }, TypeError, /quality .*png/);
    await refused({ width: 0 }, RangeError, /width must be 1/);
    await refused({ time: Number.NaN }, TypeError, /time must be a finite number/);
    await expect(thumbnail(nowhere)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
    await using video = await openVideo(FILE, { pixelFormat: 'yuv420p' });
    await expect(thumbnail(video)).rejects.toThrow(/rgb24, rgba or gray8.* yuv420p/);
  });

  test('without sharp says so, in a code of its own', async () => {
    const script = `
      import Module from 'node:module';
      const resolve = Module._resolveFilename;
      Module._resolveFilename = (name, ...rest) => {
        if (name === 'sharp') throw new Error("Cannot find module 'sharp'");
        return resolve(name, ...rest);
      };
      const { thumbnail } = await import(${LIBRARY});
      const { name, code, message } = await thumbnail(process.argv[1]).catch((e) => e);
      console.log(JSON.stringify({ name, code, message }));`;
    const { stdout, ...rest } = await runScript(script, [FILE]);
    expect(rest).toEqual(CLEAN);
    expect(JSON.parse(stdout)).toEqual({
      name: 'MediaError',
      code: 'ERR_DEPENDENCY',
      message: expect.stringMatching(/sharp.*Cannot find module.*npm install sharp/),
    });
  });
});

describe('thumbnails', () => {
  test('are those of the single calls, in the order of their times', async () => {
    const times = [0, 0.5, 0.5, 2.41, 4, 6.799, 9.16];
    const all: string[] = [];
    for await (const { time, data } of thumbnails(FILE, times, { width: 64 })) {
      all.push(`${time} ${md5(data)}`);
    }
    const single = times.map(async (time) => {
      const one = await thumbnail(FILE, { time, width: 64 });
      return `${one.time} ${md5(one.data)}`;
    });
    expect(all).toEqual(await Promise.all(single));
  });

  test('may be left early', async () => {
    for await (const { time } of thumbnails(FILE, [1, 2, 3, 4, 5])) {
      expect(time).toBe(1);
      break;
    }
  });
});

describe('encodePicture', () => {
  test('takes grey frames', async () => {
    await using video = await openVideo(FILE, { pixelFormat: 'gray8' });
    const frame = await video.frameAt(1);
    const { data } = await encodePicture(frame, { format: 'png' });
    const raw = await sharp(data).toColourspace('b-w').raw().toBuffer();
    expect(md5(raw)).toBe(md5(frame.data));
  });
});

describe('contactSheet', () => {
  const plain = { format: 'png', timecodes: false } as const;

  test('holds the frames asked for, decoded at the size of its cells', async () => {
    const times = [0, 1, 2.5, 3, 8];
    const sheet = await contactSheet(FILE, { ...plain, times, columns: 3, width: 300 });
    expect(sheet.cells.map(({ time }) => time)).toEqual([0, 1, 2.48, 3, 8]);
    const { width, height } = await sharp(sheet.data).metadata();
    expect({ width, height }).toEqual({ width: sheet.width, height: sheet.height });
    expect(width).toBeLessThanOrEqual(300);
    const pixels = await pixelsOf(sheet.data, 'sheet.png');
    for (const cell of sheet.cells) {
      const wanted = await frameAt(cell.time, cell.width);
      expect([wanted.width, wanted.height]).toEqual([cell.width, cell.height]);
      expect(md5(cut(pixels, sheet.width, cell))).toBe(md5(wanted.data));
    }
    // Two rows and the gaps around them; what no frame covers is background.
    expect(sheet.height).toBe(2 * (sheet.cells[0]?.height ?? 0) + 3);
    const corner = pixels.subarray(pixels.length - 3);
    expect([...corner]).toEqual([0x11, 0x11, 0x11]);
  });

  test('spreads a number of frames over the whole', async () => {
    const seen: number[] = [];
    const onProgress = ({ time }: { time: number }) => seen.push(time);
    const sheet = await contactSheet(FILE, { ...plain, count: 4, onProgress });
    expect(seen).toEqual(sheet.cells.map(({ time }) => time));
    // 9.2 s in four parts of 2.3 s, of each the middle
    expect(sheet.cells.map(({ time }) => time)).toEqual([1.12, 3.44, 5.72, 8.04]);
    expect(sheet.time).toBe(1.12);
  });

  test('never shows a frame larger than it is', async () => {
    const sheet = await contactSheet(FILE, { ...plain, width: 4000, count: 4 });
    expect(sheet.cells[0]).toMatchObject({ width: 160, height: 90 });
  });

  testOf('mpeg2.ts')('is the same from a path, bytes and a stream', async () => {
    const path = clip('mpeg2.ts');
    const options = { ...plain, every: 0.3, background: '#fa0' } as const;
    const sources = [path, readFileSync(path), createReadStream(path)];
    const all = await Promise.all(sources.map((source) => contactSheet(source, options)));
    const [first, ...others] = all.map(({ data, ...facts }) => ({
      ...facts,
      md5: md5(data),
    }));
    expect(first?.cells.length).toBe(7); // 2 s
    expect(others).toEqual([first, first]);
  });

  test('writes times into the corners of frames, without a font', async () => {
    const options = { times: [0, 7.48], columns: 2, width: 400, format: 'png' } as const;
    const [bare, labelled] = await Promise.all(
      [false, true].map((timecodes) => contactSheet(FILE, { ...options, timecodes })),
    );
    const before = await pixelsOf(bare?.data as Uint8Array, 'bare.png');
    const after = await pixelsOf(labelled?.data as Uint8Array, 'labelled.png');
    for (const cell of labelled?.cells ?? []) {
      const a = cut(before, bare?.width as number, cell);
      const b = cut(after, bare?.width as number, cell);
      const changed = [...b.keys()].filter((i) => a[i] !== b[i]);
      const x = changed.map((i) => Math.floor(i / 3) % cell.width);
      const y = changed.map((i) => Math.floor(i / 3 / cell.width));
      expect(Math.min(...x)).toBeGreaterThan(cell.width * 0.5);
      expect(Math.min(...y)).toBeGreaterThan(cell.height * 0.7);
      // The strokes of the digits are white, and dark lies around them.
      expect(changed.filter((i) => (b[i] as number) > 200).length).toBeGreaterThan(15);
      expect(changed.length).toBeGreaterThan(300);
    }
    const script = `
      import { createHash } from 'node:crypto';
      const { contactSheet } = await import(${LIBRARY});
      const { data } = await contactSheet(process.argv[1], ${JSON.stringify(options)});
      console.log(createHash('md5').update(data).digest('hex'));`;
    const env = { FONTCONFIG_FILE: '/dev/null', FONTCONFIG_PATH: folder };
    const child = await runScript(script, [FILE], { env });
    expect(child.stdout.trim()).toBe(md5(labelled?.data as Uint8Array));
  });

  test('refuses mistakes before any work', async () => {
    const nowhere = join(folder, 'nowhere.mp4');
    const wrong: [object, RegExp][] = [
      [{ times: [1], count: 2 }, /times and count cannot be combined/],
      [{ times: [] }, /times must not be empty/],
      [{ times: [2, 1] }, /times must not fall/],
      [{ every: 0 }, /every must be above 0/],
      [{ count: 1.5 }, /count must be a whole number/],
      [{ columns: 101 }, /columns must be 1 to 100/],
      [{ columns: 50, width: 100 }, /width must be at least \d+ for 50 columns/],
      [{ background: 'red' }, /background must be #rgb or #rrggbb, got red/],
      [{ onProgress: 1 }, /onProgress must be a function, got 1/],
      [{ timecodes: 1 }, /timecodes must be true or false/],
    ];
    for (const [options, words] of wrong) {
      await expect(contactSheet(nowhere, options)).rejects.toThrow(words);
    }
    await expect(contactSheet(nowhere)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
  });

  test('refuses to become larger than its format can be', async () => {
    const times = Array.from({ length: 230 }, (_, i) => i / 25);
    const options = { times, columns: 1, width: 162, timecodes: false };
    await expect(contactSheet(FILE, { ...options, format: 'webp' })).rejects.toThrow(
      /162 x 16\d{3} pixels or more, too large for webp/,
    );
    const sheet = await contactSheet(FILE, { ...options, format: 'jpeg' });
    expect(sheet.height).toBe(230 * 91 + 1);
  });

  testOf('truncated.mkv')('shows what there is of a damaged file', async () => {
    const sheet = await contactSheet(clip('truncated.mkv'), { every: 0.2 });
    expect(sheet.cells.length).toBeGreaterThan(1);
  });
});
