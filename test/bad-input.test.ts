import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { analyze, MediaError, openVideo, probe } from '../src/index.ts';
import { CLEAN, LIBRARY, runScript } from './helpers/child.ts';
import { BAD_CLIPS, clip, type DamagedClip, testOf } from './helpers/clips.ts';
import { framemd5 } from './helpers/ffmpeg.ts';
import { type Digest, digests } from './helpers/frames.ts';
import { mediaFile, mediaTest, summary } from './helpers/media.ts';
import { BROKEN_NAMES } from './helpers/media-names.ts';
import { temporaryDirectory } from './helpers/temporary.ts';

const directory = temporaryDirectory();

/** Expects every way in to fail with a code, the path and words about it. */
async function expectRefusal(path: string, code: string, words: RegExp): Promise<void> {
  for (const attempt of [openVideo, probe, analyze]) {
    const error = await attempt(path).then(
      () => new Error('no error'),
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(MediaError);
    expect(error).toMatchObject({ code, source: path });
    expect((error as Error).message).toMatch(words);
    expect((error as Error).message.startsWith(`${path}: `)).toBe(true);
  }
}

describe('what is no video is refused with a code, the path and the reason', () => {
  test('a missing file', () =>
    expectRefusal(
      join(directory, 'missing.mp4'),
      'ERR_NOT_FOUND',
      /No such file or directory/,
    ));

  test('a directory', () => expectRefusal(directory, 'ERR_IS_DIRECTORY', /directory/i));

  const words = {
    ERR_EMPTY: /empty|no bytes/i,
    ERR_INVALID_DATA: /Invalid data found when processing input/,
    ERR_NO_VIDEO: /video/,
  };
  for (const [name, code] of Object.entries(BAD_CLIPS)) {
    testOf(name as keyof typeof BAD_CLIPS)(name, () =>
      expectRefusal(clip(name as keyof typeof BAD_CLIPS), code, words[code]),
    );
  }

  (process.platform === 'win32' ? test.skip : testOf('upright.mp4'))(
    'a file that may not be read',
    async () => {
      const path = join(directory, 'unreadable.mp4');
      copyFileSync(clip('upright.mp4'), path);
      chmodSync(path, 0o000);
      chmodSync(directory, 0o755);
      // Nobody is refused anything as root, so the process becomes somebody else once it
      // has loaded the addon.
      const { stdout, ...rest } = await runScript(
        `import { probe } from ${LIBRARY};
        const [good, path] = process.argv.slice(1);
        await probe(good);
        if (process.getuid() === 0) {
          process.setegid(65534);
          process.seteuid(65534);
        }
        const error = await probe(path).catch((reason) => reason);
        console.log(JSON.stringify({ code: error.code, message: error.message }));`,
        [clip('upright.mp4'), path],
      );
      expect(rest).toEqual(CLEAN);
      expect(JSON.parse(stdout)).toEqual({
        code: 'ERR_ACCESS',
        message: expect.stringContaining('Permission denied'),
      });
    },
  );

  test('what is neither a path nor a file URL', async () => {
    for (const source of [undefined, null, 42, '', {}, new URL('http://localhost/a')]) {
      await expect(openVideo(source as string)).rejects.toThrow(TypeError);
      await expect(probe(source as string)).rejects.toThrow(TypeError);
    }
  });
});

testOf('upright.mp4')('a file URL is as good as a path, whatever its name', async () => {
  const path = join(directory, 'ä 50%#1?.mp4');
  copyFileSync(clip('upright.mp4'), path);
  expect((await probe(pathToFileURL(path))).frameCount).toBe(25);
  expect((await probe(path)).frameCount).toBe(25);
});

/** Reads to the end or to a failure, whichever comes first. */
async function readAll(path: string, onDecodeError: 'throw' | 'skip') {
  await using video = await openVideo(path, { pixelFormat: 'native', onDecodeError });
  const frames: Digest[] = [];
  let failure: unknown;
  try {
    for await (const frame of video.frames()) {
      frames.push(...(await digests(one(frame))));
    }
  } catch (error) {
    failure = error;
  }
  return { frames, failure, errors: video.errors };
}

describe('an encrypted stream says that it is one', () => {
  for (const name of ['encrypted.mp4', 'encrypted.mkv'] as const) {
    testOf(name)(name, async () => {
      expect((await probe(clip(name))).width).toBe(96);
      for (const onDecodeError of ['throw', 'skip'] as const) {
        await using video = await openVideo(clip(name), { onDecodeError });
        const wanted = { code: 'ERR_ENCRYPTED', source: clip(name) };
        await expect(video.frames().next()).rejects.toMatchObject(wanted);
        await expect(video.frameAt(0)).rejects.toMatchObject(wanted);
        await expect(analyze(clip(name))).rejects.toMatchObject(wanted);
      }
    });
  }

  for (const name of ['bipbop-cenc-video-10s.mp4', 'short-cenc.mp4']) {
    mediaTest(name, async () => {
      const { frames, failure } = await readAll(mediaFile(`broken/${name}`), 'skip');
      expect(failure).toMatchObject({ code: 'ERR_ENCRYPTED' });
      expect(frames).toEqual([]);
    });
  }
});

async function* one<T>(item: T): AsyncGenerator<T> {
  yield item;
}

describe('damage is never passed over in silence', () => {
  const cases: { name: DamagedClip; codes: string[] }[] = [
    { name: 'damaged.mp4', codes: ['ERR_DECODE', 'ERR_INVALID_DATA'] },
    { name: 'truncated.mp4', codes: ['ERR_TRUNCATED'] },
    { name: 'truncated.mkv', codes: ['ERR_TRUNCATED'] },
  ];
  for (const { name, codes } of cases) {
    testOf(name)(`${name}: frames before the damage, then the error`, async () => {
      const { frames, failure } = await readAll(clip(name), 'throw');
      const wanted = await framemd5(clip(name));
      expect(failure).toBeInstanceOf(MediaError);
      expect(codes).toContain((failure as MediaError).code);
      expect((failure as MediaError).source).toBe(clip(name));
      expect(frames.length).toBeGreaterThan(10);
      expect(frames.map(({ md5 }) => md5)).toEqual(
        wanted.slice(0, frames.length).map(({ md5 }) => md5),
      );
    });

    testOf(name)(
      `${name}: with skip, all that can be had and what was lost`,
      async () => {
        const { frames, failure, errors } = await readAll(clip(name), 'skip');
        const wanted = await framemd5(clip(name));
        expect(failure).toBeUndefined();
        expect(frames.map(({ pts }) => pts)).toEqual(wanted.map(({ pts }) => pts));
        expect(errors.length).toBeGreaterThan(0);
        for (const error of errors) expect(error).toBeInstanceOf(MediaError);
        expect(codes).toContain(errors.at(-1)?.code);
      },
    );

    testOf(name)(`${name}: an analysis lists what was lost`, async () => {
      const { errors, complete, frames } = await analyze(clip(name));
      expect(errors.length).toBeGreaterThan(0);
      expect(codes).toContain(errors.at(-1)?.code);
      expect(complete).toBe(false);
      expect(frames).toBe((await framemd5(clip(name))).length);
    });
  }
});

testOf('truncated.mp4')(
  'a packet that the end of the file cuts in two is one error, whatever the threads',
  async () => {
    const path = clip('truncated.mp4');
    for (const threads of [1, 2, 4]) {
      await using video = await openVideo(path, { threads, onDecodeError: 'skip' });
      for await (const _ of video.frames());
      expect(video.errors.map(({ code }) => code)).toEqual(['ERR_TRUNCATED']);

      await using strict = await openVideo(path, { threads });
      const all = (async () => {
        for await (const _ of strict.frames());
      })();
      await expect(all).rejects.toMatchObject({ code: 'ERR_TRUNCATED', source: path });
    }
  },
);

describe('what the reader of a format leaves out in silence is damage', () => {
  /** Expects all frames that can be had, and that some could not. */
  async function expectLoss(
    source: string,
    damage: (bytes: Buffer) => Buffer,
    code: string,
  ) {
    const path = join(directory, basename(source));
    writeFileSync(path, damage(readFileSync(source)));
    const wanted = (await framemd5(path)).map(({ md5 }) => md5);
    expect(wanted.length).toBeGreaterThan(0);
    expect(wanted.length).toBeLessThan((await framemd5(source)).length);
    const strict = await readAll(path, 'throw');
    expect(strict.failure).toMatchObject({ name: 'MediaError', code, source: path });
    expect(strict.frames.map(({ md5 }) => md5)).toEqual(wanted);
    const { frames, failure, errors } = await readAll(path, 'skip');
    expect(failure).toBeUndefined();
    expect(frames.map(({ md5 }) => md5)).toEqual(wanted);
    expect(errors.map((error) => error.code)).toEqual([code]);
    const analysis = await analyze(path);
    expect(analysis.complete).toBe(false);
    expect(analysis.errors.map((error) => error.code)).toEqual([code]);
  }

  const middle = (bytes: Buffer) =>
    bytes.fill(0, bytes.length / 2, bytes.length / 2 + 600);
  const cut = (bytes: Buffer) => bytes.subarray(0, bytes.length * 0.6);

  testOf('vp9.webm')('Matroska: vp9.webm', () =>
    expectLoss(clip('vp9.webm'), middle, 'ERR_INVALID_DATA'),
  );
  mediaTest('Ogg: A4.ogv', () =>
    expectLoss(mediaFile('media/A4.ogv'), middle, 'ERR_INVALID_DATA'),
  );
  mediaTest('FLV: exo_sample.flv', () =>
    expectLoss(mediaFile('media/exo_sample.flv'), middle, 'ERR_INVALID_DATA'),
  );
  // FFmpeg has read all of it before it has opened it.
  mediaTest('a small file that is cut short: exo_sample.mkv', () =>
    expectLoss(mediaFile('media/exo_sample.mkv'), cut, 'ERR_TRUNCATED'),
  );

  testOf('vp9.webm')('but not to who does not read on to the end', async () => {
    const path = join(directory, 'range.webm');
    writeFileSync(path, middle(readFileSync(clip('vp9.webm'))));
    await using video = await openVideo(path);
    const frames = [];
    for await (const { time } of video.frames({ end: 0.5 })) frames.push(time);
    expect(frames.length).toBe(13);
    expect((await video.frameAt(0.48)).time).toBeCloseTo(0.48);
  });
});

describe('a pipe that nobody writes to', () => {
  const unix = process.platform !== 'win32';

  for (const call of ['openVideo', 'probe', 'analyze']) {
    test.skipIf(!unix)(`can be given up by a signal in ${call}`, async () => {
      const path = join(directory, `${call}.fifo`);
      expect(spawnSync('mkfifo', [path]).status).toBe(0);
      const { stdout, ...rest } = await runScript(
        `import { ${call} } from ${LIBRARY};
        const reason = new Error('enough');
        const stop = new AbortController();
        setTimeout(() => stop.abort(reason), 100);
        const error = await ${call}(process.argv[1], { signal: stop.signal })
          .catch((reason) => reason);
        console.log(error === reason);`,
        [path],
        // Far above the 100 ms promised: a loaded machine proves nothing. A writer never
        // comes, so a hang would end here, too.
        { timeout: 10_000 },
      );
      expect({ ...rest, stdout }).toEqual({ ...CLEAN, stdout: 'true\n' });
    });
  }

  testOf('upright.mp4')('a signal aborted before is as good', async () => {
    const signal = AbortSignal.abort('no');
    await expect(openVideo(clip('upright.mp4'), { signal })).rejects.toBe('no');
    await expect(probe(clip('upright.mp4'), { signal })).rejects.toBe('no');
    await expect(analyze(clip('upright.mp4'), { signal })).rejects.toBe('no');
  });
});

describe('broken files end in frames or a typed error within 10 s', () => {
  /** Prints how many frames came and why no more did. Anything but a MediaError crashes it. */
  const script = `import { MediaError, openVideo } from ${LIBRARY};
    const [path, onDecodeError] = process.argv.slice(1);
    let frames = 0;
    let skipped = 0;
    let code = null;
    try {
      const video = await openVideo(path, { pixelFormat: 'native', onDecodeError });
      try {
        for await (const batch of video.batches({ size: 4 })) frames += batch.length;
      } finally {
        skipped = video.errors.length;
        await video.close();
      }
    } catch (error) {
      if (!(error instanceof MediaError)) throw error;
      code = error.code;
    }
    console.log(JSON.stringify({ frames, skipped, code }));`;

  async function read(name: string, onDecodeError: 'throw' | 'skip') {
    const path = mediaFile(`broken/${name}`);
    const { stdout, ...rest } = await runScript(script, [path, onDecodeError], {
      timeout: 10_000,
    });
    expect({ ...rest, stderr: '' }).toEqual(CLEAN);
    return JSON.parse(stdout) as { frames: number; skipped: number; code: string | null };
  }

  /** Frames that the ffmpeg tool can still decode. */
  const decodable = (name: string) => {
    // Its sound is what is broken: the tool gives up, though its picture can be decoded.
    if (name === 'bug604067.webm') return 2;
    return summary()[name]?.video_streams[0]?.ffmpeg_frames ?? 0;
  };

  for (const name of BROKEN_NAMES) {
    mediaTest(`${name}, giving what can be had`, async () => {
      const { frames, code } = await read(name, 'skip');
      const wanted = decodable(name);
      if (wanted > 0) expect({ frames, code }).toEqual({ frames: wanted, code: null });
      else expect({ frames, code }).toEqual({ frames: 0, code: expect.any(String) });
    });

    mediaTest(`${name}, stopping at the damage`, async () => {
      const { frames, code } = await read(name, 'throw');
      const wanted = decodable(name);
      expect(frames).toBeLessThanOrEqual(wanted);
      if (frames < wanted || wanted === 0) expect(code).toEqual(expect.any(String));
    });
  }
});
