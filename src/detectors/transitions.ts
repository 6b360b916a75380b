import type { AnalysisEvent, CutEvent, SpanEvent } from '../analysis.ts';
import { SIGNATURE } from '../measures.ts';
import {
  BLACK,
  colouredness,
  lossBetween,
  type Mixture,
  meanOf,
  mismatchOf,
  type Signature,
} from './pictures.ts';

/** A decoded frame as {@link TransitionDetector} and its like take it. */
export interface SeenFrame {
  /** Presentation time in seconds. */
  readonly time: number;
  /** As in `FrameChange`. */
  readonly signature: Signature;
  readonly dark: number;
}

/** A decoded frame as {@link TransitionDetector} takes it. */
export interface ColouredFrame extends SeenFrame {
  /** As in `FrameChange`. */
  readonly chroma: number;
  readonly color: number;
}

export interface TransitionOptions {
  /** Seconds. Shorter dissolves are not looked for. Default 0.2; fades are half as long at least. */
  readonly minimum?: number | undefined;
  /** Confidence of fades, at least, above 0 and up to 1. Default 0.88. */
  readonly fade?: number | undefined;
  /** For fitting: told of every ramp, and the evidence that it is a transition. @internal */
  readonly onEvidence?:
    | ((ramp: Transition, evidence: readonly number[]) => void)
    | undefined;
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
 * is found by least squares on signatures. In a cut s jumps; else five signs tell, by weights of a logistic regression:
 *
 * - fit: what neither A nor B explains of the frames, and how far s is from a ramp (level, then rising in a line, then level). Where
 *   something moves, frames lie far off the line between A and B.
 * - apart: the mismatch of A and B.
 * - loss: how much of A and B went (`lossBetween`): a car that drives off leaves the street.
 * - calm: the mismatch of A to what was a little before, or of B to what comes after, whichever is smaller. In pans, in water and
 *   in a gradient that moves the picture goes on changing on both sides; of the shots of a dissolve one at least is mostly at rest.
 * - colour: how much the distribution of chroma changes on the way, as in Note [Cuts].
 *
 * Windows of several lengths are tried at every frame, so that there is one that hardly holds more than the transition; of those
 * that overlap the surest counts. Holds the frames of {@link LONGEST} seconds, at most 30 a second, and looks ahead {@link ASIDE}.
 */
export class TransitionDetector {
  readonly #minimum: number;
  readonly #fade: number;
  readonly #onEvidence: TransitionOptions['onEvidence'];
  /** Oldest first, and which of them is the next that a window ends with. */
  #frames: KeptFrame[] = [];
  #next = 0;
  /** Chroma that changed since the last frame kept. */
  #chroma = 0;
  #best: Transition | undefined;

  /** @throws {RangeError} for an option out of range */
  constructor(options: TransitionOptions = {}) {
    const { minimum = 0.2, fade = 0.88 } = options;
    if (!(minimum > 0)) throw new RangeError(`minimum must be above 0, not ${minimum}`);
    if (!(fade > 0 && fade <= 1)) {
      throw new RangeError(`fade must be above 0 and up to 1, not ${fade}`);
    }
    this.#minimum = minimum;
    this.#fade = fade;
    this.#onEvidence = options.onEvidence;
  }

