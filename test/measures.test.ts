import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ChangeMeter, type FramePlanes } from '../src/change-meter.ts';
import {
  FLASH,
  type FrameChange,
  formatHash,
  hashDistance,
  meanSaturation,
  measureLuma,
  motion,
  quality,
  SIGNATURE,
} from '../src/measures.ts';
import { loadAddon, MEASURE_ROW, type NativePicture } from '../src/native.ts';
import type { Plane } from '../src/plane.ts';
import { ffmpeg } from './helpers/ffmpeg.ts';
import { mediaFile, mediaTest } from './helpers/media.ts';

/** A plane without padding, from rows or from a function of x and y. */
function plane(
  width: number,
  height: number,
  value: number | ((x: number, y: number) => number),
): Plane {
  const at = typeof value === 'number' ? () => value : value;
  const data = Uint8Array.from({ length: width * height }, (_, i) =>
    at(i % width, Math.floor(i / width)),
  );
  return { data, width, height, stride: width };
}

/** Random samples, padding included; some planes are flat, some hold only extremes. */
function planes(size: { width: number; height: number }): fc.Arbitrary<Plane> {
  const { width, height } = size;
  return fc
    .record({
      padding: fc.nat(9),
      sample: fc.constantFrom(
        fc.nat(255),
        fc.constantFrom(0, 255),
        fc.integer({ min: 16, max: 24 }),
        fc.constant(77),
      ),
    })
    .chain(({ padding, sample }) => {
      const stride = width + padding;
      const length = stride * height;
      return fc
        .array(sample, { minLength: length, maxLength: length, size: 'max' })
        .map((samples) => ({ data: Uint8Array.from(samples), width, height, stride }));
    });
}

function sizes(largest = 70): fc.Arbitrary<{ width: number; height: number }> {
  const side = fc.integer({ min: 1, max: largest });
  return fc.record({ width: side, height: side });
}

const anyPlane = sizes().chain(planes);

const NO_BORDERS = { left: 0, top: 0, right: 0, bottom: 0 };
const GREY = plane(1, 1, 128);

function inGrey(luma: Plane): FramePlanes {
  return { luma, u: GREY, v: GREY, fullRange: false };
}

describe('luma', () => {
  test('of a flat picture has no contrast, no sharpness and an empty hash', () => {
    expect(measureLuma(plane(5, 4, 100))).toEqual({
      brightness: 100,
      contrast: 0,
      sharpness: 0,
      hash: '0000000000000000',
      borders: NO_BORDERS,
    });
  });

  test('of a checkerboard is as contrasty and sharp as can be', () => {
    // Every Laplacian is ±(4 · 255), at the border too: the reflected sample is opposite.
    const { brightness, contrast, sharpness } = measureLuma(
      plane(4, 4, (x, y) => 255 * ((x + y) % 2)),
    );
    expect([brightness, contrast, sharpness]).toEqual([127.5, 127.5, 1020 ** 2]);
  });

  test('of a single sample is that sample', () => {
    expect(measureLuma(plane(1, 1, 9))).toEqual({
      brightness: 9,
      contrast: 0,
      sharpness: 0,
      hash: '0000000000000000',
      borders: { left: 1, top: 1, right: 0, bottom: 0 },
    });
  });

  test('reflects at the border without repeating the sample there', () => {
    // 0 10 → Laplacians 10 + 10 and −(10 + 10): variance 400.
    expect(measureLuma(plane(2, 1, (x) => 10 * x)).sharpness).toBe(400);
    expect(measureLuma(plane(1, 2, (_, y) => 10 * y)).sharpness).toBe(400);
    // 0 10 30 → 20, 10 − 0 + 30 − 20 − 10 = 10, −40: variance (3 · 2100 − 100) / 9.
    const ramp = [0, 10, 30];
    expect(measureLuma(plane(3, 1, (x) => ramp[x] ?? 0)).sharpness).toBe(6200 / 9);
  });

  test('keeps its precision on large planes', () => {
    const width = 1500;
    const { contrast, sharpness } = measureLuma(
      plane(width, 1100, (x, y) => 255 * ((x + y) % 2)),
    );
    expect([contrast, sharpness]).toEqual([127.5, 1020 ** 2]);
  });

  test('does not depend on stride and padding', () => {
    fc.assert(
      fc.property(anyPlane, (padded) => {
        const { width, height, stride } = padded;
        const packed = plane(width, height, (x, y) => padded.data[y * stride + x] ?? 0);
        expect(measureLuma(packed)).toEqual(measureLuma(padded));
      }),
    );
  });

  test('turned into its negative keeps contrast and sharpness', () => {
    fc.assert(
      fc.property(anyPlane, (positive) => {
        const negative = { ...positive, data: positive.data.map((value) => 255 - value) };
        const [a, b] = [measureLuma(positive), measureLuma(negative)];
        expect([b.contrast, b.sharpness]).toEqual([a.contrast, a.sharpness]);
        expect(a.brightness + b.brightness).toBeCloseTo(255, 9);
      }),
    );
  });
});

