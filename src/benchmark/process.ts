/**
 * A process that runs one decode path once, so that processor time and peak memory are that path's own. Its argument is a {@link BenchmarkJob}; file
 * descriptor 3 is the socket that the answer goes to.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { openVideo, type Video } from '../index.ts';
import { sendMessage } from '../wire.ts';
import type {
  BenchmarkAnswer,
  BenchmarkJob,
  BenchmarkRun,
  DevicesAnswer,
  DevicesJob,
} from './job.ts';
import { SpreadSample } from './spread-sample.ts';

/** Kernel clock ticks a second in /proc: USER_HZ, 100 on every Linux (proc(5)). */
const TICKS = 100;
/** Frames between two looks at the memory of other processes, which is a peak anyway. */
const FRAMES_BETWEEN_LOOKS = 16;

/** The path that decodes, and its frames. */
interface Opened {
  readonly path: Pick<
    BenchmarkRun,
    'hardware' | 'backend' | 'fallbackReason' | 'scaleFilter' | 'scaleFallbackReason'
  >;
  frames(): AsyncIterable<Uint8Array>;
  /** Ends the processes that it began. */
  close(): Promise<void>;
}

async function openLibrary(job: BenchmarkJob): Promise<Opened> {
  if (job.choice.kind !== 'library') throw new TypeError('no path of the library');
  const { threads, hardware, scalesOnDevice, backend } = job.choice;
  const { streamIndex, width, height, pixelFormat } = job;
  const video = await openVideo(job.source, {
    ...{ streamIndex, width, height, pixelFormat, fit: 'fill' },
    ...{ threads, hardware, scalesOnDevice, backend },
  });
  async function* frames(opened: Video): AsyncGenerator<Uint8Array> {
    const end = job.end ?? undefined;
    for await (const { data } of opened.frames({ end })) yield data;
  }
  return {
    get path() {
      const { hardware, backend, fallbackReason } = video.decodePath;
      const { scaleFilter, scaleFallbackReason } = video.decodePath;
      return { hardware, backend, fallbackReason, scaleFilter, scaleFallbackReason };
    },
    frames: () => frames(video),
    close: () => video.close(),
  };
}

/** FFmpeg's own arguments for the same frames: planes are scaled first, by area where they shrink, and colour is converted on the small picture. */
function ffmpegArguments(job: BenchmarkJob): string[] {
  const { source, streamIndex, width, height, pixelFormat, planar } = job;
  const format = pixelFormat === 'gray8' ? 'gray' : pixelFormat;
  const site = planar === '' ? '' : ':in_h_chr_pos=0';
  const scale = `scale=${width}:${height}:flags=area+accurate_rnd${site}`;
  const filters =
    planar === '' ? [scale] : [scale, `format=${planar}`, 'scale=flags=bicubic'];
  const stop =
    job.frames === null
      ? ['-to', String(job.end ?? Number.MAX_SAFE_INTEGER)]
      : ['-frames:v', String(job.frames)];
  return [
    ...['-v', 'error', '-nostdin', '-copyts', '-i', source, '-map', `0:${streamIndex}`],
    ...['-fps_mode', 'passthrough', '-vf', filters.join(), '-pix_fmt', format, ...stop],
    ...['-f', 'rawvideo', '-'],
  ];
}

async function openFfmpeg(job: BenchmarkJob, frameBytes: number): Promise<Opened> {
  const child = spawn('ffmpeg', ffmpegArguments(job), {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const closed = once(child, 'close');
  closed.catch(() => {});
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words += text;
  });
  async function* frames(): AsyncGenerator<Uint8Array> {
    let frame = new Uint8Array(frameBytes);
    let filled = 0;
    for await (const chunk of child.stdout as AsyncIterable<Uint8Array>) {
      for (let at = 0; at < chunk.length; ) {
        const size = Math.min(frameBytes - filled, chunk.length - at);
        frame.set(chunk.subarray(at, at + size), filled);
        at += size;
        filled += size;
        if (filled < frameBytes) continue;
        yield frame;
        frame = new Uint8Array(frameBytes);
        filled = 0;
      }
    }
    const [code] = await closed;
    if (code !== 0)
      throw new Error(words.trim().split('\n').at(-1) ?? `exit code ${code}`);
  }
  return {
    path: {
      ...{ hardware: null, backend: 'ffmpeg', fallbackReason: null },
      ...{ scaleFilter: null, scaleFallbackReason: null },
    },
    frames,
    close: async () => {
      child.kill('SIGKILL');
      await closed.catch(() => {});
    },
  };
}

