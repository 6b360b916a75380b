/** Which way of decoding a video is the fastest on this machine: every way is run, nothing is assumed. */
import { spawn, spawnSync } from 'node:child_process';
import type { Socket } from 'node:net';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { onAbort } from '../abort.ts';
import { findBeamcoder } from '../backend/beamcoder/package.ts';
import { MediaError } from '../errors.ts';
import type { PixelFormat } from '../frame.ts';
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
  HARDWARE_DEVICES,
  type HardwareDeviceType,
  resolveSource,
} from '../options.ts';
import { probe } from '../probe.ts';
import { MessageReader } from '../wire.ts';
import type {
  BenchmarkAnswer,
  BenchmarkJob,
  BenchmarkRun,
  DevicesAnswer,
  DevicesJob,
  PathChoice,
} from './job.ts';

/** How to measure. */
export interface BenchmarkOptions {
  /** Frames of each run, from the first on. Default 300, unless `seconds` is given. */
  frames?: number | undefined;
  /** Seconds of video of each run, in place of `frames`. */
  seconds?: number | undefined;
  /** Runs of each path; the paths take turns. Default 3. */
  rounds?: number | undefined;
  /** Frames are made as large as fits inside, as in `openVideo`. Default 640 × 360. */
  width?: number | undefined;
  height?: number | undefined;
  /** Layout of the frames. Default `'rgb24'`. */
  pixelFormat?: Exclude<PixelFormat, 'native'> | undefined;
  /** Which video stream, by index. Default: the best by FFmpeg's rules. */
  streamIndex?: number | undefined;
  /** Keep the verdict for `hardware: 'auto'`. Default true. */
  store?: boolean | undefined;
  /** Ends the benchmark, which rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Called before each run. */
  onProgress?: ((progress: BenchmarkProgress) => void) | undefined;
}

/** How far a benchmark is. */
export interface BenchmarkProgress {
  /** The path that runs now. */
  readonly path: string;
  /** Whether its frames are being compared, or the path measured. */
  readonly stage: 'check' | 'measure';
  /** 0–1 */
  readonly fraction: number;
}

/** What a path came to: medians over all runs; `null` where it could not be run or told. */
export interface DecodePathResult {
  /** `software, 2 threads`, `cuda`, `beamcoder`, `ffmpeg over a pipe` … */
  readonly name: string;
  readonly kind: 'software' | 'hardware' | 'beamcoder' | 'ffmpeg';
  /** Decoder threads that were asked for; `null` for all but software. */
  readonly threads: number | null;
  /** Why it does not count: it does not work here, or its frames are not those of software. */
  readonly unusable: string | null;
  /** Whether the frames that were compared were equal byte for byte. */
  readonly identical: boolean | null;
  /** Lowest peak signal-to-noise ratio of those frames to software's, in dB; `null` if equal. */
  readonly psnr: number | null;
  readonly framesPerSecond: number | null;
  /** Seconds of processor time a frame, user and system, child processes included. */
  readonly cpuPerFrame: number | null;
  /** Most bytes resident, child processes and Node itself (some 50 MB) included. */
  readonly peakMemory: number | null;
  /** Seconds from before opening until the first frame was there. */
  readonly firstFrame: number | null;
  /** How many times as fast as software with one thread: the median of the ratios of runs of one round. */
  readonly speed: number | null;
}

/** What {@link benchmarkDecodePaths} gives. JSON-safe. */
export interface DecodeBenchmark {
  readonly source: string;
  readonly video: Pick<
    VideoInfo,
    'codec' | 'profile' | 'pixelFormat' | 'width' | 'height' | 'streamIndex'
  >;
  readonly output: {
    readonly width: number;
    readonly height: number;
    readonly pixelFormat: PixelFormat;
  };
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly platform: string;
    readonly node: string;
    readonly ffmpeg: string;
  };
  /** Frames of each run. */
  readonly frames: number;
  readonly rounds: number;
  readonly paths: readonly DecodePathResult[];
  /** Name of the path with the most frames a second. */
  readonly fastest: string;
  /**
   * What `hardware: 'auto'` takes from now on for such videos (the same codec and pixel format, half to twice as many pixels) on this machine: the device that was
   * faster than software with any number of threads, or `null` for software.
   */
  readonly hardware: string | null;
  /** Whether that was kept; false where it was not to be, or the cache directory cannot be written to. */
  readonly stored: boolean;
  /** ISO 8601. */
  readonly measuredAt: string;
}

