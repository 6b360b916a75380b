import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { probeDevice } from '../src/hardware-probe.ts';
import { HARDWARE_SAMPLES } from '../src/hardware-samples.ts';
import { detectHardware, HARDWARE_DEVICES, openVideo } from '../src/index.ts';
import { appleSilicon, coresOfPerfLevels, coresOfSysfs } from '../src/machine.ts';
import { loadAddon } from '../src/native.ts';
import { digests } from './helpers/frames.ts';

let directory: string;
const before = process.env.RUSHES_CACHE_DIR;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'rushes-hardware-'));
  process.env.RUSHES_CACHE_DIR = directory;
});
afterAll(() => {
  if (before === undefined) delete process.env.RUSHES_CACHE_DIR;
  else process.env.RUSHES_CACHE_DIR = before;
  rmSync(directory, { recursive: true, force: true });
});

describe('detectHardware', () => {
  test('tells of every device type whether it opens and decodes, and why not', async () => {
    const report = await detectHardware();
    expect(report.devices.map(({ type }) => type)).toEqual([...HARDWARE_DEVICES]);
    const builtIn = loadAddon().hardwareDevices();
    for (const device of report.devices) {
      expect(device.builtIn).toBe(builtIn.includes(device.type));
      // Either it opens and has been tried, or there is a reason.
      expect(device.opens).toBe(device.reason === null);
      expect(device.decodes.length).toBe(device.opens ? 4 : 0);
      for (const { works, reason } of device.decodes) expect(works).toBe(reason === null);
    }
    for (const { works, reason } of report.encoders) expect(works).toBe(reason === null);
  });

  test('names what is missing where FFmpeg only says "Bad address"', async () => {
    const { devices } = await detectHardware();
    const missing = process.platform === 'linux' && !existsSync('/dev/dri');
    const named = devices.filter(({ reason }) =>
      reason?.startsWith('there is no /dev/dri'),
    );
    const concerned = devices.filter(
      ({ type, builtIn }) => builtIn && ['drm', 'vaapi', 'qsv'].includes(type),
    );
    expect(named).toEqual(missing ? concerned : []);
  });

  test('opens a Vulkan device that the processor plays, and claims no decoding for it', async (context) => {
    const { devices, ffmpeg } = await detectHardware();
    const vulkan = devices.find(({ type }) => type === 'vulkan');
    if (!vulkan?.opens) {
      if (process.env.CI) throw new Error(`there is no Vulkan device: ${vulkan?.reason}`);
      context.skip('there is no Vulkan device');
    }
    if (!ffmpeg.startsWith('5.')) return; // later ones do decode on some
    for (const { codec, reason } of vulkan?.decodes ?? []) {
      expect(reason).toBe(`this FFmpeg decodes no ${codec} on it`);
    }
  });

  test('remembers, until it is asked to look again', async () => {
    const first = await detectHardware();
    expect(await detectHardware()).toEqual(first);
    const again = await detectHardware({ refresh: true });
    expect(again.detectedAt > first.detectedAt).toBe(true);
    expect({ ...again, detectedAt: '' }).toEqual({ ...first, detectedAt: '' });
  });

  test('looks again when another driver has been chosen, and remembers that', async () => {
    const first = await detectHardware();
    const { LIBVA_DRIVER_NAME: driver } = process.env;
    process.env.LIBVA_DRIVER_NAME = 'no-such-driver';
    try {
      const other = await detectHardware();
      expect(other.detectedAt > first.detectedAt).toBe(true);
      expect(await detectHardware()).toEqual(other);
    } finally {
      if (driver === undefined) delete process.env.LIBVA_DRIVER_NAME;
      else process.env.LIBVA_DRIVER_NAME = driver;
    }
  });

  test('looks again for another ffmpeg tool, and where what it remembers is no JSON', async () => {
    const without = await detectHardware({ ffmpeg: join(directory, 'no-such-tool') });
    const nothing = { ffmpegTool: null, encoders: [], softwareEncoders: [] };
    expect(without).toMatchObject(nothing);
    const file = join(directory, 'hardware.json');
    writeFileSync(file, '{');
    const report = await detectHardware();
    expect(report.ffmpegTool).toMatch(/^ffmpeg version /);
    expect(JSON.parse(readFileSync(file, 'utf8')).report).toEqual(report);
  });
});

