import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import {
  type Analysis,
  analyze,
  probe,
  toCsv,
  toEdl,
  toFfmetadata,
  toOtio,
} from '../src/index.ts';
import { madeAnalysis } from './helpers/analyses.ts';
import { rushes } from './helpers/child.ts';
import { CUTS_AT, clip, testOf } from './helpers/clips.ts';
import { ffmpeg, ffmpegTest } from './helpers/ffmpeg.ts';
import { temporaryDirectory } from './helpers/temporary.ts';

const exec = promisify(execFile);
const folder = temporaryDirectory();
const NTSC = { num: 30_000, den: 1001 };
const hasPython = spawnSync('python3', ['-c', 'import csv']).status === 0;

describe('toCsv', () => {
  test('has a column for every field of a sample, and the shot', async () => {
    const [head, first, ...rest] = toCsv(madeAnalysis({ lengths: [3, 4] })).split('\n');
    const [sample] = madeAnalysis({ lengths: [3, 4] }).samples;
    expect(head?.split(',').sort()).toEqual(
      [...Object.keys(sample ?? {}), 'shot'].sort(),
    );
    expect(first).toBe('0,0,1,120,40,30,200,5,0,0000000000000000,60,0');
    expect(rest.length).toBe(14); // 13 more, and what follows the last line end
    expect(
      rest
        .map((line) => line.split(',').at(-1))
        .slice(0, 7)
        .join(''),
    ).toBe('0000011');
  });

  const pythonTest = hasPython ? testOf('cuts.mp4') : test.skip;
  pythonTest('is read by another reader', async () => {
    const analysis = await analyze(clip('cuts.mp4'));
    const path = join(folder, 'samples.csv');
    await writeFile(path, toCsv(analysis));
    const script =
      'import csv,json,sys;print(json.dumps(list(csv.DictReader(open(sys.argv[1], newline="")))))';
    const { stdout } = await exec('python3', ['-c', script, path]);
    const rows = JSON.parse(stdout) as Record<string, string>[];
    expect(rows.length).toBe(analysis.samples.length);
    const back = rows.map(({ shot, keyFrame, hash, ...numbers }) => ({
      keyFrame: keyFrame === '1',
      hash,
      ...Object.fromEntries(Object.entries(numbers).map(([k, v]) => [k, Number(v)])),
    }));
    expect(back).toEqual(analysis.samples);
    const shots = new Set(rows.map(({ shot }) => Number(shot)));
    expect([...shots]).toEqual([0, 1, 2, 3]);
  });
});

/** One event of an edit decision list. Times are as written. */
interface EdlEvent {
  readonly number: string;
  readonly reel: string;
  readonly times: readonly string[];
  readonly notes: readonly string[];
}

/** Reads what CMX 3600 allows of the columns, and nothing else. */
function parseEdl(text: string): { title: string; fcm: string; events: EdlEvent[] } {
  const lines = text.split('\r\n');
  expect(lines.pop()).toBe('');
  const title = /^TITLE: {1,3}(.{1,70})$/.exec(lines[0] ?? '')?.[1] ?? '';
  const fcm = /^FCM: ((NON-)?DROP FRAME)$/.exec(lines[1] ?? '')?.[1] ?? '';
  const events: { number: string; reel: string; times: string[]; notes: string[] }[] = [];
  for (const line of lines.slice(2)) {
    if (line === '') continue;
    if (line.startsWith('* ')) {
      events.at(-1)?.notes.push(line);
      continue;
    }
    const time = '(\\d\\d:\\d\\d:\\d\\d[:;]\\d\\d)';
    const event = new RegExp(
      `^(\\d{3,4})  ([A-Z0-9_]{1,8}) {1,8}V {5}C {8}${time} ${time} ${time} ${time}$`,
    ).exec(line);
    if (event === null) throw new Error(`no line of an EDL: ${line}`);
    const [, number = '', reel = '', ...times] = event;
    events.push({ number, reel, times, notes: [] });
  }
  return { title, fcm, events };
}

