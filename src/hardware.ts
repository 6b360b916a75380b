/** What hardware really decodes and encodes here: not what is compiled in, but what comes out. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { defaultDirectory, writeJson } from './cache/directory.ts';
import { firstComplaint, parseEncoders, runTool } from './ffmpeg-tool.ts';
import { type HardwareDecode, probeDevice } from './hardware-probe.ts';
import { describeMachine, type MachineInfo, machineKey } from './machine.ts';
import { loadAddon } from './native.ts';
import { HARDWARE_DEVICES, type HardwareDeviceType } from './options.ts';

/** A type of device. */
export interface HardwareDevice {
  readonly type: HardwareDeviceType;
  /** Whether the addon's FFmpeg was built with it. */
  readonly builtIn: boolean;
  readonly opens: boolean;
  /** Why it does not open; `null` if it does. */
  readonly reason: string | null;
  /** One for each codec that was tried; empty if the device does not open. */
  readonly decodes: readonly HardwareDecode[];
}

/** An encoder of the ffmpeg tool that uses hardware. */
export interface HardwareEncoder {
  /** FFmpeg's name: `hevc_videotoolbox`, `h264_nvenc` … */
  readonly name: string;
  /** FFmpeg's name of what it makes. */
  readonly codec: string;
  /** Whether two frames could be encoded. */
  readonly works: boolean;
  readonly reason: string | null;
}

/** What {@link detectHardware} found. JSON-safe. */
export interface HardwareReport {
  readonly schema: 1;
  readonly machine: MachineInfo;
  /** Version of the addon's FFmpeg. */
  readonly ffmpeg: string;
  /** First line of `ffmpeg -version`; `null` if there is no such tool. Encoders are the tool's: the addon has none. */
  readonly ffmpegTool: string | null;
  /** VideoToolbox first, then by how likely they are what one wants. */
  readonly devices: readonly HardwareDevice[];
  readonly encoders: readonly HardwareEncoder[];
  /** Software encoders for the same codecs that the tool has: `libx264` … */
  readonly softwareEncoders: readonly string[];
  /** ISO 8601. */
  readonly detectedAt: string;
}

/** For {@link detectHardware}. */
export interface DetectOptions {
  /** Look again, even if this machine with these drivers is known. Default false. */
  refresh?: boolean | undefined;
  /** The ffmpeg tool whose encoders are tried. Default `'ffmpeg'`, by `PATH`. */
  ffmpeg?: string | undefined;
}

/** Codecs that are tried, and the software encoders for them, best first. */
export const SOFTWARE_ENCODERS = {
  h264: ['libx264'],
  hevc: ['libx265'],
  vp9: ['libvpx-vp9'],
  av1: ['libsvtav1', 'libaom-av1'],
} as const;

/** What the part behind `h264_` says of an encoder, and the device type on which it depends; `null`: on none that FFmpeg opens. */
const ENCODER_FAMILIES = {
  videotoolbox: 'videotoolbox',
  nvenc: 'cuda',
  vaapi: 'vaapi',
  qsv: 'qsv',
  amf: null,
  mf: null,
  d3d12va: 'd3d12va',
  vulkan: 'vulkan',
  v4l2m2m: null,
  mediacodec: null,
} as const satisfies Record<string, HardwareDeviceType | null>;

/** The part of an encoder's name that says what hardware it uses. */
export type EncoderFamily = keyof typeof ENCODER_FAMILIES;

/**
 * Finds out what hardware decodes and encodes here. Each type of device that the addon's FFmpeg was built with is opened, and has to decode a real
 * frame of each codec to what software makes of it; each hardware encoder of the ffmpeg tool has to encode. All in processes of their own, with a time limit: a
 * driver that crashes or hangs is a reason, not the caller's end.
 *
 * The result is kept in the cache directory, for this machine with these drivers and this FFmpeg. Nothing that fails makes it reject.
 *
 * @throws {MediaError} `ERR_ADDON`
 */