describe('dark borders', () => {
  test('are lines of a mean of 24 at most', () => {
    const { borders } = measureLuma(
      plane(20, 10, (x, y) => (x < 3 || x >= 18 ? 16 : y < 2 || y === 9 ? 24 : 90)),
    );
    expect(borders).toEqual({ left: 3 / 20, top: 2 / 10, right: 2 / 20, bottom: 1 / 10 });
  });

  test('are none where something bright lies in a line', () => {
    const { borders } = measureLuma(plane(10, 10, (x, y) => (x === y ? 235 : 20)));
    expect(borders).toEqual(NO_BORDERS);
  });

  test('of a dark picture are the whole of it, from above and the left', () => {
    expect(measureLuma(plane(20, 10, 16)).borders).toEqual({
      ...{ left: 1, top: 1, right: 0, bottom: 0 },
    });
  });
});

describe('perceptual hash', () => {
  const hashOf = (
    width: number,
    height: number,
    value: (x: number, y: number) => number,
  ) => measureLuma(plane(width, height, value)).hash;

  test('has a bit for every cell that is darker than its right neighbour', () => {
    expect(hashOf(9, 8, (x) => x)).toBe('ffffffffffffffff');
    expect(hashOf(9, 8, (x) => 9 - x)).toBe('0000000000000000');
    expect(hashOf(9, 8, (x, y) => (x === 1 && y === 0 ? 1 : 0))).toBe('8000000000000000');
    expect(hashOf(9, 8, (x, y) => (x === 8 && y === 7 ? 1 : 0))).toBe('0000000000000001');
  });

  test('compares means, not sums, where cells differ in size', () => {
    // 10 columns in 9 cells: the last one holds two of them.
    expect(hashOf(10, 8, () => 50)).toBe('0000000000000000');
  });

  test('is defined for pictures smaller than its grid', () => {
    // 3 columns in 9 cells: three cells each.
    expect(hashOf(3, 2, (x) => x)).toBe('2424242424242424');
  });

  test('is written as two halves of eight digits', () => {
    expect(formatHash(0x1, 0xdeadbeef)).toBe('00000001deadbeef');
  });

  test('distance counts the bits that differ', () => {
    expect(hashDistance('0000000000000000', 'ffffffffffffffff')).toBe(64);
    expect(hashDistance('00000000000000f0', '8000000000000000')).toBe(5);
    expect(hashDistance('0123456789abcdef', '0123456789ABCDEF')).toBe(0);
    for (const wrong of ['', '123', '0123456789abcdeg', '0x23456789abcdef']) {
      expect(() => hashDistance(wrong, '0000000000000000')).toThrow(TypeError);
    }
  });
});

describe('saturation', () => {
  const saturationOf = (u: number, v: number) =>
    meanSaturation(plane(2, 2, u), plane(2, 2, v));

  test('is the distance of chroma from grey, rounded down', () => {
    expect(saturationOf(128, 128)).toBe(0);
    expect(saturationOf(131, 124)).toBe(5);
    expect(saturationOf(131, 129)).toBe(3);
    expect(saturationOf(0, 0)).toBe(181);
    expect(saturationOf(255, 128)).toBe(127);
  });

  test('is the mean of the samples', () => {
    const u = plane(2, 1, (x) => (x === 0 ? 128 : 138));
    expect(meanSaturation(u, plane(2, 1, 128))).toBe(5);
  });
});