/** Number of the frame of this name: the names of all minutes before it added up, as ST 12-1 says. */
function framesBefore(name: string, nominal: number): number {
  const [hours, minutes, seconds, frames] = name.split(/[:;]/).map(Number) as [
    ...[number, number, number, number],
  ];
  const leftOut = (minute: number) =>
    name.includes(';') && minute % 10 !== 0 ? nominal / 15 : 0;
  const minute = hours * 60 + minutes;
  if (seconds === 0) expect(frames).toBeGreaterThanOrEqual(leftOut(minute));
  expect(Math.max(frames / nominal, seconds / 60, minutes / 60, hours / 24)).toBeLessThan(
    1,
  );
  let count = seconds * nominal + frames - leftOut(minute);
  for (let before = 0; before < minute; before++) count += nominal * 60 - leftOut(before);
  return count;
}

describe('toEdl', () => {
  testOf('cuts.mp4')('lists the shots of a real analysis, frame by frame', async () => {
    const { title, fcm, events } = parseEdl(toEdl(await analyze(clip('cuts.mp4'))));
    expect({ title, fcm }).toEqual({ title: 'cuts.mp4', fcm: 'NON-DROP FRAME' });
    const edges = [0, ...CUTS_AT, 230];
    expect(events.map(({ number, reel }) => `${number} ${reel}`)).toEqual(
      ['001', '002', '003', '004'].map((number) => `${number} CUTS`),
    );
    for (const [i, { times, notes }] of events.entries()) {
      const span = [edges[i], edges[i + 1]];
      expect(times.map((time) => framesBefore(time, 25))).toEqual([...span, ...span]);
      expect(notes).toEqual(['* FROM CLIP NAME: cuts.mp4', `* COMMENT: Shot ${i + 1}`]);
    }
  });

  test('packs segments one after the other from hour one', () => {
    const analysis = madeAnalysis({ lengths: [2, 3, 2, 5] });
    const { events } = parseEdl(toEdl(analysis, { of: 'segments' }));
    expect(events.map(({ times }) => times)).toEqual([
      ['00:00:02:05', '00:00:04:20', '01:00:00:00', '01:00:02:15'],
      ['00:00:07:05', '00:00:11:20', '01:00:02:15', '01:00:07:05'],
    ]);
    expect(events[1]?.notes[1]).toBe('* COMMENT: Segment 2 of shot 4, score 70.0');
  });

  const rates: [number, number, number][] = [
    [24_000, 1001, 24],
    [24, 1, 24],
    [25, 1, 25],
    [30_000, 1001, 30],
    [50, 1, 50],
    [60_000, 1001, 60],
  ];
  for (const [num, den, nominal] of rates) {
    test(`counts at ${num}/${den} frames a second, from the file's own timecode`, () => {
      const frames = [nominal * 61, nominal * 700 + 7, 11];
      const lengths = frames.map((count) => (count * den) / num);
      const info = {
        averageFrameRate: { num, den },
        timecode: '09:59:50:12',
        startTime: 3,
      };
      const { events } = parseEdl(toEdl(madeAnalysis({ lengths, info })));
      let at = framesBefore('09:59:50:12', nominal);
      for (const [i, { times }] of events.entries()) {
        const span = [at, at + (frames[i] as number)];
        expect(times.map((time) => framesBefore(time, nominal))).toEqual([
          ...span,
          ...span,
        ]);
        at += frames[i] as number;
      }
    });
  }

  for (const nominal of [30, 60]) {
    test(`leaves out names in drop-frame timecode at ${(nominal / 1.001).toFixed(2)}`, () => {
      const rate = { num: nominal * 1000, den: 1001 };
      const minute = nominal * 60 - nominal / 15;
      // Edges at and around minutes, tens of minutes and midnight.
      const frames = [minute - 20, 19, 2, 3, 9 * minute, 1, nominal / 15, nominal * 3600];
      const lengths = frames.map((count) => (count * 1001) / rate.num);
      const info = { averageFrameRate: rate, timecode: '22:58:59;10' };
      const { fcm, events } = parseEdl(toEdl(madeAnalysis({ lengths, info })));
      expect(fcm).toBe('DROP FRAME');
      const day = nominal * 86_400 - (nominal / 15) * 54 * 24;
      let at = framesBefore('22:58:59;10', nominal);
      for (const [i, { times }] of events.entries()) {
        const [start = '', end = ''] = times;
        expect(framesBefore(start, nominal)).toBe(at % day);
        at += frames[i] as number;
        expect(framesBefore(end, nominal)).toBe(at % day);
      }
    });
  }

  test('keeps drop-frame timecode with the clock for a day', () => {
    const info = { averageFrameRate: NTSC };
    const lengths = [3600, 3600 * 22];
    const edl = toEdl(madeAnalysis({ lengths, info, fps: 0.001 }), { dropFrame: true });
    const times = parseEdl(edl).events.map(({ times }) => times.slice(0, 2));
    // ST 12-1: off by 86.4 ms a day; an hour is 107892 frames and 0.1 of one.
    expect(times).toEqual([
      ['00:00:00;00', '01:00:00;00'],
      ['01:00:00;00', '23:00:00;02'],
    ]);
  });

  test('takes a varying rate for the usual one nearest to it', () => {
    const info = { averageFrameRate: { num: 2917, den: 100 }, variableFrameRate: true };
    const { events } = parseEdl(
      toEdl(madeAnalysis({ lengths: [10.01, 0.005, 5], info })),
    );
    // The shot that is no frame long is left out; the others meet without a gap.
    expect(events.map(({ times }) => times.slice(0, 2))).toEqual([
      ['00:00:00:00', '00:00:10:00'],
      ['00:00:10:00', '00:00:15:00'],
    ]);
  });

  test('divides a rate that timecode has no names for', () => {
    const info = { averageFrameRate: { num: 240, den: 1 } };
    const { events } = parseEdl(toEdl(madeAnalysis({ lengths: [1.5, 2.5], info })));
    expect(events[0]?.times.slice(0, 2)).toEqual(['00:00:00:00', '00:00:01:30']);
  });

  test('has no line that a file name could add', () => {
    const source = '/x/a\r\n001  AX       V     C        00:00:00:00\u2028b.mov';
    const { title, events } = parseEdl(toEdl(madeAnalysis({ lengths: [1, 2], source })));
    expect(title).toMatch(/^a +001 +AX.* b.mov$/);
    expect(events.length).toBe(2);
    expect(events[0]?.reel).toBe('A001AXVC');
  });

  test('goes on in four digits after 999 events', () => {
    const lengths = Array.from({ length: 1000 }, () => 1);
    const { events } = parseEdl(toEdl(madeAnalysis({ lengths })));
    expect(events.at(-1)?.number).toBe('1000');
  });

  test('refuses mistakes', () => {
    const analysis = madeAnalysis({ lengths: [1] });
    const edl = (options: object) => () => toEdl(analysis, options);
    expect(edl({ of: 'cuts' })).toThrow(
      /of must be one of 'shots', 'segments', got cuts/,
    );
    expect(edl({ dropFrame: true })).toThrow(
      /dropFrame goes with 29.97 and 59.94.*25\/1/,
    );
    expect(edl({ dropFrame: 1 })).toThrow(TypeError);
    expect(edl({ frameRate: { num: 120, den: 1 } })).toThrow(RangeError);
    expect(edl({ frameRate: 25 })).toThrow(TypeError);
  });
});