/** Frames compared before a path is measured. */
const CHECKED_FRAMES = 12;
/**
 * Lowest ratio, in dB, at which frames count as the same. Decoders are exact, scaling and colour conversion are not: swscale's paths round
 * differently by a level or two, which is 40 dB and up; a wrong matrix or range is below 30.
 */
const LEAST_PSNR = 38;
/** The same for what scales with swscale, as the ffmpeg tool and beamcoder do: it averages less exactly than the addon. A frame too late is below. */
const LEAST_PSNR_OF_OTHERS = 28;

/** A path to be measured. */
interface Candidate {
  readonly name: string;
  readonly kind: DecodePathResult['kind'];
  readonly threads: number | null;
  readonly choice: PathChoice;
}

/**
 * Decodes the beginning of a video in every way that works on this machine and says what each costs: software with one thread and more, each
 * hardware device, beamcoder if it is installed, and the ffmpeg tool over a pipe if there is one. Each run is a process of its own. First the frames of each path are
 * compared with software's; then the paths take turns.
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
  const bench = new Bench(job, signal, options.onProgress);
  const devices = await bench.tryDevices();
  const working = devices.filter(([, why]) => why === null).map(([type]) => type);
  const measured = await bench.measure(candidates(working), wanted.rounds);
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
    frames: bench.frames,
    rounds: wanted.rounds,
    paths,
    fastest: rankByRate(paths)[0]?.name as string,
    ...{ hardware: verdict.hardware, stored, measuredAt },
  };
}

/** Paths that were measured, the fastest first. */
function rankByRate(paths: readonly DecodePathResult[]): DecodePathResult[] {
  const rate = (path: DecodePathResult) => path.framesPerSecond as number;
  return paths
    .filter(({ framesPerSecond }) => framesPerSecond !== null)
    .sort((a, b) => rate(b) - rate(a));
}

/**
 * The device that beats software with whatever number of threads, and frames a second of each device and of software at its best. Other
 * programs do not count.
 *
 * @internal
 */
