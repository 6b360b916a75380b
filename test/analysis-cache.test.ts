import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { open } from 'lmdb';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { analyzeThrough } from '../src/analyze.ts';
import { defaultDirectory } from '../src/cache/directory.ts';
import { type Analysis, AnalysisCache, analyze, openVideo } from '../src/index.ts';
import { clip, testOf } from './helpers/clips.ts';
import { temporaryDirectory } from './helpers/temporary.ts';

/** Seconds. */
const LONG_AGO = 1_000_000_000;
const root = temporaryDirectory();
let count = 0;
let directory: string;
let folder: string;
let cache: AnalysisCache;

beforeEach(() => {
  folder = join(root, String(count++));
  directory = join(folder, 'cache');
  mkdirSync(folder);
  cache = new AnalysisCache({ directory });
});

afterEach(async () => {
  await cache.close();
  vi.restoreAllMocks();
});

/** A clip of one's own, with times that can be put back exactly. */
function copyOf(name: Parameters<typeof clip>[0], as = name as string): string {
  const path = join(folder, as);
  copyFileSync(clip(name), path);
  utimesSync(path, LONG_AGO, LONG_AGO);
  return path;
}

/** The same cache as another process finds it: nothing in memory. */
async function reopen(options = {}): Promise<void> {
  await cache.close();
  cache = new AnalysisCache({ directory, ...options });
}

const realNow = Date.now;

/** Makes it so much later than it is, for the cache's clock; the file system's goes on. */
function later(seconds: number): void {
  vi.spyOn(Date, 'now').mockImplementation(() => realNow() + seconds * 1000);
}

const through = (source: Parameters<typeof analyze>[0], options = {}) =>
  analyzeThrough(source, { cache, ...options });

describe('an analysis', () => {
  const test = testOf('upright.mp4');

  test('is made once and then the same, from memory and from disk', async () => {
    const path = copyOf('upright.mp4');
    const plain = await analyze(path);
    const first = await through(path);
    expect(first.cached).toBe(false);
    expect(first.analysis).toEqual(plain);
    const second = await through(pathToFileURL(path));
    expect(second).toEqual({ analysis: plain, cached: true });
    await reopen();
    expect(await through(path)).toEqual({ analysis: plain, cached: true });
    expect(await cache.get(path)).toEqual(plain);
    expect(await cache.stats()).toMatchObject({ hits: 2, misses: 0, analyses: 1 });
  });

  test('cannot be changed by who gets it', async () => {
    const path = copyOf('upright.mp4');
    const made = await analyze(path, { cache });
    await reopen();
    for (const analysis of [made, await cache.get(path)]) {
      const open = analysis as unknown as { samples: { time: number }[] };
      expect(() => open.samples.pop()).toThrow(TypeError);
      expect(() => {
        (open.samples[0] as { time: number }).time = 7;
      }).toThrow(TypeError);
    }
  });

  test('answers only the options it was made with', async () => {
    const path = copyOf('upright.mp4');
    await analyze(path, { cache });
    const others = [
      { fps: 5 },
      { width: 320 },
      { height: 100 },
      { start: 0.1 },
      { end: 0.5 },
      { cuts: false },
      { streamIndex: 0 },
    ];
    for (const other of others) expect(await cache.has(path, other)).toBe(false);
    // Said or not, the same; and what shapes no result is no part of the question.
    expect(await cache.has(path, { fps: 2, width: 640, height: 360, cuts: true })).toBe(
      true,
    );
    expect((await through(path, { threads: 1, onProgress: () => {} })).cached).toBe(true);
    expect((await through(path, { fps: 5 })).cached).toBe(false);
    expect((await cache.stats()).analyses).toBe(2);
  });

  test('is found by the content of bytes; a stream has none', async () => {
    const bytes = readFileSync(clip('upright.mp4'));
    const own = Uint8Array.from(bytes);
    const making = through(own);
    own.fill(0); // the caller's again as soon as there is a promise
    const first = await making;
    expect(first).toMatchObject({ cached: false, analysis: { source: '<buffer>' } });
    expect(await through(bytes)).toEqual({ analysis: first.analysis, cached: true });
    expect(await cache.has(own)).toBe(false);
    // The file with these bytes is known, too.
    const path = copyOf('upright.mp4');
    expect(await through(path)).toMatchObject({
      cached: true,
      analysis: { source: path, info: { source: path } },
    });
    const stream = () => Readable.from([readFileSync(clip('mpeg2.ts'))]);
    expect((await through(stream())).cached).toBe(false);
    expect((await through(stream())).cached).toBe(false);
    expect((await cache.stats()).analyses).toBe(1);
  });

  test('is kept and removed by hand', async () => {
    const path = copyOf('upright.mp4');
    const analysis = await analyze(path, { fps: 4 });
    expect(await cache.set(path, analysis)).toBe(true);
    expect(Object.isFrozen(analysis.samples)).toBe(false);
    expect(await cache.get(path)).toBeUndefined();
    expect(await cache.get(path, { fps: 4 })).toEqual(analysis);
    await analyze(path, { cache });
    expect(await cache.delete(path)).toBe(2);
    expect(await cache.has(path, { fps: 4 })).toBe(false);
    expect((await cache.stats()).entries).toBe(0);
  });

  test('is not kept if it is incomplete, aborted or has failed', async () => {
    const damaged = copyOf('damaged.mp4' as 'upright.mp4');
    const { complete } = await analyze(damaged, { cache });
    expect(complete).toBe(false);
    expect(await cache.set(damaged, await analyze(damaged))).toBe(false);
    const garbage = copyOf('garbage.mp4' as 'upright.mp4');
    await expect(analyze(garbage, { cache })).rejects.toMatchObject({
      code: 'ERR_INVALID_DATA',
    });
    const path = copyOf('h264-bframes-audio.mp4');
    const abort = new AbortController();
    const aborted = cache.analysisOf(path, {}, abort.signal, async (source) => {
      abort.abort(new Error('enough'));
      return analyze(source, { signal: abort.signal });
    });
    await expect(aborted).rejects.toThrow('enough');
    await expect(analyze(join(folder, 'none.mp4'), { cache })).rejects.toMatchObject({
      code: 'ERR_NOT_FOUND',
    });
    await expect(analyze(folder, { cache })).rejects.toMatchObject({
      code: 'ERR_IS_DIRECTORY',
    });
    expect((await cache.stats()).entries).toBe(0);
    expect((await through(path)).cached).toBe(false);
  });

  test('is not kept of a playlist, whose parts may change under it', async () => {
    const part = copyOf('mpeg2.ts');
    const list = join(folder, 'list.m3u8');
    const head = '#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:2,\n';
    writeFileSync(list, `${head}${part}\n#EXT-X-ENDLIST\n`);
    const first = await through(list);
    expect(first.analysis.info.container).toBe('hls');
    expect((await through(list)).cached).toBe(false);
    expect((await cache.stats()).entries).toBe(0);
  });
});

