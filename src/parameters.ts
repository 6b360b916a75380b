/** The ffmpeg tool's options for this machine, and the tables they come from. */
import {
  detectHardware,
  deviceOptions,
  type EncoderFamily,
  type HardwareReport,
  SOFTWARE_ENCODERS,
  uploadOptions,
} from './hardware.ts';
import { storedVerdicts } from './hardware-verdicts.ts';
import {
  checkChoice,
  checkHardware,
  checkInteger,
  type HardwareChoice,
} from './options.ts';

/** A codec for which there are recommendations. */
export type ParameterCodec = 'h264' | 'hevc' | 'vp9' | 'av1';

/** For {@link recommendedParameters}. */
export interface ParameterRequest {
  /** `'scale'` is decoding and making the pictures smaller, on the device where that has a filter for it. */
  task: 'decode' | 'scale' | 'encode';
  /** What is decoded, or made. Default `'h264'`. */
  codec?: ParameterCodec | undefined;
  /**
   * `'encode'`: 0 to 100, the higher the better, whatever scale the encoder has. Default 60, which is about what FFmpeg's encoders do by
   * themselves (CRF 23 of libx264).
   */
  quality?: number | undefined;
  /** `'scale'`: pixels of the result. Default 640 × 360. */
  width?: number | undefined;
  height?: number | undefined;
  /** `'scale'`: bits of a sample of the video. On a device the result has as many; software gives what the encoder takes. Default 8. */
  bitDepth?: 8 | 10 | undefined;
  /**
   * `'auto'`, the default: to encode, a hardware encoder that works here; to decode and scale, a device that `benchmarkDecodePaths` has
   * found faster here. `'none'`: software. A device type: that one, whether it is here or not.
   */
  hardware?: HardwareChoice | undefined;
  /** What is here, if it is known already. Default: what `detectHardware()` finds. */
  report?: HardwareReport | undefined;
}

/** Options for `ffmpeg INPUT… -i FILE OUTPUT… RESULT`. */
export interface RecommendedParameters {
  /** Before `-i`. */
  readonly input: readonly string[];
  /** After the file. */
  readonly output: readonly string[];
  /** Type of the device that they use; `null` for software. */
  readonly hardware: string | null;
  /** FFmpeg's name of the encoder; `null` but for `'encode'`. */
  readonly encoder: string | null;
  /** Why these. */
  readonly reason: string;
}

/**
 * Quality 0 to 100 on a scale where less is better, of constant quality: 60 is the encoder's own default where it has a sensible one (CRF 23 of
 * libx264, 28 of libx265, 35 of SVT-AV1, 31 of VP9 at 1080p), and four steps of quality are one of the scale. Source of the defaults: FFmpeg's wiki,
 * "Encode/H.264", "H.265", "AV1" and "VP9".
 */
function falling(quality: number, at60: number, highest: number): string {
  const value = Math.round(at60 + (60 - quality) * (highest > 51 ? 0.4 : 0.25));
  return String(Math.min(highest, Math.max(0, value)));
}

/** QuickTime and Apple's players know HEVC by this tag only. */
const APPLE_TAG = ['-tag:v', 'hvc1'];

type EncodeOptions = (quality: number, codec: ParameterCodec) => string[];

const SOFTWARE_OPTIONS: Readonly<Record<string, EncodeOptions>> = {
  libx264: (q) => ['-preset', 'medium', '-crf', falling(q, 23, 51)],
  libx265: (q) => ['-preset', 'medium', '-crf', falling(q, 28, 51), ...APPLE_TAG],
  'libvpx-vp9': (q) => [
    ...['-deadline', 'good', '-cpu-used', '4', '-row-mt', '1'],
    ...['-crf', falling(q, 31, 63), '-b:v', '0'],
  ],
  libsvtav1: (q) => ['-preset', '8', '-crf', falling(q, 35, 63)],
  'libaom-av1': (q) => [
    ...['-cpu-used', '6', '-row-mt', '1'],
    ...['-crf', falling(q, 31, 63), '-b:v', '0'],
  ],
};

/** On scales from 0 to 51 for H.264 and HEVC, to 255 for VP9 and AV1. */
function quantizer(quality: number, codec: ParameterCodec): string {
  const base = Number(falling(quality, codec === 'hevc' ? 28 : 24, 51));
  return String(codec === 'vp9' || codec === 'av1' ? base * 5 : Math.max(1, base));
}