export function verdictOf(
  paths: readonly DecodePathResult[],
): Pick<HardwareVerdict, 'hardware' | 'framesPerSecond'> {
  const framesPerSecond: Record<string, number> = {};
  for (const { kind, name, framesPerSecond: rate } of rankByRate(paths)) {
    if (kind !== 'software' && kind !== 'hardware') continue;
    framesPerSecond[kind === 'software' ? kind : name] ??= rate as number;
  }
  const [best] = Object.keys(framesPerSecond); // they are in order of rate
  return { hardware: best === 'software' ? null : (best ?? null), framesPerSecond };
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
): Omit<BenchmarkJob, 'choice' | 'kept'> {
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

/** Every path that might work. @param devices that have decoded a frame */
function candidates(devices: readonly HardwareDeviceType[]): Candidate[] {
  const all: Candidate[] = [];
  const cores = availableParallelism();
  const counts = [1, 2, 4, 8, 16, 32, 64].filter((threads) => threads < cores);
  for (const threads of [...counts, Math.min(cores, 64)]) {
    all.push({
      name: `software, ${threads} thread${threads === 1 ? '' : 's'}`,
      kind: 'software',
      threads,
      choice: { kind: 'library', threads, hardware: 'none', backend: 'native' },
    });
  }
  for (const hardware of devices) {
    const choice = { kind: 'library', threads: 0, hardware, backend: 'native' } as const;
    all.push({ name: hardware, kind: 'hardware', threads: null, choice });
  }
  if ('file' in findBeamcoder()) {
    const choice = {
      kind: 'library',
      threads: 0,
      hardware: 'none',
      backend: 'beamcoder',
    } as const;
    all.push({ name: 'beamcoder', kind: 'beamcoder', threads: null, choice });
  }
  if (spawnSync('ffmpeg', ['-version'], { stdio: 'ignore' }).status === 0) {
    const name = 'ffmpeg over a pipe';
    all.push({ name, kind: 'ffmpeg', threads: null, choice: { kind: 'ffmpeg' } });
  }
  return all;
}

const PROCESS_FILE = import.meta.dirname.endsWith('cjs')
  ? join(import.meta.dirname, '..', 'benchmark.mjs')
  : join(import.meta.dirname, '..', '..', 'dist', 'benchmark.mjs');

/** How a run ended, and the frames that were kept. */
interface Answered {
  readonly run: BenchmarkAnswer;
  readonly frames: readonly Uint8Array[];
}

/** Runs paths in turn, one process at a time. */
class Bench {
  /** Frames of each run. */
  frames = 0;
  readonly #job: Omit<BenchmarkJob, 'choice' | 'kept'>;
  readonly #signal: AbortSignal | undefined;
  readonly #onProgress: BenchmarkOptions['onProgress'];

  constructor(
    job: Omit<BenchmarkJob, 'choice' | 'kept'>,
    signal: AbortSignal | undefined,
    onProgress: BenchmarkOptions['onProgress'],
  ) {
    this.#job = job;
    this.#signal = signal;
    this.#onProgress = onProgress;
  }

  /** Tries all devices, in one process. Should that crash, none works. */
  async tryDevices(): Promise<DevicesAnswer['devices']> {
    const { source, streamIndex } = this.#job;
    const job: DevicesJob = { source, streamIndex, devices: HARDWARE_DEVICES };
    const { answer } = await this.#ask<DevicesAnswer>(job);
    if ('devices' in answer) return answer.devices;
    return HARDWARE_DEVICES.map((type) => [type, answer.failure] as const);
  }

  /** The first of `all` is what the others are compared with. */
  async measure(all: readonly Candidate[], rounds: number): Promise<DecodePathResult[]> {
    const checks: Check[] = [];
    const total = all.length * (rounds + 1);
    let done = 0;
    const report = (path: string, stage: BenchmarkProgress['stage']) =>
      this.#onProgress?.({ path, stage, fraction: done++ / total });
    let reference: readonly Uint8Array[] = [];
    for (const candidate of all) {
      report(candidate.name, 'check');
      const { run, frames } = await this.#check(candidate);
      if (checks.length === 0) {
        if ('failure' in run) throw this.#failed(run.failure);
        reference = frames;
      }
      checks.push(compare(candidate, run, frames, reference));
    }
    const runs = new Map<Candidate, BenchmarkRun[]>(all.map((each) => [each, []]));
    const usable = all.filter((_, i) => checks[i]?.unusable === null);
    for (let round = 0; round < rounds; round++) {
      // Whoever is first in a round is not always the same.
      const from = round % usable.length;
      for (const candidate of [...usable.slice(from), ...usable.slice(0, from)]) {
        report(candidate.name, 'measure');
        const { run } = await this.#run(candidate, 0);
        if ('failure' in run) throw this.#failed(`${candidate.name}: ${run.failure}`);
        runs.get(candidate)?.push(run.run);
      }
    }
    const [first] = all as readonly [Candidate, ...Candidate[]];
    const one = (runs.get(first) as BenchmarkRun[]).map(rateOf);
    this.frames = runs.get(first)?.[0]?.frames ?? 0;
    return all.map((candidate, i) =>
      summarize(candidate, checks[i] as Check, byRound(usable, runs, candidate), one),
    );
  }

  #failed(words: string): MediaError {
    const { source } = this.#job;
    return new MediaError('ERR_FFMPEG', `${source}: ${words}`, { source });
  }

  #check(candidate: Candidate): Promise<Answered> {
    const frames = Math.min(this.#job.frames ?? CHECKED_FRAMES, CHECKED_FRAMES);
    return this.#run(candidate, frames, { frames, end: null });
  }

  async #run(
    { choice }: Candidate,
    kept: number,
    less: Partial<BenchmarkJob> = {},
  ): Promise<Answered> {
    const job: BenchmarkJob = { ...this.#job, ...less, choice, kept };
    const { answer, parts } = await this.#ask<BenchmarkAnswer>(job);
    return { run: answer, frames: parts };
  }

  /** Begins a process for one job and waits for its end. */
  async #ask<Answer extends object>(
    job: BenchmarkJob | DevicesJob,
  ): Promise<{ answer: Answer | { failure: string }; parts: readonly Uint8Array[] }> {
    const signal = this.#signal;
    signal?.throwIfAborted();
    const child = spawn(process.execPath, [PROCESS_FILE, JSON.stringify(job)], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
      env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' },
    });
    const stopListening = onAbort(signal, () => child.kill('SIGKILL'));
    try {
      return await new Promise((resolve, reject) => {
        let came: { answer: Answer; parts: readonly Uint8Array[] } | undefined;
        const reader = new MessageReader<Answer>({
          allocate: (_, lengths) => lengths.map((length) => new Uint8Array(length)),
          receive: (answer, parts) => {
            came = { answer, parts };
          },
        });
        const socket = child.stdio[3] as Socket;
        socket.on('data', (chunk: Buffer) => reader.push(chunk));
        child.on('error', reject);
        child.on('close', (code, killed) => {
          const failure = `the process ended with ${killed ?? `exit code ${code}`}`;
          resolve(came ?? { answer: { failure }, parts: [] });
        });
      });
    } finally {
      stopListening();
      signal?.throwIfAborted();
    }
  }
}

