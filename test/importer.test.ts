import { spawnSync } from 'node:child_process';
import { createReadStream, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  analyze,
  type ImportOptions,
  type ImportProgress,
  type ImportResult,
  type ImportSources,
  importVideos,
  type VideoSource,
} from '../src/index.ts';
import { BAD_CLIPS, type ClipName, clip } from './helpers/clips.ts';
import { ffmpeg } from './helpers/ffmpeg.ts';
import { temporaryDirectory } from './helpers/temporary.ts';

const TEMPORARY = temporaryDirectory();
/** Takes a few hundred times as long as the small clips. */
const LONG = join(TEMPORARY, 'long.mp4');
/** Nobody ever writes to it: reading it never ends. */
const HANGING = join(TEMPORARY, 'hanging.mp4');

const GOOD: readonly ClipName[] = ['upright.mp4', 'vfr.mp4', 'cuts.mp4', 'rotate90.mp4'];
const SMALL = GOOD.map(clip);

beforeAll(async () => {
  const source = 'testsrc2=size=640x360:rate=25:duration=30';
  await ffmpeg(['-f', 'lavfi', '-i', source, '-c:v', 'mpeg4', '-qscale:v', '8', LONG]);
  expect(spawnSync('mkfifo', [HANGING]).status).toBe(0);
}, 60_000);

async function collect(
  sources: ImportSources,
  options?: ImportOptions,
): Promise<ImportResult[]> {
  const results: ImportResult[] = [];
  for await (const result of importVideos(sources, options)) results.push(result);
  return results;
}

const bySource = (a: ImportResult, b: ImportResult) =>
  String(a.source) < String(b.source) ? -1 : 1;

/** How a result ended: `ok`, or the code of its error. */
const outcome = ({ error }: ImportResult) =>
  error === undefined ? 'ok' : ((error as { code?: string }).code ?? error.name);

describe('results', () => {
  test('are what analyze gives, one for each file', async () => {
    const results = (await collect(SMALL)).sort(bySource);
    expect(results.map(({ source }) => source)).toEqual([...SMALL].sort());
    for (const { source, analysis } of results) {
      const alone = await analyze(source, { threads: analysis?.decodePath.threads });
      expect(analysis).toEqual(alone);
    }
  });

  test('say of every bad file why, and of the others nothing less', async () => {
    const bad = Object.keys(BAD_CLIPS) as (keyof typeof BAD_CLIPS)[];
    const missing = join(TEMPORARY, 'missing.mp4');
    const paths = [...bad.map(clip), missing, ...SMALL];
    const results = await collect(paths, { ordered: true });
    expect(results.map(({ source }) => source)).toEqual(paths);
    expect(results.map(outcome)).toEqual([
      ...Object.values(BAD_CLIPS),
      'ERR_NOT_FOUND',
      ...SMALL.map(() => 'ok'),
    ]);
  });

  test('of a damaged file are incomplete, and no failure', async () => {
    const [result] = await collect([clip('truncated.mp4')]);
    expect(result?.analysis?.complete).toBe(false);
    expect(result?.analysis?.errors.at(-1)?.code).toBe('ERR_TRUNCATED');
  });

  test('come as they are ready, or in order', async () => {
    const sources = [LONG, ...SMALL];
    const ready = await collect(sources, { concurrency: 2 });
    expect(ready[0]?.index).not.toBe(0);
    expect(ready.map(({ index }) => index).sort()).toEqual([0, 1, 2, 3, 4]);
    const ordered = await collect(sources, { concurrency: 2, ordered: true });
    expect(ordered.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4]);
    expect(ordered.map(({ source }) => source)).toEqual(sources);
  });

  test('of a directory, a glob, bytes, a stream and an address are the same', async () => {
    const path = clip('mpeg2.ts');
    const sources: VideoSource[] = [
      path,
      new URL(`file://${path}`),
      path.replace('mpeg2', 'mpeg[2]'),
      readFileSync(path),
      createReadStream(path),
    ];
    const results = await collect(sources, { ordered: true });
    expect(results.map(outcome)).toEqual(sources.map(() => 'ok'));
    const samples = results.map(({ analysis }) => analysis?.samples);
    for (const other of samples) expect(other).toEqual(samples[0]);
    const whole = await collect(join(path, '..'));
    expect(whole.length).toBeGreaterThan(25);
    expect(whole.find(({ source }) => source === path)?.analysis?.samples).toEqual(
      samples[0],
    );
  });

  test('of what is no source at all are errors, too', async () => {
    const sources = [42, SMALL[0], 'a\0b.mp4'] as VideoSource[];
    const results = await collect(sources, { ordered: true });
    expect(results.map(outcome)).toEqual(['TypeError', 'ok', 'TypeError']);
  });
});