type Json = { [key: string]: unknown };

/** Fields that the reference implementation writes of each schema, and their kinds. */
const FIELDS: Record<string, readonly string[]> = {
  'Timeline.1': ['name', 'metadata', 'global_start_time', 'tracks'],
  'Stack.1': [
    'name',
    'metadata',
    'source_range',
    'effects',
    'markers',
    'enabled',
    'children',
  ],
  'Track.1': [
    ...['name', 'metadata', 'source_range', 'effects', 'markers', 'enabled', 'children'],
    'kind',
  ],
  'Clip.1': [
    ...['name', 'metadata', 'source_range', 'effects', 'markers', 'enabled'],
    'media_reference',
  ],
  'Marker.2': ['name', 'metadata', 'color', 'marked_range'],
  'ExternalReference.1': ['name', 'metadata', 'available_range', 'target_url'],
  'MissingReference.1': ['name', 'metadata', 'available_range'],
  'TimeRange.1': ['start_time', 'duration'],
  'RationalTime.1': ['rate', 'value'],
};

/** Expects every object outside of metadata to have the fields of its schema and no others. */
function expectOtio(value: unknown): void {
  if (Array.isArray(value)) {
    for (const inner of value) expectOtio(inner);
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  const { OTIO_SCHEMA, ...fields } = value as Json;
  expect(Object.keys(fields).sort()).toEqual(
    [...(FIELDS[String(OTIO_SCHEMA)] ?? [])].sort(),
  );
  const { metadata, ...rest } = fields;
  expectOtio(Object.values(rest));
}

/** Frames of a time range, and its rate. */
function rangeOf(value: unknown): { start: number; length: number; rate: number } {
  const { start_time, duration } = value as { start_time: Json; duration: Json };
  expect(start_time.rate).toBe(duration.rate);
  const rate = start_time.rate as number;
  return { start: start_time.value as number, length: duration.value as number, rate };
}

function clipsOf(text: string): { timeline: Json; clips: Json[] } {
  const timeline = JSON.parse(text) as Json & { tracks: { children: Json[] } };
  expectOtio(timeline);
  const [track, ...others] = timeline.tracks.children;
  expect(others).toEqual([]);
  expect(track).toMatchObject({ kind: 'Video' });
  return { timeline, clips: track?.children as Json[] };
}

describe('toOtio', () => {
  testOf('cuts.mp4')('has a clip for each shot of a real analysis', async () => {
    const { clips, timeline } = clipsOf(toOtio(await analyze(clip('cuts.mp4'))));
    expect(timeline).toMatchObject({ name: 'cuts.mp4', global_start_time: { value: 0 } });
    const edges = [0, ...CUTS_AT, 230];
    expect(clips.map(({ source_range }) => rangeOf(source_range))).toEqual(
      edges.slice(1).map((end, i) => {
        const start = edges[i] as number;
        return { start, length: end - start, rate: 25 };
      }),
    );
    const [reference] = clips.map((clip) => clip.media_reference as Json);
    expect(reference?.target_url).toMatch(/^file:\/\/\/.*\/cuts\.mp4$/);
    expect(rangeOf(reference?.available_range)).toMatchObject({ start: 0, length: 230 });
  });

  test('marks segments and events of any kind inside the clips they touch', () => {
    const made = madeAnalysis({ lengths: [2, 4, 2], info: { timecode: '01:00:00:00' } });
    const others = [
      { type: 'black', start: 1.6, end: 2.4, confidence: 1 },
      { type: 'flash', time: 3 },
      { type: 'flash', time: 6 }, // in the clip that begins then, and in no other
      { type: 'unheard-of', somewhere: true },
    ];
    const analysis = {
      ...made,
      events: [...made.events, ...others],
    } as unknown as Analysis;
    const { clips } = clipsOf(toOtio(analysis));
    const hour = 3600 * 25;
    const marks = clips.map(({ markers }) =>
      (markers as Json[]).map(({ name, marked_range }) => {
        const { start, length } = rangeOf(marked_range);
        return [name, start - hour, length];
      }),
    );
    expect(marks).toEqual([
      [['black', 40, 10]],
      [
        ['Segment 1', 55, 90],
        ['black', 50, 10],
        ['flash', 75, 0],
      ],
      [['flash', 150, 0]],
    ]);
  });

  test('gives an address of a file to be reached by, and none to bytes', () => {
    const reference = (source: string) => {
      const [clip] = clipsOf(toOtio(madeAnalysis({ lengths: [2], source }))).clips;
      return clip?.media_reference as Json;
    };
    expect(reference('/a b/ü#1?.mov').target_url).toBe('file:///a%20b/%C3%BC%231%3F.mov');
    expect(reference('<buffer>').OTIO_SCHEMA).toBe('MissingReference.1');
  });

  test('keeps exact rates', () => {
    const analysis = madeAnalysis({ lengths: [2], info: { averageFrameRate: NTSC } });
    const [clip] = clipsOf(toOtio(analysis, { of: 'shots' })).clips;
    expect(rangeOf(clip?.source_range)).toEqual({
      start: 0,
      length: 60,
      rate: 30_000 / 1001,
    });
  });
});

describe('toFfmetadata', () => {
  /** Chapters as ffprobe reads them, and the title. */
  async function probed(path: string) {
    const args = ['-v', 'error', '-show_chapters', '-show_format', '-of', 'json'];
    const { stdout } = await exec('ffprobe', [...args, path]);
    const { chapters, format } = JSON.parse(stdout) as {
      chapters: { start_time: string; end_time: string; tags: { title: string } }[];
      format: { tags: { title: string } };
    };
    const list = chapters.map(({ start_time, end_time, tags }) => {
      return [Number(start_time), Number(end_time), tags.title];
    });
    return { title: format.tags.title, chapters: list };
  }

  ffmpegTest('is read by ffprobe, special characters included', async () => {
    const path = join(folder, 'special.txt');
    // FFmpeg joins a line that ends with an escaped backslash with the next: hence the space.
    const title = 'a=b;c#d\\e\nf é\\';
    await writeFile(path, toFfmetadata(madeAnalysis({ lengths: [2, 3.5] }), { title }));
    expect(await probed(path)).toEqual({
      title: `${title} `,
      chapters: [
        [0, 2, 'Shot 1'],
        [2, 5.5, 'Shot 2'],
      ],
    });
  });

  testOf('start-offset.mp4')('makes chapters that begin with the video', async () => {
    const source = clip('start-offset.mp4'); // its first frame is shown at 8.32 s
    const analysis = await analyze(source);
    const [text, out] = [join(folder, 'chapters.txt'), join(folder, 'with-chapters.mkv')];
    await writeFile(text, toFfmetadata(analysis));
    const inputs = ['-i', source, '-i', text, '-map', '0:v', '-map_metadata', '1'];
    await ffmpeg([...inputs, '-map_chapters', '1', '-c', 'copy', out]);
    const [chapter] = (await probe(out)).chapters;
    expect(chapter?.start).toBe(0);
    expect(chapter?.end).toBeCloseTo(2, 2); // 50 frames; Matroska rounds to milliseconds
    expect(chapter?.title).toBe('Shot 1');
  });

  test('names segments with their scores, in the order of time', () => {
    const text = toFfmetadata(madeAnalysis({ lengths: [1, 3, 1, 3] }), {
      of: 'segments',
    });
    expect(text.match(/^(START|title)=.*$/gm)).toEqual([
      'title=a001.mov',
      'START=1200000',
      'title=Segment 1 of shot 2, score 70.0',
      'START=5200000',
      'title=Segment 2 of shot 4, score 70.0',
    ]);
  });
});

describe('rushes analyze', () => {
  testOf('cuts.mp4')('writes every export that it is asked for', async () => {
    const path = (name: string) => join(folder, name);
    const kinds = ['csv', 'edl', 'otio', 'ffmetadata'];
    const options = kinds.flatMap((kind) => [`--${kind}`, path(`cli.${kind}`)]);
    const source = clip('cuts.mp4');
    const { code, stderr } = await rushes(['analyze', source, ...options]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const analysis = await analyze(source);
    const texts = [toCsv, toEdl, toOtio, toFfmetadata].map((make) => make(analysis));
    const written = kinds.map((kind) => readFileSync(path(`cli.${kind}`), 'utf8'));
    expect(written).toEqual(texts);
  });

  testOf('cuts.mp4')('says what could not be written', async () => {
    const [source, path] = [clip('cuts.mp4'), join(folder, 'no', 'folder.edl')];
    const missing = await rushes(['analyze', source, '--edl', path]);
    expect(missing.code).toBe(1);
    expect(missing.stderr).toMatch(/^rushes: .*folder\.edl: .*\(ENOENT\)\n$/);
    const rate = ['--edl', join(folder, 'x.edl'), '--drop-frame'];
    const dropped = await rushes(['analyze', source, ...rate]);
    expect(dropped.code).toBe(1);
    expect(dropped.stderr).toMatch(/dropFrame goes with 29\.97/);
  });

  test('takes one file and known words', async () => {
    const wrong: [string[], RegExp][] = [
      [['--otio', 'x', 'a.mp4', 'b.mp4'], /--otio takes one FILE, got 2/],
      [
        ['--edl', 'x', '--of', 'cuts', 'a.mp4'],
        /--of wants .*shots, segments, got 'cuts'/,
      ],
    ];
    for (const [args, words] of wrong) {
      const { code, stderr } = await rushes(['analyze', ...args], { cwd: folder });
      expect(code).toBe(2);
      expect(stderr).toMatch(words);
    }
  });
});