describe('quality', () => {
  test('weighs sharpness, brightness and contrast', () => {
    expect(quality({ sharpness: 0, brightness: 0, contrast: 0 })).toBe(0);
    expect(quality({ sharpness: 100, brightness: 128, contrast: 50 })).toBe(100);
    expect(quality({ sharpness: 9000, brightness: 128, contrast: 120 })).toBe(100);
    expect(quality({ sharpness: 50, brightness: 64, contrast: 25 })).toBeCloseTo(50, 12);
    expect(quality({ sharpness: 100, brightness: 0, contrast: 0 })).toBe(40);
    expect(quality({ sharpness: 0, brightness: 128, contrast: 0 })).toBe(30);
    expect(quality({ sharpness: 0, brightness: 0, contrast: 50 })).toBe(30);
  });

  test('lies between 0 and 100 for every picture', () => {
    fc.assert(
      fc.property(anyPlane, (luma) => {
        const value = quality(measureLuma(luma));
        expect(value).toBeGreaterThanOrEqual(0);
        expect(value).toBeLessThanOrEqual(100);
      }),
    );
  });
});

describe('motion', () => {
  test('does not depend on the frame rate', () => {
    expect(motion(8, 1 / 25)).toBe(8);
    expect(motion(4, 1 / 50)).toBeCloseTo(8, 12);
    expect(motion(16, 2 / 25)).toBeCloseTo(8, 12);
  });

  test('is 0 where no time passed: at the first frame, or at repeated timestamps', () => {
    expect([motion(8, 0), motion(8, -1), motion(8, NaN)]).toEqual([0, 0, 0]);
  });
});

