/** Whether everything that this package needs works on this machine, and what would make it better. */
import { availableParallelism } from 'node:os';
import { AnalysisCache, type CacheStats } from './analysis-cache.ts';
import { loadBackend } from './backend/backend.ts';
import { runTool } from './ffmpeg-tool.ts';
import { type DetectOptions, detectHardware, type HardwareReport } from './hardware.ts';
import { HARDWARE_SAMPLES } from './hardware-samples.ts';
import { type HardwareVerdict, storedVerdicts } from './hardware-verdicts.ts';
import { type MemoryLevel, MemoryMonitor } from './memory-monitor.ts';
import { addonFile, loadAddon } from './native.ts';
import { openVideo } from './video.ts';

/** Something that is not as it should be. */
export interface Problem {
  /** `error`: videos cannot be read; `warning`: something works less well. */
  readonly severity: 'error' | 'warning';
  readonly what: string;
  /** What mends it. */
  readonly mend: string;
}

/** What {@link diagnose} found. JSON-safe. */
export interface Diagnosis {
  readonly schema: 1;
  /** No problem is an error. */
  readonly works: boolean;
  readonly problems: readonly Problem[];
  /** What might make it faster or safer here. */
  readonly recommendations: readonly string[];
  readonly node: string;
  /** What decodes; `null` if nothing loads. */
  readonly backend: 'native' | 'beamcoder' | null;
  readonly addon: {
    /** Built on this machine, or shipped; `null` if none could be loaded. */
    readonly origin: 'built' | 'prebuilt' | null;
    readonly file: string | null;
  };
  /** Of the addon's FFmpeg; `null` without an addon. */
  readonly ffmpeg: {
    readonly version: string;
    /** libavformat, libavcodec, libavutil and libswscale. */
    readonly libraries: Readonly<Record<string, string>>;
    /** As FFmpeg says: `LGPL version 2.1 or later`, `GPL version 2 or later` … */
    readonly license: string;
    readonly configuration: string;
  } | null;
  readonly hardware: HardwareReport | null;
  /** What was measured for `hardware: 'auto'`. */
  readonly verdicts: readonly HardwareVerdict[];
  readonly limits: {
    /** Processors that this process may use. */
    readonly processors: number;
    /** Files that it may have open (`ulimit -n`); `null` if there is no limit, or none is known. */
    readonly openFiles: number | null;
    /** Threads of libuv's pool (`UV_THREADPOOL_SIZE`): `fs` and `dns` use them, decoding does not. */
    readonly uvThreads: number;
    /** Bytes that its container may use; `null` without a limit. */
    readonly containerMemory: number | null;
  };
  readonly memory: { readonly level: MemoryLevel; readonly pressure: number };
  readonly cache: Pick<
    CacheStats,
    'directory' | 'entries' | 'bytes' | 'maxBytes' | 'persistent'
  >;
}

/** Fewer than this, and an import of many files at once runs out of them. */
const ENOUGH_FILES = 1024;

/**
 * Looks at everything that decides whether and how fast videos are read here: backend, FFmpeg, hardware (as {@link detectHardware}), limits of
 * the process, memory and cache. Decodes a frame to see that it works. Never rejects because something is broken: that is what it tells.
 */
export async function diagnose(options: DetectOptions = {}): Promise<Diagnosis> {
  const problems: Problem[] = [];
  const backend = await tryBackend(problems);
  const native = backend === 'native' || addonLoads();
  const hardware = native ? await detectHardware(options) : null;
  const limits = await readLimits(problems);
  const cache = await readCache(problems);
  const verdicts = native ? await storedVerdicts() : [];
  if (hardware?.ffmpegTool === null) {
    const what = 'there is no ffmpeg tool: encoders cannot be tried';
    problems.push({ severity: 'warning', what, mend: 'install ffmpeg' });
  }
  return {
    schema: 1,
    works: problems.every(({ severity }) => severity !== 'error'),
    problems,
    recommendations: recommend(hardware, verdicts, limits),
    node: process.version,
    backend,
    addon: {
      origin: native ? originOf(addonFile()) : null,
      file: native ? addonFile() : null,
    },
    ffmpeg: native ? describeFfmpeg() : null,
    hardware,
    verdicts,
    limits: limits.limits,
    memory: limits.memory,
    cache,
  };
}