/** Processor time of processes that have ended, in seconds: fields 16 and 17 of proc(5)'s stat. */
function childrenCpu(): number | null {
  try {
    const text = readFileSync('/proc/self/stat', 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[13]) + Number(fields[14])) / TICKS;
  } catch {
    return null;
  }
}

/** Watches the peaks of the processes that this one has begun. */
class ChildMemory {
  /** By process id: `VmHWM`, the most that was resident. */
  readonly #peaks = new Map<string, number>();
  #known = true;

  look(): void {
    try {
      const { pid } = process;
      const ids = readFileSync(`/proc/self/task/${pid}/children`, 'utf8').trim();
      for (const id of ids === '' ? [] : ids.split(' ')) {
        const status = readFileSync(`/proc/${id}/status`, 'utf8');
        const peak = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
        if (peak !== undefined) this.#peaks.set(id, Number(peak) * 1024);
      }
    } catch (error) {
      // One that has just ended has no status any more.
      const { path = '' } = error as NodeJS.ErrnoException;
      if (path.includes('/task/')) this.#known = false;
    }
  }

  get bytes(): number | null {
    if (!this.#known) return null;
    return [...this.#peaks.values()].reduce((sum, peak) => sum + peak, 0);
  }
}

async function run(
  job: BenchmarkJob,
): Promise<{ run: BenchmarkRun; sample: readonly Uint8Array[] }> {
  const frameBytes = bytesOf(job);
  const memory = new ChildMemory();
  const digest = createHash('sha256');
  const sample = new SpreadSample<Uint8Array>();
  const cpuBefore = process.cpuUsage();
  const began = performance.now();
  const since = () => (performance.now() - began) / 1000;
  const opened = await (job.choice.kind === 'ffmpeg'
    ? openFfmpeg(job, frameBytes)
    : openLibrary(job));
  let frames = 0;
  let firstFrame = 0;
  for await (const frame of opened.frames()) {
    if (frames === 0) firstFrame = since();
    if (frame.length !== frameBytes) throw new Error(`a frame of ${frame.length} bytes`);
    if (job.compared) {
      digest.update(frame);
      sample.add(frame);
    }
    if (frames % FRAMES_BETWEEN_LOOKS === 0) memory.look();
    frames++;
    if (frames === job.frames) {
      memory.look();
      break;
    }
  }
  const seconds = since();
  const { path } = opened;
  memory.look();
  await opened.close();
  const { user, system } = process.cpuUsage(cpuBefore);
  const children = childrenCpu();
  const own = process.resourceUsage().maxRSS * 1024;
  const others = memory.bytes;
  const alone = job.choice.kind === 'library' && path.backend === 'native';
  const sum = (mine: number, theirs: number | null) => {
    if (theirs === null) return alone ? mine : null;
    return mine + theirs;
  };
  return {
    run: {
      ...{ ...path, frames, seconds, firstFrame },
      cpu: sum((user + system) / 1e6, children),
      peak: sum(own, others),
      digest: job.compared ? digest.digest('hex') : null,
    },
    sample: sample.items,
  };
}

function bytesOf({ width, height, pixelFormat }: BenchmarkJob): number {
  const pixels = width * height;
  const chroma = 2 * Math.ceil(width / 2) * Math.ceil(height / 2);
  const bytes: Partial<Record<string, number>> = {
    ...{ rgb24: 3 * pixels, bgr24: 3 * pixels, rgba: 4 * pixels, gray8: pixels },
    ...{ yuv420p: pixels + chroma, rgb48le: 6 * pixels },
  };
  return bytes[pixelFormat] as number;
}

async function tryDevices({
  source,
  streamIndex,
  devices,
}: DevicesJob): Promise<DevicesAnswer> {
  const found: [(typeof devices)[number], string | null][] = [];
  for (const hardware of devices) {
    await using video = await openVideo(source, {
      streamIndex,
      hardware,
      backend: 'native',
    });
    for await (const _ of video.frames()) break;
    const { hardware: used, fallbackReason } = video.decodePath;
    const works = used === hardware;
    const why = (fallbackReason ?? 'it decodes in software').replace(`${hardware}: `, '');
    found.push([hardware, works ? null : why]);
  }
  return { devices: found };
}

function answer(
  answer: BenchmarkAnswer | DevicesAnswer,
  parts: readonly Uint8Array[] = [],
): void {
  const socket = new Socket({ fd: 3 });
  sendMessage(socket, answer, parts);
  socket.end();
}

try {
  const job = JSON.parse(process.argv[2] as string) as BenchmarkJob | DevicesJob;
  if ('devices' in job) {
    answer(await tryDevices(job));
  } else {
    const { run: came, sample } = await run(job);
    answer({ run: came }, sample);
  }
} catch (error) {
  answer({ failure: (error as Error).message });
}