export async function detectHardware(
  options: DetectOptions = {},
): Promise<HardwareReport> {
  const { refresh = false, ffmpeg = 'ffmpeg' } = options;
  const ffmpegVersion = loadAddon().versions().ffmpeg as string;
  const version = await runTool(ffmpeg, ['-hide_banner', '-version']);
  const ffmpegTool = version.code === 0 ? (version.stdout.split('\n')[0] ?? null) : null;
  const key = machineKey(`${ffmpegVersion} ${ffmpegTool}`);
  const path = join(defaultDirectory(), 'hardware.json');
  const known = refresh ? undefined : await readKnown(path, key);
  if (known !== undefined) return known;

  const devices: HardwareDevice[] = [];
  // One after another: drivers that share a device may disturb each other.
  for (const type of HARDWARE_DEVICES) devices.push(await tryDevice(type));
  const encoders = ffmpegTool === null ? [] : await listEncoders(ffmpeg);
  const hardwareEncoders: HardwareEncoder[] = [];
  for (const name of encoders) {
    const encoder = await tryEncoder(ffmpeg, name, devices);
    if (encoder !== undefined) hardwareEncoders.push(encoder);
  }
  const software: string[] = Object.values(SOFTWARE_ENCODERS).flat();
  const report: HardwareReport = {
    schema: 1,
    machine: await describeMachine(),
    ffmpeg: ffmpegVersion,
    ffmpegTool,
    devices,
    encoders: hardwareEncoders,
    softwareEncoders: software.filter((name) => encoders.includes(name)),
    detectedAt: new Date().toISOString(),
  };
  // Without a cache directory it is found out again.
  await writeJson(path, { key, report }).catch(() => {});
  return report;
}

async function readKnown(path: string, key: string): Promise<HardwareReport | undefined> {
  try {
    const known = JSON.parse(await readFile(path, 'utf8'));
    return known.key === key && known.report.schema === 1 ? known.report : undefined;
  } catch {
    return undefined;
  }
}

async function tryDevice(type: HardwareDeviceType): Promise<HardwareDevice> {
  const unopened = { type, opens: false, decodes: [] };
  if (!loadAddon().hardwareDevices().includes(type)) {
    return { ...unopened, builtIn: false, reason: 'this FFmpeg was built without it' };
  }
  const { reason, decodes } = await probeDevice(type);
  if (reason !== null) {
    return { ...unopened, builtIn: true, reason: withCause(type, reason) };
  }
  return { type, builtIn: true, opens: true, reason, decodes };
}

/** Device types that open a node of `/dev/dri` on Linux, and say no more than "Bad address" where there is none. */
const OF_DRI = ['drm', 'vaapi', 'qsv'];

/** What FFmpeg says, and what people can do something about. */
function withCause(type: string, reason: string): string {
  if (process.platform !== 'linux' || !OF_DRI.includes(type)) return reason;
  if (existsSync('/dev/dri')) return reason;
  return `there is no /dev/dri: no graphics card, or none passed into this container (${reason})`;
}

async function listEncoders(ffmpeg: string): Promise<string[]> {
  const { stdout } = await runTool(ffmpeg, ['-hide_banner', '-encoders']);
  return parseEncoders(stdout);
}

/** Encodes two frames; `undefined` if that is no hardware encoder of the codecs in question. */
async function tryEncoder(
  ffmpeg: string,
  name: string,
  devices: readonly HardwareDevice[],
): Promise<HardwareEncoder | undefined> {
  const [codec = '', family = ''] = name.split('_');
  if (!(codec in SOFTWARE_ENCODERS) || !(family in ENCODER_FAMILIES)) return undefined;
  const type = ENCODER_FAMILIES[family as EncoderFamily];
  const device = devices.find((each) => each.type === type);
  if (device?.builtIn && !device.opens) {
    return { name, codec, works: false, reason: `${type}: ${device.reason}` };
  }
  const source = ['-f', 'lavfi', '-i', 'smptebars=s=256x160:r=25', '-frames:v', '2'];
  const run = await runTool(ffmpeg, [
    ...['-hide_banner', '-nostdin', '-v', 'error'],
    ...deviceOptions(family as EncoderFamily),
    ...source,
    ...uploadOptions(family as EncoderFamily),
    ...['-c:v', name, '-f', 'null', '-'],
  ]);
  const failed = run.failure ?? firstComplaint(run.stderr, `exit code ${run.code}`);
  const works = run.code === 0;
  return { name, codec, works, reason: works ? null : failed };
}

/** Encoders of these families take frames on the device only. */
const ON_DEVICE: readonly EncoderFamily[] = ['vaapi', 'vulkan', 'd3d12va'];

/** The ffmpeg tool's options that open the device of an encoder which needs one. */
export function deviceOptions(family: EncoderFamily): string[] {
  if (!ON_DEVICE.includes(family)) return [];
  return ['-init_hw_device', `${family}=gpu`, '-filter_hw_device', 'gpu'];
}

/** Those that bring frames from memory to it. */
export function uploadOptions(family: EncoderFamily): string[] {
  return ['-vf', ON_DEVICE.includes(family) ? 'format=nv12,hwupload' : 'format=nv12'];
}