/** What a comparison came to. */
type Check = Pick<DecodePathResult, 'unusable' | 'identical' | 'psnr'>;

function compare(
  { kind, name }: Candidate,
  answer: BenchmarkAnswer,
  frames: readonly Uint8Array[],
  reference: readonly Uint8Array[],
): Check {
  const refused = (unusable: string): Check => ({
    unusable,
    identical: null,
    psnr: null,
  });
  if ('failure' in answer) return refused(answer.failure);
  const { hardware, fallbackReason } = answer.run;
  if (kind === 'hardware' && hardware !== name) {
    return refused(fallbackReason ?? 'it decodes in software');
  }
  if (frames.length !== reference.length) {
    return refused(
      `${frames.length} frames came where software gives ${reference.length}`,
    );
  }
  const ratios = frames.map((frame, i) => psnr(frame, reference[i] as Uint8Array));
  const lowest = Math.min(...ratios);
  const identical = lowest === Number.POSITIVE_INFINITY;
  const ratio = identical ? null : lowest;
  const differs = `its frames are not software's: ${lowest.toFixed(1)} dB`;
  const own = kind === 'software' || kind === 'hardware';
  const least = own ? LEAST_PSNR : LEAST_PSNR_OF_OTHERS;
  return { unusable: lowest < least ? differs : null, identical, psnr: ratio };
}

/** Of bytes, in dB; infinite if they are equal. */
function psnr(a: Uint8Array, b: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += ((a[i] as number) - (b[i] as number)) ** 2;
  return 10 * Math.log10((255 * 255 * a.length) / sum);
}

function rateOf({ frames, seconds }: BenchmarkRun): number {
  return frames / seconds;
}

function byRound(
  usable: readonly Candidate[],
  runs: ReadonlyMap<Candidate, BenchmarkRun[]>,
  candidate: Candidate,
): readonly BenchmarkRun[] {
  return usable.includes(candidate) ? (runs.get(candidate) ?? []) : [];
}

/** @param one frames a second of software with one thread, round by round */
function summarize(
  { name, kind, threads }: Candidate,
  check: Check,
  runs: readonly BenchmarkRun[],
  one: readonly number[],
): DecodePathResult {
  const of = (read: (run: BenchmarkRun) => number | null) => {
    const values = runs.map(read);
    return values.includes(null) ? null : median(values as number[]);
  };
  return {
    ...{ name, kind, threads, ...check },
    framesPerSecond: of(rateOf),
    cpuPerFrame: of(({ cpu, frames }) => (cpu === null ? null : cpu / frames)),
    peakMemory: of(({ peak }) => peak),
    firstFrame: of(({ firstFrame }) => firstFrame),
    speed: median(runs.map((run, round) => rateOf(run) / (one[round] as number))),
  };
}

/** `null` of nothing. */
function median(values: readonly number[]): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return null;
  if (sorted.length % 2 === 1) return sorted[middle] as number;
  return ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}
