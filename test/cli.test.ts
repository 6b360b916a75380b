import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { clock, printable, quantity, table } from '../src/cli/format.ts';
import { Progress } from '../src/cli/progress.ts';
import { stillNames } from '../src/cli/stills.ts';
import { openVideo } from '../src/index.ts';
import { rushes } from './helpers/child.ts';
import { CLIPS, CUTS_AT, clip, type GoodClip, testOf } from './helpers/clips.ts';
import { ffmpegTest, framemd5 } from './helpers/ffmpeg.ts';
import { digests } from './helpers/frames.ts';
import { parseFramemd5 } from './helpers/oracle.ts';
import { temporaryDirectory } from './helpers/temporary.ts';

const directory = temporaryDirectory();
const COMMANDS = ['probe', 'frames', 'analyze'];
/** Those that write one file and print a line about it. */
const WRITING_COMMANDS = ['sheet', 'report'];

/** Expected of a command that went well and has nothing to say beside its output. */
const WELL = { code: 0, signal: null, stderr: '' };

/** Nothing that belongs to a programmer: no stack, no path of a source file. */
function expectPlainWords(stderr: string): void {
  expect(stderr).not.toMatch(/^\s+at /m);
  expect(stderr).not.toMatch(/\.(mjs|ts|js):\d+/);
  expect(stderr).not.toMatch(/Warning/);
}

