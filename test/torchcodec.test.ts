/** Groups of torchcodec's decoder tests, numbered as in the README of the shared media, with its reference frames. */
import { readFileSync } from 'node:fs';
import sharp from 'sharp';
import { describe, expect } from 'vitest';
import {
  type Frame,
  type FrameAddress,
  type OpenOptions,
  openVideo,
  type Video,
} from '../src/index.ts';
import { ffmpeg } from './helpers/ffmpeg.ts';
import { digests, expectSameList, md5 } from './helpers/frames.ts';
import { mediaFile, mediaTest } from './helpers/media.ts';
import { readReference, readTorchcodecTable } from './helpers/reference.ts';

const NASA = 'nasa_13013.mp4';
const LAST = 389;

const open = (name: string, options?: OpenOptions) =>
  openVideo(mediaFile(`media/${name}`), options);

/** A row of reference_frames.tsv. */
interface Reference {
  readonly video: string;
  readonly stream: number;
  /** -1 for one at a time. */
  readonly frame: number;
  readonly time: number;
  readonly filter: string;
  readonly format: string;
  readonly md5: string;
}

function references(): Reference[] {
  const path = mediaFile('oracle/torchcodec/reference_frames.tsv');
  const [, ...lines] = readFileSync(path, 'utf8').trim().split('\n');
  return lines.map((line) => {
    const [, video = '', stream, frame, time, filter = '', format = '', , , hash = ''] =
      line.split('\t');
    return {
      video,
      stream: Number(stream),
      frame: frame ? Number(frame) : -1,
      time: Number(time),
      filter,
      format,
      md5: hash,
    };
  });
}

/** Hashes of the plain reference frames of a stream, by number. */
function referenceHashes(video: string, stream: number, format = 'rgb24') {
  const found = references().filter(
    (row) =>
      row.video === video &&
      row.stream === stream &&
      row.format === format &&
      row.filter === '' &&
      row.frame >= 0,
  );
  expect(found.length).toBeGreaterThan(0);
  return new Map(found.map((row) => [row.frame, row.md5]));
}

async function expectReferences(
  name: string,
  options: OpenOptions & { streamIndex: number },
): Promise<void> {
  await using video = await open(name, options);
  const wanted = referenceHashes(
    name,
    options.streamIndex,
    options.pixelFormat === 'rgb48le' ? 'rgb48' : 'rgb24',
  );
  const numbers = [...wanted.keys()];
  const got = await video.framesAt(numbers.map((index) => ({ index })));
  expect(got.map(({ data }, i) => [numbers[i], md5(data)])).toEqual([...wanted]);
  for (const [index, hash] of [...wanted].reverse()) {
    expect([index, md5((await video.frameAt({ index })).data)]).toEqual([index, hash]);
  }
}

/** Numbers of these frames, from torchcodec's table. */
function numbersOf(frames: readonly Pick<Frame, 'time'>[]): number[] {
  const times = readTorchcodecTable(NASA, 3).map((row) => Number(row.pts_time));
  return frames.map(({ time }) => times.findIndex((at) => Math.abs(at - time) < 1e-4));
}

async function numbersAt(video: Video, addresses: readonly FrameAddress[]) {
  return numbersOf(await video.framesAt(addresses));
}

const byIndex = (numbers: readonly number[]) => numbers.map((index) => ({ index }));