describe('a file', () => {
  const test = testOf('upright.mp4');

  /** Another clip of the same length in bytes. */
  function otherBytes(path: string, name: Parameters<typeof clip>[0]): Buffer {
    const { size } = statSync(path);
    const bytes = readFileSync(clip(name));
    expect(bytes.length).toBeLessThan(size);
    // A box that players skip fills it up.
    const free = Buffer.alloc(size - bytes.length);
    free.writeUInt32BE(free.length);
    free.write('free', 4);
    return Buffer.concat([bytes, free]);
  }

  test('that changes is analysed again, whatever its size and times say', async () => {
    // Each with facts fresh enough to be doubted, and with facts that were trusted.
    for (const settled of [false, true]) {
      for (const restored of [false, true]) {
        const path = copyOf('h264-bframes-audio.mp4', `${settled}-${restored}.mp4`);
        if (settled) later(3);
        const first = await through(path);
        expect((await through(path)).cached).toBe(true);
        const before = statSync(path, { bigint: true });
        writeFileSync(path, otherBytes(path, 'upright.mp4'));
        if (restored) utimesSync(path, LONG_AGO, LONG_AGO);
        const { size, mtimeNs } = statSync(path, { bigint: true });
        expect(size).toBe(before.size);
        expect(mtimeNs === before.mtimeNs).toBe(restored);
        const { analysis } = await through(path);
        expect(analysis.info.width).toBe(96);
        expect(analysis.frames).not.toBe(first.analysis.frames);
        expect(await cache.get(path)).toEqual(await analyze(path));
      }
    }
  });

  test('that grows, shrinks or is replaced within one second is noticed', async () => {
    const path = copyOf('upright.mp4');
    const first = await through(path);
    appendFileSync(path, Buffer.from([0, 0, 0, 8, 0x66, 0x72, 0x65, 0x65]));
    expect(await cache.has(path)).toBe(false);
    copyFileSync(clip('upright.mp4'), path);
    expect(await through(path)).toEqual({ analysis: first.analysis, cached: true });
    copyOf('vfr.mp4', 'other');
    renameSync(join(folder, 'other'), path);
    expect((await through(path)).analysis.frames).toBe(54);
  });

  test('whose middle alone changes is another file', async () => {
    const path = copyOf('h264-bframes-audio.mp4');
    later(3); // until its times can be trusted
    await through(path);
    const bytes = readFileSync(path);
    // Neither in the head nor in the middle nor in the tail that are sampled.
    const at = Math.floor(bytes.length / 4);
    bytes[at] = (bytes[at] as number) ^ 1;
    writeFileSync(path, bytes);
    utimesSync(path, LONG_AGO, LONG_AGO);
    expect(await cache.has(path)).toBe(false);
    await reopen();
    expect(await cache.has(path)).toBe(false);
  });

  test('is recognised when moved or copied, under its new name', async () => {
    const path = copyOf('upright.mp4');
    const { analysis } = await through(path);
    const copy = copyOf('upright.mp4', 'copy.mov');
    const moved = join(folder, 'moved.mp4');
    renameSync(path, moved);
    await reopen();
    for (const place of [copy, moved]) {
      const found = await through(place);
      expect(found.cached).toBe(true);
      const { info } = analysis;
      const expected = { ...analysis, source: place, info: { ...info, source: place } };
      expect(found.analysis).toEqual(expected);
    }
  });

  test('of a format that its name decides is not recognised under another', async () => {
    const path = copyOf('size-change.h264');
    await through(path);
    expect(await cache.has(copyOf('size-change.h264', 'copy.h264'))).toBe(true);
    expect(await cache.has(copyOf('size-change.h264', 'copy.mpg'))).toBe(false);
  });

  test('that changes while it is analysed leaves nothing behind', async () => {
    const path = copyOf('upright.mp4');
    const { cached } = await cache.analysisOf(path, {}, undefined, async (source) => {
      const analysis = await analyze(source);
      copyFileSync(clip('vfr.mp4'), path);
      return analysis;
    });
    expect(cached).toBe(false);
    expect((await cache.stats()).entries).toBe(0);
    expect((await through(path)).analysis.frames).toBe(54);
    copyFileSync(clip('upright.mp4'), path);
    expect(await cache.has(path)).toBe(false);
  });

  test('is not read again once its times can be trusted', async () => {
    const path = copyOf('upright.mp4');
    await through(path);
    expect((await cache.stats()).files).toBe(0);
    later(3); // until its times can be trusted
    await cache.has(path);
    expect((await cache.stats()).files).toBe(1);
  });
});

