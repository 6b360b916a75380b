/** What the runs of decode paths come to, and which path is the best. */
import type { HardwareVerdict } from '../hardware-verdicts.ts';
import type { Check } from './comparison.ts';
import type { Candidate } from './decode-paths.ts';
import type { BenchmarkRun } from './job.ts';
import type { DecodePathResult } from './result.ts';

/** Frames a second. */
export function rateOf({ frames, seconds }: BenchmarkRun): number {
  return frames / seconds;
}

/**
 * Medians of what a path took, which are `null` if it was not run.
 *
 * @param one frames a second of software with one thread, round by round
 */
export function summarize(
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

/** Paths that were measured, the fastest first. */
export function rankByRate(paths: readonly DecodePathResult[]): DecodePathResult[] {
  const rate = (path: DecodePathResult) => path.framesPerSecond as number;
  return paths
    .filter(({ framesPerSecond }) => framesPerSecond !== null)
    .sort((a, b) => rate(b) - rate(a));
}

/**
 * The device that beats software with whatever number of threads, and frames a second of each device and of software at its best. Other
 * programs do not count, nor does what a device brings that makes frames smaller itself: `hardware: 'auto'` has it done in memory.
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