function addonLoads(): boolean {
  try {
    loadAddon();
    return true;
  } catch {
    return false;
  }
}

function originOf(file: string): 'built' | 'prebuilt' {
  return /[\\/]prebuilds[\\/]/.test(file) ? 'prebuilt' : 'built';
}

/** Loads a backend and decodes two frames with it. */
async function tryBackend(problems: Problem[]): Promise<Diagnosis['backend']> {
  let name: Diagnosis['backend'] = null;
  try {
    const backend = loadBackend('auto');
    name = backend.name;
    if (backend.fallbackReason !== null) {
      const mend =
        'one of the commands named there; beamcoder is slower, and decodes in a process of its own';
      problems.push({ severity: 'warning', what: backend.fallbackReason, mend });
    }
    await using video = await openVideo(HARDWARE_SAMPLES.h264, { hardware: 'none' });
    let frames = 0;
    for await (const _ of video.frames()) frames++;
    if (frames !== 2) throw new Error(`${frames} of 2 frames of H.264 came out`);
  } catch (error) {
    const mend =
      name === null ? 'any of the commands named there' : '`npm rebuild rushes`';
    problems.push({ severity: 'error', what: (error as Error).message, mend });
  }
  return name;
}

function describeFfmpeg(): Diagnosis['ffmpeg'] {
  const {
    ffmpeg = '',
    license = '',
    configuration = '',
    ...libraries
  } = loadAddon().versions();
  return { version: ffmpeg, libraries, license, configuration };
}

type Limits = Pick<Diagnosis, 'limits' | 'memory'>;

async function readLimits(problems: Problem[]): Promise<Limits> {
  using monitor = new MemoryMonitor();
  const { level, pressure, figures } = monitor.sample();
  if (level === 'high' || level === 'critical') {
    const what = `memory is ${level === 'high' ? 'scarce' : 'exhausted'} (${Math.round(pressure * 100)} % used)`;
    problems.push({
      severity: 'warning',
      what,
      mend: 'end other programs, or raise the limit of the container',
    });
  }
  const { UV_THREADPOOL_SIZE } = process.env;
  return {
    limits: {
      processors: availableParallelism(),
      openFiles: await openFilesLimit(),
      // Source: libuv's documentation, "Thread pool work scheduling": 4 by default, at most 1024.
      uvThreads: Math.min(1024, Number(UV_THREADPOOL_SIZE) || 4),
      containerMemory: figures.mayUse < figures.host.total ? figures.mayUse : null,
    },
    memory: { level, pressure },
  };
}

async function openFilesLimit(): Promise<number | null> {
  if (process.platform === 'win32') return null;
  const { stdout } = await runTool('sh', ['-c', 'ulimit -n']);
  return Number(stdout) || null; // `unlimited`
}

async function readCache(problems: Problem[]): Promise<Diagnosis['cache']> {
  await using opened = new AnalysisCache();
  const { directory, entries, bytes, maxBytes, persistent } = await opened.stats();
  if (!persistent) {
    const what = `${directory} cannot be used: analyses are not remembered`;
    problems.push({
      severity: 'warning',
      what,
      mend: 'make it writable, or set RUSHES_CACHE_DIR to a folder that is',
    });
  }
  return { directory, entries, bytes, maxBytes, persistent };
}

function recommend(
  hardware: HardwareReport | null,
  verdicts: readonly HardwareVerdict[],
  { limits }: Limits,
): string[] {
  const advice: string[] = [];
  const works =
    hardware?.devices.filter(({ decodes }) => decodes.some((each) => each.works)) ?? [];
  if (works.length > 0 && verdicts.length === 0) {
    const types = works.map(({ type }) => type).join(', ');
    advice.push(
      `${types} decodes here. \`rushes bench FILE\` measures whether that is faster; until then, software decodes.`,
    );
  }
  const faster = verdicts.filter((verdict) => verdict.hardware !== null);
  for (const { codec, width, height, hardware: device } of faster) {
    advice.push(
      `${device} was measured to decode ${codec} of about ${width}x${height} faster: 'auto' uses it.`,
    );
  }
  if (limits.openFiles !== null && limits.openFiles < ENOUGH_FILES) {
    advice.push(`\`ulimit -n ${ENOUGH_FILES * 4}\` before importing many files at once.`);
  }
  return advice;
}