describe('rushes', () => {
  test('without a command is wrong usage', async () => {
    const { code, stdout, stderr } = await rushes([]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toBe("rushes: COMMAND is missing\nrushes: try 'rushes --help'\n");
  });

  test('--version prints that of the package', async () => {
    const { version } = JSON.parse(
      readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8'),
    ) as { version: string };
    const wanted = { ...WELL, stdout: `rushes ${version}\n` };
    expect(await rushes(['--version'])).toEqual(wanted);
  });

  test('--help names every command, and each has a help of its own', async () => {
    const { stdout, ...rest } = await rushes(['--help']);
    expect(rest).toEqual(WELL);
    for (const command of [...COMMANDS, ...WRITING_COMMANDS]) {
      expect(stdout).toContain(`  ${command} `);
      const own = await rushes([command, '--help']);
      expect(own).toEqual({ ...WELL, stdout: expect.stringContaining('--json') });
      expect(own.stdout).toMatch(new RegExp(`^Usage: rushes ${command} `));
      expect(await rushes(['help', command])).toEqual(own);
      expect(await rushes([command, 'x.mp4', '-h'])).toEqual(own);
    }
  });

  const wrong: [string[], RegExp][] = [
    [['develop'], /unknown command 'develop'/],
    [['--frobnicate'], /unknown option '--frobnicate'/],
    [['help', 'develop'], /unknown command 'develop'/],
    [['probe'], /FILE is missing/],
    [['frames', '--json'], /FILE is missing/],
    [['probe', '--fps', '2', 'a.mp4'], /'--fps'/],
    [['analyze', '--fps', '0', 'a.mp4'], /--fps .*'0'/],
    [['analyze', '--fps', '1/0', 'a.mp4'], /--fps .*'1\/0'/],
    [['analyze', '--width', '1.5', 'a.mp4'], /--width .*'1\.5'/],
    [['analyze', 'a.mp4', '--threads', 'many'], /--threads .*'many'/],
    [['analyze', 'a.mp4', '--output'], /--output/],
    [['frames', '--start', 'soon', 'a.mp4'], /--start .*'soon'/],
    [['frames', '--start', '5', '--end', '4', 'a.mp4'], /--end \(4 s\).*--start \(5 s\)/],
    [['frames', '--every', '1', '--fps', '2', 'a.mp4'], /--every and --fps/],
    [['frames', '--format', 'gif', '--out', 'x', 'a.mp4'], /--format .*'gif'/],
    [['frames', '--format', 'jpg', 'a.mp4'], /--format jpg wants --out/],
    [['frames', '--format', 'framemd5', 'a.mp4', 'b.mp4'], /framemd5 takes one FILE/],
    [['frames', '--format', 'framemd5', '--json', 'a.mp4'], /framemd5 and --json/],
    [['frames', '--quality', '80', 'a.mp4'], /--quality goes with --out/],
    [['frames', '--out', 'x', '--quality', '101', 'a.mp4'], /--quality .*'101'/],
    [['frames', '--out', 'x', '--format', 'png', '--quality', '9', 'a.mp4'], /--quality/],
    [['frames', '--fit', 'outside', '--out', 'x', 'a.mp4'], /--fit .*'outside'/],
    [['frames', '--limit', '0', 'a.mp4'], /--limit .*'0'/],
    [['sheet', 'a.mp4'], /-o OUT\.jpg is missing/],
    [['sheet', 'a.mp4', '-o', 'x'], /-o wants a file that ends in \.jpg.*'x'/],
    [['sheet', 'a.mp4', 'b.mp4', '-o', 'x.jpg'], /sheet takes one FILE, got 2/],
    [['sheet', '-o', 'x.png', '--quality', '9', 'a.mp4'], /--quality .*png/],
    [['sheet', '-o', 'x.jpg', '--every', '1', '--shots', 'a.mp4'], /--every and --shots/],
    [['sheet', '-o', 'x.jpg', '--background', 'red', 'a.mp4'], /--background .*'red'/],
  ];
  for (const [args, message] of wrong) {
    test(`refuses: rushes ${args.join(' ')}`, async () => {
      const { code, stdout, stderr } = await rushes(args, { cwd: directory });
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toMatch(message);
      expect(stderr).toMatch(/try 'rushes (\w+ )?--help'\n$/);
      expectPlainWords(stderr);
      expect(readdirSync(directory)).not.toContain('x'); // nothing was done
    });
  }
});

describe('bad input', () => {
  const missing = join(directory, 'missing.mp4');

  for (const command of COMMANDS) {
    test(`ends \`${command}\` with exit code 1, one line and no stack`, async () => {
      const { code, stdout, stderr } = await rushes([command, missing]);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toMatch(
        /^rushes: \S+missing\.mp4: .*No such file or directory \(ERR_NOT_FOUND\)\n$/,
      );
      expectPlainWords(stderr);
    });

    testOf('upright.mp4')(`does not keep \`${command}\` from other files`, async () => {
      const files = [missing, clip('upright.mp4'), clip('text.txt')];
      const plain = await rushes([command, ...files]);
      expect(plain.code).toBe(1);
      expect(plain.stderr.split('\n').length).toBe(3);
      expect(plain.stdout).toContain('upright.mp4');

      const { code, stdout, stderr } = await rushes([command, '--json', ...files]);
      expect({ code, stderr }).toEqual({ code: 1, stderr: plain.stderr });
      const failed = (source: string, code: string) => ({
        source,
        error: { code, message: expect.stringMatching(/\w/) },
      });
      expect(JSON.parse(stdout)).toEqual([
        failed(missing, 'ERR_NOT_FOUND'),
        expect.not.objectContaining({ error: expect.anything() }),
        failed(clip('text.txt'), 'ERR_INVALID_DATA'),
      ]);
    });
  }

  testOf('truncated.mp4')('an analysis cut short counts as failed', async () => {
    const { code, stdout, stderr } = await rushes([
      'analyze',
      '--json',
      clip('truncated.mp4'),
    ]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/the result is incomplete: .*\(ERR_TRUNCATED\)\n$/);
    expect(JSON.parse(stdout)).toMatchObject({ complete: false });
  });

  testOf('truncated.mp4')('frames before the damage are printed', async () => {
    const { code, stdout, stderr } = await rushes([
      ...['frames', '--format', 'framemd5'],
      clip('truncated.mp4'),
    ]);
    expect(code).toBe(1);
    expectPlainWords(stderr);
    const wanted = await framemd5(clip('truncated.mp4'));
    const got = parseFramemd5(stdout);
    expect(got.length).toBeGreaterThan(10);
    expect(got).toEqual(wanted.slice(0, got.length));
  });

  testOf('damaged.mp4')('--skip-errors goes on and says what was lost', async () => {
    const { code, stdout, stderr } = await rushes([
      ...['frames', '--skip-errors', '--json'],
      clip('damaged.mp4'),
    ]);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^rushes: left out: /);
    const { frames, errors } = JSON.parse(stdout) as Record<string, unknown[]>;
    expect(frames?.length).toBe((await framemd5(clip('damaged.mp4'))).length);
    expect(errors?.length).toBeGreaterThan(0);
  });

  test('a name cannot command the terminal', async () => {
    const { stderr } = await rushes(['probe', `${missing}\x1b[2J\x07`]);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
    expect(stderr).not.toMatch(/[\x00-\x09\x0b-\x1f]/);
  });
});