describe('several callers', () => {
  const test = testOf('upright.mp4');

  test('of one file cause one analysis', async () => {
    const path = copyOf('upright.mp4');
    const copy = copyOf('upright.mp4', 'copy.mp4');
    await using second = new AnalysisCache({ directory });
    const all = await Promise.all(
      [path, copy, path, copy].flatMap((file) => [
        analyzeThrough(file, { cache }),
        analyzeThrough(file, { cache: second }),
      ]),
    );
    expect(all.filter(({ cached }) => !cached)).toHaveLength(1);
    expect(new Set(all.map(({ analysis }) => analysis.source))).toEqual(
      new Set([path, copy]),
    );
  });

  test('cause one analysis where there is no disk, too, and one warning', async () => {
    const warnings: Error[] = [];
    const listen = (warning: Error) => warnings.push(warning);
    process.on('warning', listen);
    const path = copyOf('upright.mp4');
    // A folder cannot be made in a file.
    await using cache = new AnalysisCache({ directory: join(path, 'cache') });
    const all = await Promise.all(
      [1, 2, 3, 4].map(() => analyzeThrough(path, { cache })),
    );
    expect(all.filter(({ cached }) => !cached)).toHaveLength(1);
    expect(await cache.get(path)).toEqual(all[0]?.analysis); // memory does its part
    expect(await cache.stats()).toMatchObject({ persistent: false, entries: 0 });
    expect(await cache.clear()).toBe(0);
    expect(await cache.verify()).toEqual({ sound: 0, damaged: 0 });
    expect(await cache.prune()).toEqual({ removed: 0, bytes: 0 });
    await new Promise((done) => setImmediate(done));
    process.off('warning', listen);
    expect(warnings).toMatchObject([{ code: 'RUSHES_CACHE' }]);
  });

  test('go on when the one who works gives up', async () => {
    const path = copyOf('upright.mp4');
    const abort = new AbortController();
    let begin = () => {};
    const begun = new Promise<void>((done) => {
      begin = done;
    });
    const leader = cache.analysisOf(path, {}, abort.signal, (source) => {
      begin();
      return new Promise<Analysis>((_, fail) => {
        abort.signal.onabort = () => fail(abort.signal.reason);
        void source;
      });
    });
    await begun;
    const followers = [through(path), through(path), through(path)];
    const impatient = new AbortController();
    const leaving = through(path, { signal: impatient.signal });
    impatient.abort(new Error('no time'));
    await expect(leaving).rejects.toThrow('no time');
    abort.abort(new Error('enough'));
    await expect(leader).rejects.toThrow('enough');
    const cached = (await Promise.all(followers)).map((found) => found.cached);
    expect(cached.sort()).toEqual([false, true, true]);
  });

  test('of a bad file all hear why', async () => {
    const path = copyOf('garbage.mp4' as 'upright.mp4');
    const results = await Promise.allSettled([through(path), through(path)]);
    for (const result of results) {
      expect(result).toMatchObject({ reason: { code: 'ERR_INVALID_DATA' } });
    }
  });
});

