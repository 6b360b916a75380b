import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CutEvent, Shot } from '../src/analysis.ts';
import { ChangeMeter, type FramePlanes } from '../src/change-meter.ts';
import {
  CutDetector,
  type CutOptions,
  type DecidedFrame,
  type TimedChange,
} from '../src/detectors/cuts.ts';
import { lossBetween } from '../src/detectors/pictures.ts';
import { type ScoredSample, segmentsFrom } from '../src/detectors/segments.ts';
import { shotsFrom } from '../src/detectors/shots.ts';
import { SIGNATURE } from '../src/measures.ts';
import type { Plane } from '../src/plane.ts';
import { madeShot } from './helpers/analyses.ts';
import { ffmpeg } from './helpers/ffmpeg.ts';
import { mediaFile, mediaTest } from './helpers/media.ts';
import { type Picture, random } from './helpers/pictures.ts';

const WIDTH = 64;
const HEIGHT = 36;

/** A picture like no other seed's: tiles of random luma between 16 and 235. */
function scene(seed: number): Picture {
  return (x, y) => {
    const tile = Math.floor(x / 6) * 12.9898 + Math.floor(y / 6) * 78.233;
    return 16 + 219 * random(tile + seed);
  };
}

const lit = (picture: Picture, gain: number, offset = 0): Picture => {
  return (x, y) => 16 + gain * (picture(x, y) - 16) + offset;
};
const moved = (picture: Picture, dx: number): Picture => {
  return (x, y) => picture(x + dx, y);
};
const noisy = (picture: Picture, seed: number, amplitude: number): Picture => {
  return (x, y) => picture(x, y) + amplitude * (random(seed + x * 3.7 + y * 91.3) - 0.5);
};
const BLACK: Picture = () => 16;
const WHITE: Picture = () => 235;
/** White letters on black. */
const title = (seed: number): Picture => {
  return (x, y) =>
    y > 15 && y < 21 && x > 12 && x < 52 && random(seed + (x >> 1) * 9.1 + (y >> 1)) < 0.5
      ? 235
      : 16;
};

function toPlane(picture: Picture): Plane {
  const data = Uint8Array.from({ length: WIDTH * HEIGHT }, (_, i) =>
    Math.min(255, Math.max(0, Math.round(picture(i % WIDTH, Math.floor(i / WIDTH))))),
  );
  return { data, width: WIDTH, height: HEIGHT, stride: WIDTH };
}

/** Without colour. */
function inGrey(luma: Plane): FramePlanes {
  const grey = { data: Uint8Array.of(128), width: 1, height: 1, stride: 1 };
  return { luma, u: grey, v: grey, fullRange: false };
}

/** What a series made of numbers says of pictures that it does not have: that they are black, and look alike from afar. */
const UNSEEN = {
  ...{ residual: 0, chroma: 0, color: 0, shiftX: 0, shiftY: 0, dark: 1, variance: 0 },
  signature: new Uint8Array(SIGNATURE),
};

/** The changes of pictures shown at `times`, which may be a frame rate. */
function measure(
  pictures: readonly Picture[],
  times: number | readonly number[],
): TimedChange[] {
  const meter = new ChangeMeter();
  return pictures.map((picture, i) => {
    const time = typeof times === 'number' ? i / times : (times[i] ?? NaN);
    return { time, pts: 1000 + i, ...meter.next(inGrey(toPlane(picture)), time) };
  });
}

function decide(changes: readonly TimedChange[], options?: CutOptions): DecidedFrame[] {
  const detector = new CutDetector(options);
  const decided = changes.flatMap((change) => detector.push(change));
  return [...decided, ...detector.finish()];
}

function cutsIn(
  pictures: readonly Picture[],
  times: number | readonly number[] = 25,
  options?: CutOptions,
): number[] {
  return decide(measure(pictures, times), options)
    .filter(({ cut }) => cut !== null)
    .map(({ frame }) => frame);
}

const repeat = (count: number, picture: (i: number) => Picture): Picture[] =>
  Array.from({ length: count }, (_, i) => picture(i));
const still = (count: number, picture: Picture) => repeat(count, () => picture);
const moving = (seed: number, count: number) =>
  repeat(count, (i) => moved(scene(seed), i));