describe('rushes probe', () => {
  testOf('sar-rotate90.mp4')('prints facts, aligned', async () => {
    const { stdout, ...rest } = await rushes(['probe', clip('sar-rotate90.mp4')]);
    expect(rest).toEqual(WELL);
    const lines = stdout.trimEnd().split('\n');
    expect(lines.shift()).toBe(clip('sar-rotate90.mp4'));
    const facts = Object.fromEntries(
      lines.map((line) => {
        const [, key = '', value = ''] = /^ {2}(\S+(?: \S+)*) {2,}(.*)$/.exec(line) ?? [];
        return [key, value];
      }),
    );
    expect(facts).toMatchObject({
      codec: 'h264, High',
      size: '96x64 stored, shown as 64x128',
      orientation: 'turn 90° clockwise',
      'pixel shape': '4:3',
      pixels: 'yuv420p, 8 bit',
      'frame rate': '25 fps, constant',
      frames: '25',
    });
  });

  testOf('upright.mp4')('--json prints what probe() gives', async () => {
    const file = clip('upright.mp4');
    const { stdout, ...rest } = await rushes(['probe', '--json', file]);
    expect(rest).toEqual(WELL);
    await using video = await openVideo(file);
    expect(JSON.parse(stdout)).toEqual(video.info);
  });

  testOf('h264-bframes-audio.mp4')('takes paths relative to where it is', async () => {
    const file = clip('h264-bframes-audio.mp4');
    const { stdout, ...rest } = await rushes(['probe', basename(file)], {
      cwd: dirname(file),
    });
    expect(rest).toEqual(WELL);
    expect(stdout).toMatch(/^h264-bframes-audio\.mp4\n/);
    expect(stdout).toMatch(/tag title +B-frames/);
    expect(stdout).toMatch(/stream 1 +audio aac/);
  });
});

