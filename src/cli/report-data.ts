/** What the page of `rushes report` draws its timeline from. */
import type { Analysis } from '../index.ts';

/** Series that are drawn, in this order. */
export const SERIES = ['motion', 'brightness', 'sharpness', 'sceneScore'] as const;
export type SeriesName = (typeof SERIES)[number];

/** Part of the page as JSON; times are seconds. */
export interface TimelineData {
  readonly start: number;
  readonly end: number;
  /** Times of the points, rising. */
  readonly times: readonly number[];
  /** As many values each as there are times. */
  readonly series: Readonly<Record<SeriesName, readonly number[]>>;
  /** Where shots begin; the first is where the video does. */
  readonly shots: readonly number[];
  /** 0–100: how sure the detector is of the cut at the beginning of each; 0 where none was looked for. */
  readonly cutScores: readonly number[];
  readonly segments: readonly (readonly [start: number, end: number])[];
  /** Events other than cuts. */
  readonly events: readonly (readonly [type: string, start: number, end: number])[];
}

/** Points of a series: about two for each pixel of a wide screen. */
export const MAX_POINTS = 4000;

export function timelineData(analysis: Analysis): TimelineData {
  const { shots, samples, segments } = analysis;
  const start = shots[0]?.start ?? samples[0]?.time ?? 0;
  const points = thinned(
    samples.map(({ time }) => time),
    SERIES.map((name) => samples.map((sample) => sample[name])),
    MAX_POINTS,
  );
  const series = SERIES.map((name, i) => [name, (points.series[i] ?? []).map(short)]);
  return {
    start: precise(start),
    end: precise(shots.at(-1)?.end ?? samples.at(-1)?.time ?? start),
    times: points.times.map(precise),
    series: Object.fromEntries(series) as TimelineData['series'],
    shots: shots.map((shot) => precise(shot.start)),
    cutScores: shots.map(({ confidence }) => Math.round((confidence ?? 0) * 100)),
    segments: segments.map((segment) => [precise(segment.start), precise(segment.end)]),
    events: otherEvents(analysis),
  };
}

/**
 * At most `most` points that keep every peak: of each bucket of samples the least and the greatest value of each series, in the order
 * in which they come. A series that is short enough stays as it is.
 */
export function thinned(
  times: readonly number[],
  series: readonly (readonly number[])[],
  most: number,
): { times: number[]; series: number[][] } {
  if (times.length <= most)
    return { times: [...times], series: series.map((s) => [...s]) };
  const buckets = Math.floor(most / 2);
  const out = { times: [] as number[], series: series.map(() => [] as number[]) };
  for (let bucket = 0; bucket < buckets; bucket++) {
    const begin = Math.floor((bucket * times.length) / buckets);
    const end = Math.floor(((bucket + 1) * times.length) / buckets);
    const middle = Math.floor((begin + end) / 2);
    out.times.push(times[begin] as number, times[middle] as number);
    for (const [i, values] of series.entries()) {
      let [low, high] = [begin, begin];
      for (let at = begin + 1; at < end; at++) {
        if ((values[at] as number) < (values[low] as number)) low = at;
        if ((values[at] as number) > (values[high] as number)) high = at;
      }
      const [first, second] = low <= high ? [low, high] : [high, low];
      out.series[i]?.push(values[first] as number, values[second] as number);
    }
  }
  return out;
}

/** Events may be instants (`time`) or spans (`start`, `end`); kinds that this version does not know are drawn as well. */
function otherEvents({ events }: Analysis): [string, number, number][] {
  return (events as readonly object[]).flatMap((event): [string, number, number][] => {
    const { type, time, start = time, end = start } = event as Record<string, unknown>;
    if (typeof type !== 'string' || type === 'cut' || typeof start !== 'number')
      return [];
    return [[type, precise(start), typeof end === 'number' ? precise(end) : start]];
  });
}

/** Microseconds. */
function precise(time: number): number {
  return Number(time.toFixed(6));
}

function short(value: number): number {
  return Number(value.toPrecision(4));
}