describe('hard cuts', () => {
  test('are found at the first frame of the new shot', () => {
    const pictures = [...moving(1, 30), ...moving(2, 20), ...moving(3, 25)];
    const cuts = decide(measure(pictures, 25)).flatMap(({ cut }) => cut ?? []);
    expect(cuts).toEqual([
      { type: 'cut', frame: 30, time: 1.2, pts: 1030, confidence: expect.any(Number) },
      { type: 'cut', frame: 50, time: 2, pts: 1050, confidence: expect.any(Number) },
    ]);
    for (const { confidence } of cuts) {
      expect(confidence).toBeGreaterThan(0.75);
      expect(confidence).toBeLessThanOrEqual(1);
    }
  });

  test.each([1, 2, 5, 12, 24, 60, 240])('are found at %i frames a second', (fps) => {
    expect(cutsIn([...moving(1, 12), ...moving(2, 80), ...moving(3, 70)], fps)).toEqual([
      12, 92,
    ]);
  });

  test('are found between dark shots', () => {
    const dark = (seed: number) => lit(scene(seed), 0.12);
    expect(cutsIn([...still(20, dark(1)), ...still(20, dark(2))])).toEqual([20]);
  });

  test('are found between still pictures of one layout', () => {
    const view = (seed: number): Picture => {
      return (x, y) => 0.7 * scene(1)(x, y) + 0.3 * scene(seed)(x, y);
    };
    for (const seed of [10, 30, 50]) {
      const pictures = [...still(30, view(seed)), ...still(30, view(seed + 1))];
      expect(cutsIn(pictures)).toEqual([30]);
    }
  });

  test('are found between shots of one layout, however soon others follow', () => {
    const view = (seed: number): Picture => {
      return (x, y) => 0.7 * scene(1)(x, y) + 0.3 * scene(seed)(x, y);
    };
    for (const seed of [10, 30, 50]) {
      const shots = [scene(90), view(seed), view(seed + 1), scene(91)];
      const pictures = shots.flatMap((picture) => still(12, picture));
      expect(cutsIn(pictures)).toEqual([12, 24, 36]);
    }
  });

  test('are found between bars of letterbox and pillarbox, as without them', () => {
    const upright = (picture: Picture): Picture => {
      return (x, y) => (x >= 12 && x < 52 ? picture(x, y) : 16);
    };
    const wide = (picture: Picture): Picture => {
      return (x, y) => (y >= 8 && y < 28 ? picture(x, y) : 16);
    };
    const dim = (seed: number) => lit(scene(seed), 0.3);
    for (const barred of [upright, wide]) {
      const pictures = [...still(20, barred(dim(1))), ...still(20, barred(dim(2)))];
      expect(cutsIn(pictures)).toEqual([20]);
      const exposed = [
        ...still(20, barred(dim(1))),
        ...still(20, barred(lit(dim(1), 1, 25))),
      ];
      expect(cutsIn(exposed)).toEqual([]);
    }
  });

  test('are found between flat pictures', () => {
    // As far apart as the colours of slides are, or as screens of one colour.
    const shots = [81, 41, 145, 60].map((luma) => still(20, () => luma));
    expect(cutsIn(shots.flat())).toEqual([20, 40, 60]);
  });

  test('are found where titles change, and from and to black', () => {
    const pictures = [
      ...still(30, BLACK),
      ...still(30, title(1)),
      ...still(30, title(2)),
      ...still(30, BLACK),
      ...still(30, scene(1)),
      ...still(30, WHITE),
      ...still(30, BLACK),
    ];
    expect(cutsIn(pictures)).toEqual([30, 60, 90, 120, 150, 180]);
  });

  test('are found where black rests, whatever happens before and after', () => {
    const wild = (seed: number) => {
      return repeat(20, (i): Picture => {
        const [steady, fresh] = [scene(seed), scene(seed + 10 + i)];
        return (x, y) => 0.2 * steady(x, y) + 0.8 * fresh(x, y);
      });
    };
    const cuts = cutsIn([...wild(1), ...still(15, BLACK), ...wild(2)]);
    expect(cuts).toEqual(expect.arrayContaining([20, 35]));
  });

  test('are found while the camera pans on both sides', () => {
    const pan = (seed: number) => repeat(30, (i) => moved(scene(seed), 3 * i));
    expect(cutsIn([...pan(1), ...pan(2)])).toEqual([30]);
  });

  test('are found in the second and in the last frame', () => {
    expect(cutsIn([scene(1), ...still(20, scene(2)), scene(3)])).toEqual([1, 21]);
  });

  test('stay where they are when pictures are repeated for a higher frame rate', () => {
    const film = [
      ...repeat(24, (i) => moved(scene(1), 2 * i)),
      ...repeat(24, (i) => moved(scene(2), 2 * i)),
    ];
    const at60 = Array.from(
      { length: 120 },
      (_, i) => film[Math.floor((i * 24) / 60)] ?? BLACK,
    );
    expect(cutsIn(at60, 60)).toEqual([60]);
  });

  test('stay where they are when frames last unequally long', () => {
    const film = [...moving(1, 20), ...moving(2, 20), ...moving(3, 20)];
    const steps = fc.array(fc.constantFrom(0.01, 0.02, 0.04, 0.1, 0.5), {
      minLength: film.length,
      maxLength: film.length,
    });
    fc.assert(
      fc.property(steps, (durations) => {
        let time = 7;
        const times = durations.map((duration) => {
          time += duration;
          return time;
        });
        expect(cutsIn(film, times)).toEqual([20, 40]);
      }),
      { numRuns: 15 },
    );
  });
});

