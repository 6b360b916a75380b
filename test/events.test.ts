import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import type { AnalysisEvent, Sample } from '../src/analysis.ts';
import { ChangeMeter } from '../src/change-meter.ts';
import { bordersIn } from '../src/detectors/borders.ts';
import type { TimedChange } from '../src/detectors/cuts.ts';
import { EventDetector } from '../src/detectors/events.ts';
import { describeShots, shotsFrom } from '../src/detectors/shots.ts';
import {
  type ColoredCut,
  type Transition,
  withoutCuts,
} from '../src/detectors/transitions.ts';
import type { Plane } from '../src/plane.ts';
import { type Picture, random } from './helpers/pictures.ts';

const WIDTH = 64;
const HEIGHT = 36;
/** Smooth hills of luma like no other seed's, a little different in each frame, as grain is. */
function scene(seed: number): Picture {
  const phase = (i: number) => 6.28 * random(seed * 7.3 + i);
  return (x, y) =>
    120 +
    50 * Math.sin(x / (4 + 5 * random(seed)) + phase(1)) +
    40 * Math.sin(y / (3 + 4 * random(seed + 0.5)) + phase(2) + x / 20);
}
const mix = (a: Picture, b: Picture, share: number): Picture => {
  return (x, y) => a(x, y) + share * (b(x, y) - a(x, y));
};
const BLACK: Picture = () => 16;
const WHITE: Picture = () => 235;
const repeat = (count: number, picture: (i: number) => Picture): Picture[] =>
  Array.from({ length: count }, (_, i) => picture(i));

/** What is found in pictures with some grain, by default 25 a second. */
function eventsIn(
  pictures: readonly Picture[],
  grain = 3,
  timeOf = (frame: number) => frame / 25,
): AnalysisEvent[] {
  const meter = new ChangeMeter();
  const detector = new EventDetector();
  const grey: Plane = { data: Uint8Array.of(128), width: 1, height: 1, stride: 1 };
  for (const [i, picture] of pictures.entries()) {
    const data = Uint8Array.from({ length: WIDTH * HEIGHT }, (_, k) => {
      const noise = grain * (random(k * 3.7 + i * 91.3) - 0.5);
      return Math.min(
        255,
        Math.max(0, picture(k % WIDTH, Math.floor(k / WIDTH)) + noise),
      );
    });
    const luma = { data, width: WIDTH, height: HEIGHT, stride: WIDTH };
    const change = meter.next({ luma, u: grey, v: grey, fullRange: false }, timeOf(i));
    detector.push({ time: timeOf(i), pts: i, ...change });
  }
  return detector.finish(timeOf(pictures.length)).events;
}

function cutTimes(events: readonly AnalysisEvent[]): number[] {
  return events.flatMap((event) => (event.type === 'cut' ? event.time : []));
}

function only(events: readonly AnalysisEvent[], ...types: AnalysisEvent['type'][]) {
  return events.flatMap((event) =>
    event.type !== 'cut' && types.includes(event.type) ? event : [],
  );
}