describe('change', () => {
  const NONE = {
    ...{ difference: 0, mismatch: 0, residual: 0, recall: 0, recallAge: 0 },
    ...{ chroma: 0, shiftX: 0, shiftY: 0 },
  };
  /** Tiles of random luma, the same for the same seed, moved by `dx` columns. */
  const texture = (seed: number, dx = 0, gain = 1) =>
    plane(64, 36, (x, y) => {
      const tile = Math.floor((x + dx) / 6) * 12.9898 + Math.floor(y / 6) * 78.233;
      const random = (((Math.sin(tile + seed) * 43758.5453) % 1) + 1) % 1;
      return Math.round(16 + gain * 219 * random);
    });
  const changes = (frames: readonly (readonly [Plane, number])[]) => {
    const meter = new ChangeMeter();
    return frames.map(([luma, time]) => meter.next(inGrey(luma), time));
  };
  const last = (...frames: readonly (readonly [Plane, number])[]) =>
    changes(frames).at(-1) as FrameChange;
  const between = (a: Plane, b: Plane) => last([a, 0], [b, 0.04]);

  test('is none for the first frame, also after a reset', () => {
    const meter = new ChangeMeter();
    expect(meter.next(inGrey(texture(1)), 0)).toMatchObject(NONE);
    expect(meter.next(inGrey(texture(2)), 1).difference).toBeGreaterThan(10);
    meter.reset();
    expect(meter.next(inGrey(texture(3)), 2)).toMatchObject(NONE);
    expect(meter.next(inGrey(texture(3)), 2.04)).toMatchObject(NONE);
  });

  test('difference is the mean of |ΔY|', () => {
    const black = plane(3, 3, 16);
    const one = plane(3, 3, (x, y) => (x === 1 && y === 2 ? 34 : 16));
    expect(between(black, one).difference).toBe(2);
    expect(between(one, black).difference).toBe(2);
  });

  test('difference goes by thumbnails where the size changes', () => {
    expect(between(plane(40, 30, 20), plane(33, 41, 50)).difference).toBe(30);
  });

  test('variance is that of the cells, fine as they are', () => {
    const striped = plane(64, 36, (x) => (Math.floor(x / 2) % 2 === 0 ? 40 : 140));
    const { variance, signature } = last([striped, 0]);
    expect(variance).toBe(2500);
    expect(new Set(signature)).toEqual(new Set([90]));
  });

  test('mismatch is near 1 for unrelated pictures, dark ones too', () => {
    expect(between(texture(1), texture(2)).mismatch).toBeGreaterThan(0.5);
    expect(between(texture(1, 0, 0.2), texture(2, 0, 0.2)).mismatch).toBeGreaterThan(0.5);
  });

  test('mismatch follows Note [Mismatch] for flat pictures', () => {
    const means = (235 - 16) ** 2 / 32;
    expect(between(plane(64, 36, 16), plane(64, 36, 235)).mismatch).toBeCloseTo(
      means / (means + 16),
      12,
    );
  });

  test('mismatch hardly sees a change of exposure or a pan', () => {
    expect(between(texture(1), texture(1, 0, 0.7)).mismatch).toBeLessThan(0.1);
    expect(between(texture(1), texture(1, 8)).mismatch).toBeLessThan(0.05);
    expect(between(texture(1), texture(1, -8)).mismatch).toBeLessThan(0.05);
  });

  test('recall tells when a picture comes back after a flash', () => {
    const [a, b] = [texture(1), texture(2)];
    expect(last([a, 0], [b, 0.04], [a, 0.08])).toMatchObject({ recall: 0, recallAge: 2 });
    expect(last([a, 0], [b, 0.04], [b, 0.08], [a, 0.12])).toMatchObject({
      recall: 0,
      recallAge: 3,
    });
  });

  test('recall does not look beyond the length of a flash', () => {
    const [a, b] = [texture(1), texture(2)];
    expect(last([a, 0], [b, 1], [a, 1 + FLASH])).toMatchObject({
      recall: 0,
      recallAge: 2,
    });
    expect(last([a, 0], [b, 1], [a, 1.01 + FLASH])).toMatchObject({
      recall: 0,
      recallAge: 0,
    });
  });

  test('recall reaches back 61 frames, however short they are', () => {
    const others = (count: number) =>
      Array.from({ length: count }, (_, i) => [texture(10 + i), i / 1000] as const);
    const comeBackAfter = (count: number) =>
      last([texture(1), 0], ...others(count), [texture(1), 0.1]);
    expect(comeBackAfter(60)).toMatchObject({ recall: 0, recallAge: 61 });
    expect(comeBackAfter(61).recall).toBeGreaterThan(0.3);
  });

  test('is measured on what a caller may overwrite afterwards', () => {
    const meter = new ChangeMeter();
    const luma = texture(1);
    meter.next(inGrey(luma), 0);
    luma.data.fill(0);
    expect(meter.next(inGrey(texture(1)), 0.04)).toMatchObject(NONE);
  });

  test('chroma is the share of samples that got another colour', () => {
    const luma = plane(8, 8, 100);
    const colours = (u: number, v: number, more = 0) => ({
      ...{ luma, fullRange: false, u: plane(4, 4, u) },
      v: plane(4, 4, (_, y) => (y < more ? 20 : v)),
    });
    const apart = (a: FramePlanes, b: FramePlanes) => {
      const meter = new ChangeMeter();
      meter.next(a, 0);
      return meter.next(b, 0.04).chroma;
    };
    expect(apart(colours(128, 128), colours(128, 128))).toBe(0);
    expect(apart(colours(128, 128), colours(131, 128))).toBe(0); // in one bin of four levels
    expect(apart(colours(128, 128), colours(132, 128))).toBe(0.5);
    expect(apart(colours(128, 128), colours(120, 140))).toBe(1);
    expect(apart(colours(128, 128), colours(128, 128, 1))).toBe(0.125);
    expect(apart(colours(0, 255), colours(67, 188))).toBe(0); // the outermost bins
    const larger = { ...colours(128, 128), u: plane(8, 6, 128), v: plane(8, 6, 128) };
    expect(apart(colours(128, 128), larger)).toBe(0);
  });

  test('the shift is that of the whole picture, to a sixteenth of its size', () => {
    const wide = (dx: number, dy: number, light = 0) =>
      plane(160, 96, (x, y) => {
        const wave = Math.sin((x - dx) / 5) + Math.sin((x - dx) / 17 + 1);
        return Math.round(100 + light + 25 * wave + 25 * Math.sin((y - dy) / 6));
      });
    expect(between(wide(0, 0), wide(7, -4))).toMatchObject({
      shiftX: 7 / 160,
      shiftY: -4 / 96,
    });
    expect(between(wide(0, 0), wide(-10, 6, 20))).toMatchObject({
      shiftX: -10 / 160,
      shiftY: 6 / 96,
    });
    expect(between(wide(3, 3), wide(3, 3))).toMatchObject({ shiftX: 0, shiftY: 0 });
    expect(between(plane(40, 30, 20), plane(33, 41, 50))).toMatchObject({ shiftX: 0 });
  });

  test('color is the share of chroma samples that are not grey', () => {
    const u = plane(4, 2, (x) => [123, 124, 131, 132][x] ?? 0);
    const planes = { ...inGrey(plane(4, 4, 100)), u, v: plane(4, 2, 128) };
    expect(new ChangeMeter().next(planes, 0).color).toBe(0.25);
  });

  test('dark is the share of samples up to a tenth of the range', () => {
    const ramp = plane(16, 16, (x, y) => 16 * y + x);
    const dark = (fullRange: boolean) =>
      new ChangeMeter().next({ ...inGrey(ramp), fullRange }, 0).dark;
    expect(dark(false)).toBe(38 / 256);
    expect(dark(true)).toBe(26 / 256);
  });

  test('the signature is the picture in 16x9 cells', () => {
    const cells = plane(64, 36, (x, y) => 16 + 14 * (x >> 2) + (y >> 2));
    const { signature } = new ChangeMeter().next(inGrey(cells), 0);
    expect(signature).toEqual(
      Uint8Array.from({ length: 144 }, (_, i) => 16 + 14 * (i % 16) + Math.floor(i / 16)),
    );
  });
});