describe('torchcodec', () => {
  mediaTest('1. metadata: the best stream, and another', async () => {
    await using video = await open(NASA);
    expect(video.info).toMatchObject({
      streamIndex: 3,
      width: 480,
      height: 270,
      frameCount: 390,
      codec: 'h264',
    });
    expect(video.info.duration).toBeCloseTo(13.013, 4);
    const { num, den } = video.info.averageFrameRate ?? { num: 0, den: 1 };
    expect(num / den).toBeCloseTo(29.97003, 4);
    expect((await video.index()).length).toBe(390);

    await using first = await open(NASA, { streamIndex: 0 });
    expect(first.info).toMatchObject({
      streamIndex: 0,
      width: 320,
      height: 180,
      frameCount: 325,
      averageFrameRate: { num: 25, den: 1 },
    });
    expect((await first.index()).length).toBe(325);
    await expect(open(NASA, { streamIndex: 1 })).rejects.toMatchObject({
      code: 'ERR_NO_VIDEO',
    });
  });

  mediaTest('2. by index: reference frames of both streams', async () => {
    await expectReferences(NASA, { streamIndex: 3 });
    await expectReferences(NASA, { streamIndex: 0 });
    await expectReferences('av1_video.mkv', { streamIndex: 0 });
  });

  mediaTest('2. by index: slices, steps, negative, empty; outside fails', async () => {
    await using video = await open(NASA, { width: 16 });
    const all = Array.from({ length: LAST + 1 }, (_, i) => i);
    const steps = (from: number, to: number, step: number) =>
      all.slice(from, to).filter((_, i) => i % step === 0);
    const slices = [
      all.slice(0, 10),
      all.slice(380, 390),
      steps(0, 390, 39),
      steps(5, 100, 7),
      [...steps(0, 390, 30)].reverse(),
      [],
    ];
    for (const slice of slices) {
      expect(await numbersAt(video, byIndex(slice))).toEqual(slice);
    }
    expect(await numbersAt(video, byIndex([-1, -2, -390]))).toEqual([389, 388, 0]);
    for (const index of [390, 391, -391, -10_000]) {
      await expect(video.frameAt({ index })).rejects.toThrow(RangeError);
    }
  });

  mediaTest('3. by time: the frame on screen', async () => {
    await using video = await open(NASA);
    expect(await numbersAt(video, [6.006, 6.02, 6.039366])).toEqual([180, 180, 180]);
    expect(await numbersAt(video, [0.84, 1.17, 0.85])).toEqual([25, 35, 25]);
    for (const time of [-1, 100]) {
      await expect(video.frameAt(time)).rejects.toThrow(RangeError);
    }
    const timed = references().filter(({ video, frame }) => video === NASA && frame < 0);
    expect(timed.length).toBe(4);
    for (const { time, md5: hash } of timed) {
      // torchcodec's are what `ffmpeg -ss` gives: the first frame at or after the time.
      const index = await video.index();
      const ticks = time * 30_000;
      const number = index.pts.findIndex((pts) => pts >= ticks - 1);
      const { data } = await video.frameAt({ index: number });
      expect([time, md5(data)]).toEqual([time, hash]);
    }
  });

  mediaTest('4. batches unordered and with repeats', async () => {
    await using video = await open(NASA);
    const hashes = referenceHashes(NASA, 3);
    const table = readTorchcodecTable(NASA, 3);
    const numbers = [35, 25, LAST, LAST - 1, 35, 0, 35, LAST];
    for (const addresses of [
      byIndex(numbers),
      numbers.map((number) => Number(table[number]?.pts_time) + 1e-4),
    ]) {
      const frames = await video.framesAt(addresses);
      expect(frames.map(({ data }) => md5(data))).toEqual(
        numbers.map((number) => hashes.get(number)),
      );
      frames.forEach((frame, i) => {
        const row = table[numbers[i] as number];
        expect(Math.abs(frame.time - Number(row?.pts_time))).toBeLessThan(1e-4);
        expect(Math.abs(frame.duration - Number(row?.duration_time))).toBeLessThan(1e-4);
      });
    }
  });

  mediaTest('5. half-open ranges by time', async () => {
    await using video = await open(NASA, { width: 16 });
    const index = await video.index();
    const time = (number: number) => (index.pts[number] as number) / 30_000;
    const numbers = async (start: number, end: number) =>
      numbersOf(await digests(video.frames({ start, end })));
    const upTo = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, i) => from + i);
    expect(await numbers(time(5), time(9))).toEqual([5, 6, 7, 8]);
    expect(await numbers(time(5), time(5))).toEqual([]);
    expect(await numbers(time(0), time(1))).toEqual([0]);
    expect(await numbers(time(380), 100)).toEqual(upTo(380, 390));
    expect(await numbers(0, 13.013)).toEqual(upTo(0, 390));
    // Starts are those of frames, not of what is on screen.
    expect(await numbers(time(5) + 0.01, time(6) + 0.01)).toEqual([6]);
  });

  mediaTest('5. resampling: one second at five frames a second', async () => {
    await using video = await open(NASA, { width: 16 });
    const frames = await digests(video.frames({ start: 0, end: 1, fps: 5 }));
    expect(numbersOf(frames)).toEqual([0, 5, 11, 17, 23]);
    const all = await digests(video.frames({ start: 0, end: 1, fps: 5 / 3 }));
    expect(numbersOf(all)).toEqual([0, 17]);
  });

  mediaTest('6. key frames', async () => {
    const wanted: [string, number[]][] = [
      [NASA, [0, 240]],
      ['av1_video.mkv', [0]],
      ['h265_video.mp4', [0, 2, 4, 6, 8]],
    ];
    for (const [name, keys] of wanted) {
      await using video = await open(name, { width: 16 });
      const index = await video.index();
      expect(index.keyFrames).toEqual(keys);
      const frames = await digests(video.frames({ keyFrames: true }));
      expect(frames.map(({ pts }) => index.pts.indexOf(pts))).toEqual(keys);
    }
  });

  mediaTest('7. h265_video.mp4: 0.5 s is frame 5', async () => {
    await expectReferences('h265_video.mp4', { streamIndex: 0 });
    const hash = referenceHashes('h265_video.mp4', 0).get(5);
    await using video = await open('h265_video.mp4');
    expect(md5((await video.frameAt(0.5)).data)).toBe(hash);
    for (const times of [[0.5], [0, 0.5], [0.5, 0.9]]) {
      const frames = await digests(video.frames({ times }));
      expect(frames[times.indexOf(0.5)]?.md5).toBe(hash);
    }
  });

  mediaTest('8. discard_first_keyframe.mp4: 25 frames from 0', async () => {
    const name = 'discard_first_keyframe.mp4';
    await using video = await open(name, { pixelFormat: 'native' });
    const all = await digests(video.frames());
    expectSameList(
      all.map((frame) => frame.md5),
      readReference(name, 0).map((frame) => frame.md5),
    );
    const index = await video.index();
    expect(index.length).toBe(25);
    expect(index.keyFrames).toEqual([5, 15]);
    const { num, den } = index.timeBase;
    index.pts.forEach((pts, i) => {
      expect((pts * num) / den).toBeCloseTo(0.04 * i, 9);
      expect(all[i]?.pts).toBe(pts);
    });
    const numbers = [0, 4, 5, 6, 15, 16, 24];
    const hashes = numbers.map((number) => all[number]?.md5);
    const order = [3, 0, 6, 1, 5, 2, 4];
    for (const at of [...numbers.keys(), ...order]) {
      const number = numbers[at] as number;
      await using fresh = await open(name, { pixelFormat: 'native' });
      expect(md5((await fresh.frameAt({ index: number })).data)).toBe(hashes[at]);
      expect(md5((await video.frameAt({ index: number })).data)).toBe(hashes[at]);
      expect(md5((await video.frameAt(0.04 * number + 0.02)).data)).toBe(hashes[at]);
    }
  });

  mediaTest('9. test_non_zero_start.mp4: index, time and range', async () => {
    const name = 'test_non_zero_start.mp4';
    const table = readTorchcodecTable(name, 0);
    await using video = await open(name, { pixelFormat: 'native' });
    const hashes = readReference(name, 0).map((frame) => frame.md5);
    expect(video.info.startTime).toBeCloseTo(8.333008, 6);
    const ranges: FrameAddress[][] = [
      byIndex([...table.keys()]),
      table.map(
        ({ pts_time, duration_time }) => Number(pts_time) + Number(duration_time) / 2,
      ),
    ];
    for (const addresses of ranges) {
      const frames = await video.framesAt(addresses);
      expectSameList(
        frames.map(({ data }) => md5(data)),
        hashes,
      );
      frames.forEach(({ time }, i) => {
        expect(time).toBeCloseTo(Number(table[i]?.pts_time), 5);
      });
    }
    for (const time of [0, 8.3, 8.74]) {
      await expect(video.frameAt(time)).rejects.toThrow(RangeError);
    }
    const [start, end] = [3, 7].map((i) => Number(table[i]?.pts_time) - 1e-5);
    const range = await digests(video.frames({ start, end }));
    expect(range.map((frame) => frame.md5)).toEqual(hashes.slice(3, 7));
    expect((await digests(video.frames({ start: 0, end: 8.3 }))).length).toBe(0);
  });

  mediaTest(
    '10. nasa_13013_rotated.mp4: turned a quarter counter-clockwise',
    async () => {
      const name = 'nasa_13013_rotated.mp4';
      await using video = await open(name);
      await using plain = await open(NASA);
      expect(video.info).toMatchObject({ displayWidth: 270, displayHeight: 480 });
      expect((await video.index()).pts.map((pts) => pts / 30_000)).toEqual(
        readTorchcodecTable(name, 0).map((row) =>
          expect.closeTo(Number(row.pts_time), 5),
        ),
      );
      await using small = await open(name, { width: 100, height: 200, fit: 'fill' });
      await using smallPlain = await open(NASA, { width: 200, height: 100, fit: 'fill' });
      for (const [got, stored, size] of [
        [video, plain, [270, 480]],
        [small, smallPlain, [100, 200]],
      ] as const) {
        const numbers = byIndex([10, 0, 5]);
        const frames = await got.framesAt(numbers);
        const upright = await stored.framesAt(numbers);
        for (const [i, { data, width, height }] of frames.entries()) {
          expect([width, height]).toEqual(size);
          expect(md5(data)).toBe(md5(turned(upright[i] as Frame)));
        }
      }
    },
  );

  mediaTest('11. a late frame, then frame 0', async () => {
    const hashes = referenceHashes(NASA, 3);
    await using video = await open(NASA);
    for (const late of [LAST, LAST - 1, LAST - 3]) {
      expect(md5((await video.frameAt({ index: late })).data)).toBe(hashes.get(late));
      expect(md5((await video.frameAt({ index: 0 })).data)).toBe(hashes.get(0));
    }
    expect((await digests(video.frames({ start: 12.9 }))).length).toBe(3);
    expect(md5((await video.frameAt(0)).data)).toBe(hashes.get(0));
    for await (const frame of video.frames()) {
      expect(md5(frame.data)).toBe(hashes.get(0));
      break;
    }
  });

  mediaTest('12. crop 300:200:50:35 of frames 0, 15, 200, 389', async () => {
    const cropped = references().filter(({ filter }) => filter.startsWith('crop'));
    expect(cropped.map(({ frame }) => frame)).toEqual([0, 15, 200, 389]);
    await using video = await open(NASA);
    const frames = await video.framesAt(byIndex(cropped.map(({ frame }) => frame)));
    expect(frames.map((frame) => md5(crop(frame, 300, 200, 50, 35)))).toEqual(
      cropped.map((row) => row.md5),
    );
  });

  // Theirs is interpolated between the nearest pixels, ours averages all that a pixel covers: the same picture, not
  // the same numbers. 30 dB is a mean error of 8 of 255; another frame or a shift by a pixel is far below.
  mediaTest('12. scale 240x135 of frames 17, 230, 389, within 30 dB', async () => {
    const scaled = references().filter(({ filter }) => filter.startsWith('scale'));
    const numbers = scaled.map(({ frame }) => frame);
    expect(numbers).toEqual([17, 230, 389]);
    await using video = await open(NASA, { width: 240, height: 135 });
    const frames = await video.framesAt(byIndex(numbers));
    for (const [i, { data, width, height }] of frames.entries()) {
      expect([width, height]).toEqual([240, 135]);
      const frame = String(numbers[i]).padStart(6, '0');
      const png = `${NASA}.scale_240_135_flags_bilinear.stream3.frame${frame}.png`;
      const wanted = await sharp(mediaFile(`oracle/torchcodec/png/${png}`))
        .removeAlpha()
        .raw()
        .toBuffer();
      expect(psnr(data, wanted)).toBeGreaterThanOrEqual(30);
    }
  });

  // torchcodec's 8-bit pictures of these have chroma taken from the nearest sample; ours is interpolated, as ffmpeg does when
  // told to be accurate. The numbers have to be those of that, the picture that of torchcodec.
  mediaTest('13. HDR and 12 bit as rgb24, not tone-mapped', async () => {
    for (const name of ['nasa_13013_hdr.mp4', 'testsrc2_12bit_hdr.mp4']) {
      const hashes = referenceHashes(name, 0);
      const numbers = [...hashes.keys()];
      await using video = await open(name, { toneMap: false });
      const frames = await video.framesAt(byIndex(numbers));
      const plain = await ffmpegFrames(name, numbers, 'bicubic');
      expect(plain.map(md5)).toEqual([...hashes.values()]);
      const accurate = await ffmpegFrames(
        name,
        numbers,
        'bicubic+accurate_rnd+full_chroma_int',
      );
      frames.forEach(({ data }, i) => {
        expect(md5(data)).toBe(md5(accurate[i] as Uint8Array));
        expect(psnr(data, plain[i] as Uint8Array)).toBeGreaterThanOrEqual(25);
      });
    }
  });

  mediaTest('13. HDR, 12 and 8 bit as rgb48', async () => {
    const deep = { pixelFormat: 'rgb48le', toneMap: false } as const;
    for (const name of ['nasa_13013_hdr.mp4', 'testsrc2_12bit_hdr.mp4']) {
      await expectReferences(name, { streamIndex: 0, ...deep });
    }
    await expectReferences(NASA, { streamIndex: 3, ...deep });
  });

  mediaTest('13. full and limited range, odd sizes', async () => {
    const clips: [string, 'full' | 'limited' | null, number, number][] = [
      ['bt601_full_range.mp4', 'full', 320, 240],
      ['bt709_full_range.mp4', 'full', 1280, 720],
      ['wpt_counting.mp4', null, 352, 288],
      ['testsrc2_odd_height_and_width_444.mp4', null, 321, 241],
      ['testsrc2_odd_height_and_width_vp9_10bit.mp4', null, 321, 241],
      ['testsrc2_444_10bit_hevc.mp4', null, 321, 241],
      ['bear-vp9-odd-dimensions.webm', null, 161, 121],
    ];
    for (const [name, range, width, height] of clips) {
      await using video = await open(name);
      if (range !== null) expect(video.info.color.range).toBe(range);
      const frame = await video.frameAt({ index: -1 });
      expect([frame.width, frame.height]).toEqual([width, height]);
      expect(frame.data.length).toBe(width * height * 3);
      const all = await digests(video.frames());
      expect(md5(frame.data)).toBe(all.at(-1)?.md5);
    }
  });

  mediaTest('14. independent decoders in parallel', async () => {
    const hashes = [...referenceHashes(NASA, 3)];
    const videos = await Promise.all([0, 1, 2].map(() => open(NASA, { threads: 1 })));
    try {
      const all = await Promise.all(
        videos.map(async (video, i) => {
          const got: [number, string][] = [];
          const turned = i === 1 ? [...hashes].reverse() : hashes;
          for (const [index] of turned.slice(i, i + 8)) {
            got.push([index, md5((await video.frameAt({ index })).data)]);
          }
          return [got, turned.slice(i, i + 8)] as const;
        }),
      );
      for (const [got, wanted] of all) expect(got).toEqual(wanted);
    } finally {
      await Promise.all(videos.map((video) => video.close()));
    }
  });

  mediaTest('14. repeated seeks give the same frame', async () => {
    await using video = await open(NASA);
    const hash = referenceHashes(NASA, 3).get(35);
    for (let i = 0; i < 10; i++) {
      const frame =
        i % 2 === 0 ? await video.frameAt(1.17) : await video.frameAt({ index: 35 });
      expect(md5(frame.data)).toBe(hash);
    }
  });

  mediaTest('14. before the start, past the end', async () => {
    await using video = await open(NASA);
    const hashes = referenceHashes(NASA, 3);
    for (const [time, number] of [
      [-1, 0],
      [-1e9, 0],
      [13.013, LAST],
      [1e9, LAST],
    ] as const) {
      await expect(video.frameAt(time)).rejects.toThrow(RangeError);
      const nearest = await video.frameAt(time, { outOfRange: 'clamp' });
      expect(md5(nearest.data)).toBe(hashes.get(number));
    }
    expect(md5((await video.frameAt(13.0129)).data)).toBe(hashes.get(LAST));
  });

  mediaTest('14. a file of one frame', async () => {
    for (const name of ['av1hdr2020.mp4', 'mp4parse_metadata.mp4', 'ffv1_v3_bgr0.mkv']) {
      await using video = await open(name, { pixelFormat: 'native' });
      const [wanted] = readReference(name, video.info.streamIndex);
      const { length, pts } = await video.index();
      expect(length).toBe(1);
      const addresses = [{ index: 0 }, { index: -1 }, { pts: pts[0] as number }];
      for (const { data } of await video.framesAt(addresses)) {
        expect(md5(data)).toBe(wanted?.md5);
      }
      const end = { outOfRange: 'clamp' } as const;
      expect(md5((await video.frameAt(1e6, end)).data)).toBe(wanted?.md5);
      await expect(video.frameAt({ index: 1 })).rejects.toThrow(RangeError);
    }
  });
});