describe('gradual changes', () => {
  test('are found from the first mixed frame to the last', () => {
    const dissolve = repeat(25, (i) => mix(scene(1), scene(2), (i + 1) / 26));
    const events = eventsIn([
      ...repeat(40, () => scene(1)),
      ...dissolve,
      ...repeat(60, () => scene(2)),
    ]);
    expect(events.filter(({ type }) => type === 'cut')).toEqual([]);
    const [found, ...others] = only(events, 'dissolve', 'fade-in', 'fade-out');
    expect(others).toEqual([]);
    expect(found?.type).toBe('dissolve');
    // A frame or two may hardly differ from a pure one.
    expect(Math.abs((found?.start ?? NaN) - 40 / 25)).toBeLessThanOrEqual(0.12);
    expect(Math.abs((found?.end ?? NaN) - 65 / 25)).toBeLessThanOrEqual(0.12);
  });

  test('are the same wherever the film begins, though times are rounded otherwise there', () => {
    const pictures = [
      ...repeat(40, () => scene(1)),
      ...repeat(12, (i) => mix(scene(1), scene(2), (i + 1) / 13)),
      ...repeat(60, () => scene(2)),
    ];
    // 30 a second, as Matroska has them: every 33 or 34 ms.
    const from = (start: number) => {
      const timeOf = (i: number) => (start + Math.round((i * 1000) / 30)) / 1000;
      const rounded = (value: number) => Number(value.toFixed(6));
      return only(eventsIn(pictures, 3, timeOf), 'dissolve').map((event) => ({
        start: rounded(event.start - start / 1000),
        end: rounded(event.end - start / 1000),
        confidence: rounded(event.confidence),
      }));
    };
    expect(from(0)).toHaveLength(1);
    for (const start of [1000, 7000, 100_000]) expect(from(start)).toEqual(from(0));
  });

  for (const [color, plain] of [
    ['black', BLACK],
    ['white', WHITE],
  ] as const) {
    test(`to ${color} and from it are fades, and divide shots`, () => {
      const out = repeat(20, (i) => mix(scene(1), plain, (i + 1) / 20));
      const into = repeat(20, (i) => mix(plain, scene(2), (i + 1) / 20));
      const pictures = [
        ...repeat(40, () => scene(1)),
        ...[...out, ...repeat(10, () => plain), ...into],
        ...repeat(60, () => scene(2)),
      ];
      const events = eventsIn(pictures);
      expect(events.filter(({ type }) => type === 'cut')).toEqual([]);
      expect(only(events, 'fade-out', 'fade-in', 'dissolve')).toMatchObject([
        { type: 'fade-out', color, start: expect.closeTo(1.6, 0) },
        { type: 'fade-in', color, start: expect.closeTo(2.8, 0) },
      ]);
      const shots = shotsFrom(events, { start: 0, end: pictures.length / 25 });
      expect(shots.map(({ transition }) => transition)).toEqual([null, 'fade']);
      expect(Math.abs((shots[1]?.start ?? NaN) - 2.6)).toBeLessThan(0.2);
    });
  }

  test('end where the last of the picture goes: that step is no cut, but the next shot is', () => {
    const fade = (color: Picture) => repeat(6, (i) => mix(scene(1), color, (i + 1) / 6));
    const shot = repeat(25, () => scene(1));
    const next = repeat(25, () => scene(2));
    for (const color of [BLACK, WHITE]) {
      const away = repeat(20, () => color);
      const rested = eventsIn([...shot, ...fade(color), ...away, ...next]);
      expect(only(rested, 'fade-out')).toHaveLength(1);
      expect(cutTimes(rested)).toEqual([51 / 25]);
      const joined = eventsIn([...shot, ...fade(color), color, color, ...next]);
      expect(cutTimes(joined)).toEqual([33 / 25]);
    }
  });

  test('to black at once, and from it slowly, are a cut and a fade', () => {
    const into = repeat(20, (i) => mix(BLACK, scene(2), i / 20));
    const pictures = [
      ...repeat(40, () => scene(1)),
      ...repeat(3, () => BLACK),
      ...[...into, ...repeat(40, () => scene(2))],
    ];
    const events = eventsIn(pictures);
    expect(only(events, 'fade-in', 'fade-out', 'dissolve')).toMatchObject([
      { type: 'fade-in', color: 'black' },
    ]);
    expect(events.filter(({ type }) => type === 'cut')).toMatchObject([{ frame: 40 }]);
  });

  test('from black and to it are as long as they are where the picture moves', () => {
    // Bright bars that pass: a second later each is about where the next one was.
    const moving = (i: number, share: number) =>
      mix(BLACK, (x) => ((x + 0.5 * i) % 16 < 6 ? 200 : 30), share);
    const pictures = [
      ...repeat(20, () => BLACK),
      ...repeat(100, (i) => moving(i, Math.min(1, i / 20, (99 - i) / 20))),
      ...repeat(20, () => BLACK),
    ];
    const fades = only(eventsIn(pictures), 'fade-in', 'fade-out', 'dissolve');
    expect(fades.map(({ type }) => type)).toEqual(['fade-in', 'fade-out']);
    // From frame 20 to 40, and from 99 to 119.
    const [first, last] = fades as [(typeof fades)[0], (typeof fades)[0]];
    const off = [first.start - 0.8, first.end - 1.6, last.start - 3.96, last.end - 4.76];
    for (const seconds of off) expect(Math.abs(seconds)).toBeLessThanOrEqual(0.1);
  });

  test('are found where both shots move, because contrast sinks and rises', () => {
    const pan = (seed: number, speed: number, i: number): Picture => {
      return (x, y) => scene(seed)(x + speed * i, y);
    };
    const pictures = repeat(120, (i) =>
      mix(pan(1, 0.1, i), pan(2, -0.1, i), Math.min(1, Math.max(0, (i - 49.5) / 20))),
    );
    const [found, ...others] = only(
      eventsIn(pictures),
      'dissolve',
      'fade-in',
      'fade-out',
    );
    expect(others).toEqual([]);
    expect(found).toMatchObject({ type: 'dissolve' });
    expect(Math.abs((found?.start ?? NaN) - 1.98)).toBeLessThanOrEqual(0.12);
    expect(Math.abs((found?.end ?? NaN) - 2.78)).toBeLessThanOrEqual(0.12);
  });

  test('are found where both shots move and have details', () => {
    const texture = (seed: number): Picture => {
      const at = (i: number, j: number) => random(seed * 1000 + i * 57.3 + j * 131.7);
      return (x, y) => {
        const [i, j, part] = [Math.floor(x / 2), Math.floor(y / 2), (x / 2) % 1];
        return 40 + 150 * (at(i, j) * (1 - part) + at(i + 1, j) * part);
      };
    };
    const pan = (seed: number, dx: number): Picture => {
      const picture = mix(scene(seed), texture(seed), 0.4);
      return (x, y) => picture(x + dx, y);
    };
    const pictures = repeat(120, (i) =>
      mix(pan(1, 0.6 * i), pan(2, -0.6 * i), Math.min(1, Math.max(0, (i - 49.5) / 20))),
    );
    expect(only(eventsIn(pictures), 'dissolve', 'fade-in', 'fade-out')).toMatchObject([
      { type: 'dissolve' },
    ]);
  });

  test('from black and to it are fades behind a mark that stays, too', () => {
    // As wide as a tenth of the picture, in one corner.
    const marked = (picture: Picture): Picture => {
      return (x, y) => (x >= 2 && x < 8 && y >= 1 && y < 4 ? 200 : picture(x, y));
    };
    const fade = (from: Picture, to: Picture) =>
      repeat(20, (i) => marked(mix(from, to, (i + 1) / 21)));
    const pictures = [
      ...[...repeat(30, () => marked(BLACK)), ...fade(BLACK, scene(2))],
      ...[...repeat(40, () => marked(scene(2))), ...fade(scene(2), BLACK)],
      ...repeat(30, () => marked(BLACK)),
    ];
    expect(only(eventsIn(pictures), 'dissolve', 'fade-in', 'fade-out')).toMatchObject([
      { type: 'fade-in', color: 'black' },
      { type: 'fade-out', color: 'black' },
    ]);
  });

  test('from a dim picture of one shade are dissolves', () => {
    const dim: Picture = () => 30;
    const pictures = [
      ...repeat(40, () => dim),
      ...repeat(20, (i) => mix(dim, scene(2), (i + 1) / 21)),
      ...repeat(40, () => scene(2)),
    ];
    expect(only(eventsIn(pictures), 'dissolve', 'fade-in', 'fade-out')).toMatchObject([
      { type: 'dissolve' },
    ]);
  });

  test('may follow each other after less than a quarter of a second', () => {
    const dissolve = (seed: number) =>
      repeat(10, (i) => mix(scene(seed), scene(seed + 1), (i + 1) / 11));
    const pictures = [
      ...[...repeat(40, () => scene(1)), ...dissolve(1), ...repeat(5, () => scene(2))],
      ...[...dissolve(2), ...repeat(40, () => scene(3))],
    ];
    expect(only(eventsIn(pictures), 'dissolve')).toHaveLength(2);
  });

  test('are not where something large moves steadily through a picture that stays', () => {
    const car = (left: number): Picture => {
      return (x, y) => (x >= left && x < left + 30 && y > 8 && y < 30 ? 40 : 170);
    };
    for (const speed of [0.5, 1, 2, 4]) {
      const pictures = [
        ...repeat(30, () => car(-30)),
        ...repeat(Math.ceil(94 / speed), (i) => car(-30 + speed * i)),
        ...repeat(30, () => car(64)),
      ];
      expect(only(eventsIn(pictures), 'dissolve', 'fade-in', 'fade-out')).toEqual([]);
    }
  });

  test('are not where one picture melts into the next without a rest', () => {
    const melting = repeat(120, (i) => {
      const seed = Math.floor(i / 12);
      return mix(scene(seed), scene(seed + 1), (i % 12) / 12);
    });
    const pictures = [...repeat(40, () => scene(0)), ...melting];
    expect(only(eventsIn(pictures), 'dissolve')).toEqual([]);
  });

  test('are not where the picture pans, stands still or is cut', () => {
    const moved = (seed: number, dx: number): Picture => {
      return (x, y) => scene(seed)(x + dx, y);
    };
    const pictures = [
      ...repeat(60, (i) => moved(1, 2 * i)),
      ...repeat(40, () => scene(2)),
      ...repeat(40, () => scene(3)),
    ];
    expect(only(eventsIn(pictures), 'dissolve', 'fade-in', 'fade-out')).toEqual([]);
  });
});