describe.skipIf(process.platform === 'win32')('a driver', () => {
  /** A program in the place of Node, ending as a driver inside it would make it. */
  function broken(name: string, script: string): string {
    const path = join(directory, name);
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
    return path;
  }

  test('that crashes is a reason', async () => {
    const node = broken('crash', 'kill -SEGV $$');
    const reason = 'it crashed (SIGSEGV)';
    expect(await probeDevice('cuda', node)).toEqual({ reason, decodes: [] });
  });

  test('that hangs is a reason', async () => {
    const node = broken('hang', 'exec tail -f /dev/null');
    const { reason } = await probeDevice('cuda', node, 300);
    expect(reason).toBe('it took more than 0.3 s');
  });

  test('that crashes while it decodes spoils no codec before', async () => {
    const lines = ['{"reason":null}', '{"codec":"h264","reason":null}'];
    const node = broken('late', `printf '%s\\n' '${lines.join("' '")}'; kill -ABRT $$`);
    const { reason, decodes } = await probeDevice('cuda', node);
    expect(reason).toBeNull();
    const crashed = { works: false, reason: 'it crashed (SIGABRT)' };
    expect(decodes).toEqual([
      { codec: 'h264', works: true, reason: null },
      { codec: 'hevc', ...crashed },
      { codec: 'vp9', ...crashed },
      { codec: 'av1', ...crashed },
    ]);
  });
});

describe('the streams that devices are tried on', () => {
  for (const [codec, sample] of Object.entries(HARDWARE_SAMPLES)) {
    test(`${codec}: two frames, as the ffmpeg tool decodes them`, async () => {
      await using video = await openVideo(sample, { pixelFormat: 'native' });
      const facts = { codec, width: 256, height: 160, pixelFormat: 'yuv420p' };
      expect(video.info).toMatchObject(facts);
      const frames = await digests(video.frames());
      expect(frames.map(({ keyFrame }) => keyFrame)).toEqual([true, false]);
      const args = ['-v', 'error', '-i', 'pipe:0', '-f', 'framemd5', '-'];
      const text = execFileSync('ffmpeg', args, { input: sample, encoding: 'utf8' });
      const hashes = [...text.matchAll(/^0,.* (\w{32})$/gm)].map(([, hash]) => hash);
      expect(frames.map(({ md5 }) => md5)).toEqual(hashes);
    });
  }
});

describe('the machine', () => {
  test('is an M of some generation, or none', () => {
    expect(appleSilicon('Apple M1')).toEqual({ generation: 1, variant: null });
    expect(appleSilicon('Apple M3 Max')).toEqual({ generation: 3, variant: 'Max' });
    expect(appleSilicon('Intel(R) Core(TM) i7-1068NG7 CPU @ 2.30GHz')).toBeNull();
  });

  test('has fast and slow cores, or all alike', () => {
    const alike = { performance: null, efficiency: null };
    expect(coresOfPerfLevels('8\n2\n')).toEqual({ performance: 8, efficiency: 2 });
    expect(coresOfPerfLevels('')).toEqual(alike);

    const sysfs = (name: string, files: Record<string, string>) => {
      for (const [path, text] of Object.entries(files)) {
        const file = join(directory, name, path);
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, text);
      }
      return coresOfSysfs(join(directory, name));
    };
    const capacities = (...values: number[]) =>
      Object.fromEntries(
        values.map((value, i) => [`system/cpu/cpu${i}/cpu_capacity`, `${value}\n`]),
      );
    const hybrid = { 'cpu_core/cpus': '0-11\n', 'cpu_atom/cpus': '12-15,17\n' };
    expect(sysfs('intel', hybrid)).toEqual({ performance: 12, efficiency: 5 });
    const arm = capacities(446, 446, 446, 1024);
    expect(sysfs('arm', arm)).toEqual({ performance: 1, efficiency: 3 });
    expect(sysfs('alike', capacities(1024, 1024))).toEqual(alike);
    expect(sysfs('none', {})).toEqual(alike);
  });
});