/** By family; those without constant quality are not recommended. */
const HARDWARE_OPTIONS: Partial<Record<EncoderFamily, EncodeOptions>> = {
  // 1 to 100, rising, on Apple silicon only (videotoolboxenc.c refuses it on Intel); it may encode in software where the device is busy or cannot.
  videotoolbox: (q, codec) => [
    ...['-q:v', String(Math.max(1, q)), '-realtime', '0', '-allow_sw', '1'],
    ...(codec === 'hevc' ? APPLE_TAG : []),
  ],
  nvenc: (q, codec) => [
    ...['-preset', 'p5', '-rc', 'vbr', '-cq', falling(q, codec === 'h264' ? 24 : 28, 51)],
    ...['-b:v', '0', ...(codec === 'hevc' ? APPLE_TAG : [])],
  ],
  qsv: (q, codec) => [
    '-preset',
    'medium',
    '-global_quality',
    falling(q, codec === 'h264' ? 24 : 28, 51),
  ],
  vaapi: (q, codec) => ['-rc_mode', 'CQP', '-global_quality', quantizer(q, codec)],
  amf: (q, codec) => {
    const value = quantizer(q, codec);
    return ['-quality', 'balanced', '-rc', 'cqp', '-qp_i', value, '-qp_p', value];
  },
  mf: (q) => ['-hw_encoding', '1', '-rate_control', 'quality', '-quality', String(q)],
  d3d12va: (q, codec) => ['-rc_mode', 'CQP', '-qp', quantizer(q, codec)],
  vulkan: (q, codec) => ['-rc_mode', 'cqp', '-qp', quantizer(q, codec)],
};

/** What FFmpeg's encoders of a family make, in some version of it (libavcodec/allcodecs.c of 8). */
const ENCODES: Readonly<Record<string, readonly ParameterCodec[]>> = {
  videotoolbox: ['h264', 'hevc'],
  nvenc: ['h264', 'hevc', 'av1'],
  qsv: ['h264', 'hevc', 'vp9', 'av1'],
  vaapi: ['h264', 'hevc', 'vp9', 'av1'],
  amf: ['h264', 'hevc', 'av1'],
  mf: ['h264', 'hevc'],
  d3d12va: ['h264', 'hevc', 'av1'],
  vulkan: ['h264', 'hevc', 'av1'],
};

/** Device types that decode in the ffmpeg tool, with the format of frames that stay on them and the filter that scales them there. */
const DECODE_DEVICES: Readonly<
  Record<string, { format: string; scaler: string | null }>
> = {
  videotoolbox: { format: 'videotoolbox_vld', scaler: 'scale_vt' },
  cuda: { format: 'cuda', scaler: 'scale_cuda' },
  vaapi: { format: 'vaapi', scaler: 'scale_vaapi' },
  qsv: { format: 'qsv', scaler: 'vpp_qsv' },
  d3d11va: { format: 'd3d11', scaler: 'scale_d3d11' },
  d3d12va: { format: 'd3d12', scaler: 'scale_d3d12' },
  dxva2: { format: 'dxva2_vld', scaler: null },
  vulkan: { format: 'vulkan', scaler: 'scale_vulkan' },
  vdpau: { format: 'vdpau', scaler: null },
  drm: { format: 'drm_prime', scaler: null },
  mediacodec: { format: 'mediacodec', scaler: null },
};

/** The family whose encoders belong to a type of device. */
const FAMILY_OF_DEVICE: Readonly<Record<string, EncoderFamily>> = {
  videotoolbox: 'videotoolbox',
  cuda: 'nvenc',
  vaapi: 'vaapi',
  qsv: 'qsv',
  d3d11va: 'mf',
  d3d12va: 'd3d12va',
  vulkan: 'vulkan',
  amf: 'amf',
};

/**
 * The ffmpeg tool's options for a task on this machine. The addon needs none of this: `openVideo` takes `hardware`.
 *
 * @throws {TypeError | RangeError} naming the option
 * @throws {MediaError} `ERR_ADDON`
 */
export async function recommendedParameters(
  request: ParameterRequest,
): Promise<RecommendedParameters> {
  const tasks = ['decode', 'scale', 'encode'] as const;
  const task = checkChoice('task', request.task ?? '', tasks) as ParameterRequest['task'];
  const codecs = Object.keys(SOFTWARE_ENCODERS) as ParameterCodec[];
  const codec = checkChoice('codec', request.codec, codecs) ?? 'h264';
  const quality = checkInteger('quality', request.quality, 0, 100) ?? 60;
  const picture = {
    width: checkInteger('width', request.width, 16, 16384) ?? 640,
    height: checkInteger('height', request.height, 16, 16384) ?? 360,
    bitDepth: checkInteger('bitDepth', request.bitDepth, 8, 10) ?? 8,
  };
  const hardware = checkHardware(request.hardware);
  if (task === 'encode') {
    const report = request.report ?? (await detectHardware());
    return encodeParameters(report, codec, quality, hardware);
  }
  if (hardware !== 'auto' && hardware !== 'none') {
    return decodeParameters(task, hardware, picture, `${hardware} was asked for`);
  }
  if (hardware === 'none') {
    return decodeParameters(task, null, picture, 'software was asked for');
  }
  const verdict = (await storedVerdicts()).find((each) => each.codec === codec);
  const measured = `measured with ${verdict?.width}x${verdict?.height} ${codec}`;
  const reason = verdict === undefined ? 'nothing faster has been measured' : measured;
  return decodeParameters(task, verdict?.hardware ?? null, picture, reason);
}