describe('a sure cut', () => {
  const cutAt = (time: number, confidence: number): ColoredCut => {
    return {
      cut: { type: 'cut', time, pts: time, frame: time, confidence },
      color: undefined,
    };
  };
  const span = (type: Transition['type']): Transition => {
    return { type, start: 10, end: 20, confidence: 0.9 };
  };

  test('inside of a dissolve shows that it is none', () => {
    expect(withoutCuts([span('dissolve')], [cutAt(12, 0.97)])).toEqual([]);
  });

  test('is one that has confidence, and lies between its ends; fades may be sudden', () => {
    const cuts = [cutAt(12, 0.9), cutAt(10, 1), cutAt(20, 1)];
    expect(withoutCuts([span('dissolve')], cuts)).toEqual([span('dissolve')]);
    const fades = [span('fade-in'), span('fade-out')];
    expect(withoutCuts(fades, [cutAt(12, 1)])).toEqual(fades);
  });
});

describe('black, frozen and lit up pictures', () => {
  test('are spans', () => {
    const light: Picture = (x, y) => Math.min(235, scene(2)(x, y) + 90);
    const pictures = [
      ...repeat(40, () => scene(1)),
      ...repeat(20, () => BLACK),
      ...repeat(30, () => scene(2)),
      ...repeat(2, () => light),
      ...repeat(30, () => scene(2)),
    ];
    const events = eventsIn(pictures);
    expect(only(events, 'black')).toEqual([
      { type: 'black', start: 1.6, end: 2.4, confidence: 1 },
    ]);
    expect(only(events, 'flash')).toMatchObject([{ start: 3.6, end: 3.68 }]);
    expect(only(events, 'freeze')).toEqual([]);
  });

  test('a picture without grain stands still; black does not count', () => {
    const pictures = [...repeat(50, () => scene(1)), ...repeat(50, () => BLACK)];
    expect(only(eventsIn(pictures, 0), 'freeze')).toEqual([
      { type: 'freeze', start: 0, end: 2, confidence: 1 },
    ]);
  });
});

