import { createReadStream } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect } from 'vitest';
import {
  analyze,
  MediaError,
  openVideo,
  probe,
  type Video,
  type VideoSource,
} from '../src/index.ts';
import { CLEAN, LIBRARY, runScript } from './helpers/child.ts';
import { clip, facts, testOf } from './helpers/clips.ts';
import { ffmpeg, ffmpegTest } from './helpers/ffmpeg.ts';
import { type Digest, digest, digests } from './helpers/frames.ts';
import { temporaryDirectory } from './helpers/temporary.ts';

/** Formats that can be read from front to back; the mp4 is made so by `faststart`. */
const STREAMING = ['mpeg2.ts', 'vp9.webm', 'gray.mkv', 'size-change.h264'] as const;
const NAME = 'h264-bframes-audio.mp4';
const test = testOf(NAME);
const folder = temporaryDirectory();

function open(source: VideoSource, signal?: AbortSignal): Promise<Video> {
  return openVideo(source, { pixelFormat: 'native', signal });
}

async function allOf(source: VideoSource): Promise<Digest[]> {
  await using video = await open(source);
  return await digests(video.frames());
}

/** What a promise rejects with. */
async function reasonOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => expect.unreachable('nothing was thrown'),
    (reason) => reason,
  );
}

/** A producer that keeps books on what was asked of it. */
class Chunks implements AsyncIterable<Uint8Array> {
  pulled = 0;
  returned = 0;
  readonly #chunks: Iterable<Uint8Array>;
  constructor(bytes: Uint8Array, size: number | Iterable<number>) {
    this.#chunks = split(bytes, size);
  }
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (const chunk of this.#chunks) {
        this.pulled += chunk.length;
        yield chunk;
      }
    } finally {
      this.returned++;
    }
  }
}

/** Pieces of these sizes, over and over. */
function* split(bytes: Uint8Array, size: number | Iterable<number>) {
  const sizes = typeof size === 'number' ? [size] : [...size];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const end = at + (sizes[i % sizes.length] as number);
    yield bytes.subarray(at, end);
    at = end;
  }
}

/** Where the top-level boxes of an mp4 begin and end. */
function boxes(file: Buffer): { type: string; bytes: Buffer }[] {
  const found = [];
  for (let at = 0; at < file.length; ) {
    const size = file.readUInt32BE(at);
    const type = file.toString('latin1', at + 4, at + 8);
    found.push({ type, bytes: file.subarray(at, at + size) });
    at += size;
  }
  return found;
}

/** The same mp4 with `bytes` of nothing before its tables, so that they are far from the pictures. */
function farTables(file: Buffer, bytes: number): Buffer {
  const free = Buffer.alloc(bytes);
  free.writeUInt32BE(bytes);
  free.write('free', 4, 'latin1');
  return Buffer.concat(
    boxes(file).flatMap((box) => (box.type === 'moov' ? [free, box.bytes] : [box.bytes])),
  );
}

/** A long stream: the transport stream over and over, which a demuxer reads on through. */
async function longStream(bytes: number): Promise<Buffer> {
  const once = await readFile(clip('mpeg2.ts'));
  return Buffer.concat(Array(Math.ceil(bytes / once.length)).fill(once));
}