describe('a file that never ends', () => {
  test('is given up after its time, and holds nobody up', async () => {
    const sources = [HANGING, HANGING, HANGING, ...SMALL];
    const results = await collect(sources, { concurrency: 2, timeout: 1500 });
    const outcomes = Object.fromEntries(results.map((r) => [r.index, outcome(r)]));
    const up = 'ERR_TIMEOUT';
    expect(outcomes).toEqual({ 0: up, 1: up, 2: up, 3: 'ok', 4: 'ok', 5: 'ok', 6: 'ok' });
    expect(results.find(({ index }) => index === 0)?.error?.message).toBe(
      `${HANGING}: no result within 1500 ms`,
    );
  });

  test('is tried again only where asked', async () => {
    const once = await collect([HANGING], { timeout: 100 });
    expect(once.map(({ attempts }) => attempts)).toEqual([1]);
    const thrice = await collect([HANGING], { timeout: 100, retries: 2 });
    expect(thrice.map(({ attempts }) => attempts)).toEqual([3]);
    // What is wrong with this one will not pass.
    const bad = await collect([clip('garbage.mp4')], { retries: 2 });
    expect(bad.map(({ attempts }) => attempts)).toEqual([1]);
  });
});

describe('ending', () => {
  test('by the signal rejects with its reason, files that hang included', async () => {
    const stop = new AbortController();
    const taken: ImportResult[] = [];
    const run = async () => {
      const sources = [HANGING, SMALL[0] as string, HANGING, SMALL[1] as string];
      const options = { concurrency: 2, signal: stop.signal };
      for await (const result of importVideos(sources, options)) {
        taken.push(result);
        stop.abort(new Error('enough'));
      }
    };
    await expect(run()).rejects.toThrow('enough');
    expect(taken.map(({ index }) => index)).toEqual([1]);
  });

  test('by a signal that was aborted before begins nothing', async () => {
    let asked = 0;
    const sources = (function* () {
      asked += 1;
      yield SMALL[0] as string;
    })();
    const signal = AbortSignal.abort(new Error('before'));
    await expect(collect(sources, { signal })).rejects.toThrow('before');
    expect(asked).toBe(0);
  });

  test('by break stops the source of sources', async () => {
    let returned = false;
    async function* forever() {
      try {
        for (;;) yield SMALL[0] as string;
      } finally {
        returned = true;
      }
    }
    for await (const { analysis } of importVideos(forever())) {
      expect(analysis?.complete).toBe(true);
      break;
    }
    expect(returned).toBe(true);
  });

  test('by a failing source of sources comes after the results before it', async () => {
    async function* failing() {
      yield* SMALL;
      throw new Error('no more');
    }
    const results: ImportResult[] = [];
    const run = async () => {
      for await (const result of importVideos(failing())) results.push(result);
    };
    await expect(run()).rejects.toThrow('no more');
    expect(results.map(outcome)).toEqual(SMALL.map(() => 'ok'));
  });
});