describe('no cuts', () => {
  test('are in nothing, in one frame, and before the first', () => {
    expect(decide([])).toEqual([]);
    expect(decide(measure([scene(1)], 25))).toEqual([
      { frame: 0, time: 0, pts: 1000, sceneScore: 0, cut: null },
    ]);
    expect(cutsIn(still(50, scene(1)))).toEqual([]);
  });

  test.each([
    ['a white frame', [WHITE]],
    ['a black frame', [BLACK]],
    ['an overexposed frame', [lit(scene(1), 1, 120)]],
    ['a foreign frame', [scene(9)]],
    ['a flash that fades', [WHITE, lit(scene(1), 1, 150), lit(scene(1), 1, 60)]],
    ['a flash of 0.2 s', still(5, lit(scene(1), 0.3, 180))],
    ['a moving picture of 0.2 s', moving(9, 5)],
  ])('are at %s after which the picture comes back', (_, flash) => {
    const before = repeat(30, (i) => noisy(scene(1), i, 6));
    const after = repeat(30, (i) => noisy(scene(1), 100 + i, 6));
    expect(cutsIn([...before, ...flash, ...after])).toEqual([]);
  });

  test('are at a flash before the last frame', () => {
    expect(cutsIn([...still(30, scene(1)), WHITE, scene(1)])).toEqual([]);
  });

  test('are at blinking lights', () => {
    const blink = repeat(75, (i) => (i % 4 < 2 ? scene(1) : lit(scene(1), 1, 100)));
    expect(cutsIn(blink)).toEqual([]);
  });

  test('are in fast pans, nor where they begin and end', () => {
    const pan = repeat(60, (i) => moved(scene(1), 7 * Math.min(Math.max(i - 15, 0), 30)));
    expect(cutsIn(pan)).toEqual([]);
  });

  test('are in violent motion of which every picture is repeated', () => {
    const churning = repeat(120, (i) => {
      const [steady, fresh] = [scene(1), scene(10 + Math.floor(i / 6))];
      return (x, y) => 0.6 * steady(x, y) + 0.4 * fresh(x, y);
    });
    expect(cutsIn(churning, 60)).toEqual([]);
  });

  test('are in noise on a still or black picture', () => {
    for (const picture of [scene(1), BLACK, lit(scene(1), 0.1)]) {
      expect(cutsIn(repeat(60, (i) => noisy(picture, i * 17, 14)))).toEqual([]);
    }
  });

  test('are at a counter that counts in a corner', () => {
    const counter = (n: number): Picture => {
      return (x, y) =>
        x > 44 && x < 60 && y > 24 && y < 33
          ? lit(title(n), 1)(x - 8, y - 8)
          : scene(1)(x, y);
    };
    expect(cutsIn(repeat(100, (i) => counter(Math.floor(i / 25))))).toEqual([]);
  });

  test('are at a change of exposure', () => {
    expect(cutsIn([...still(30, scene(1)), ...still(30, lit(scene(1), 0.6))])).toEqual(
      [],
    );
  });

  test('are in fades and dissolves', () => {
    const fadeOut = repeat(25, (i) => lit(scene(1), 1 - i / 24));
    const fadeIn = repeat(25, (i) => lit(scene(2), i / 24));
    const dissolve = repeat(25, (i) => {
      const [a, b] = [scene(2), scene(3)];
      return (x, y) => a(x, y) + (i / 24) * (b(x, y) - a(x, y));
    });
    expect(cutsIn([...fadeOut, ...fadeIn, ...still(20, scene(2)), ...dissolve])).toEqual(
      [],
    );
  });
});