describe('the native code', () => {
  function measureNatively(frames: readonly NativePicture[]): Float64Array[] {
    const rows = new ArrayBuffer(frames.length * MEASURE_ROW.length * 8);
    loadAddon().measureFrames(rows, frames);
    return frames.map(
      (_, i) => new Float64Array(rows, i * MEASURE_ROW.length * 8, MEASURE_ROW.length),
    );
  }

  const columns = (change: FrameChange) => [
    ...[change.difference, change.mismatch, change.residual],
    ...[change.recall, change.recallAge],
    ...[change.chroma, change.color, change.shiftX, change.shiftY, change.dark],
    change.variance,
  ];

  function expectSame(frames: readonly NativePicture[]): void {
    const meter = new ChangeMeter();
    const reference = frames.map(({ time, ...planes }) => {
      const { borders, ...measures } = measureLuma(planes.luma);
      const change = meter.next(planes, time);
      return {
        ...{ change: columns(change), signature: change.signature, ...measures },
        borders: [borders.left, borders.top, borders.right, borders.bottom],
        saturation: meanSaturation(planes.u, planes.v),
      };
    });
    const native = measureNatively(frames).map((row) => ({
      change: Array.from(row.subarray(MEASURE_ROW.difference, MEASURE_ROW.signature)),
      signature: new Uint8Array(
        row.buffer,
        row.byteOffset + 8 * MEASURE_ROW.signature,
        SIGNATURE,
      ),
      borders: Array.from(row.subarray(MEASURE_ROW.left, MEASURE_ROW.bottom + 1)),
      brightness: row[MEASURE_ROW.brightness],
      contrast: row[MEASURE_ROW.contrast],
      sharpness: row[MEASURE_ROW.sharpness],
      hash: formatHash(row[MEASURE_ROW.hashHigh] ?? NaN, row[MEASURE_ROW.hashLow] ?? NaN),
      saturation: row[MEASURE_ROW.saturation],
    }));
    expect(native).toEqual(reference);
  }

  const picture = (size: { width: number; height: number }, time: number) => {
    const chroma = planes({
      width: Math.ceil(size.width / 2),
      height: Math.ceil(size.height / 2),
    });
    return fc.record({
      time: fc.constant(time),
      luma: planes(size),
      u: chroma,
      v: chroma,
      fullRange: fc.boolean(),
    });
  };

  test('measures every picture to the same bits as this reference', () => {
    fc.assert(
      fc.property(
        sizes().chain((size) => picture(size, 0)),
        (frame) => expectSame([frame]),
      ),
      { numRuns: 200 },
    );
  });

  test('sees the same changes, whatever the frame rate', () => {
    const series = fc
      .record({ size: sizes(50), step: fc.constantFrom(0.001, 0.04, 0.2, 0.25, 1) })
      .chain(({ size, step }) =>
        fc.tuple(...[0, 1, 2, 3, 4, 5].map((i) => picture(size, i * step))),
      );
    fc.assert(fc.property(series, expectSame), { numRuns: 60 });
  });

  test('sees the same changes where the size of the picture changes', () => {
    const series = fc.tuple(
      ...[0, 1, 2, 3].map((i) => sizes(40).chain((size) => picture(size, i * 0.04))),
    );
    fc.assert(fc.property(series, expectSame), { numRuns: 40 });
  });

  test('sees the same changes over more frames than it remembers', () => {
    const values = Array.from({ length: 150 }, (_, i) => (i * i * 7) % 256);
    expectSame(
      values.map((value, i) => ({
        time: i / 1000,
        luma: plane(33, 19, (x, y) => (value + x * y) % 256),
        u: plane(17, 10, value),
        v: plane(17, 10, 255 - value),
        fullRange: false,
      })),
    );
  });

  test('measures wide and tall planes as the reference does', () => {
    const noise = (x: number, y: number) => ((x * 7919 + y * 104729) ** 2 % 251) + 2;
    for (const [width, height] of [
      [2600, 3],
      [3, 2600],
      [1023, 5],
      [1025, 5],
    ] as const) {
      const luma = plane(width, height, noise);
      expectSame([{ ...inGrey(luma), time: 0 }]);
    }
    expectSame([{ ...inGrey(plane(1030, 530, 255)), time: 0 }]);
  });
});

