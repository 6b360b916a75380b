import type { AnalysisEvent, CutEvent, SpanEvent } from '../analysis.ts';
import { BLACK, meanOf, mismatchOf, mixtureOf, type Signature } from './pictures.ts';

/** A decoded frame as {@link TransitionDetector} and its like take it. */
export interface SeenFrame {
  /** Presentation time in seconds. */
  readonly time: number;
  /** As in `FrameChange`. */
  readonly signature: Signature;
  readonly dark: number;
}

export interface TransitionOptions {
  /** Seconds. Shorter dissolves are not looked for. Default 0.3; fades are half as long at least. */
  readonly minimum?: number | undefined;
  /** Confidence of fades, at least, above 0 and up to 1. Default 0.8. */
  readonly fade?: number | undefined;
  /** Confidence of dissolves, at least. Default 0.93: where something large moves steadily, it looks much like one. */
  readonly dissolve?: number | undefined;
}

/** A fade, or a dissolve; half-open. */
export type Transition = SpanEvent & {
  readonly type: 'dissolve' | 'fade-in' | 'fade-out';
};

/**
 * Finds dissolves and fades.
 *
 * Note [Transitions]: in a dissolve from picture A to picture B each frame is (1 − s)·A + s·B with s rising steadily from 0 to 1 (A. M. Alattar,
 * "Detecting and compressing dissolve regions in video sequences with a DVI multimedia image compression algorithm", ISCAS
 * 1993); a fade is one from or to a picture of one colour. So of the frames in a window, its first and last ones taken for A and B, the share s
 * is found by least squares on signatures. It is a transition if A and B differ, what neither of them explains is small,
 * and s is a ramp: level, then rising in a line, then level. In pans and where something moves, frames lie far off the line
 * between A and B; in a cut s jumps. Windows of several lengths are tried at every frame, so that there is one that hardly
 * holds more than the transition; of those that overlap the one with the least unexplained counts.
 *
 * Holds the frames of {@link LONGEST} seconds, at most 30 a second.
 */
export class TransitionDetector {
  readonly #minimum: number;
  readonly #fade: number;
  readonly #dissolve: number;
  /** Oldest first. */
  #frames: SeenFrame[] = [];
  #best: Transition | undefined;

  /** @throws {RangeError} for an option out of range */
  constructor({ minimum = 0.3, fade = 0.8, dissolve = 0.93 }: TransitionOptions = {}) {
    if (!(minimum > 0)) throw new RangeError(`minimum must be above 0, not ${minimum}`);
    for (const [name, value] of Object.entries({ fade, dissolve })) {
      if (!(value > 0 && value <= 1)) {
        throw new RangeError(`${name} must be above 0 and up to 1, not ${value}`);
      }
    }
    this.#minimum = minimum;
    this.#fade = fade;
    this.#dissolve = dissolve;
  }