describe('a file in memory', () => {
  const names = [NAME, 'odd-size.mp4', 'start-offset.mp4', ...STREAMING] as const;
  for (const name of names) {
    testOf(name)(`gives the frames of the file: ${name}`, async () => {
      const file = await readFile(clip(name));
      expect(await allOf(file)).toEqual(await allOf(clip(name)));
    });
  }

  test('can be a Buffer, a Uint8Array, an ArrayBuffer or shared memory', async () => {
    const wanted = await allOf(clip(NAME));
    const file = await readFile(clip(NAME));
    const padded = new Uint8Array(file.length + 20);
    padded.set(file, 7);
    const shared = new Uint8Array(new SharedArrayBuffer(file.length));
    shared.set(file);
    const view = padded.subarray(7, 7 + file.length);
    for (const source of [view, view.slice().buffer, shared, shared.buffer]) {
      expect(await allOf(source as Uint8Array)).toEqual(wanted);
    }
  });

  test('is described as the file is', async () => {
    const wanted = await probe(clip(NAME));
    const info = await probe(await readFile(clip(NAME)));
    expect(info).toEqual({ ...wanted, source: '<buffer>' });
  });

  test('can be read from any place, in several passes at once', async () => {
    const file = await readFile(clip('keyframes.mp4'));
    await using video = await open(file);
    await using wanted = await open(clip('keyframes.mp4'));
    expect(await video.index()).toEqual(await wanted.index());
    const all = await digests(wanted.frames());
    const frames = await video.framesAt([71, 3, 99, 50].map((index) => ({ index })));
    expect(frames.map(digest)).toEqual([71, 3, 99, 50].map((i) => all[i]));
    expect(digest(await video.frameAt(2.02))).toEqual(all[50]);
    const selection = { start: 1.2, end: 3, keyFrames: true };
    const [keys, whole, range] = await Promise.all([
      digests(video.frames({ keyFrames: true })),
      digests(video.frames()),
      digests(video.frames(selection)),
    ]);
    expect(whole).toEqual(all);
    expect(keys).toEqual(all.filter(({ keyFrame }) => keyFrame));
    expect(range).toEqual(await digests(wanted.frames(selection)));
  });

  test('is analysed as the file is', async () => {
    const wanted = await analyze(clip('cuts.mp4'));
    const result = await analyze(await readFile(clip('cuts.mp4')));
    const info = { ...wanted.info, source: '<buffer>' };
    expect(result).toEqual({ ...wanted, source: '<buffer>', info });
  });

  test('may be changed or transferred as soon as the call has returned', async () => {
    const wanted = await allOf(clip(NAME));
    const bytes = new Uint8Array(await readFile(clip(NAME)));
    const opening = open(bytes);
    structuredClone(bytes, { transfer: [bytes.buffer] });
    expect(bytes.length).toBe(0);
    await using video = await opening;
    expect(await digests(video.frames())).toEqual(wanted);
  });

  test('that is empty, detached or no video is refused with a code', async () => {
    const detached = new Uint8Array(10);
    structuredClone(detached, { transfer: [detached.buffer] });
    for (const bytes of [new Uint8Array(0), new ArrayBuffer(0), detached]) {
      const error = await reasonOf(openVideo(bytes));
      expect(error).toBeInstanceOf(MediaError);
      expect(error).toMatchObject({ code: 'ERR_EMPTY', source: '<buffer>' });
    }
    const garbage = await readFile(clip('garbage.mp4'));
    await expect(openVideo(garbage)).rejects.toMatchObject({ code: 'ERR_INVALID_DATA' });
  });

  test('cannot make the demuxer read other files', async () => {
    const playlist = Buffer.from(
      `#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile://${clip('mpeg2.ts')}\n#EXT-X-ENDLIST\n`,
    );
    const concat = Buffer.from(`ffconcat version 1.0\nfile '${clip('mpeg2.ts')}'\n`);
    for (const bytes of [playlist, concat]) {
      expect(await reasonOf(open(bytes))).toBeInstanceOf(MediaError);
      expect(await reasonOf(open(Readable.from([bytes])))).toBeInstanceOf(MediaError);
    }
  });

  test('is freed when the video is closed, not when it is collected', async () => {
    const { stdout, ...rest } = await runScript(
      `import { readFileSync } from 'node:fs';
      import { openVideo } from ${LIBRARY};
      const film = readFileSync(process.argv[1]);
      const bytes = new Uint8Array(5_000_000); // what follows the last box does not matter
      bytes.set(film);
      new DataView(bytes.buffer).setUint32(film.length, bytes.length - film.length);
      bytes.set(Buffer.from('free'), film.length + 4);
      const rss = [];
      for (let round = 0; round < 200; round++) {
        const video = await openVideo(bytes, { threads: 1 });
        for await (const frame of video) break;
        await video.close();
        rss.push(process.memoryUsage.rss());
      }
      console.log(Math.round((rss.at(-1) - rss[49]) / 1e6));`,
      [clip(NAME)],
    );
    expect(rest).toEqual(CLEAN);
    // 150 rounds of 5 MB would be 750.
    expect(Number(stdout)).toBeLessThan(40);
  });
});

