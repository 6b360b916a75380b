/**
 * Which decode path was measured to be the fastest on this machine: written by a benchmark, read whenever `hardware: 'auto'` opens a video.
 *
 * Note [Verdicts]: without a measurement nobody knows. Devices are often slower than the processor's cores, so nothing is
 * assumed; a verdict counts for videos of the same codec and pixel format and of half to twice as many pixels, on the same machine with the
 * same FFmpeg.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { defaultDirectory, writeJson } from './cache/directory.ts';
import type { VideoInfo } from './info.ts';
import { machineKey } from './machine.ts';
import { loadAddon } from './native.ts';

/** What a measurement came to. JSON-safe. */
export interface HardwareVerdict {
  /** FFmpeg's name. */
  readonly codec: string;
  readonly pixelFormat: string | null;
  /** Pixels as stored. */
  readonly width: number;
  readonly height: number;
  /** Type of the fastest device; `null` if software was faster, or the frames differed. */
  readonly hardware: string | null;
  /** Frames a second of each path that was measured: `software`, `cuda` … */
  readonly framesPerSecond: Readonly<Record<string, number>>;
  /** ISO 8601. */
  readonly measuredAt: string;
}

/** The part of {@link VideoInfo} that a verdict is about. */
type Subject = Pick<VideoInfo, 'codec' | 'pixelFormat' | 'width' | 'height'>;

interface VerdictFile {
  readonly schema: 1;
  /** By machine: home directories are shared. */
  readonly machines: Readonly<Record<string, readonly HardwareVerdict[]>>;
}

/** Most verdicts kept for one machine. */
const MAX_VERDICTS = 100;

/** Where verdicts are kept. */
export function verdictPath(directory = defaultDirectory()): string {
  return join(directory, 'decode-verdicts.json');
}

let machine: string | undefined;

/** Found out once: it takes as long as opening a short file does, and every opening asks. */
function thisMachine(): string {
  machine ??= machineKey(loadAddon().versions().ffmpeg as string);
  return machine;
}

async function readVerdicts(path: string): Promise<VerdictFile> {
  try {
    const file = JSON.parse(await readFile(path, 'utf8')) as Partial<VerdictFile> | null;
    if (file?.schema === 1 && typeof file.machines === 'object') {
      return file as VerdictFile;
    }
  } catch {
    // None was stored, or a write by another version: nothing is known.
  }
  return { schema: 1, machines: {} };
}

function isAbout(verdict: HardwareVerdict, video: Subject): boolean {
  const ratio = (video.width * video.height) / (verdict.width * verdict.height);
  return (
    verdict.codec === video.codec &&
    verdict.pixelFormat === video.pixelFormat &&
    ratio >= 0.5 &&
    ratio <= 2
  );
}

/** All verdicts of this machine, newest first. */
export async function storedVerdicts(
  directory?: string,
): Promise<readonly HardwareVerdict[]> {
  const { machines } = await readVerdicts(verdictPath(directory));
  // To find out which machine this is takes as long as opening a short file does.
  if (Object.keys(machines).length === 0) return [];
  const own = machines[thisMachine()];
  return Array.isArray(own) ? own : [];
}

/** The type of device that was measured to decode such videos faster than software; `null` where there is none, or it is not known. */
export async function fasterHardware(
  video: Subject,
  directory?: string,
): Promise<string | null> {
  const verdicts = await storedVerdicts(directory);
  return verdicts.find((verdict) => isAbout(verdict, video))?.hardware ?? null;
}

/** Keeps a verdict, in place of older ones about the same. Rejects if the directory cannot be written to. */
export async function storeVerdict(
  verdict: HardwareVerdict,
  directory = defaultDirectory(),
): Promise<void> {
  const path = verdictPath(directory);
  const { machines } = await readVerdicts(path);
  const key = thisMachine();
  const others = (machines[key] ?? []).filter((old) => !isAbout(old, verdict));
  const kept = [verdict, ...others].slice(0, MAX_VERDICTS);
  const file: VerdictFile = {
    schema: 1,
    machines: { ...machines, [key]: kept },
  };
  await writeJson(path, file);
}
