import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { storeVerdict } from '../src/hardware-verdicts.ts';
import {
  HARDWARE_DEVICES,
  type HardwareReport,
  type ParameterCodec,
  type ParameterRequest,
  recommendedParameters,
} from '../src/index.ts';

const CODECS: readonly ParameterCodec[] = ['h264', 'hevc', 'vp9', 'av1'];
const SOFTWARE = ['libx264', 'libx265', 'libvpx-vp9', 'libsvtav1', 'libaom-av1'];

function ffmpeg(...args: string[]): string {
  return execFileSync('ffmpeg', ['-hide_banner', ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    maxBuffer: 1e8,
  });
}

const ENCODERS = [...ffmpeg('-encoders').matchAll(/^ V\S{5} (\S+)/gm)].map(
  ([, name]) => name,
);
const FILTERS = [...ffmpeg('-filters').matchAll(/^ \S{3} (\S+)/gm)].map(
  ([, name]) => name,
);
const HWACCELS = ffmpeg('-hwaccels').trim().split('\n').slice(1);
/** Families of encoders, and devices, that need another system or a newer FFmpeg than Debian's: docs/platforms.md. */
const ELSEWHERE = ['videotoolbox', 'amf', 'mf', 'd3d11va', 'd3d12va', 'dxva2'].concat(
  ...['mediacodec', 'vulkan'],
);
const FULL = ffmpeg('-h', 'full');

/** A machine on which these encoders work. */
function machineWith(...names: string[]): HardwareReport {
  const hardware = names.filter((name) => !SOFTWARE.includes(name));
  return {
    softwareEncoders: names.filter((name) => SOFTWARE.includes(name)),
    encoders: hardware.map((name) => ({
      name,
      codec: name.split('_')[0] as string,
      works: true,
      reason: null,
    })),
  } as unknown as HardwareReport;
}

/** Pairs of an option and its value. */
function pairs(options: readonly string[]): [string, string][] {
  expect(options.length % 2).toBe(0);
  return options.flatMap((option, i) =>
    i % 2 === 0 ? [[option, options[i + 1] as string] as [string, string]] : [],
  );
}

/** Checks an option and its value against a text such as `ffmpeg -h encoder=…` prints. */
function expectKnown(option: string, value: string, help: string): void {
  const name = option.replace(/^-|:v$/g, '');
  const start = help.search(new RegExp(`^ {2}-${name} +<`, 'm'));
  if (start < 0) {
    // One of those that all encoders or the tool itself have.
    expect(FULL, option).toMatch(new RegExp(`^ *-${name}\\b`, 'm'));
    return;
  }
  const [line = '', ...rest] = help.slice(start).split('\n');
  const end = rest.findIndex((each) => !/^ {5}/.test(each));
  const words = rest.slice(0, end).map((each) => each.trim().split(/\s+/)[0]);
  if (words.includes(value)) return;
  const range = /\(from (\S+) to (\S+)\)/.exec(line);
  if (range === null) {
    // Text, or a number without limits: presets of x264 are text.
    expect(line, `${option} ${value}`).toMatch(/<(string|boolean|int64|float)>/);
    return;
  }
  const number = (text = '') =>
    /MIN$/.test(text) ? -Infinity : /MAX$/.test(text) ? Infinity : Number(text);
  expect(Number(value), `${option} of ${help.split('\n')[0]}`).toBeGreaterThanOrEqual(
    number(range[1]),
  );
  expect(Number(value), `${option} of ${help.split('\n')[0]}`).toBeLessThanOrEqual(
    number(range[2]),
  );
}

const VULKAN = ['-init_hw_device', 'vulkan=gpu', '-filter_hw_device', 'gpu'];

function hasVulkan(): boolean {
  try {
    const source = ['-f', 'lavfi', '-i', 'nullsrc', '-frames:v', '1'];
    ffmpeg('-v', 'error', ...VULKAN, ...source, '-f', 'null', '-');
    return true;
  } catch {
    return false;
  }
}

let directory: string;
const before = process.env.RUSHES_CACHE_DIR;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'rushes-parameters-'));
  process.env.RUSHES_CACHE_DIR = directory;
});
afterAll(() => {
  if (before === undefined) delete process.env.RUSHES_CACHE_DIR;
  else process.env.RUSHES_CACHE_DIR = before;
  rmSync(directory, { recursive: true, force: true });
});