describe('a picture that hardly moves', () => {
  /** Every second sample of the first `size` rows and columns is a level brighter. */
  const lit = (size: number, isOn: boolean): Picture => {
    return (x, y) =>
      Math.floor(scene(1)(x, y)) + (isOn && x < size && y < size && (x + y) % 2 ? 1 : 0);
  };

  test('is not frozen as long as something changes in every frame', () => {
    const pictures = repeat(75, (i) => lit(12, i % 2 === 1));
    expect(only(eventsIn(pictures, 0), 'freeze')).toEqual([]);
  });

  test('is frozen where it is repeated between the steps in which it is refined', () => {
    const pictures = repeat(75, (i) => lit(64, i % 4 === 3 || i % 4 === 0));
    expect(only(eventsIn(pictures, 0), 'freeze')).toMatchObject([{ start: 0, end: 3 }]);
  });
});

describe('a shaken camera', () => {
  const at = (dx: number, dy: number): Picture => {
    return (x, y) => scene(4)(x + dx, y + dy);
  };

  test('is found while it is shaken', () => {
    const pictures = [
      ...repeat(50, () => at(0, 0)),
      ...repeat(75, (i) => at(2 * Math.round(Math.sin(i * 1.9)), 0)),
      ...repeat(75, () => at(0, 0)),
    ];
    const [shake, ...others] = only(eventsIn(pictures), 'shake');
    expect(others).toEqual([]);
    expect(shake?.start).toBeGreaterThan(0.9);
    expect(shake?.end).toBeLessThan(6.2);
    expect((shake?.end ?? 0) - (shake?.start ?? 0)).toBeGreaterThan(2);
  });

  test('is none where displacements do not explain what changes', () => {
    const swing = (i: number) => 2 * Math.sin(1.9 * i);
    // A smooth gradient that changes its slope, and two halves that move against each other.
    const gradient = repeat(100, (i) => (x) => 128 + (x - 32) * (1.5 + swing(i) / 2));
    const halves = repeat(
      100,
      (i) => (x, y) => 128 + 50 * Math.sin((x + (y < 22 ? swing(i) : -swing(i))) / 8),
    );
    expect(only(eventsIn(gradient), 'shake')).toEqual([]);
    expect(only(eventsIn(halves), 'shake')).toEqual([]);
  });

  test('is found even if a cut lies in the midst of it', () => {
    const shaken = (seed: number, i: number): Picture => {
      return (x, y) => scene(seed)(x + 2 * Math.round(Math.sin(i * 1.9)), y);
    };
    const pictures = repeat(75, (i) => shaken(i < 38 ? 4 : 5, i));
    expect(only(eventsIn(pictures), 'shake')).toMatchObject([{ start: 0 }]);
  });

  test('is not one that pans', () => {
    expect(only(eventsIn(repeat(120, (i) => at(i, 0))), 'shake')).toEqual([]);
  });
});