describe('what goes', () => {
  const lossAt = (from: Picture, to: Picture): number => {
    const [a, b] = measure([from, to], 25) as [TimedChange, TimedChange];
    return lossBetween(a, b);
  };
  const captioned = (picture: Picture): Picture => {
    return (x, y) => (x >= 8 && x < 40 && y >= 26 && y < 31 ? 200 : picture(x, y));
  };

  test.each([0.05, 0.1, 1])(
    'is little where a caption comes, at %d of the light',
    (gain) => {
      const picture = lit(scene(1), gain);
      expect(lossAt(picture, captioned(picture))).toBeLessThan(0.25);
      expect(lossAt(captioned(picture), picture)).toBeLessThan(0.25);
    },
  );

  test.each([0.05, 0.1, 1])('is most in a new shot, at %d of the light', (gain) => {
    const [from, to] = [lit(scene(1), gain), lit(scene(2), gain)];
    expect(lossAt(from, to)).toBeGreaterThan(0.7);
    expect(lossAt(BLACK, captioned(BLACK))).toBe(1);
  });
});

describe('the detector', () => {
  const anyChange = fc.record({
    difference: fc.constantFrom(0, 0.05, 1, 30),
    mismatch: fc.double({ min: 0, max: 2, noNaN: true }),
    recall: fc.double({ min: 0, max: 2, noNaN: true }),
    recallAge: fc.constantFrom(0, 0, 0, 2, 6),
  });
  const anySeries = fc
    .array(fc.tuple(anyChange, fc.constantFrom(0, 0.004, 0.04, 0.2, 1)), {
      maxLength: 120,
    })
    .map((entries) => {
      let time = 3;
      return entries.map(([change, duration], pts): TimedChange => {
        time += duration;
        return { ...UNSEEN, ...change, time, pts };
      });
    });

  test('decides on every frame once, in order, with a score of 0 to 100', () => {
    fc.assert(
      fc.property(anySeries, (series) => {
        const decided = decide(series);
        expect(decided.map(({ frame, time, pts }) => ({ frame, time, pts }))).toEqual(
          series.map(({ time, pts }, frame) => ({ frame, time, pts })),
        );
        for (const { sceneScore, cut, ...frame } of decided) {
          expect(sceneScore).toBeGreaterThanOrEqual(0);
          expect(sceneScore).toBeLessThanOrEqual(100);
          if (cut === null) continue;
          expect(sceneScore).toBeGreaterThanOrEqual(50);
          expect(cut).toEqual({ type: 'cut', ...frame, confidence: sceneScore / 100 });
        }
      }),
    );
  });

  test('leaves no two cuts nearer together than the shortest shot', () => {
    fc.assert(
      fc.property(anySeries, fc.constantFrom(0.1, 0.2, 1), (series, minimumShot) => {
        const cuts = decide(series, { minimumShot }).flatMap(({ cut }) => cut ?? []);
        for (const [i, { time }] of cuts.entries()) {
          expect(time - (cuts[i - 1]?.time ?? -Infinity)).toBeGreaterThanOrEqual(
            minimumShot,
          );
        }
      }),
    );
  });

  test('keeps the surer one of two cuts that lie near together, or the first', () => {
    const pair = (first: number, second: number, options?: CutOptions) => {
      const series = Array.from({ length: 60 }, (_, pts): TimedChange => {
        const mismatch = pts === 20 ? first : pts === 22 ? second : 0.05;
        return {
          ...UNSEEN,
          signature: new Uint8Array(SIGNATURE).fill(pts < 20 ? 60 : pts < 22 ? 120 : 180),
          time: pts / 25,
          pts,
          difference: pts === 20 || pts === 22 ? 40 : 2,
          mismatch,
          residual: pts === 20 || pts === 22 ? 0.6 : 0.02,
          recall: 0,
          recallAge: 0,
        };
      });
      return decide(series, options).flatMap(({ cut }) => cut?.frame ?? []);
    };
    expect(pair(1, 0.9)).toEqual([20]);
    expect(pair(0.9, 1)).toEqual([22]);
    expect(pair(1, 1)).toEqual([20]);
    expect(pair(1, 0.9, { minimumShot: 0 })).toEqual([20, 22]);
  });

  test('waits about two seconds at most, or for twice three frames that differ', () => {
    const pending = (series: readonly TimedChange[]) => {
      const detector = new CutDetector();
      let decided = 0;
      return series.map((change, i) => {
        decided += detector.push(change).length;
        return i + 1 - decided;
      });
    };
    expect(Math.max(...pending(measure(moving(1, 60), 25)))).toBeLessThanOrEqual(11);
    expect(Math.max(...pending(measure(still(100, scene(1)), 25)))).toBeLessThanOrEqual(
      29,
    );
    // Timestamps that stand still must not make it wait for ever.
    const [standing] = measure([scene(1)], 25) as [TimedChange];
    expect(Math.max(...pending(still(2000, BLACK).map(() => standing)))).toBeLessThan(
      600,
    );
  });

  test('finds more or less, by the confidence asked for', () => {
    const doubtful: TimedChange[] = Array.from({ length: 40 }, (_, pts) => ({
      ...UNSEEN,
      time: pts / 25,
      pts,
      difference: pts === 20 ? 20 : 5,
      mismatch: pts === 20 ? 0.8 : 0.09,
      residual: pts === 20 ? 0.5 : 0.2,
      recall: 0,
      recallAge: 0,
    }));
    const { sceneScore = NaN } = decide(doubtful)[20] ?? {};
    expect(sceneScore).toBeGreaterThan(5);
    expect(sceneScore).toBeLessThan(95);
    const count = (minimumConfidence: number) =>
      decide(doubtful, { minimumConfidence }).filter(({ cut }) => cut !== null).length;
    expect([count(sceneScore / 100 - 0.01), count(sceneScore / 100 + 0.01)]).toEqual([
      1, 0,
    ]);
  });

  test('goes by what no movement explains, as against the frames around', () => {
    const score = (residual: number, around: number) => {
      const series = Array.from(
        { length: 40 },
        (_, pts): TimedChange => ({
          ...UNSEEN,
          signature: Uint8Array.from({ length: SIGNATURE }, (_, i) => 25 * (i % 2)),
          ...{ time: pts / 25, pts, recall: 0, recallAge: 0 },
          ...{ difference: pts === 20 ? 20 : 5, mismatch: pts === 20 ? 0.8 : 0.09 },
          residual: pts === 20 ? residual : around,
        }),
      );
      return decide(series)[20]?.sceneScore ?? NaN;
    };
    expect(score(0.6, 0.1)).toBeGreaterThan(2 * score(0.2, 0.1));
    expect(score(0.6, 0.1)).toBeGreaterThan(2 * score(0.6, 0.6));
  });

  test('rejects options out of range', () => {
    for (const minimumConfidence of [0, -1, 1.1, NaN]) {
      expect(() => new CutDetector({ minimumConfidence })).toThrow(RangeError);
    }
    for (const minimumShot of [-1, NaN]) {
      expect(() => new CutDetector({ minimumShot })).toThrow(RangeError);
    }
  });
});