  /** Takes the next decoded frame, and gives the transitions that are over: {@link distinct} takes those that count. */
  push(frame: ColouredFrame): Transition[] {
    this.#chroma += frame.chroma;
    const last = this.#frames.at(-1);
    // Timestamps that stand still are no time.
    if (last !== undefined && frame.time - last.time < SPACING) return [];
    const { time, signature, dark, color } = frame;
    const moments = { mean: meanOf(signature), squares: product(signature, signature) };
    this.#frames.push({
      ...{ time, signature, dark, color, ...moments },
      chroma: (last?.chroma ?? 0) + this.#chroma,
    });
    this.#chroma = 0;
    const found: Transition[] = [];
    while (time - (this.#frames[this.#next]?.time ?? time) >= ASIDE) {
      found.push(...this.#end(this.#next++));
    }
    const oldest = (this.#frames[this.#next]?.time ?? time) - LONGEST;
    const gone = this.#frames.findIndex((kept) => kept.time >= oldest);
    this.#frames.splice(0, gone);
    this.#next -= gone;
    return found;
  }

  /** Ends the film. */
  finish(): Transition[] {
    const found: Transition[] = [];
    while (this.#next < this.#frames.length) found.push(...this.#end(this.#next++));
    if (this.#best !== undefined) found.push(this.#best);
    this.#best = undefined;
    return found;
  }

  /** Tries the windows that end with a frame. Gives what is then over. */
  #end(end: number): Transition[] {
    const found: Transition[] = [];
    const { time } = this.#frames[end] as KeptFrame;
    let begin = end;
    for (const length of WINDOWS) {
      while (begin > 0 && time - (this.#frames[begin]?.time ?? 0) < length - 1e-6)
        begin--;
      if (time - (this.#frames[begin]?.time ?? 0) > length + 2 * SPACING) continue;
      const candidate = this.#fit(begin, end);
      if (candidate === undefined) continue;
      if (this.#best !== undefined && candidate.start >= this.#best.end) {
        found.push(this.#best);
        this.#best = undefined;
      }
      if (this.#best === undefined || isSurer(candidate, this.#best)) {
        this.#best = candidate;
      }
    }
    if (this.#best !== undefined && time - this.#best.end > SETTLED) {
      found.push(this.#best);
      this.#best = undefined;
    }
    return found;
  }

  /** The transition in a window, if there is one. */
  #fit(begin: number, end: number): Transition | undefined {
    if (end - begin + 1 < FRAMES) return undefined;
    const from = this.#frames[begin] as KeptFrame;
    const to = this.#frames[end] as KeptFrame;
    const line = new Line(from, to);
    if (line.mismatch < APART) return undefined;
    if (!this.#mayRise(begin, end, line)) return undefined;
    const step = Math.ceil((end - begin) / MOST);
    const window: KeptFrame[] = [];
    for (let i = begin; i < end; i += step) window.push(this.#frames[i] as KeptFrame);
    window.push(to);
    const ramp = rampOf(window, line);
    if (ramp === undefined || ramp.residual + ramp.bend > WORST) return undefined;
    const type = colorOf(to) ? 'fade-out' : colorOf(from) ? 'fade-in' : 'dissolve';
    const isFade = type !== 'dissolve';
    const shortest = isFade ? this.#minimum / 2 : this.#minimum;
    if (ramp.end - ramp.start < shortest - 1e-9) return undefined;
    const evidence = this.#evidence(begin, end, ramp, line.mismatch);
    const weights = isFade ? FADE_WEIGHTS : DISSOLVE_WEIGHTS;
    const odds = evidence.reduce((sum, value, i) => sum + value * (weights[i] ?? 0), 0);
    const transition = toTransition(ramp, from, to, 1 / (1 + Math.exp(-odds)));
    this.#onEvidence?.(transition, evidence);
    const least = isFade ? this.#fade : LIKELY;
    return transition.confidence >= least ? transition : undefined;
  }

  /** Whether a few frames of a window are mixtures that rise: most windows end here. */
  #mayRise(begin: number, end: number, line: Line): boolean {
    let least = -Infinity;
    let residuals = 0;
    for (const part of [3, 1, 2, 4, 5]) {
      const frame = this.#frames[Math.round(begin + ((end - begin) * part) / 6)];
      const { share, residual } = line.mixtureOf(frame as KeptFrame);
      residuals += residual;
      if (residuals > 5 * WORST) return false;
      if (part === 3) continue;
      if (share < least - UNEVEN) return false;
      least = Math.max(least, share);
    }
    return true;
  }

  /** The signs of Note [Transitions], in the order of the weights. */
  #evidence(begin: number, end: number, ramp: Ramp, apart: number): number[] {
    const from = this.#frames[begin] as KeptFrame;
    const to = this.#frames[end] as KeptFrame;
    let before = begin;
    while (before > 0 && from.time - (this.#frames[before]?.time ?? 0) < ASIDE) before--;
    let after = end;
    const last = this.#frames.length - 1;
    while (after < last && (this.#frames[after]?.time ?? 0) - to.time < ASIDE) after++;
    const calm = Math.min(this.#stir(before, begin), this.#stir(end, after), UNKNOWN);
    const coloured = colouredness(from, to);
    return [
      1,
      ramp.residual + ramp.bend,
      Math.log(apart + 0.05),
      lossBetween(from, to),
      Math.log(calm + 0.03),
      coloured,
      coloured * Math.log(ramp.chroma + 0.1),
    ];
  }

  /** By how much the picture changes between two frames aside of a window; at the ends of the film there are none. */
  #stir(first: number, last: number): number {
    const [a, b] = [this.#frames[first] as KeptFrame, this.#frames[last] as KeptFrame];
    if (b.time - a.time < ASIDE / 2) return UNKNOWN;
    return mismatchOf(a.signature, b.signature);
  }
}

/** Mismatch that counts where nothing is shown before and after. */
const UNKNOWN = 1;
/** Weights of 1 and the evidence of Note [Transitions], rounded. */
const DISSOLVE_WEIGHTS: readonly number[] = [-1, -25, 5, 0.4, -1.1, 2.3, 1.3];
const FADE_WEIGHTS: readonly number[] = [2.2, -12, 3.5, 0, -0.3, 0.6, 0.2];

/** Seconds of the windows. */
const WINDOWS = [0.27, 0.4, 0.6, 0.9, 1.3, 1.9, 2.7, 3.6];
/** Seconds that are looked at before and after a window. */
const ASIDE = 0.25;
/** Seconds of the longest window, and of what lies before it. */
const LONGEST = 4.1;
/** Seconds between frames that are looked at, at least: a little less than at 30 a second. */
const SPACING = 0.033;
/** Seconds after a transition until no window that holds it is left that could fit better. */
const SETTLED = 1;
/** Frames in a ramp, at least, the one before and the one after included; and in a window about at most. */
const FRAMES = 5;
const MOST = 40;
/** Mismatch of the pictures before and after, at least. */
const APART = 0.15;
/** Residual and bend of a ramp, added, at which nothing speaks for a transition any more. */
const WORST = 0.25;
/** By how much shares may fall again at most. */
const UNEVEN = 0.3;
/** Confidence from which on a ramp may be a dissolve. */
const LIKELY = 0.5;
/** Shares that count as level. */
const LEVEL = 0.07;

/** A frame in memory. */
interface KeptFrame extends SeenFrame {
  readonly color: number;
  /** All that changed up to this frame. */
  readonly chroma: number;
  /** Of the signature: its mean, and the sum of its squares. */
  readonly mean: number;
  readonly squares: number;
}

/** Σ a·b */
function product(a: Signature, b: Signature): number {
  let sum = 0;
  for (let i = 0; i < SIGNATURE; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}

/**
 * All mixtures of two pictures. As `mismatchOf` and `mixtureOf` of pictures.ts have it, but from sums of products, of which most are
 * known: this is asked for many times a frame.
 */
class Line {
  readonly #from: KeptFrame;
  readonly #to: KeptFrame;
  readonly #both: number;
  readonly mismatch: number;

  constructor(from: KeptFrame, to: KeptFrame) {
    this.#from = from;
    this.#to = to;
    this.#both = product(from.signature, to.signature);
    const shared = this.#both - SIGNATURE * from.mean * to.mean;
    const spread =
      from.squares + to.squares - SIGNATURE * (from.mean ** 2 + to.mean ** 2);
    const means = (SIGNATURE * (from.mean - to.mean) ** 2) / 32;
    this.mismatch = (spread - 2 * shared + means) / (spread + means + 16 * SIGNATURE);
  }

  mixtureOf(frame: KeptFrame): Mixture {
    const [from, to] = [this.#from, this.#to];
    const before = product(frame.signature, from.signature);
    const after = product(frame.signature, to.signature);
    const across = from.squares + to.squares - 2 * this.#both;
    const along = after - before - this.#both + from.squares;
    const own = frame.squares + from.squares - 2 * before;
    const share = across === 0 ? 0 : along / across;
    // Two levels of noise in each cell.
    const residual = (own - share * along) / (across + 2 * SIGNATURE);
    return { share, residual: Math.max(0, residual) };
  }
}

interface Ramp {
  readonly start: number;
  readonly end: number;
  readonly residual: number;
  readonly bend: number;
  /** How much chroma changed on the way. */
  readonly chroma: number;
}

/** The rising part of the shares, the line through it, and how well both fit. */
function rampOf(window: readonly KeptFrame[], line: Line): Ramp | undefined {
  const mixtures = window.map((frame) => line.mixtureOf(frame));
  let low = 0;
  while (low + 1 < mixtures.length && (mixtures[low + 1]?.share ?? 1) <= LEVEL) low++;
  let high = mixtures.length - 1;
  while (high > 0 && (mixtures[high - 1]?.share ?? 0) >= 1 - LEVEL) high--;
  if (high - low + 1 < FRAMES) return undefined;
  const frames = window.slice(low, high + 1);
  const times = frames.map(({ time }) => time);
  const inside = mixtures.slice(low, high + 1);
  // The ends are level: the line goes through what lies between.
  const { slope, offset } = regression(times.slice(1, -1), inside.slice(1, -1));
  if (!(slope > 0)) return undefined;
  let bend = 0;
  let residual = 0;
  for (const [i, { share, residual: own }] of inside.entries()) {
    const expected = offset + slope * (times[i] as number);
    bend = Math.max(bend, Math.abs(share - Math.min(1, Math.max(0, expected))));
    residual += own;
  }
  const first = times[0] as number;
  const last = times.at(-1) as number;
  return {
    start: Math.min(last, Math.max(first, -offset / slope)),
    end: Math.max(first, Math.min(last, (1 - offset) / slope)),
    residual: residual / inside.length,
    bend,
    chroma: (frames.at(-1)?.chroma ?? 0) - (frames[0]?.chroma ?? 0),
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

/**
 * A part of a fade, as far as it has come, is a dissolve as well: the fade goes before. Of others the longer, at equal odds, since a
 * part of a transition looks like one too.
 */
function isSurer(a: Transition, b: Transition): boolean {
  const [fadeA, fadeB] = [a.color !== undefined, b.color !== undefined];
  if (fadeA !== fadeB) return fadeA;
  const rank = ({ confidence, start, end }: Transition) =>
    (confidence / (1 - confidence)) * (end - start);
  return rank(a) > rank(b);
}

/**
 * Of those that overlap the surest, in order of time. Dissolves with hardly a rest between them are none: that is a picture which
 * goes on changing by itself, such as water, smoke or a moving gradient.
 *
 * @param dissolve confidence of dissolves, at least. Where something large moves steadily, it looks much like one.
 */
export function distinct(
  transitions: readonly Transition[],
  dissolve = 0.88,
): Transition[] {
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
      !isClose(kept[i - 1], transition) &&
      !isClose(transition, kept[i + 1]) &&
      (transition.type !== 'dissolve' || transition.confidence >= dissolve),
  );
}

/** Seconds that a shot between two dissolves is seen by itself, at least: shorter ones hardly would be. */
const REST = 0.25;

/** Which colour a picture is of, if it is of one. */
function colorOf({ signature, dark }: SeenFrame): 'black' | 'white' | undefined {
  const mean = meanOf(signature);
  if (!signature.every((cell) => Math.abs(cell - mean) < 4)) return undefined;
  if (dark >= BLACK) return 'black';
  return mean > 180 ? 'white' : undefined;
}

/** Seconds before a fade-in in which a cut is its first sight. */
const MARGIN = 0.12;

/**
 * Leaves out cuts that are part of a transition: inside of a dissolve or a fade, or where a picture begins to appear out of black or
 * white. A cut at the end of a fade-out, to the next shot, is one, and so is a cut to black that a fade-in follows at once.
 */
export function withoutTransitions(
  cuts: readonly CutEvent[],
  transitions: readonly Transition[],
  black: readonly SpanEvent[],
): CutEvent[] {
  const turnsBlack = new Set(black.map(({ start }) => start));
  return cuts.filter(({ time }) =>
    transitions.every(({ type, start, end }) => {
      const early = type === 'fade-in' && !turnsBlack.has(time) ? MARGIN : 0;
      return !(time > start - early && time < end);
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