  /** Takes the next decoded frame, and gives the transition that is over and certain, if any. */
  push(frame: SeenFrame): Transition[] {
    const last = this.#frames.at(-1);
    // Timestamps that stand still are no time.
    if (last !== undefined && frame.time - last.time < SPACING) return [];
    this.#frames.push(frame);
    const oldest = frame.time - LONGEST;
    const gone = this.#frames.findIndex(({ time }) => time >= oldest);
    if (gone > 0) this.#frames.splice(0, gone);
    const found: Transition[] = [];
    for (const length of WINDOWS) {
      const candidate = this.#fit(frame.time - length);
      if (candidate === undefined) continue;
      if (this.#best !== undefined && candidate.start >= this.#best.end) {
        found.push(this.#best);
        this.#best = undefined;
      }
      if (this.#best === undefined || isSurer(candidate, this.#best)) {
        this.#best = candidate;
      }
    }
    if (this.#best !== undefined && frame.time - this.#best.end > SETTLED) {
      found.push(...this.finish());
    }
    return found;
  }

  /** Ends the film. */
  finish(): Transition[] {
    const found = this.#best === undefined ? [] : [this.#best];
    this.#best = undefined;
    return found;
  }

  /** The transition in the window from `begin` to now, if there is one. */
  #fit(begin: number): Transition | undefined {
    let first = this.#frames.findIndex(({ time }) => time > begin + 1e-6);
    first = first < 0 ? -1 : Math.max(0, first - 1);
    const window = this.#frames.slice(Math.max(first, 0));
    const [from] = window;
    const to = window.at(-1);
    if (first < 0 || from === undefined || to === undefined) return undefined;
    if (window.length < FRAMES || from.time > begin + 2 * SPACING) return undefined;
    const middle = window[window.length >> 1] as SeenFrame;
    // Most windows end here.
    if (mixtureOf(middle.signature, from.signature, to.signature).residual > 0.3) {
      return undefined;
    }
    const apart = mismatchOf(from.signature, to.signature);
    if (apart < APART) return undefined;
    const mixtures = window.map((frame) =>
      mixtureOf(frame.signature, from.signature, to.signature),
    );
    const ramp = rampOf(window, mixtures);
    if (ramp === undefined) return undefined;
    const cost = ramp.residual + ramp.bend;
    const transition = toTransition(ramp, from, to, Math.max(0, 1 - cost / WORST));
    const { type, start, end, confidence } = transition;
    const isFade = type !== 'dissolve';
    const shortest = isFade ? this.#minimum / 2 : this.#minimum;
    if (end - start < shortest - 1e-9) return undefined;
    return confidence >= (isFade ? this.#fade : this.#dissolve) ? transition : undefined;
  }
}

/** Seconds of the windows, and of the longest. */
const WINDOWS = [0.27, 0.4, 0.6, 0.9, 1.3, 1.9, 2.7, 3.6];
const LONGEST = 3.8;
/** Seconds between frames that are looked at, at least: a little less than at 30 a second. */
const SPACING = 0.033;
/** Seconds after a transition until no window that holds it is left that could fit better. */
const SETTLED = 1;
/** Frames in a ramp, at least, the one before and the one after included. */
const FRAMES = 5;
/** Mismatch of the pictures before and after, at least. */
const APART = 0.25;
/** Residual and bend of a ramp, added, at which nothing speaks for a transition any more. */
const WORST = 0.56;
/** Shares that count as level. */
const LEVEL = 0.07;

interface Ramp {
  readonly start: number;
  readonly end: number;
  readonly residual: number;
  readonly bend: number;
}

/** The rising part of the shares, the line through it, and how well both fit. */
function rampOf(
  window: readonly SeenFrame[],
  mixtures: ReturnType<typeof mixtureOf>[],
): Ramp | undefined {
  let low = 0;
  while (low + 1 < mixtures.length && (mixtures[low + 1]?.share ?? 1) <= LEVEL) low++;
  let high = mixtures.length - 1;
  while (high > 0 && (mixtures[high - 1]?.share ?? 0) >= 1 - LEVEL) high--;
  if (high - low + 1 < FRAMES) return undefined;
  const times = window.slice(low, high + 1).map(({ time }) => time);
  const inside = mixtures.slice(low, high + 1);
  // The ends are level: the line goes through what lies between.
  const line = regression(times.slice(1, -1), inside.slice(1, -1));
  if (!(line.slope > 0)) return undefined;
  let bend = 0;
  let residual = 0;
  for (const [i, { share, residual: own }] of inside.entries()) {
    const expected = line.offset + line.slope * (times[i] as number);
    bend = Math.max(bend, Math.abs(share - Math.min(1, Math.max(0, expected))));
    residual += own;
  }
  // What lies outside of the ramp has to be one of the two pictures as well.
  const level = [...mixtures.slice(0, low), ...mixtures.slice(high + 1)];
  for (const { share } of level) {
    bend = Math.max(bend, Math.min(Math.abs(share), Math.abs(1 - share)));
  }
  const first = times[0] as number;
  const last = times.at(-1) as number;
  return {
    start: Math.min(last, Math.max(first, -line.offset / line.slope)),
    end: Math.max(first, Math.min(last, (1 - line.offset) / line.slope)),
    residual: residual / inside.length,
    bend,
  };
}

function regression(times: readonly number[], values: readonly { share: number }[]) {
  const n = times.length;
  const meanTime = times.reduce((sum, time) => sum + time, 0) / n;
  const mean = values.reduce((sum, { share }) => sum + share, 0) / n;
  let across = 0;
  let along = 0;
  for (const [i, { share }] of values.entries()) {
    const t = (times[i] as number) - meanTime;
    across += t * t;
    along += t * (share - mean);
  }
  const slope = along / across;
  return { slope, offset: mean - slope * meanTime };
}

function toTransition(
  { start, end }: Ramp,
  from: SeenFrame,
  to: SeenFrame,
  confidence: number,
): Transition {
  const type = colorOf(to) ? 'fade-out' : colorOf(from) ? 'fade-in' : 'dissolve';
  const color = colorOf(to) ?? colorOf(from);
  return { type, start, end, confidence, ...(color && { color }) };
}

/** A part of a fade, as far as it has come, is a dissolve as well: the fade goes before. */
function isSurer(a: Transition, b: Transition): boolean {
  const [fadeA, fadeB] = [a.color !== undefined, b.color !== undefined];
  return fadeA === fadeB ? a.confidence > b.confidence : fadeA;
}

/**
 * Of those that overlap the surest, in order of time. Dissolves with hardly a rest between them are none: that is a picture which
 * goes on changing by itself, such as water, smoke or a moving gradient.
 */
export function distinct(transitions: readonly Transition[]): Transition[] {
  const kept: Transition[] = [];
  for (const transition of [...transitions].sort(byTime)) {
    const last = kept.at(-1);
    if (last === undefined || transition.start >= last.end) kept.push(transition);
    else if (isSurer(transition, last)) kept[kept.length - 1] = transition;
  }
  const isClose = (a: Transition | undefined, b: Transition | undefined) =>
    a?.type === 'dissolve' && b?.type === 'dissolve' && b.start - a.end < REST;
  return kept.filter(
    (transition, i) =>
      !isClose(kept[i - 1], transition) && !isClose(transition, kept[i + 1]),
  );
}

/** Seconds that a shot between two dissolves is seen by itself, at least: shorter ones hardly would be. */
const REST = 0.25;

/** Which colour a picture is of, if it is of one. */
function colorOf({ signature, dark }: SeenFrame): 'black' | 'white' | undefined {
  const mean = meanOf(signature);
  if (!signature.every((cell) => Math.abs(cell - mean) < 8)) return undefined;
  if (dark >= BLACK) return 'black';
  return mean > 180 ? 'white' : undefined;
}

/** Seconds around a fade in which a cut from or to its colour is part of it. */
const MARGIN = 0.12;

/**
 * Leaves out cuts that are part of a transition: inside of a dissolve or a fade, or where a picture begins to appear out of black or
 * white. A cut at the end of a fade-out, to the next shot, is one.
 */
export function withoutTransitions(
  cuts: readonly CutEvent[],
  transitions: readonly Transition[],
): CutEvent[] {
  return cuts.filter(({ time }) =>
    transitions.every(({ type, start, end }) => {
      const begin = type === 'fade-in' ? start - MARGIN : start;
      return !(time > begin && time < end);
    }),
  );
}

/** In order of time. */
export function byTime(a: AnalysisEvent, b: AnalysisEvent): number {
  return timeOf(a) - timeOf(b);
}

/** When an event begins. */
export function timeOf(event: AnalysisEvent): number {
  return event.type === 'cut' ? event.time : event.start;
}
