import fc from 'fast-check';
import { describe, expect } from 'vitest';
import { type Frame, MediaError, openVideo } from '../src/index.ts';
import { CLEAN, LIBRARY, runScript } from './helpers/child.ts';
import { clip, facts, testOf } from './helpers/clips.ts';
import { digests } from './helpers/frames.ts';

const NAME = 'h264-bframes-audio.mp4';
const PATH = clip(NAME);
const FRAMES = facts(NAME).frames;
const test = testOf(NAME);

async function take(frames: AsyncIterator<Frame>, count: number): Promise<Frame[]> {
  const taken: Frame[] = [];
  while (taken.length < count) {
    const next = await frames.next();
    if (next.done) break;
    taken.push(next.value);
  }
  return taken;
}

const closed = expect.objectContaining({ name: 'MediaError', code: 'ERR_CLOSED' });

describe('close', () => {
  test('ends a read under way', async () => {
    const video = await openVideo(PATH);
    const frames = video.frames();
    await take(frames, 3);
    const failure = take(frames, FRAMES).catch((error: unknown) => error);
    await video.close();
    expect(await failure).toEqual(closed);
    expect(await failure).toBeInstanceOf(MediaError);
  });

  test('may be called before the first read, twice, and twice at once', async () => {
    const video = await openVideo(PATH);
    await Promise.all([video.close(), video.close()]);
    await expect(video.close()).resolves.toBeUndefined();
  });

  test('leaves facts and frames, and refuses everything else', async () => {
    const video = await openVideo(PATH);
    const [frame] = await take(video.frames(), 1);
    await video.close();
    expect(video.info.codec).toBe('h264');
    expect(video.decodePath.backend).toBe('native');
    expect(frame?.data.length).toBe(128 * 96 * 3);
    await expect(take(video.frames(), 1)).rejects.toEqual(closed);
    await expect(video.batches().next()).rejects.toEqual(closed);
    await expect(digests(video)).rejects.toEqual(closed);
  });

  test('happens at the end of `await using`', async () => {
    let leaked: Awaited<ReturnType<typeof openVideo>>;
    {
      await using video = await openVideo(PATH);
      leaked = video;
      expect((await take(video.frames(), 1)).length).toBe(1);
    }
    await expect(take(leaked.frames(), 1)).rejects.toEqual(closed);
  });

  test('is safe at any moment', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: FRAMES + 1 }),
        fc.integer({ min: 0, max: 5 }),
        async (read, turns) => {
          const video = await openVideo(PATH, { width: 32, pixelFormat: 'gray8' });
          const frames = video.frames();
          const first = await take(frames, read);
          expect(first.length).toBe(Math.min(read, FRAMES));
          const rest = take(frames, FRAMES).catch((reason: unknown) => reason);
          for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
          await video.close();
          const ended = await rest;
          if (!Array.isArray(ended)) expect(ended).toEqual(closed);
          else expect(first.length + ended.length).toBe(FRAMES);
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe('abort', () => {
  test('in mid-read rejects with the reason, and the video can be used again', async () => {
    await using video = await openVideo(PATH, { pixelFormat: 'gray8' });
    const whole = await digests(video.frames());
    const stop = new AbortController();
    const reason = { why: 'enough' };
    const frames = video.frames({ signal: stop.signal });
    await take(frames, 3);
    const next = take(frames, FRAMES);
    stop.abort(reason);
    await expect(next).rejects.toBe(reason);
    expect(await digests(video.frames())).toEqual(whole);
  });

  test('of one pass leaves another alone', async () => {
    await using video = await openVideo(PATH, { pixelFormat: 'gray8' });
    const stop = new AbortController();
    const [one, other] = [video.frames({ signal: stop.signal }), video.frames()];
    await take(one, 2);
    await take(other, 2);
    stop.abort();
    await expect(take(one, FRAMES)).rejects.toBe(stop.signal.reason);
    expect((await take(other, FRAMES)).length).toBe(FRAMES - 2);
  });

  test('before a pass gives no frame', async () => {
    await using video = await openVideo(PATH);
    const signal = AbortSignal.abort('no');
    await expect(video.frames({ signal }).next()).rejects.toBe('no');
    await expect(video.batches({ signal }).next()).rejects.toBe('no');
  });

  test('of the signal given to openVideo ends its reads', async () => {
    const stop = new AbortController();
    await using video = await openVideo(PATH, { signal: stop.signal });
    const frames = video.frames();
    await take(frames, 1);
    stop.abort('over');
    await expect(take(frames, FRAMES)).rejects.toBe('over');
  });
});

describe('an iteration', () => {
  test('left early does not close the video', async () => {
    await using video = await openVideo(PATH, { pixelFormat: 'gray8' });
    for await (const _ of video) break;
    for await (const _ of video.batches()) break;
    expect((await digests(video)).length).toBe(FRAMES);
  });

  test('that was never begun costs nothing', async () => {
    await using video = await openVideo(PATH);
    video.frames();
    await video.frames().return(undefined);
    expect((await take(video.frames(), 1)).length).toBe(1);
  });

  test('gives nothing more after its end', async () => {
    await using video = await openVideo(PATH, { pixelFormat: 'gray8' });
    const frames = video.frames({ end: 0.1 });
    expect((await take(frames, FRAMES)).length).toBe(3);
    expect(await frames.next()).toEqual({ done: true, value: undefined });
  });
});

describe('what a video holds', () => {
  /** In the scripts below: how often this file is open, and how many threads there are. */
  const held = `import { readdirSync, readlinkSync } from 'node:fs';
    const path = process.argv[1];
    const held = () => ({
      files: readdirSync('/proc/self/fd').filter((fd) => {
        try {
          return readlinkSync('/proc/self/fd/' + fd) === path;
        } catch {
          return false; // the one that lists the folder
        }
      }).length,
      threads: readdirSync('/proc/self/task').length,
    });
    // Threads end, and idle decoders go, a moment after nobody needs them.
    const until = async (done) => {
      for (let turn = 0; turn < 500 && !done(held()); turn++) {
        await new Promise((next) => setTimeout(next, 10));
      }
      return held();
    };`;
  // /proc tells at once and exactly; other systems have no such thing.
  const linuxTest = process.platform === 'linux' ? test : test.skip;

  linuxTest('is freed by close(), not by the garbage collector', async () => {
    const { stdout, ...rest } = await runScript(
      `import { readFile } from 'node:fs/promises';
      import { openVideo } from ${LIBRARY};
      ${held}
      await readFile(path); // since Node 24 its own threads start when they are first needed
      const before = held();
      for (const finish of [false, true]) {
        const video = await openVideo(path, { threads: 4 });
        for await (const _ of video) if (!finish) break;
        const during = held();
        await video.close();
        const { files } = held(); // at once
        const after = await until(({ threads }) => threads <= before.threads);
        console.log(JSON.stringify({ before, during, files, after }));
      }`,
      [PATH],
    );
    expect(rest).toEqual(CLEAN);
    for (const line of stdout.trim().split('\n')) {
      const { before, during, files, after } = JSON.parse(line);
      expect(before.files).toBe(0);
      expect(files).toBe(0);
      expect(during.files).toBe(1);
      expect(during.threads).toBeGreaterThan(before.threads + 1);
      expect(after).toEqual(before);
    }
  });

  linuxTest('does not grow with iterations that are over', async () => {
    const { stdout, ...rest } = await runScript(
      `import { openVideo } from ${LIBRARY};
      ${held}
      const video = await openVideo(path);
      for (let round = 0; round < 3; round++) {
        const passes = [1, 2, 3].map(() => video.frames());
        for (const pass of passes) await pass.next();
        const during = held().files;
        for (const pass of passes) await pass.return();
        console.log(during, (await until(({ files }) => files <= 1)).files);
      }
      await video.close();
      console.log(0, held().files);`,
      [PATH],
    );
    expect(rest).toEqual(CLEAN);
    expect(stdout).toBe('3 1\n3 1\n3 1\n0 0\n');
  });
});

describe('memory', () => {
  /**
   * Slack between the medians of the resident size in rounds 100–200 and 200–300, bytes. The
   * allocator's own noise stayed below 1.5 MB (Linux, glibc); scaler contexts leaked on
   * purpose came to 6 MB.
   */
  const TOLERANCE = 4e6;

  test('stays flat over 300 rounds of opening, decoding and closing', async () => {
    const { stdout, ...rest } = await runScript(
      `import { openVideo } from ${LIBRARY};
      const sizes = [];
      for (let round = 0; round < 300; round++) {
        const video = await openVideo(process.argv[1]);
        let frames = 0;
        // Every other round stops in the middle.
        for await (const _ of video) if (++frames === 60 && round % 2) break;
        await video.close();
        globalThis.gc();
        sizes.push(process.memoryUsage.rss());
      }
      console.log(JSON.stringify(sizes));`,
      [PATH],
      { nodeOptions: ['--expose-gc'] },
    );
    expect(rest).toEqual(CLEAN);
    const sizes = JSON.parse(stdout) as number[];
    const median = (values: number[]) =>
      values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
    const growth = median(sizes.slice(200)) - median(sizes.slice(100, 200));
    expect(growth).toBeLessThan(TOLERANCE);
  });
});

describe('a process', () => {
  test('ends by itself although a video is open and idle', async () => {
    const ended = await runScript(
      `import { openVideo } from ${LIBRARY};
      const video = await openVideo(process.argv[1]);
      for await (const frame of video) break;
      console.log(video.info.codec);`,
      [PATH],
      { timeout: 20_000 },
    );
    expect(ended).toEqual({ ...CLEAN, stdout: 'h264\n' });
  });

  test('may exit in mid-read', async () => {
    const ended = await runScript(
      `import { openVideo } from ${LIBRARY};
      const video = await openVideo(process.argv[1]);
      video.frames().next();
      const other = video.frames();
      await other.next();
      other.next();
      process.exit(7);`,
      [PATH],
      { timeout: 20_000 },
    );
    expect(ended).toEqual({ ...CLEAN, code: 7, stdout: '' });
  });
});
