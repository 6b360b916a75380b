/** Tries a device in a process of its own, which a driver may crash or hang. */
import { runTool } from './ffmpeg-tool.ts';
import { HARDWARE_SAMPLES } from './hardware-samples.ts';
import { addonFile } from './native.ts';

/** A codec on a device, tried on two frames. */
export interface HardwareDecode {
  /** FFmpeg's name. */
  readonly codec: keyof typeof HARDWARE_SAMPLES;
  /** Whether the frames came out, from the device, and equal those of software. */
  readonly works: boolean;
  /** Why not; `null` if it works. */
  readonly reason: string | null;
}

/** What a device came to. */
export interface DeviceProbe {
  /** Why it does not open. */
  readonly reason: string | null;
  readonly decodes: readonly HardwareDecode[];
}

/**
 * The process: it loads nothing but the addon, and prints a line for the device and one for each codec, so that what came before a crash
 * is known.
 */
const SCRIPT = `
const [addonFile, type] = process.argv.slice(1);
const addon = require(addonFile);
const print = (value) => require('node:fs').writeSync(1, JSON.stringify(value) + '\\n');
const whole = {
  ...{ start: null, end: null, step: 1, every: 0, keyFrames: false },
  all: true,
  previous: false,
};
async function frames(source, hardware) {
  const decoder = new addon.Decoder({ source, streamIndex: -1, language: '', threads: 1, skipErrors: false });
  const { info } = await decoder.open();
  let path = hardware === null ? null : await decoder.useHardware(hardware);
  const { width, height } = info;
  const size = { scaleWidth: width, scaleHeight: height, width, height };
  const place = { quarterTurns: 0, flip: false, left: 0, top: 0 };
  const made = { pixelFormat: 'yuv420p', toneMap: false, scalesOnDevice: false };
  await decoder.start(whole, { ...size, ...place, ...made });
  const pixels = [];
  for (let done = false; !done; ) {
    const buffer = new ArrayBuffer((width * height * 3) / 2);
    const read = await decoder.read([buffer], new ArrayBuffer(16 * 8));
    if (read.count > 0) pixels.push(Buffer.from(buffer));
    path = read.path ?? path;
    done = read.done;
  }
  await decoder.close();
  return { pixels: Buffer.concat(pixels), path };
}
async function decodes(sample) {
  const source = () => new addon.Memory(sample);
  const got = await frames(source(), type);
  if (got.path.hardware === null) {
    return got.path.fallbackReason.slice(type.length + 2);
  }
  const wanted = await frames(source(), null);
  return got.pixels.equals(wanted.pixels) ? null : 'its frames differ from those of software';
}
(async () => {
  const samples = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
  const reason = addon.whyDeviceFails(type);
  print({ reason });
  if (reason !== null) return;
  for (const [codec, base64] of Object.entries(samples)) {
    const why = await decodes(Buffer.from(base64, 'base64')).catch((error) => error.message);
    print({ codec, reason: why });
  }
})();
`;

/**
 * Opens a device of `type` and decodes every sample on it.
 *
 * @param node what runs the process
 * @param timeout milliseconds that it may take
 * @throws {MediaError} `ERR_ADDON`, and nothing else
 */
export async function probeDevice(
  type: string,
  node = process.execPath,
  timeout = 20_000,
): Promise<DeviceProbe> {
  const samples = Object.fromEntries(
    Object.entries(HARDWARE_SAMPLES).map(([codec, bytes]) => [
      codec,
      Buffer.from(bytes).toString('base64'),
    ]),
  );
  const run = await runTool(node, ['-e', SCRIPT, addonFile(), type], {
    input: JSON.stringify(samples),
    env: { ELECTRON_RUN_AS_NODE: '1', NODE_OPTIONS: '' },
    timeout,
  });
  const lines = run.stdout.split('\n').filter((line) => line.endsWith('}'));
  const [device, ...results] = lines.map((line) => JSON.parse(line));
  const broken = run.failure ?? (run.code === 0 ? null : `exit code ${run.code}`);
  if (device === undefined) return { reason: broken ?? 'it said nothing', decodes: [] };
  const reasons = new Map<string, string | null>(
    results.map(({ codec, reason }) => [codec, reason]),
  );
  const codecs = Object.keys(HARDWARE_SAMPLES) as HardwareDecode['codec'][];
  if (device.reason !== null) return { reason: device.reason, decodes: [] };
  return {
    reason: null,
    decodes: codecs.map((codec) => {
      // The one at which the process ended, and those behind it, have no line.
      const reason = reasons.has(codec) ? (reasons.get(codec) ?? null) : broken;
      return { codec, works: reason === null && reasons.has(codec), reason };
    }),
  };
}