describe('a frame index', () => {
  const test = testOf('h264-bframes-audio.mp4');

  test('is scanned once, and serves exact access', async () => {
    const path = copyOf('h264-bframes-audio.mp4');
    await using plain = await openVideo(path);
    const scanned = await plain.index();
    for (const hits of [0, 1]) {
      await using video = await openVideo(path, { cache });
      expect(await video.index()).toEqual(scanned);
      expect(video.info).toEqual(plain.info);
      const frame = await video.frameAt({ index: 77 });
      expect(frame).toEqual(await plain.frameAt({ index: 77 }));
      expect(await cache.stats()).toMatchObject({ hits, indexes: 1 });
      await reopen();
      if (hits === 0) await openVideo(path, { cache }).then((again) => again.close());
    }
    await using video = await openVideo(path, { cache });
    expect(await video.index()).toEqual(scanned);
    expect((await cache.stats()).hits).toBe(1);
  });

  test('is never that of a file put in the place of the open one', async () => {
    const path = copyOf('h264-bframes-audio.mp4');
    const other = copyOf('vfr.mp4', 'other.mp4');
    await using known = await openVideo(other, { cache });
    expect((await known.index()).length).toBe(54);
    await using video = await openVideo(path, { cache });
    renameSync(other, path);
    // What was remembered of the one is not taken for the other, nor the other way round.
    const before = await cache.stats();
    await video.index();
    const { hits, indexes } = await cache.stats();
    expect({ hits, indexes }).toEqual({ hits: before.hits, indexes: 1 });
    await using again = await openVideo(path, { cache });
    expect((await again.index()).length).toBe(54);
    expect((await cache.stats()).hits).toBe(hits + 1);
  });
});