describe('borders', () => {
  const sample = (time: number, top: number, bottom = top, brightness = 90) => ({
    ...{ time, brightness, left: 0, right: 0, top, bottom },
  });
  const size = { width: 1920, height: 1080 };

  test('are what all samples of a shot have, in pairs', () => {
    const samples = [
      ...[sample(0, 0.4), sample(1, 0.125), sample(2, 0.125)],
      ...[sample(3, 0.125), sample(4, 1, 0, 16), sample(5, 0.126, 0.125)],
      ...[sample(6, 0.2, 0), sample(7, 0.2, 0)],
    ];
    const shots = [
      { start: 0, end: 3 },
      { start: 3, end: 6 },
      { start: 6, end: 8 },
    ];
    expect(bordersIn(samples, shots, size)).toEqual([
      {
        ...{ type: 'border', start: 0, end: 6, confidence: 5 / 6 },
        crop: { left: 0, top: 135, width: 1920, height: 810 },
      },
    ]);
  });
});

describe('shots', () => {
  test('have means, a frame that stands for them, and know their like', () => {
    const sample = (time: number, quality: number, hash: string): Sample => ({
      ...{ time, pts: 0, keyFrame: false, brightness: 100, contrast: 40 },
      ...{ saturation: 0, sharpness: 200, motion: time, sceneScore: 0, hash, quality },
    });
    const [one, two] = ['0123456789abcdef', 'fedcba9876543210'];
    const samples = [
      ...[sample(0, 50, one), sample(1, 60, one)],
      ...[sample(2, 90, two), sample(3, 70, two)],
      ...[sample(4, 40, one), sample(5, 30, one)],
    ];
    const cut = (time: number) => ({
      ...{ type: 'cut' as const, time, pts: 0, frame: 0, confidence: 1 },
    });
    const fade = { type: 'fade-in' as const, start: 2, end: 2.5, confidence: 1 };
    const events = [cut(2), fade, cut(4)];
    const shots = describeShots(shotsFrom(events, { start: 0, end: 6 }), samples, events);
    expect(shots).toMatchObject([
      { representative: 1, duplicateOf: null, motion: 0.5, quality: 55 },
      // The better sample lies in a fade.
      { representative: 3, duplicateOf: null, motion: 2.5 },
      { representative: 4, duplicateOf: 0, motion: 4.5 },
    ]);
  });
});