describe('encoding', () => {
  for (const encoder of ENCODERS as string[]) {
    const [codec = '', family = ''] = encoder.split('_');
    if (!CODECS.includes(codec as ParameterCodec)) continue;
    test(`with ${encoder} has options that the ffmpeg tool knows, at every quality`, async () => {
      const help = ffmpeg('-h', `encoder=${encoder}`);
      for (const quality of [0, 1, 35, 60, 99, 100]) {
        const request = {
          task: 'encode',
          codec: codec as ParameterCodec,
          quality,
        } as const;
        const report = machineWith(encoder, ...SOFTWARE);
        const got = await recommendedParameters({ ...request, report });
        if (got.encoder !== encoder) {
          // A family that is never recommended.
          expect(['v4l2m2m', 'mediacodec', 'omx']).toContain(family);
          continue;
        }
        for (const [option, value] of pairs(got.output)) expectKnown(option, value, help);
        for (const [option, value] of pairs(got.input)) expectKnown(option, value, '');
      }
    });
  }

  for (const encoder of SOFTWARE) {
    test.runIf(ENCODERS.includes(encoder))(
      `with ${encoder} runs, and more quality makes larger files`,
      async () => {
        const codec =
          { libx264: 'h264', libx265: 'hevc', 'libvpx-vp9': 'vp9' }[encoder] ?? 'av1';
        const sizes: number[] = [];
        for (const quality of [10, 60, 95]) {
          const { output, hardware } = await recommendedParameters({
            task: 'encode',
            codec: codec as ParameterCodec,
            quality,
            hardware: 'none',
            report: machineWith(encoder),
          });
          expect(hardware).toBeNull();
          const file = join(directory, `${encoder}-${quality}.mp4`);
          const source = [
            '-f',
            'lavfi',
            '-i',
            'testsrc2=s=192x128:r=25',
            '-frames:v',
            '4',
          ];
          ffmpeg('-v', 'error', '-y', ...source, '-pix_fmt', 'yuv420p', ...output, file);
          sizes.push(statSync(file).size);
        }
        expect(sizes).toEqual([...sizes].sort((a, b) => a - b));
        expect(new Set(sizes).size).toBe(3);
      },
    );
  }

  test('has no row that was not checked but those of other systems, and AV1 in an FFmpeg before 6', async () => {
    const rows: string[] = [];
    for (const hardware of HARDWARE_DEVICES) {
      for (const codec of CODECS) {
        const request = { task: 'encode', codec, hardware } as const;
        const got = await recommendedParameters({ ...request, report: machineWith() });
        if (got.hardware !== null) rows.push(got.encoder as string);
        else expect(got.reason).toMatch(/^the ffmpeg tool here has no encoder for /);
      }
    }
    const unchecked = rows.filter((encoder) => !ENCODERS.includes(encoder));
    expect(rows.length).toBe(24);
    for (const encoder of unchecked) {
      const [codec = '', family] = encoder.split('_');
      if (codec !== 'av1' || ENCODERS.includes('av1_nvenc')) {
        expect(ELSEWHERE, encoder).toContain(family);
      }
    }
  });

  test('in software where ffmpeg has no encoder on the device', async () => {
    const encode = (hardware: 'cuda' | 'videotoolbox' | 'drm', codec: ParameterCodec) =>
      recommendedParameters({
        ...{ task: 'encode', hardware, codec, report: machineWith(...SOFTWARE) },
      });
    expect(await encode('cuda', 'vp9')).toMatchObject({
      ...{ encoder: 'libvpx-vp9', hardware: null },
      reason: 'ffmpeg encodes no vp9 on cuda',
    });
    expect(await encode('videotoolbox', 'av1')).toMatchObject({ encoder: 'libsvtav1' });
    expect(await encode('drm', 'h264')).toMatchObject({ encoder: 'libx264' });
  });

  test('on VideoToolbox rises with quality and may use software where it has to', async () => {
    const at = async (quality: number) =>
      (
        await recommendedParameters({
          task: 'encode',
          codec: 'hevc',
          quality,
          hardware: 'videotoolbox',
          report: machineWith(),
        })
      ).output.join(' ');
    expect(await at(70)).toBe(
      '-vf format=nv12 -c:v hevc_videotoolbox -q:v 70 -realtime 0 -allow_sw 1 -tag:v hvc1',
    );
    expect(await at(0)).toContain('-q:v 1 ');
  });

  test('is left to software on a Mac with Intel, where VideoToolbox has no constant quality', async () => {
    const on = (appleSilicon: object | null, hardware: 'auto' | 'videotoolbox') => {
      const report = {
        ...machineWith('hevc_videotoolbox', 'libx265'),
        machine: { platform: 'darwin', appleSilicon },
      } as HardwareReport;
      return recommendedParameters({ task: 'encode', codec: 'hevc', report, hardware });
    };
    for (const hardware of ['auto', 'videotoolbox'] as const) {
      const silicon = await on({ generation: 1, variant: null }, hardware);
      expect(silicon.encoder).toBe('hevc_videotoolbox');
      expect(await on(null, hardware)).toMatchObject({
        encoder: 'libx265',
        hardware: null,
      });
    }
  });

  test('takes a hardware encoder that works, else software, and says why', async () => {
    const encode = (report: HardwareReport, more: Partial<ParameterRequest> = {}) =>
      recommendedParameters({ task: 'encode', codec: 'hevc', report, ...more });
    const both = machineWith('h264_nvenc', 'hevc_nvenc', 'libx265');
    expect(await encode(both)).toMatchObject({ encoder: 'hevc_nvenc', hardware: 'cuda' });
    expect(await encode(both, { hardware: 'none' })).toMatchObject({
      encoder: 'libx265',
      hardware: null,
    });
    expect(await encode(machineWith('h264_nvenc', 'libx265'))).toMatchObject({
      encoder: 'libx265',
      reason: 'no hardware encoder for hevc works here',
    });
    expect((await encode(machineWith())).reason).toBe(
      'the ffmpeg tool here has no encoder for hevc',
    );
  });
});