/** These frames as rgb24, from the ffmpeg tool with its scaler so set. */
async function ffmpegFrames(name: string, numbers: readonly number[], flags: string) {
  const chosen = numbers.map((number) => `eq(n\\,${number})`).join('+');
  const pixels = await ffmpeg([
    ...['-i', mediaFile(`media/${name}`), '-map', '0:V:0', '-fps_mode', 'passthrough'],
    ...['-vf', `select='${chosen}',scale=flags=${flags},format=rgb24`],
    ...['-f', 'rawvideo', '-'],
  ]);
  const bytes = pixels.length / numbers.length;
  return numbers.map((_, i) => pixels.subarray(i * bytes, (i + 1) * bytes));
}

/** A packed picture turned a quarter counter-clockwise. */
function turned({ data, width, height }: Frame): Uint8Array {
  const out = new Uint8Array(data.length);
  for (let y = 0; y < width; y++) {
    for (let x = 0; x < height; x++) {
      const from = (x * width + (width - 1 - y)) * 3;
      out.set(data.subarray(from, from + 3), (y * height + x) * 3);
    }
  }
  return out;
}

function crop(frame: Frame, width: number, height: number, left: number, top: number) {
  const rows = Array.from({ length: height }, (_, y) => {
    const begin = ((top + y) * frame.width + left) * 3;
    return frame.data.subarray(begin, begin + width * 3);
  });
  return Buffer.concat(rows);
}

/** Decibels; both of 8 bits. */
function psnr(a: Uint8Array, b: Uint8Array): number {
  expect(a.length).toBe(b.length);
  const squares = a.reduce((sum, value, i) => sum + (value - (b[i] as number)) ** 2, 0);
  return 10 * Math.log10((255 ** 2 * a.length) / squares);
}