describe('a stream', () => {
  for (const name of STREAMING) {
    testOf(name)(`gives the frames of the file: ${name}`, async () => {
      const wanted = await allOf(clip(name));
      for (const highWaterMark of [1, 1000, 1 << 24]) {
        const stream = createReadStream(clip(name), { highWaterMark });
        expect(await allOf(stream)).toEqual(wanted);
        expect(stream.destroyed).toBe(true);
      }
    });
  }

  ffmpegTest('gives the frames of an mp4 whose tables come first', async () => {
    for (const flags of ['+faststart', '+frag_keyframe+empty_moov']) {
      const path = join(folder, 'moved.mp4');
      await ffmpeg(['-y', '-i', clip(NAME), '-c', 'copy', '-movflags', flags, path]);
      expect(await allOf(createReadStream(path))).toEqual(await allOf(path));
    }
  });

  test('can be a web stream, a generator or any async iterable', async () => {
    const wanted = await allOf(clip('mpeg2.ts'));
    const file = await readFile(clip('mpeg2.ts'));
    expect(await allOf(new Chunks(file, 5000))).toEqual(wanted);
    expect(await allOf(new Chunks(file, 5000)[Symbol.asyncIterator]())).toEqual(wanted);
    expect(await allOf(new Blob([file]).stream())).toEqual(wanted);
    expect(await allOf(Readable.from([file]))).toEqual(wanted);
    const next = Readable.from(split(file, 7000))[Symbol.asyncIterator]();
    const bare = { [Symbol.asyncIterator]: () => ({ next: () => next.next() }) };
    expect(await allOf(bare)).toEqual(wanted);
  });

  test('gives the same frames whatever the sizes of its chunks', async () => {
    const wanted = await allOf(clip('mpeg2.ts'));
    const file = await readFile(clip('mpeg2.ts'));
    const sizes = fc.array(
      fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 1 << 20 })),
      {
        minLength: 1,
        maxLength: 20,
      },
    );
    await fc.assert(
      fc.asyncProperty(sizes, async (sizes) => {
        expect(await allOf(new Chunks(file, sizes))).toEqual(wanted);
      }),
      { numRuns: 25 },
    );
  });

  test('is described without a size', async () => {
    const info = await probe(createReadStream(clip('mpeg2.ts')));
    expect(info).toMatchObject({ source: '<stream>', size: null, codec: 'mpeg2video' });
  });

  test('is analysed in one pass', async () => {
    const result = await analyze(createReadStream(clip('mpeg2.ts')));
    const wanted = await analyze(clip('mpeg2.ts'));
    expect(result.complete).toBe(true);
    expect(result.frames).toBe(wanted.frames);
    expect(result.samples).toEqual(wanted.samples);
  });

  test('can be read in part, by time or by key frames', async () => {
    for (const selection of [
      { start: 1.5 },
      { keyFrames: true },
      { start: 1.5, keyFrames: true },
      { every: 0.3, end: 2.5 },
    ]) {
      await using whole = await open(clip('mpeg2.ts'));
      await using video = await open(createReadStream(clip('mpeg2.ts')));
      const wanted = await digests(whole.frames(selection));
      expect(await digests(video.frames(selection))).toEqual(wanted);
    }
  });

  test('is pulled no faster than frames are taken, and stopped by close', async () => {
    const long = await longStream(40_000_000);
    const chunks = new Chunks(long, 10_000);
    const video = await open(chunks);
    let frames = 0;
    for await (const _ of video) if (++frames === 20) break;
    await turn();
    const { pulled } = chunks;
    expect(pulled).toBeLessThan(4_000_000);
    await turn();
    expect(chunks).toMatchObject({ pulled, returned: 0 });
    await video.close();
    expect(chunks).toMatchObject({ pulled, returned: 1 });
    await video.close();
    expect(chunks.returned).toBe(1);
  });

  test('that gives one enormous chunk is no other case', async () => {
    const long = await longStream(8_000_000);
    expect((await allOf(Readable.from([long]))).length).toBeGreaterThan(2000);
  });

  test('waits for a slow producer', async () => {
    const file = await readFile(clip('mpeg2.ts'));
    async function* slowly() {
      for (const chunk of split(file, 2000)) {
        await new Promise((done) => setTimeout(done, 5));
        yield chunk;
      }
    }
    expect(await allOf(slowly())).toEqual(await allOf(clip('mpeg2.ts')));
  });

  test('is read once: what would begin again is refused, with a code', async () => {
    const refused = { code: 'ERR_NOT_SEEKABLE', source: '<stream>' };
    await using video = await open(createReadStream(clip('mpeg2.ts')));
    await expect(video.index()).rejects.toMatchObject(refused);
    await expect(video.frameAt(1)).rejects.toMatchObject(refused);
    const frames = video.frames();
    expect((await frames.next()).done).toBe(false);
    await expect(digests(video.frames())).rejects.toMatchObject(refused);
    // The first goes on unharmed.
    expect((await digests(frames)).length).toBe(facts('mpeg2.ts').frames - 1);
    for (let i = 0; i < 3; i++) {
      await expect(digests(video.frames())).rejects.toMatchObject(refused);
    }
    await expect(video.index()).rejects.toMatchObject(refused);
  });

  test('of an mp4 whose tables come last is refused, with a code and advice', async () => {
    const file = await readFile(clip(NAME));
    expect(boxes(file).at(-1)?.type).toBe('moov');
    const far = farTables(file, 3_000_000);
    expect(await allOf(far)).toEqual(await allOf(clip(NAME)));
    const chunks = new Chunks(far, 50_000);
    const error = await reasonOf(open(chunks));
    expect(error).toMatchObject({ code: 'ERR_NOT_SEEKABLE' });
    expect((error as Error).message).toContain('faststart');
    expect(chunks.returned).toBe(1);
  });

  test('that is empty, garbage or cut off fails as the file would', async () => {
    await expect(open(Readable.from([]))).rejects.toMatchObject({ code: 'ERR_EMPTY' });
    for (const name of [
      'garbage.mp4',
      'text.txt',
      'no-moov.mp4',
      'audio-only.m4a',
    ] as const) {
      const { code } = (await reasonOf(open(clip(name)))) as MediaError;
      const stream = createReadStream(clip(name));
      await expect(open(stream)).rejects.toMatchObject({ code });
      expect(stream.destroyed).toBe(true);
    }
    for (const name of ['truncated.mkv', 'truncated.mp4'] as const) {
      const read = async (source: VideoSource) => {
        await using video = await open(source);
        const frames: Digest[] = [];
        const end = (async () => {
          for await (const frame of video) frames.push(digest(frame));
        })();
        return { code: ((await reasonOf(end)) as MediaError).code, frames };
      };
      expect(await read(createReadStream(clip(name)))).toEqual(await read(clip(name)));
    }
  });

  test('that throws gives the frames before it and then its error as the cause', async () => {
    const file = await readFile(clip('mpeg2.ts'));
    const cause = new Error('the line went dead');
    for (const part of [0, 0.5, 0.9]) {
      const bytes = file.subarray(0, file.length * part);
      async function* failing() {
        yield* split(bytes, 3000);
        throw cause;
      }
      const frames: Digest[] = [];
      const reading = (async () => {
        await using video = await open(failing());
        for await (const frame of video) frames.push(digest(frame));
      })();
      const error = await reasonOf(reading);
      expect(error).toBeInstanceOf(MediaError);
      expect(error).toMatchObject({ code: 'ERR_IO', cause });
      expect((error as Error).message).toContain(cause.message);
      if (part === 0.9) expect(frames.length).toBeGreaterThan(10);
    }
  });

  test('that throws is reported by an analysis as damage is', async () => {
    const file = await readFile(clip('mpeg2.ts'));
    async function* failing() {
      yield* split(file.subarray(0, file.length * 0.8), 3000);
      throw new Error('the line went dead');
    }
    const { complete, errors, frames } = await analyze(failing());
    expect({ complete, code: errors.at(-1)?.code }).toEqual({
      complete: false,
      code: 'ERR_IO',
    });
    expect(frames).toBeGreaterThan(10);
  });

  test('of anything but bytes is a TypeError, and stopped', async () => {
    for (const chunk of ['text', 7, null, [1, 2]]) {
      let returned = false;
      const source = {
        [Symbol.asyncIterator]: () => ({
          next: async () => ({ done: false, value: chunk }),
          return: async () => {
            returned = true;
            return { done: true, value: undefined };
          },
        }),
      };
      const opening = open(source as unknown as AsyncIterable<Uint8Array>);
      await expect(opening).rejects.toThrow(TypeError);
      expect(returned).toBe(true);
    }
    await using used = await open(new Blob([await readFile(clip('mpeg2.ts'))]).stream());
    expect(used.info.codec).toBe('mpeg2video');
  });

  test('that somebody else is reading is refused', async () => {
    const stream = new Blob([await readFile(clip('mpeg2.ts'))]).stream();
    stream.getReader();
    await expect(open(stream)).rejects.toMatchObject({
      code: 'ERR_IO',
      cause: expect.any(TypeError),
    });
  });

  test('is left alone by a mistake in the options', async () => {
    const chunks = new Chunks(await readFile(clip('mpeg2.ts')), 1000);
    await expect(openVideo(chunks, { width: -1 })).rejects.toThrow(RangeError);
    expect(chunks).toMatchObject({ pulled: 0, returned: 0 });
    for (const source of [undefined, null, 5, {}, [], new Map()]) {
      const opening = openVideo(source as unknown as VideoSource);
      await expect(opening).rejects.toThrow(/^source must be/);
    }
  });

  test('whose producer hangs is stopped by an abort, in opening and in reading', async () => {
    const file = await readFile(clip('mpeg2.ts'));
    for (const bytes of [file.subarray(0, 1000), file.subarray(0, file.length * 0.6)]) {
      const stream = new Readable({ read() {} });
      stream.push(bytes);
      const stop = new AbortController();
      const reading = (async () => {
        await using video = await open(stream, stop.signal);
        for await (const _ of video);
      })();
      setTimeout(() => stop.abort('enough'), 150);
      expect(await reasonOf(reading)).toBe('enough');
      expect(stream.destroyed).toBe(true);
    }
  });

  test('whose generator hangs does not hinder close', async () => {
    const file = await readFile(clip('mpeg2.ts'));
    async function* hanging() {
      yield file.subarray(0, file.length * 0.6);
      await new Promise(() => {});
    }
    const stop = new AbortController();
    const opening = open(hanging(), stop.signal);
    setTimeout(() => stop.abort('enough'), 150);
    const reading = opening.then((video) => digests(video.frames()));
    expect(await reasonOf(reading)).toBe('enough');
  });

  test('can be closed at any moment', async () => {
    const long = await longStream(3_000_000);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(300),
        fc.integer({ min: 1, max: 200_000 }),
        async (frames, size) => {
          const chunks = new Chunks(long, size);
          const video = await open(chunks);
          let left = frames;
          for await (const _ of video) if (left-- === 0) break;
          const next = video
            .frames()
            .next()
            .catch(() => {});
          await video.close();
          await next;
          expect(chunks.returned).toBe(1);
        },
      ),
      { numRuns: 20 },
    );
  });

  test('that is not closed does not keep the process alive', async () => {
    const path = join(folder, 'long.ts');
    await writeFile(path, await longStream(5_000_000));
    const ended = await runScript(
      `import { createReadStream } from 'node:fs';
      import { openVideo } from ${LIBRARY};
      const video = await openVideo(createReadStream(process.argv[1]));
      for await (const frame of video) break;
      console.log('broken out of');`,
      [path],
      { timeout: 20_000 },
    );
    expect(ended).toEqual({ ...CLEAN, stdout: 'broken out of\n' });
  });

  test('much longer than memory should hold is not gathered', async () => {
    const { stdout, ...rest } = await runScript(
      `import { readFileSync } from 'node:fs';
      import { openVideo } from ${LIBRARY};
      const film = readFileSync(process.argv[1]);
      async function* forever() {
        for (let i = 0; i < 10_000; i++) yield film; // 300 MB
      }
      const video = await openVideo(forever(), { threads: 1, width: 16 });
      let frames = 0;
      let before = 0;
      for await (const _ of video.frames({ keyFrames: true })) {
        if (++frames === 1000) before = process.memoryUsage.rss();
        if (frames === 4000) break;
      }
      console.log(Math.round((process.memoryUsage.rss() - before) / 1e6));
      await video.close();`,
      [clip('mpeg2.ts')],
    );
    expect(rest).toEqual(CLEAN);
    expect(Number(stdout)).toBeLessThan(40);
  });

  test('under way in a worker that is terminated harms nobody', async () => {
    const { stdout, ...rest } = await runScript(
      `import { once } from 'node:events';
      import { Worker } from 'node:worker_threads';
      const script = \`
        const { parentPort, workerData } = require('node:worker_threads');
        (async () => {
          const { readFileSync } = require('node:fs');
          const { openVideo } = await import(${LIBRARY.replaceAll('"', "'")});
          const film = readFileSync(workerData);
          async function* forever() { for (;;) yield film; }
          const unread = await openVideo(forever());
          const buffer = await openVideo(film);
          const video = await openVideo(forever());
          parentPort.postMessage('reading');
          for await (const batch of video.batches({ size: 3 }));
        })();\`;
      for (let round = 0; round < 20; round++) {
        const worker = new Worker(script, { eval: true, execArgv: [], workerData: process.argv[1] });
        await once(worker, 'message');
        await new Promise((done) => setTimeout(done, round % 7));
        await worker.terminate();
      }
      console.log('well');`,
      [clip('mpeg2.ts')],
    );
    expect({ ...rest, stdout }).toEqual({ ...CLEAN, stdout: 'well\n' });
  });
});