describe('how much goes on', () => {
  test.each([1, 3])('is never more than %i files at once', async (concurrency) => {
    let most = 0;
    const onProgress = ({ active }: ImportProgress) => {
      most = Math.max(most, active.length);
    };
    const sources = [LONG, LONG, LONG, LONG, ...SMALL];
    const results = await collect(sources, { concurrency, onProgress, fps: 1 });
    expect(results).toHaveLength(8);
    expect(most).toBe(concurrency);
  });

  test('waits for whoever takes results slowly', async () => {
    let asked = 0;
    function* many() {
      for (; asked < 100; ) {
        asked += 1;
        yield SMALL[0] as string;
      }
    }
    const results = importVideos(many(), { concurrency: 2 });
    await results.next();
    let before: number;
    do {
      before = asked;
      await delay(300);
    } while (asked > before);
    // One taken, two times two begun or ready, two listed ahead, one on the way.
    expect(asked).toBeLessThanOrEqual(8);
    await results.return();
  });

  test('gives a file that is alone all cores, and many one each', async () => {
    const threads = async (count: number) => {
      const results = await collect(Array(count).fill(LONG), { concurrency: 4, end: 1 });
      return results.map(({ analysis }) => analysis?.decodePath.threads);
    };
    const [alone] = await threads(1);
    const { decodePath } = await analyze(LONG, { end: 1 });
    expect(alone).toBe(decodePath.threads);
    expect(new Set((await threads(8)).slice(0, 4))).toEqual(new Set([1]));
  });

  test('is told as it goes', async () => {
    const reports: ImportProgress[] = [];
    const onProgress = (progress: ImportProgress) => void reports.push(progress);
    const sources = [LONG, clip('garbage.mp4'), ...SMALL];
    const results = await collect(sources, { onProgress });
    const last = reports.at(-1);
    const frames = results.reduce(
      (sum, { analysis }) => sum + (analysis?.frames ?? 0),
      0,
    );
    expect(last).toMatchObject({
      found: 6,
      foundAll: true,
      done: 6,
      failed: 1,
      cached: 0,
    });
    expect(last?.frames).toBe(frames);
    const seen = reports.flatMap(({ active }) => active);
    expect(seen.some((file) => file.source === LONG && file.progress !== null)).toBe(
      true,
    );
    const done = reports.map((report) => report.done);
    expect(done).toEqual([...done].sort((a, b) => a - b));
  });
});

describe('pictures', () => {
  test('are of the best moment, and one for each shot', async () => {
    const [result] = await collect([clip('cuts.mp4')], {
      thumbnail: { format: 'png', width: 80 },
      contactSheet: { format: 'png', width: 400 },
    });
    const { analysis, thumbnail, contactSheet } = result as Required<ImportResult> & {
      thumbnail: { time: number };
      contactSheet: { cells: { time: number }[] };
    };
    const best = analysis?.segments[0] ?? analysis?.shots[0];
    expect(thumbnail).toMatchObject({ format: 'png', width: 80, height: 45 });
    expect(thumbnail.time).toBeGreaterThanOrEqual(best?.start as number);
    expect(thumbnail.time).toBeLessThan(best?.end as number);
    const shots = analysis?.shots ?? [];
    expect(contactSheet.cells).toHaveLength(shots.length);
    contactSheet.cells.forEach(({ time }, i) => {
      expect(time).toBeGreaterThanOrEqual(shots[i]?.start as number);
      expect(time).toBeLessThan(shots[i]?.end as number);
    });
  });

  test('that cannot be had cost nobody the analysis', async () => {
    const stream = createReadStream(clip('mpeg2.ts'));
    const [result] = await collect([stream], { thumbnail: true });
    expect(result?.analysis?.complete).toBe(true);
    expect(result).toMatchObject({ pictureError: { code: 'ERR_NOT_SEEKABLE' } });
  });
});

test.each<[string, unknown, Partial<Record<keyof ImportOptions, unknown>>]>([
  ['sources', undefined, {}],
  ['sources', 42, {}],
  ['sources', new Uint8Array(4), {}],
  ['concurrency', [], { concurrency: 0 }],
  ['concurrency', [], { concurrency: 'all' }],
  ['ordered', [], { ordered: 1 }],
  ['timeout', [], { timeout: -1 }],
  ['timeout', [], { timeout: 2 ** 32 }],
  ['retries', [], { retries: 1.5 }],
  ['extensions', [], { extensions: 'mp4' }],
  ['thumbnail', [], { thumbnail: 'yes' }],
  ['monitor', [], { monitor: {} }],
  ['fps', [], { fps: 0 }],
  ['signal', [], { signal: {} }],
  ['onProgress', [], { onProgress: true }],
])('a mistake in %s is thrown at once (%#)', (name, sources, options) => {
  const call = () => importVideos(sources as ImportSources, options as ImportOptions);
  expect(call).toThrow(name);
});