describe('the cache', () => {
  const test = testOf('upright.mp4');

  test('takes a damaged record for none, and removes it', async () => {
    const path = copyOf('upright.mp4');
    const { analysis } = await through(path);
    const keep = copyOf('vfr.mp4');
    await through(keep);
    await cache.close();
    const database = open<Buffer, string>(join(directory, 'v1'), {
      noSubdir: false,
      noSync: true,
      encoding: 'binary',
    });
    const records = database.openDB<Buffer, string>('records', { encoding: 'binary' });
    const keys = [...records.getKeys()].filter((key) => key.startsWith('a:'));
    expect(keys).toHaveLength(2);
    // One with a bit turned over, one that is whole but stands in the place of another.
    const [some, other] = keys.map((key) => Buffer.from(records.get(key) as Buffer));
    records.putSync(keys[1] as string, some as Buffer);
    (other as Buffer)[30] = ((other as Buffer)[30] as number) ^ 4;
    records.putSync(keys[0] as string, other as Buffer);
    await database.close();
    await reopen();
    expect(await cache.get(path)).toBeUndefined();
    expect((await cache.stats()).analyses).toBe(1);
    expect(await cache.verify()).toMatchObject({ damaged: 1 });
    expect((await cache.stats()).analyses).toBe(0);
    expect((await cache.stats()).bytes).toBe(0);
    expect(await through(path)).toEqual({ analysis, cached: false });
    expect(await cache.verify()).toEqual({ sound: 1, damaged: 0 });
  });

  test('forgets what nobody used for maxAge', async () => {
    const path = copyOf('upright.mp4');
    await through(path);
    const day = 86_400;
    later(29 * day);
    await reopen();
    await through(path); // a use
    later(58 * day);
    await reopen();
    expect(await cache.has(path)).toBe(true); // none
    later(60 * day);
    await reopen();
    expect(await cache.stats()).toMatchObject({ entries: 0, files: 1 });
    // Nor is it answered where clean-up has not come by.
    await through(path);
    await reopen();
    expect(await cache.stats()).toMatchObject({ entries: 1 });
    later(91 * day);
    expect(await cache.stats()).toMatchObject({ entries: 1 });
    expect(await cache.has(path)).toBe(false);
  });

  test('counts, preloads, prunes and clears', async () => {
    const paths = ['upright.mp4', 'vfr.mp4', 'sar.mp4'].map((name) =>
      copyOf(name as 'upright.mp4'),
    );
    for (const path of paths) await through(path);
    await reopen();
    expect(await cache.preload([...paths, join(folder, 'none.mp4')])).toBe(3);
    const stats = await cache.stats();
    expect(stats).toMatchObject({
      directory,
      entries: 3,
      memoryEntries: 3,
      persistent: true,
    });
    expect(stats).toMatchObject({ hits: 0, misses: 0, maxBytes: 500e6 });
    expect(stats.bytes).toBeGreaterThan(0);
    expect(stats.oldestAge).toBeGreaterThanOrEqual(stats.newestAge as number);
    const { removed, bytes } = await cache.prune({
      maxBytes: Math.floor(stats.bytes * 0.9),
    });
    expect(removed).toBeGreaterThan(0);
    expect(bytes).toBeLessThanOrEqual(stats.bytes * 0.9 * 0.8);
    expect((await cache.stats()).bytes).toBe(bytes);
    expect(await cache.clear()).toBe(3 - removed);
    const { fileBytes, ...empty } = await cache.stats();
    expect(empty).toMatchObject({
      entries: 0,
      bytes: 0,
      memoryEntries: 0,
      oldestAge: null,
    });
    expect(fileBytes).toBeLessThan(100_000);
    expect((await through(paths[0] as string)).cached).toBe(false);
  });

  test('goes on where its folder is removed under it', async () => {
    const path = copyOf('upright.mp4');
    await through(path);
    rmSync(directory, { recursive: true });
    expect((await cache.stats()).entries).toBe(0);
    expect((await through(copyOf('vfr.mp4'))).cached).toBe(false);
    await reopen();
    expect((await cache.stats()).entries).toBe(1);
  });

  test('checks what it is given, and is closed once and for all', async () => {
    expect(() => new AnalysisCache({ directory: '' })).toThrow(TypeError);
    expect(() => new AnalysisCache({ maxBytes: 0 })).toThrow(RangeError);
    expect(() => new AnalysisCache({ maxBytes: 1.5 })).toThrow(TypeError);
    expect(() => new AnalysisCache({ maxAge: -1 })).toThrow(RangeError);
    expect(() => new AnalysisCache({ maxMemoryBytes: 0 })).toThrow(RangeError);
    await expect(cache.get(7 as never)).rejects.toThrow(TypeError);
    await expect(cache.get('x', { fps: 0 })).rejects.toThrow(RangeError);
    const wrong = { cache: {} as AnalysisCache };
    await expect(analyze(clip('upright.mp4'), wrong)).rejects.toThrow(/cache must be/);
    await expect(openVideo(clip('upright.mp4'), wrong)).rejects.toThrow(/cache must be/);
    await cache.close();
    await cache.close();
    await expect(cache.get('x')).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    await expect(analyze(clip('upright.mp4'), { cache })).rejects.toMatchObject({
      code: 'ERR_CLOSED',
    });
  });
});

test('the cache lies where the system keeps caches', () => {
  const home = homedir();
  expect(defaultDirectory({ RUSHES_CACHE_DIR: '/tmp/x' }, 'linux')).toBe('/tmp/x');
  expect(defaultDirectory({ XDG_CACHE_HOME: '/c' }, 'linux')).toBe('/c/rushes');
  expect(defaultDirectory({ XDG_CACHE_HOME: 'c' }, 'linux')).toBe(
    `${home}/.cache/rushes`,
  );
  expect(defaultDirectory({}, 'darwin')).toBe(`${home}/Library/Caches/rushes`);
  expect(defaultDirectory({ LOCALAPPDATA: '/l' }, 'win32')).toBe('/l/rushes/Cache');
});