function decodeParameters(
  task: 'decode' | 'scale',
  hardware: string | null,
  { width, height, bitDepth }: { width: number; height: number; bitDepth: number },
  reason: string,
): RecommendedParameters {
  const device = hardware === null ? undefined : DECODE_DEVICES[hardware];
  const inMemory =
    task === 'scale' ? ['-vf', `scale=w=${width}:h=${height}:flags=area`] : [];
  if (device === undefined) {
    const why = hardware === null ? reason : `ffmpeg decodes nothing on ${hardware}`;
    return { input: [], output: inMemory, hardware: null, encoder: null, reason: why };
  }
  const input = ['-hwaccel', hardware as string];
  if (task === 'decode' || device.scaler === null) {
    return { input, output: inMemory, hardware, encoder: null, reason };
  }
  // Surfaces come to memory in their own layout and no other.
  const layout = bitDepth > 8 ? 'p010le' : 'nv12';
  const graph = `${device.scaler}=w=${width}:h=${height},hwdownload,format=${layout}`;
  return {
    input: [...input, '-hwaccel_output_format', device.format],
    output: ['-vf', graph],
    ...{ hardware, encoder: null, reason },
  };
}

function encodeParameters(
  report: HardwareReport,
  codec: ParameterCodec,
  quality: number,
  hardware: HardwareChoice,
): RecommendedParameters {
  const familyOf = (name: string) => name.slice(codec.length + 1) as EncoderFamily;
  if (hardware === 'auto') {
    const works = report.encoders.find(
      (each) =>
        each.works &&
        each.codec === codec &&
        HARDWARE_OPTIONS[familyOf(each.name)] &&
        hasConstantQuality(familyOf(each.name), report),
    );
    if (works !== undefined) {
      return hardwareEncode(familyOf(works.name), codec, quality, 'it works here');
    }
  } else if (hardware !== 'none') {
    const family = FAMILY_OF_DEVICE[hardware];
    if (family !== undefined && !hasConstantQuality(family, report)) {
      const why = 'FFmpeg has no constant quality for VideoToolbox on Intel';
      return softwareEncode(report, codec, quality, why);
    }
    if (family !== undefined && ENCODES[family]?.includes(codec)) {
      return hardwareEncode(family, codec, quality, `${hardware} was asked for`);
    }
  }
  return softwareEncode(report, codec, quality, softwareReason(codec, hardware));
}

/** Of VideoToolbox only on Apple silicon: libavcodec/videotoolboxenc.c refuses `-q:v` elsewhere. */
function hasConstantQuality(family: EncoderFamily, { machine }: HardwareReport): boolean {
  const isIntelMac = machine?.platform === 'darwin' && machine.appleSilicon === null;
  return family !== 'videotoolbox' || !isIntelMac;
}

function softwareEncode(
  report: HardwareReport,
  codec: ParameterCodec,
  quality: number,
  reason: string,
): RecommendedParameters {
  const names: readonly string[] = SOFTWARE_ENCODERS[codec];
  const encoder = names.find((name) => report.softwareEncoders.includes(name));
  const name = encoder ?? (names[0] as string);
  const missing = `the ffmpeg tool here has no encoder for ${codec}`;
  return {
    input: [],
    output: ['-c:v', name, ...(SOFTWARE_OPTIONS[name] as EncodeOptions)(quality, codec)],
    hardware: null,
    encoder: name,
    reason: encoder === undefined ? missing : reason,
  };
}

function softwareReason(codec: string, hardware: HardwareChoice): string {
  if (hardware === 'none') return 'software was asked for';
  return hardware === 'auto'
    ? `no hardware encoder for ${codec} works here`
    : `ffmpeg encodes no ${codec} on ${hardware}`;
}

function hardwareEncode(
  family: EncoderFamily,
  codec: ParameterCodec,
  quality: number,
  reason: string,
): RecommendedParameters {
  const encoder = `${codec}_${family}`;
  const options = HARDWARE_OPTIONS[family] as EncodeOptions;
  const [hardware = family] =
    Object.entries(FAMILY_OF_DEVICE).find(([, each]) => each === family) ?? [];
  return {
    input: deviceOptions(family),
    output: [...uploadOptions(family), '-c:v', encoder, ...options(quality, codec)],
    ...{ hardware, encoder, reason },
  };
}