describe('rushes frames', () => {
  const clips = Object.keys(CLIPS) as GoodClip[];

  for (const name of clips) {
    ffmpegTest(`--format framemd5 of ${name} is ffmpeg's`, async () => {
      const { stdout, ...rest } = await rushes([
        ...['frames', '--format', 'framemd5'],
        clip(name),
      ]);
      expect(rest).toEqual(WELL);
      // Sizes, hashes and times; FFmpeg's versions differ in durations.
      expect(parseFramemd5(stdout)).toEqual(await framemd5(clip(name)));
    });
  }

  testOf('sar.mp4')('--format framemd5 has the header lines and columns', async () => {
    const { stdout } = await rushes([
      ...['frames', '--format', 'framemd5', '--limit', '2'],
      clip('sar.mp4'),
    ]);
    const [one, two] = await framemd5(clip('sar.mp4'));
    expect(stdout).toBe(
      [
        '#format: frame checksums',
        '#version: 2',
        '#hash: MD5',
        '#tb 0: 1/12800',
        '#media_type 0: video',
        '#codec_id 0: rawvideo',
        '#dimensions 0: 96x64',
        '#sar 0: 4/3',
        '#stream#, dts,        pts, duration,     size, hash',
        `0,          0,          0,      512,     9216, ${one?.md5}`,
        `0,        512,        512,      512,     9216, ${two?.md5}`,
        '',
      ].join('\n'),
    );
  });

  testOf('keyframes.mp4')('lists frames, for people and as JSON', async () => {
    const choice = ['--start', '0:01', '--end', '2', '--key-frames'];
    const { stdout, ...rest } = await rushes([
      ...['frames', ...choice],
      clip('keyframes.mp4'),
    ]);
    expect(rest).toEqual(WELL);
    expect(stdout).toContain(
      '       0      0:01.200       15360      0.04  key  96x64      yuv420p\n',
    );
    const json = await rushes(['frames', '--json', ...choice, clip('keyframes.mp4')]);
    expect(JSON.parse(json.stdout)).toEqual({
      source: clip('keyframes.mp4'),
      timeBase: { num: 1, den: 12800 },
      frames: [1.2, 1.6].map((time, index) => ({
        index,
        time,
        pts: time * 12800,
        duration: 0.04,
        keyFrame: true,
        width: 96,
        height: 64,
        pixelFormat: 'yuv420p',
      })),
      errors: [],
    });
  });

  for (const format of ['jpg', 'png', 'webp']) {
    testOf('rotate90.mp4')(`--out writes stills as ${format}`, async () => {
      const out = join(directory, format, 'deep');
      const { stdout, ...rest } = await rushes([
        ...['frames', '--out', out, '--format', format, '--every', '0.5', '--json'],
        ...['--width', '32', clip('rotate90.mp4')],
      ]);
      expect(rest).toEqual(WELL);
      const names = [1, 2].map((number) => `rotate90-00000${number}.${format}`);
      expect(readdirSync(out).sort()).toEqual(names); // and no temporary file
      expect(JSON.parse(stdout)).toEqual({
        source: clip('rotate90.mp4'),
        stills: [0, 0.52].map((time, index) => ({
          path: join(out, names[index] ?? ''),
          time: index === 0 ? 0 : expect.closeTo(time, 1),
          pts: expect.any(Number),
          width: 32,
          height: 48,
        })),
        errors: [],
      });
      const facts = await sharp(join(out, names[0] ?? '')).metadata();
      expect(facts).toMatchObject({
        format: format === 'jpg' ? 'jpeg' : format,
        width: 32,
        height: 48,
      });
    });
  }

  testOf('upright.mp4')('PNG stills hold the very pixels', async () => {
    const out = join(directory, 'exact');
    const { stdout, ...rest } = await rushes([
      ...['frames', '--out', out, '--format', 'png', clip('upright.mp4')],
    ]);
    expect({ ...rest, stdout }).toEqual({ ...WELL, stdout: `25 pictures in ${out}\n` });
    await using video = await openVideo(clip('upright.mp4'));
    let number = 0;
    for await (const { data } of video) {
      const name = `upright-${String(++number).padStart(6, '0')}.png`;
      const { data: written } = await sharp(join(out, name))
        .raw()
        .toBuffer({ resolveWithObject: true });
      expect(Buffer.compare(written, data)).toBe(0);
    }
    expect(number).toBe(25);
  });

  testOf('upright.mp4')('--limit stops, and --quality matters', async () => {
    const [fine, coarse] = await Promise.all(
      ['95', '5'].map(async (quality) => {
        const out = join(directory, `quality-${quality}`);
        const options = ['--limit', '3', '--quality', quality];
        const { code } = await rushes([
          ...['frames', '--out', out, ...options],
          clip('upright.mp4'),
        ]);
        expect(code).toBe(0);
        expect(readdirSync(out).length).toBe(3);
        return readFileSync(join(out, 'upright-000001.jpg')).length;
      }),
    );
    expect(fine).toBeGreaterThan((coarse ?? 0) * 2);
  });

  testOf('upright.mp4')('a folder that cannot be written to is a failure', async () => {
    const file = clip('upright.mp4');
    const inFile = join(file, 'out'); // below a file, so that root is refused as well
    const { code, stdout, stderr } = await rushes(['frames', '--out', inFile, file]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/ENOTDIR/);
    expectPlainWords(stderr);
  });

  test('stills of files with the same name do not replace each other', () => {
    expect(stillNames(['a/x.mp4', 'b/y.mp4'])).toEqual(['x', 'y']);
    expect(stillNames(['x.mp4', 'x.mov', 'y.ts'])).toEqual(['x.mp4', 'x.mov', 'y']);
    expect(stillNames(['a/x.mp4', 'b/x.mp4'])).toEqual(['x.mp4', 'x.mp4-2']);
  });
});