describe('decoding and scaling', () => {
  test('on each device has options and filters that the ffmpeg tool knows', async () => {
    for (const hardware of HARDWARE_DEVICES) {
      for (const task of ['decode', 'scale'] as const) {
        const got = await recommendedParameters({ task, hardware });
        for (const [option, value] of pairs(got.input)) {
          expectKnown(option, value, '');
          if (option !== '-hwaccel' || ELSEWHERE.includes(value)) continue;
          expect(HWACCELS).toContain(value);
        }
        const [flag, graph] = got.output;
        if (task === 'decode') expect(got.output).toEqual([]);
        if (graph === undefined) continue;
        expect(flag).toBe('-vf');
        const [filter = '', text = ''] = graph.split(/[=,]/, 1).concat(graph);
        if (!FILTERS.includes(filter)) {
          // Of another system, or of a newer FFmpeg.
          expect(filter).toMatch(
            /^(scale_vt|scale_cuda|scale_d3d1[12]|scale_vaapi|scale_vulkan|vpp_qsv)$/,
          );
          continue;
        }
        const help = ffmpeg('-h', `filter=${filter}`);
        for (const name of ['w', 'h'])
          expect(text + help).toMatch(new RegExp(`^ +${name} +<`, 'm'));
      }
    }
  });

  test.skipIf(!hasVulkan())('runs on Vulkan surfaces of 8 and 10 bits', async () => {
    for (const bitDepth of [8, 10] as const) {
      const { output } = await recommendedParameters({
        ...{ task: 'scale', hardware: 'vulkan', width: 96, height: 54, bitDepth },
      });
      const [flag, graph] = output as [string, string];
      // In the place of a decoder on the device.
      const surfaces = `format=${bitDepth === 8 ? 'nv12' : 'p010le'},hwupload`;
      const source = ['-f', 'lavfi', '-i', 'testsrc2=s=192x108:r=25', '-frames:v', '1'];
      const text = ffmpeg(
        ...['-v', 'error', ...VULKAN, ...source, flag, `${surfaces},${graph}`],
        ...['-f', 'framecrc', '-'],
      );
      expect(text).toContain('#dimensions 0: 96x54');
      const bytes = (96 * 54 * 3 * (bitDepth === 8 ? 1 : 2)) / 2;
      expect(text.trim().split('\n').at(-1)).toMatch(new RegExp(`, +${bytes}, 0x`));
    }
  });

  test('runs in software', async () => {
    const { input, output } = await recommendedParameters({
      task: 'scale',
      hardware: 'none',
      width: 96,
      height: 54,
    });
    const source = ['-f', 'lavfi', '-i', 'testsrc2=s=192x108:r=25', '-frames:v', '1'];
    const text = ffmpeg(
      '-v',
      'error',
      ...input,
      ...source,
      ...output,
      '-f',
      'framecrc',
      '-',
    );
    expect(text).toContain('#dimensions 0: 96x54');
  });

  test('uses a device only where it was measured faster', async () => {
    const decode = () => recommendedParameters({ task: 'decode', codec: 'hevc' });
    expect(await decode()).toMatchObject({
      hardware: null,
      reason: 'nothing faster has been measured',
    });
    await storeVerdict({
      ...{ codec: 'hevc', pixelFormat: 'yuv420p', width: 1920, height: 1080 },
      hardware: 'videotoolbox',
      framesPerSecond: { software: 100, videotoolbox: 200 },
      measuredAt: '2026-01-01T00:00:00.000Z',
    });
    expect(await decode()).toEqual({
      input: ['-hwaccel', 'videotoolbox'],
      output: [],
      hardware: 'videotoolbox',
      encoder: null,
      reason: 'measured with 1920x1080 hevc',
    });
  });
});

test('a mistake is told before any work', async () => {
  const ask = (request: object) => recommendedParameters(request as ParameterRequest);
  await expect(ask({})).rejects.toThrow(TypeError);
  await expect(ask({ task: 'encode', codec: 'mpeg4' })).rejects.toThrow(TypeError);
  await expect(ask({ task: 'encode', quality: 101 })).rejects.toThrow(RangeError);
});
