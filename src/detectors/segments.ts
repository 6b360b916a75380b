import type { AnalysisEvent, Sample, Segment, Shot } from '../analysis.ts';
import { spansOf, type TimeRange } from './shots.ts';

export interface SegmentOptions {
  /** Seconds between samples: how long the last sample stands for. Default 0.5. */
  readonly interval?: number | undefined;
  /** Seconds. Shorter runs are no segments. Default 2. */
  readonly minimum?: number | undefined;
  /** What a sample's score must exceed, as a multiple of the mean score. Default 1.1. */
  readonly threshold?: number | undefined;
  /** How many segments are given at most. Default 10. */
  readonly count?: number | undefined;
  /** Events that no segment may hold: of these, transitions, black and frozen pictures count. Default none. */
  readonly without?: readonly AnalysisEvent[] | undefined;
}

/** What {@link segmentsFrom} needs of a sample. */
export type ScoredSample = Pick<Sample, 'time' | 'quality' | 'motion'>;

/** How much motion adds to quality: a weight of the analyser that this project takes after. */
const MOTION_WEIGHT = 0.1;

/**
 * The spans worth keeping: runs of samples of one shot that are better than the rest, best
 * first (of equals the earlier one).
 *
 * A sample's score is quality + 0.1 · motion, a segment's the mean of its samples. A run
 * goes on while the score exceeds `threshold` times the mean of all samples. It begins at
 * its first sample and ends where the sample after its last one was taken (the last sample
 * of all stands for `interval`), but no later than its shot. There is no longest segment.
 *
 * Where no run is long enough the footage is of even quality, and nothing is gained by
 * choosing within it: every shot of at least `minimum` is then a segment.
 *
 * @param samples in order of time
 * @param shots without overlaps, in order of time; samples outside of them are left out
 */
export function segmentsFrom(
  samples: readonly ScoredSample[],
  shots: readonly ShotSpan[],
  options: SegmentOptions = {},
): Segment[] {
  const { interval = 0.5, minimum = 2, threshold = 1.1, count = 10 } = options;
  const parts = without(shots, spansOf(options.without ?? [], UNFIT));
  const limit = threshold * mean(samples.map(score));
  const better: Segment[] = [];
  const whole: Segment[] = [];
  let next = 0;
  for (const shot of parts) {
    while ((samples[next]?.time ?? Infinity) < shot.start) next++;
    const first = next;
    while ((samples[next]?.time ?? Infinity) < shot.end) next++;
    const own = samples.slice(first, next);
    const following = samples[next]?.time;
    const keep = (list: Segment[], begin: number, end: number) => {
      const run = own.slice(begin, end);
      const [head] = run;
      const tail = run.at(-1);
      if (head === undefined || tail === undefined) return;
      const until = own[end]?.time ?? following ?? tail.time + interval;
      const segment = toSegment(run, shot, head.time, Math.min(until, shot.end));
      if (lasts(segment, minimum)) list.push(segment);
    };
    let begin = 0;
    for (let i = 0; i <= own.length; i++) {
      const sample = own[i];
      if (sample !== undefined && score(sample) > limit) continue;
      keep(better, begin, i);
      begin = i + 1;
    }
    if (own.length > 0 && lasts(shot, minimum)) {
      whole.push(toSegment(own, shot, shot.start, shot.end));
    }
  }
  const found = better.length > 0 ? better : whole;
  return found.sort((a, b) => b.score - a.score || a.start - b.start).slice(0, count);
}

/** What is needed of a shot. */
type ShotSpan = Pick<Shot, 'index' | 'start' | 'end'>;

const UNFIT = ['dissolve', 'fade-in', 'fade-out', 'black', 'freeze'] as const;

/** The parts of the shots that lie outside of all spans. */
function without(shots: readonly ShotSpan[], spans: readonly TimeRange[]): ShotSpan[] {
  let first = 0;
  return shots.flatMap(({ index, start, end }) => {
    const parts: ShotSpan[] = [];
    let begin = start;
    // Spans may overlap each other, but begin in order.
    while ((spans[first]?.end ?? Infinity) <= start) first++;
    for (let i = first; (spans[i]?.start ?? Infinity) < end; i++) {
      const span = spans[i] as TimeRange;
      if (span.end <= begin) continue;
      if (span.start > begin) parts.push({ index, start: begin, end: span.start });
      begin = Math.max(begin, span.end);
    }
    if (begin < end) parts.push({ index, start: begin, end });
    return parts;
  });
}

function score({ quality, motion }: ScoredSample): number {
  return quality + MOTION_WEIGHT * motion;
}

/** Times are differences of doubles: a nanosecond more or less is not meant. */
function lasts({ start, end }: { start: number; end: number }, minimum: number): boolean {
  return end - start >= minimum - 1e-9;
}

function toSegment(
  run: readonly ScoredSample[],
  shot: ShotSpan,
  start: number,
  end: number,
): Segment {
  return {
    start,
    end,
    shot: shot.index,
    score: mean(run.map(score)),
    quality: mean(run.map(({ quality }) => quality)),
    motion: mean(run.map(({ motion }) => motion)),
    samples: run.length,
  };
}

/** 0 of nothing. */
function mean(values: readonly number[]): number {
  return values.length === 0
    ? 0
    : values.reduce((sum, value) => sum + value, 0) / values.length;
}