describe("FFmpeg's signalstats", () => {
  interface Signalstats {
    readonly YAVG: number;
    readonly SATAVG: number;
    readonly YDIF: number;
  }

  function readSignalstats(name: string): Signalstats[] {
    const path = mediaFile(`oracle/${name}.analysis.csv.gz`);
    const [head = '', ...lines] = gunzipSync(readFileSync(path))
      .toString()
      .trim()
      .split('\n');
    const columns = head.split(',');
    return lines.map((line) => {
      const cells = line.split(',');
      const cell = (key: string) => Number(cells[columns.indexOf(`signalstats.${key}`)]);
      return { YAVG: cell('YAVG'), SATAVG: cell('SATAVG'), YDIF: cell('YDIF') };
    });
  }

  /** Six digits (%g), of halves the even one, as C rounds and JavaScript does not. */
  function printed(value: number, expected = NaN): number {
    const unit = 10 ** (Math.floor(Math.log10(value)) - 5);
    return Math.abs(value - expected) <= unit * (0.5 + 1e-6) ? expected : value;
  }

  const FRAMES = 30;
  for (const [name, width, height] of [
    ['bikes.mp4', 640, 272],
    ['carphone_pristine.mp4', 176, 144],
  ] as const) {
    mediaTest(`agrees on ${name}, to the digits that it prints`, async () => {
      const raw = await ffmpeg([
        ...['-i', mediaFile(`media/${name}`), '-map', '0:V:0', '-frames:v', `${FRAMES}`],
        ...['-fps_mode', 'passthrough', '-pix_fmt', 'yuv420p', '-f', 'rawvideo', '-'],
      ]);
      const size = width * height;
      const expected = readSignalstats(name).slice(0, FRAMES);
      const meter = new ChangeMeter();
      const got = Array.from({ length: FRAMES }, (_, i) => {
        const at = (offset: number, w: number, h: number): Plane => {
          const begin = (i * size * 3) / 2 + offset;
          return {
            data: raw.subarray(begin, begin + w * h),
            width: w,
            height: h,
            stride: w,
          };
        };
        const luma = at(0, width, height);
        const u = at(size, width / 2, height / 2);
        const v = at((size * 5) / 4, width / 2, height / 2);
        return {
          YAVG: printed(measureLuma(luma).brightness, expected[i]?.YAVG),
          SATAVG: printed(meanSaturation(u, v), expected[i]?.SATAVG),
          YDIF: printed(meter.next(inGrey(luma), i / 25).difference, expected[i]?.YDIF),
        };
      });
      expect(got).toEqual(expected);
    });
  }
});