describe('rushes analyze', () => {
  testOf('cuts.mp4')('prints facts, shots and what it took', async () => {
    const { stdout, ...rest } = await rushes(['analyze', clip('cuts.mp4')]);
    expect(rest).toEqual(WELL);
    expect(stdout).toMatch(/decoded by +native backend: h264, software, /);
    expect(stdout).toMatch(/measured +230 frames, 19 samples /);
    expect(stdout).toMatch(/took +[\d.]+ s, \d+ frames a second/);
    expect(stdout).toMatch(/used +[\d.]+ s CPU, [\d.]+ MB memory/);
    expect(stdout).toMatch(/ {2}4 shots\n/);
    for (const frame of CUTS_AT) expect(stdout).toContain(clock(frame / 25));
  });

  testOf('cuts.mp4')('--json and --output give the analysis', async () => {
    const file = join(directory, 'analysis.json');
    const { stdout, ...rest } = await rushes([
      ...['analyze', '--json', '--output', file, '--fps', '5', '--width', '80'],
      clip('cuts.mp4'),
    ]);
    expect(rest).toEqual(WELL);
    expect(readFileSync(file, 'utf8')).toBe(stdout);
    expect(readdirSync(directory).filter((name) => name.includes('.tmp'))).toEqual([]);
    const analysis = JSON.parse(stdout);
    expect(analysis).toMatchObject({
      schema: 2,
      source: clip('cuts.mp4'),
      frames: 230,
      complete: true,
      options: { fps: 5, width: 80, height: 360, cuts: true, start: null, end: null },
    });
    const cuts = (analysis.events as { type: string; frame?: number }[]).filter(
      ({ type }) => type === 'cut',
    );
    expect(cuts.map(({ frame }) => frame)).toEqual(CUTS_AT);
    expect(analysis.samples.length).toBe(46);
  });

  testOf('cuts.mp4')('--no-cuts, --start and --end', async () => {
    const { stdout } = await rushes([
      ...['analyze', '--json', '--no-cuts', '--start', '1', '--end', '00:05'],
      clip('cuts.mp4'),
    ]);
    expect(JSON.parse(stdout)).toMatchObject({
      // Eight samples, the frame before each but the first, and the last.
      frames: 16,
      events: [],
      shots: [{ start: 1, end: 5 }],
      options: { cuts: false, start: 1, end: 5 },
    });
  });

  testOf('upright.mp4')('a range without frames is a failure of the file', async () => {
    const { code, stdout, stderr } = await rushes([
      ...['analyze', '--start', '60'],
      clip('upright.mp4'),
    ]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(
      /^rushes: \S+upright\.mp4: no frame .*60.* \(ERR_OUT_OF_RANGE\)\n$/,
    );
  });

  testOf('upright.mp4')('a result that cannot be written is a failure', async () => {
    const file = join(directory, 'no', 'such', 'folder.json');
    const { code, stderr } = await rushes([
      ...['analyze', '--output', file],
      clip('upright.mp4'),
    ]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/folder\.json: .*ENOENT|folder\.json: no such file/);
    expectPlainWords(stderr);
  });
});

describe('a command that is stopped', () => {
  const unix = process.platform !== 'win32';

  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    test.skipIf(!unix)(`by ${signal} ends with ${code} and says nothing`, async () => {
      const path = join(directory, `${signal}.fifo`);
      expect(spawnSync('mkfifo', [path]).status).toBe(0);
      const ended = await rushes(['analyze', path], {
        // No event tells that the handler is set: until it is, the signal kills.
        env: { NODE_OPTIONS: `--import=${announceSignalHandler}` },
        onStart: async (child) => {
          await once(child, 'message').catch(() => {});
          child.kill(signal);
        },
        ipc: true,
        timeout: 20_000,
      });
      expect(ended).toEqual({ ...WELL, code, stdout: '' });
    });
  }

  /** Sends a message once the command listens to signals. */
  const announceSignalHandler = `data:text/javascript,${encodeURIComponent(
    "process.on('newListener', (name) => name === 'SIGTERM' && setTimeout(() => process.send('ready'), 200));",
  )}`;

  testOf('h264-bframes-audio.mp4')('by a closed pipe ends quietly', async () => {
    const ended = await rushes(
      ['frames', '--format', 'framemd5', clip('h264-bframes-audio.mp4')],
      { onStart: ({ stdout }) => stdout?.once('data', () => stdout.destroy()) },
    );
    expect(ended).toMatchObject(WELL);
  });
});