describe('real films', () => {
  for (const [name, width, height, fps] of [
    ['bikes.mp4', 640, 272, 25],
    ['nasa_13013.mp4', 320, 180, 25],
    ['fire2.mp4', 320, 180, 25],
    ['carphone_pristine.mp4', 176, 144, 25],
  ] as const) {
    mediaTest(`${name} has the cuts that were read by eye`, async () => {
      const raw = await ffmpeg([
        ...[
          '-i',
          mediaFile(`media/${name}`),
          '-map',
          '0:V:0',
          '-fps_mode',
          'passthrough',
        ],
        ...['-vf', `scale=${width}:${height}:flags=area,format=yuv420p`],
        ...['-f', 'rawvideo', '-'],
      ]);
      const meter = new ChangeMeter();
      const size = (width * height * 3) / 2;
      const changes = Array.from({ length: raw.length / size }, (_, i): TimedChange => {
        const at = (offset: number, w: number, h: number): Plane => ({
          data: raw.subarray(i * size + offset, i * size + offset + w * h),
          ...{ width: w, height: h, stride: w },
        });
        const luma = at(0, width, height);
        const [w, h] = [width / 2, height / 2];
        const u = at(width * height, w, h);
        const v = at(width * height + w * h, w, h);
        const change = meter.next({ luma, u, v, fullRange: false }, i / fps);
        return { time: i / fps, pts: i, ...change };
      });
      const labels = JSON.parse(
        readFileSync(mediaFile('oracle/cut_labels.json'), 'utf8'),
      ) as { files: Record<string, { cuts: number[]; frames: number }> };
      expect(changes).toHaveLength(labels.files[name]?.frames ?? NaN);
      expect(decide(changes).flatMap(({ cut }) => cut?.frame ?? [])).toEqual(
        labels.files[name]?.cuts,
      );
    });
  }
});

