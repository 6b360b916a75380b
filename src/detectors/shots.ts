import type { AnalysisEvent, Shot } from '../analysis.ts';

/** A half-open span of time in seconds. */
export interface TimeRange {
  readonly start: number;
  readonly end: number;
}

/**
 * The shots between cuts: half-open, without gaps, from the start of `range` (the time of
 * the first frame) to its end (that of the last frame plus its duration). At least one.
 *
 * @param cuts in order of time; those at or before the start or at or after the end of the
 * range begin no shot.
 */
export function shotsFrom(cuts: readonly AnalysisEvent[], range: TimeRange): Shot[] {
  const inside = cuts.filter(({ time }) => time > range.start && time < range.end);
  const begins = [{ time: range.start, confidence: null }, ...inside];
  return begins.map(({ time, confidence }, index) => ({
    index,
    start: time,
    end: begins[index + 1]?.time ?? range.end,
    confidence,
  }));
}