describe('the progress bar', () => {
  class Screen {
    readonly isTTY: boolean;
    text = '';
    constructor(isTTY: boolean) {
      this.isTTY = isTTY;
    }
    write(text: string): void {
      this.text += text;
    }
  }
  const state = { fraction: 0.25, time: 15, duration: 60, framesPerSecond: 240.4 };

  test('shows share, time, speed, what is left and memory', () => {
    const screen = new Screen(true);
    let now = 0;
    const options = { now: () => now, memory: () => 143.2e6 };
    const progress = new Progress(screen, 'day1.mp4', options);
    now = 2000;
    progress.update(state);
    expect(screen.text).toContain(
      'day1.mp4  [######------------------]   25 %  0:15.000 / 1:00.000  240 fps  ETA 0:06  143 MB',
    );
  });

  test('leaves the line empty, and nothing where nothing was drawn', () => {
    const [screen, untouched] = [new Screen(true), new Screen(true)];
    const progress = new Progress(screen, 'day1.mp4');
    progress.update(state);
    progress.clear();
    expect(screen.text.endsWith('\r\x1b[2K')).toBe(true);
    const { text } = screen;
    progress.clear();
    expect(screen.text).toBe(text);
    new Progress(untouched, 'day1.mp4').clear();
    expect(untouched.text).toBe('');
  });

  test('is silent where there is no terminal', () => {
    const screen = new Screen(false);
    const progress = new Progress(screen, 'day1.mp4');
    progress.update(state);
    progress.clear();
    expect(screen.text).toBe('');
  });

  test('is drawn ten times a second at most', () => {
    const screen = new Screen(true);
    let now = 0;
    const progress = new Progress(screen, 'day1.mp4', { now: () => now });
    for (; now < 1000; now++) progress.update(state);
    expect(screen.text.split('\r').length - 1).toBe(10);
  });

  test('has no bar where the end is unknown', () => {
    const screen = new Screen(true);
    new Progress(screen, 'day1.mp4').update({ ...state, fraction: null, duration: null });
    expect(screen.text).toContain('day1.mp4  0:15.000  240 fps');
  });
});

describe('words for people', () => {
  test('times', () => {
    const times = [0, 3.5, 59.9996, 3600, -0.02, -0.0001, 36_000.25].map(clock);
    expect(times).toEqual([
      ...['0:00.000', '0:03.500', '1:00.000', '1:00:00.000'],
      ...['-0:00.020', '0:00.000', '10:00:00.250'],
    ]);
  });

  test('quantities', () => {
    const sizes = [0, 999, 1000, 7_608_204, 999_960, 25e9].map((n) => quantity(n, 'B'));
    expect(sizes).toEqual(['0 B', '999 B', '1.00 kB', '7.61 MB', '1.00 MB', '25.0 GB']);
  });

  test('tables', () => {
    const rows = [
      ['a', 'long', 'x'],
      ['bcd', 'e', ''],
    ];
    expect(table(rows, { indent: ' ', right: [1] })).toBe(' a    long  x\n bcd     e\n');
  });

  test('nothing that a terminal would obey', () => {
    expect(printable('a\x1b[31mb\u009b2J\n\u007f')).toBe(
      'a\ufffd[31mb\ufffd2J\ufffd\ufffd',
    );
  });
});

testOf('upright.mp4')('the listing and the library agree', async () => {
  const { stdout } = await rushes(['frames', '--json', clip('upright.mp4')]);
  await using video = await openVideo(clip('upright.mp4'), { pixelFormat: 'native' });
  const wanted = (await digests(video.frames())).map(({ md5: _, ...frame }, index) => ({
    index,
    ...frame,
  }));
  expect((JSON.parse(stdout) as { frames: unknown }).frames).toEqual(wanted);
});