test('what detectors hold does not grow with the film', () => {
  const detector = new EventDetector();
  const pictures = Array.from({ length: 16 }, (_, seed) =>
    Uint8Array.from({ length: 144 }, (_, i) => 255 * random(i + seed * 200)),
  );
  const push = (i: number) => {
    const shot = Math.floor(i / 100);
    const frame: TimedChange = {
      ...{ time: i / 25, pts: i, difference: i % 100 === 0 ? 60 : 2, recall: 0 },
      ...{ mismatch: i % 100 === 0 ? 1 : 0.01, recallAge: 0, chroma: 0, color: 0 },
      residual: i % 100 === 0 ? 0.8 : 0.01,
      ...{ shiftX: 0.01 * Math.sin(i), shiftY: 0, dark: 0, variance: 5000 },
      signature: pictures[shot % 16] as Uint8Array,
    };
    return detector.push(frame).length;
  };
  // Every frame but the last few has been decided on.
  const frames = 200 * 25;
  let decided = 0;
  let most = 0;
  for (let i = 0; i < frames; i++) {
    decided += push(i);
    most = Math.max(most, i + 1 - decided);
  }
  expect(most).toBeLessThan(60);
  const { events } = detector.finish(frames / 25);
  expect(events.filter(({ type }) => type === 'cut').length).toBe(frames / 100 - 1);
});

test('detectors hold no frame of four minutes but the last ones', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const detector = new EventDetector();
  const signatures: WeakRef<Uint8Array>[] = [];
  // A camera that is shaken all the time, so that every detector has something to remember and nothing to tell.
  const push = (i: number) => {
    const signature = Uint8Array.from(
      { length: 144 },
      (_, k) => 100 + ((k * 7 + i) % 40),
    );
    signatures.push(new WeakRef(signature));
    const { pts, time } = { pts: i, time: i / 30 };
    const shiftX = 0.01 * Math.sin(2 * i);
    detector.push({
      ...{ time, pts, difference: 9, mismatch: 0.1, recall: 0.1, recallAge: 2 },
      ...{
        residual: 0.1,
        chroma: 0.02,
        color: 0.5,
        shiftX,
        shiftY: 0,
        dark: 0,
        variance: 130,
        signature,
      },
    });
  };
  const frames = 4 * 60 * 30;
  for (let i = 0; i < frames; i++) push(i);
  // What a WeakRef was made of lives until the task has ended.
  await new Promise(setImmediate);
  collect();
  const held = signatures.filter((signature) => signature.deref() !== undefined);
  // The detectors look a second or two ahead and back.
  expect(held.length).toBeLessThan(300);
  expect(detector.finish(frames / 30).events.length).toBeLessThan(10);
});