describe('shots', () => {
  const cut = (time: number, confidence = 0.9): CutEvent => ({
    type: 'cut',
    time,
    pts: time * 1000,
    frame: time * 25,
    confidence,
  });

  test('lie between the cuts, from the first frame to the end of the last', () => {
    expect(shotsFrom([cut(2, 0.8), cut(3.5, 1)], { start: 0.5, end: 6 })).toEqual([
      { index: 0, start: 0.5, end: 2, confidence: null, transition: null },
      { index: 1, start: 2, end: 3.5, confidence: 0.8, transition: 'cut' },
      { index: 2, start: 3.5, end: 6, confidence: 1, transition: 'cut' },
    ]);
  });

  test('are one without cuts', () => {
    expect(shotsFrom([], { start: 1, end: 4 })).toEqual([
      { index: 0, start: 1, end: 4, confidence: null, transition: null },
    ]);
    expect(shotsFrom([], { start: 1, end: 1 })).toHaveLength(1);
  });

  test('are never empty: cuts at the ends of the range begin none', () => {
    expect(shotsFrom([cut(0), cut(1), cut(4), cut(9)], { start: 1, end: 4 })).toEqual([
      { index: 0, start: 1, end: 4, confidence: null, transition: null },
    ]);
  });
});

describe('segments', () => {
  const shot = (start: number, end: number, index = 0): Shot =>
    madeShot({ index, start, end });
  /** One sample every 0.5 s from `start` on. */
  const samples = (qualities: readonly number[], start = 0): ScoredSample[] =>
    qualities.map((quality, i) => ({ time: start + i / 2, quality, motion: 0 }));
  const spans = (...args: Parameters<typeof segmentsFrom>) =>
    segmentsFrom(...args).map(({ start, end }) => [start, end]);
  const four = (level: number) => [level, level, level, level];
  const LOW = four(10);
  const HIGH = four(80);

  test('are runs of samples that are better than 1.1 times the mean', () => {
    const got = segmentsFrom(samples([...LOW, ...HIGH, ...LOW]), [shot(0, 6)]);
    expect(got).toEqual([
      { start: 2, end: 4, shot: 0, score: 80, quality: 80, motion: 0, samples: 4 },
    ]);
  });

  test('count motion for a tenth of quality', () => {
    const moving = samples([...LOW, ...LOW, ...LOW]).map((sample, i) => ({
      ...sample,
      motion: i >= 4 && i < 8 ? 200 : 0,
    }));
    expect(segmentsFrom(moving, [shot(0, 6)])).toEqual([
      { start: 2, end: 4, shot: 0, score: 30, quality: 10, motion: 200, samples: 4 },
    ]);
  });

  test('must exceed the threshold, not just reach it', () => {
    const even = samples([90, 90, 90, 90, 110, 110, 110, 110]);
    expect(spans(even, [shot(0, 4)], { threshold: 1 })).toEqual([[2, 4]]);
    // Where every sample is just the mean none is better: the shot is taken whole.
    const flat = samples([64, 64, 64, 64]);
    expect(spans(flat, [shot(0, 3)], { threshold: 1 })).toEqual([[0, 3]]);
    expect(spans(flat, [shot(0, 3)], { threshold: 0.99 })).toEqual([[0, 2]]);
  });

  test('are at least two seconds long', () => {
    const series = samples([...LOW, ...HIGH.slice(1), ...LOW, ...HIGH, ...LOW]);
    expect(spans(series, [shot(0, 9.5)])).toEqual([[5.5, 7.5]]);
    expect(spans(series, [shot(0, 9.5)], { minimum: 1.5 })).toEqual([
      [2, 3.5],
      [5.5, 7.5],
    ]);
  });

  test('last as long as the sample after them is away, whatever the spacing', () => {
    const times = [0, 1, 2, 4, 8];
    const series = [80, 80, 80, 10, 10].map((quality, i) => ({
      time: times[i] ?? NaN,
      quality,
      motion: 0,
    }));
    expect(spans(series, [shot(0, 9)])).toEqual([[0, 4]]);
    // The sample at 4 s may be of another shot.
    expect(spans(series, [shot(0, 3.5, 0), shot(3.5, 9, 1)])).toEqual([[0, 3.5]]);
  });

  test('end with the sampling interval, but no later than the shot', () => {
    const series = samples([...LOW, ...HIGH]);
    expect(spans(series, [shot(0, 9)])).toEqual([[2, 4]]);
    expect(spans(series, [shot(0, 9)], { interval: 1 })).toEqual([[2, 4.5]]);
    expect(spans(series, [shot(0, 4.2)], { interval: 1 })).toEqual([[2, 4.2]]);
    // Clipped by its shot the run is too short; the only shot is then taken whole.
    expect(spans(series, [shot(0, 3.9)])).toEqual([[0, 3.9]]);
  });

  test('do not go beyond a cut', () => {
    const series = samples([...LOW, ...LOW, ...HIGH, ...HIGH]);
    const shots = [shot(0, 5.9, 0), shot(5.9, 8, 1)];
    // 4 to 5.9 is too short.
    expect(segmentsFrom(series, shots)).toMatchObject([{ start: 6, end: 8, shot: 1 }]);
    expect(spans(series, shots, { minimum: 1 })).toEqual([
      [4, 5.9],
      [6, 8],
    ]);
  });

  test('are given best first, of equals the earlier one, ten at most', () => {
    const levels = [80, 90, 80, ...Array.from({ length: 10 }, (_, i) => 81 + i / 10)];
    const series = samples(levels.flatMap((level) => [...LOW, ...LOW, ...four(level)]));
    const got = segmentsFrom(series, [shot(0, 1000)]);
    expect(got).toHaveLength(10);
    expect(got.map(({ score }) => score)).toEqual(
      [...levels]
        .sort((a, b) => b - a)
        .slice(0, 10)
        .map((level) => expect.closeTo(level)),
    );
    expect(segmentsFrom(series, [shot(0, 1000)], { count: 13 }).at(-2)?.start).toBe(4);
    expect(segmentsFrom(series, [shot(0, 1000)], { count: 2 })).toHaveLength(2);
  });

  test('are the shots themselves where the footage is of even quality', () => {
    const series = samples([50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 52, 52, 52, 52]);
    const shots = [shot(0, 4, 0), shot(4, 5, 1), shot(5, 7, 2)];
    expect(segmentsFrom(series, shots)).toMatchObject([
      { start: 5, end: 7, shot: 2, score: 52, samples: 4 },
      { start: 0, end: 4, shot: 0, score: 50, samples: 8 },
    ]);
  });

  test('are none without samples, without shots, and in files of under two seconds', () => {
    expect(segmentsFrom([], [shot(0, 9)])).toEqual([]);
    expect(segmentsFrom(samples(HIGH), [])).toEqual([]);
    expect(segmentsFrom(samples([80, 80, 80]), [shot(0, 1.5)])).toEqual([]);
  });

  test('lie inside one shot each, do not overlap, and are long enough', () => {
    const anySamples = fc.array(fc.integer({ min: 0, max: 100 }), { maxLength: 80 });
    const anyCuts = fc.uniqueArray(fc.integer({ min: 1, max: 390 }), { maxLength: 6 });
    fc.assert(
      fc.property(anySamples, anyCuts, (qualities, cutTimes) => {
        const series = samples(qualities);
        const times = [0, ...cutTimes.map((t) => t / 10).sort((a, b) => a - b), 40];
        const shots = times.slice(1).map((end, i) => shot(times[i] ?? NaN, end, i));
        const found = segmentsFrom(series, shots);
        expect(found.length).toBeLessThanOrEqual(10);
        for (const segment of found) {
          const { start, end } = shots[segment.shot] as Shot;
          expect(segment.start).toBeGreaterThanOrEqual(start);
          expect(segment.end).toBeLessThanOrEqual(end);
          expect(segment.end - segment.start).toBeGreaterThan(2 - 1e-6);
        }
        const ordered = [...found].sort((a, b) => a.start - b.start);
        for (const [i, { start }] of ordered.entries()) {
          expect(start).toBeGreaterThanOrEqual(ordered[i - 1]?.end ?? -Infinity);
        }
      }),
    );
  });
});
