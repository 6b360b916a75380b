import type { Analysis } from '../analysis.ts';

/** Seconds: where what was analysed begins. */
export function startOfAnalysis({ shots, samples, info }: Analysis): number {
  return shots[0]?.start ?? samples[0]?.time ?? info.startTime ?? 0;
}

/** Seconds: where it ends. */
export function endOfAnalysis(analysis: Analysis): number {
  const { shots, samples, info } = analysis;
  const stated = (info.startTime ?? 0) + (info.duration ?? 0);
  return shots.at(-1)?.end ?? samples.at(-1)?.time ?? stated;
}
