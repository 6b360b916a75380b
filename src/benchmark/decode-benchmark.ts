/** Which way of decoding a video is the fastest on this machine: every way is run, nothing is assumed. */
import { availableParallelism, cpus } from 'node:os';
import { displaySize, resolveGeometry } from '../geometry.ts';
import { type HardwareVerdict, storeVerdict } from '../hardware-verdicts.ts';
import type { VideoInfo } from '../info.ts';
import { loadAddon } from '../native.ts';
import {
  checkBoolean,
  checkChoice,
  checkInteger,
  checkPositive,
  checkSignal,
  resolveSource,
} from '../options.ts';
import { probe } from '../probe.ts';
import { candidates } from './decode-paths.ts';
import type { DevicesAnswer } from './job.ts';
import { type PathlessJob, PathRunner } from './path-runner.ts';
import type { BenchmarkOptions, DecodeBenchmark, DecodePathResult } from './result.ts';
import { rankByRate, verdictOf } from './summary.ts';

/**
 * Decodes the beginning of a video in every way that works on this machine and says what each costs: software with one thread and more, each
 * hardware device, beamcoder if it is installed, and the ffmpeg tool over a pipe if there is one. Each run is a process of its own. First the frames of each path, all
 * of those that are measured, are compared with software's; then the paths take turns.
 *
 * @throws {TypeError | RangeError} for a mistake in `options`, and for a source that is no file
 * @throws {MediaError} as `openVideo` does, and what decoding in software fails with (`ERR_FFMPEG`)
 */
export async function benchmarkDecodePaths(
  source: string | URL,
  options: BenchmarkOptions = {},
): Promise<DecodeBenchmark> {
  const path = resolveSource(source);
  if (typeof path !== 'string') {
    throw new TypeError('a benchmark reads its source many times: give a path');
  }
  const wanted = resolveOptions(options);
  const { signal } = wanted;
  const info = await probe(path, { streamIndex: wanted.streamIndex, signal });
  const job = jobFor(path, info, wanted);
  const runner = new PathRunner(job, signal, options.onProgress);
  const devices = await runner.tryDevices();
  const working = devices.filter(([, why]) => why === null).map(([type]) => type);
  const scales = job.width * job.height < info.width * info.height;
  const measured = await runner.measure(candidates(working, scales), wanted.rounds);
  const paths = [...measured, ...devices.flatMap(unusableDevice)];
  const { codec, profile, pixelFormat, width, height, streamIndex } = info;
  const measuredAt = new Date().toISOString();
  const verdict = { codec, pixelFormat, width, height, measuredAt, ...verdictOf(paths) };
  const stored = wanted.store && (await keep(verdict));
  return {
    source: path,
    video: { codec, profile, pixelFormat, width, height, streamIndex },
    output: { width: job.width, height: job.height, pixelFormat: job.pixelFormat },
    machine: {
      cpu: cpus()[0]?.model ?? process.arch,
      cores: availableParallelism(),
      platform: `${process.platform} ${process.arch}`,
      node: process.versions.node,
      ffmpeg: loadAddon().versions().ffmpeg as string,
    },
    frames: runner.frames,
    rounds: wanted.rounds,
    paths,
    fastest: rankByRate(paths)[0]?.name as string,
    ...{ hardware: verdict.hardware, stored, measuredAt },
  };
}

/** A machine without a place for caches can be measured, too. */
async function keep(verdict: HardwareVerdict): Promise<boolean> {
  try {
    await storeVerdict(verdict);
    return true;
  } catch {
    return false;
  }
}

function unusableDevice([
  name,
  unusable,
]: DevicesAnswer['devices'][number]): DecodePathResult[] {
  if (unusable === null) return [];
  const nothing = {
    identical: null,
    psnr: null,
    framesPerSecond: null,
    cpuPerFrame: null,
  };
  const more = { peakMemory: null, firstFrame: null, speed: null };
  return [{ name, kind: 'hardware', threads: null, unusable, ...nothing, ...more }];
}

const PIXEL_FORMATS = ['rgb24', 'rgba', 'bgr24', 'gray8', 'yuv420p', 'rgb48le'] as const;

/** @throws {TypeError | RangeError} naming the option */
function resolveOptions(options: BenchmarkOptions) {
  const seconds = checkPositive('seconds', options.seconds);
  const frames = checkInteger('frames', options.frames, 1, 1_000_000);
  if (seconds !== undefined && frames !== undefined) {
    throw new TypeError('frames and seconds cannot be combined');
  }
  const { onProgress } = options;
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw new TypeError(`onProgress must be a function, got ${String(onProgress)}`);
  }
  return {
    seconds: seconds ?? null,
    frames: seconds === undefined ? (frames ?? 300) : null,
    rounds: checkInteger('rounds', options.rounds, 1, 100) ?? 3,
    width: checkInteger('width', options.width, 1, 16384) ?? 640,
    height: checkInteger('height', options.height, 1, 16384) ?? 360,
    pixelFormat:
      checkChoice('pixelFormat', options.pixelFormat, PIXEL_FORMATS) ?? 'rgb24',
    streamIndex: checkInteger('streamIndex', options.streamIndex, 0, 2 ** 31 - 1),
    store: checkBoolean('store', options.store) ?? true,
    signal: checkSignal(options.signal),
  };
}

/** The frames that all paths have to bring. */
function jobFor(
  source: string,
  info: VideoInfo,
  wanted: ReturnType<typeof resolveOptions>,
): PathlessJob {
  const { width, height } = resolveGeometry(info, {
    ...{ width: wanted.width, height: wanted.height, fit: 'inside' },
    ...{ withoutEnlargement: true, autorotate: true, squarePixels: true },
  });
  const { pixelFormat, frames, seconds } = wanted;
  const shown = displaySize(info, { autorotate: true, squarePixels: true });
  const scales = shown.width !== width || shown.height !== height;
  const rgb = pixelFormat !== 'gray8' && pixelFormat !== 'yuv420p';
  const chroma = /^(yuvj?4(?:20|22|44)p)/.exec(info.pixelFormat ?? '')?.[1];
  return {
    ...{ source, streamIndex: info.streamIndex, width, height, pixelFormat, frames },
    // Chroma goes straight to the grid of the output, as the addon has it.
    planar: scales && rgb && chroma !== undefined ? 'yuv444p' : '',
    end: seconds === null ? null : (info.startTime ?? 0) + seconds,
  };
}
