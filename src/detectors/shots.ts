import type { AnalysisEvent, Sample, Shot, SpanEvent } from '../analysis.ts';
import { hashDistance } from '../measures.ts';

/** A half-open span of time in seconds. */
export interface TimeRange {
  readonly start: number;
  readonly end: number;
}

/** A shot whose pictures have not been looked at. */
export type BareShot = Pick<
  Shot,
  'index' | 'start' | 'end' | 'confidence' | 'transition'
>;

/**
 * The shots between cuts and gradual changes: half-open, without gaps, from the start of `range` (the time of the first frame) to its
 * end (that of the last frame plus its duration). At least one. A dissolve is divided in its middle, and so is the time of a single
 * colour between a fade-out and the fade-in that follows it; fades that do not go together divide nothing.
 *
 * @param events in order of time; what lies at or beyond the ends of the range begins no shot
 */
export function shotsFrom(
  events: readonly AnalysisEvent[],
  range: TimeRange,
): BareShot[] {
  const bounds = boundsIn(events)
    .sort((a, b) => a.time - b.time)
    .filter(({ time }) => time > range.start && time < range.end);
  const begins = [{ time: range.start, confidence: null, transition: null }, ...bounds];
  return begins.map(({ time, confidence, transition }, index) => ({
    ...{ index, start: time, end: begins[index + 1]?.time ?? range.end },
    ...{ confidence, transition },
  }));
}

function boundsIn(events: readonly AnalysisEvent[]) {
  const bounds: {
    time: number;
    confidence: number;
    transition: 'cut' | 'dissolve' | 'fade';
  }[] = [];
  let out: SpanEvent | undefined;
  for (const event of events) {
    const { type, confidence } = event;
    if (type === 'cut') {
      bounds.push({ time: event.time, confidence, transition: type });
      out = undefined;
    } else if (type === 'dissolve') {
      bounds.push({ time: middle(event), confidence, transition: type });
    } else if (type === 'fade-out') {
      out = event;
    } else if (type === 'fade-in' && out !== undefined) {
      if (out.color === event.color) {
        const pause = { start: out.end, end: event.start };
        const surer = Math.max(out.confidence, confidence);
        bounds.push({ time: middle(pause), confidence: surer, transition: 'fade' });
      }
      out = undefined;
    }
  }
  return bounds;
}

function middle({ start, end }: TimeRange): number {
  return (start + end) / 2;
}

/** In how many bits the hashes of shots that show the same differ at most. */
const DUPLICATE = 6;
/** Standard deviation of luma from which on a hash says something. */
const TELLING = 8;

/**
 * Adds what the samples tell of each shot: means, the frame that stands for it, and whether an earlier one shows the same.
 *
 * @param samples in order of time
 * @param events of which transitions, flashes and black hold no frame that could stand for a shot
 */
export function describeShots(
  shots: readonly BareShot[],
  samples: readonly Sample[],
  events: readonly AnalysisEvent[],
): Shot[] {
  const unfit = spansOf(events, UNFIT);
  const hashes: { hash: string; index: number }[] = [];
  let next = 0;
  return shots.map((shot) => {
    const first = next;
    while ((samples[next]?.time ?? Infinity) < shot.end) next++;
    const inside = samples.slice(first, next);
    const fit = inside.filter(({ time }) => !isIn(time, unfit));
    const best = bestOf(fit.length > 0 ? fit : inside);
    const same =
      best !== undefined && best.contrast >= TELLING
        ? hashes.find(({ hash }) => hashDistance(hash, best.hash) <= DUPLICATE)
        : undefined;
    if (best !== undefined && best.contrast >= TELLING && same === undefined) {
      hashes.push({ hash: best.hash, index: shot.index });
    }
    const mean = (
      name: 'brightness' | 'contrast' | 'sharpness' | 'motion' | 'quality',
    ) =>
      inside.length === 0
        ? null
        : inside.reduce((sum, sample) => sum + sample[name], 0) / inside.length;
    return {
      ...shot,
      representative: best?.time ?? middle(shot),
      duplicateOf: same?.index ?? null,
      ...{ brightness: mean('brightness'), contrast: mean('contrast') },
      ...{ sharpness: mean('sharpness'), motion: mean('motion') },
      quality: mean('quality'),
    };
  });
}

const UNFIT = ['dissolve', 'fade-in', 'fade-out', 'flash', 'black'] as const;

/** The sample of the highest quality, of equals the first. */
function bestOf(samples: readonly Sample[]): Sample | undefined {
  return samples.reduce<Sample | undefined>(
    (best, sample) =>
      best === undefined || sample.quality > best.quality ? sample : best,
    undefined,
  );
}

/** The spans of events of some types, in order of time. */
export function spansOf(
  events: readonly AnalysisEvent[],
  types: readonly AnalysisEvent['type'][],
): TimeRange[] {
  return events.flatMap((event) =>
    event.type !== 'cut' && types.includes(event.type) ? event : [],
  );
}

/** Whether a time lies in one of the spans. */
export function isIn(time: number, spans: readonly TimeRange[]): boolean {
  return spans.some(({ start, end }) => time >= start && time < end);
}
