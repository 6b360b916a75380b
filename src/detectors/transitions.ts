import type { AnalysisEvent, CutEvent, SpanEvent } from '../analysis.ts';
import {
  colouredness,
  lossBetween,
  markOn,
  mismatchOf,
  type PlainColor,
  plainBeside,
  plainOf,
  type Signature,
} from './pictures.ts';
import { FEWEST, type PlainEnd, type Ramp, RecentFrames, Window } from './ramps.ts';

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
  readonly mismatch: number;
  readonly residual: number;
  readonly chroma: number;
  readonly color: number;
  readonly variance: number;
}

export interface TransitionOptions {
  /**
   * Seconds. Shorter dissolves are not looked for, since the edge of something that moves crosses a cell of a signature in such a time.
   * Default 0.2; fades are half as long at least.
   */
  readonly minimum?: number | undefined;
  /** Confidence of fades, at least, above 0 and up to 1. Default 0.85. */
  readonly fade?: number | undefined;
  /** For fitting: others than {@link WEIGHTS}. @internal */
  readonly weights?: readonly number[] | undefined;
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
 * is found by least squares on signatures; in a fade it is the distance from the plain picture, since movement would be taken for another
 * picture, but changes brightness and contrast little. In a cut s jumps; else ten signs tell, by weights of a logistic regression:
 *
 * - fit: what neither A nor B explains of the frames (in fades nothing), and how far s is from a ramp (level, then rising in a line, then
 *   level). Where something moves, frames lie far off the line between A and B.
 * - apart: the mismatch of A and B.
 * - loss: how much of A and B went (`lossBetween`): a car that drives off leaves the street.
 * - calm: the mismatch of A to what was a little before, or of B to what comes after, whichever is smaller; in fades that of the picture.
 *   In pans, in water and in a gradient that moves the picture goes on changing on both sides; of the shots of a dissolve one at least is
 *   mostly at rest. A part of a fade goes on as well.
 * - colour: how much the distribution of chroma changes on the way, as in Note [Cuts].
 * - sag: how far contrast sinks and rises again as in a mixture, no less and no more. In pans and zooms it stays; where both shots move it
 *   is what is left to tell (Alattar; W. A. C. Fernando, C. N. Canagarajah and D. R. Bull, "Fade and dissolve detection in uncompressed and
 *   compressed video sequences", ICIP 1999).
 * - fine sag: the same of the contrast inside of the cells. Details of A do not lie where those of B do, nor where they themselves were
 *   before: wherever they move to, half-way half of what the two have of them is left.
 * - unexplained: the residual on the way. Of two pictures in one that move apart no displacement explains both; in pans, and in what slowly
 *   changes by itself, it is small.
 * - jump: the largest mismatch from one frame to the next. In a ramp there are steps; a cut among frames that move leaps.
 * - plain: whether it is a fade. Hardly anything but fades looks like one.
 *
 * Where the picture goes on before or after as it changes inside, what a window holds is a part of something longer, and does not count.
 * Windows of several lengths are tried at every frame, long ones at every second, so that there is one that hardly holds more than the transition; of those
 * that overlap the surest counts. Holds 128 frames, at most 30 a second, and looks ahead {@link ASIDE}.
 */
export class TransitionDetector {
  readonly #minimum: number;
  readonly #fade: number;
  readonly #weights: readonly number[];
  readonly #onEvidence: TransitionOptions['onEvidence'];
  readonly #frames = new RecentFrames();
  readonly #window = new Window(this.#frames);
  /** Which frame is the next that a window ends with. */
  #next = 0;
  /** Chroma that changed since the first frame, and residuals. */
  #chroma = 0;
  #residual = 0;
  /** The largest since the last frame that was looked at. */
  #mismatch = 0;
  #best: Transition | undefined;

  /** @throws {RangeError} for an option out of range */
  constructor(options: TransitionOptions = {}) {
    const { minimum = 0.2, fade = 0.85, weights = WEIGHTS } = options;
    if (!(minimum > 0)) throw new RangeError(`minimum must be above 0, not ${minimum}`);
    if (!(fade > 0 && fade <= 1)) {
      throw new RangeError(`fade must be above 0 and up to 1, not ${fade}`);
    }
    this.#minimum = minimum;
    this.#fade = fade;
    this.#weights = weights;
    this.#onEvidence = options.onEvidence;
  }

  /** Takes the next decoded frame, and gives the transitions that are over: {@link distinct} takes those that count. */
  push(frame: ColouredFrame): Transition[] {
    this.#chroma += frame.chroma;
    this.#residual += frame.residual;
    this.#mismatch = Math.max(this.#mismatch, frame.mismatch);
    const { count } = this.#frames;
    // Timestamps that stand still are no time.
    if (count > 0 && frame.time - this.#timeOf(count - 1) < SPACING) return [];
    const { time, signature, dark, color, variance } = frame;
    const plain = plainOf(frame);
    const mark = plain === undefined ? markOn(frame) : undefined;
    this.#frames.push({
      time,
      signature,
      dark,
      color,
      plain,
      mark,
      variance,
      mismatch: this.#mismatch,
      chroma: this.#chroma,
      residual: this.#residual,
    });
    this.#mismatch = 0;
    const found: Transition[] = [];
    while (time - this.#timeOf(this.#next) >= ASIDE) this.#end(this.#next++, found);
    return found;
  }

  /** Ends the film. */
  finish(): Transition[] {
    const found: Transition[] = [];
    while (this.#next < this.#frames.count) this.#end(this.#next++, found);
    if (this.#best !== undefined) found.push(this.#best);
    this.#best = undefined;
    return found;
  }

  #timeOf(number: number): number {
    return this.#frames.at(number).time;
  }

  /** Tries the windows that end with a frame. Adds to `found` what is then over. */
  #end(end: number, found: Transition[]): void {
    const time = this.#timeOf(end);
    const { oldest } = this.#frames;
    let begin = end;
    for (const length of WINDOWS) {
      if (length > EVERY && end % 2 === 1) break;
      while (begin > oldest && time - this.#timeOf(begin) < length - 1e-6) begin--;
      if (time - this.#timeOf(begin) > length + 2 * SPACING) continue;
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
  }

  /** The transition in a window, if there is one. */
  #fit(begin: number, end: number): Transition | undefined {
    if (end - begin + 1 < FEWEST) return undefined;
    const from = this.#frames.at(begin);
    const to = this.#frames.at(end);
    const [before, after] = [plainBeside(from, to), plainBeside(to, from)];
    const type: Transition['type'] = after ? 'fade-out' : before ? 'fade-in' : 'dissolve';
    this.#window.set(begin, end, PLAIN_ENDS[type]);
    const apart = this.#window.mismatch();
    if (apart < APART || !this.#window.mayRise(WORST, UNEVEN)) return undefined;
    const ramp = this.#window.ramp(WORST);
    if (ramp === undefined) return undefined;
    const isFade = type !== 'dissolve';
    const shortest = isFade ? this.#minimum / 2 : this.#minimum;
    if (ramp.end - ramp.start < shortest - 1e-9) return undefined;
    const aside = this.#aside(begin, end);
    if (this.#goesOn(aside, ramp, type)) return undefined;
    const evidence = this.#evidence(aside, ramp, type, apart);
    const odds = evidence.reduce(
      (sum, value, i) => sum + value * (this.#weights[i] ?? 0),
      0,
    );
    const confidence = 1 / (1 + Math.exp(-odds));
    const color = after ?? before;
    const { start, end: over } = ramp;
    const transition = { type, start, end: over, confidence, ...(color && { color }) };
    this.#onEvidence?.(transition, evidence);
    const least = isFade ? this.#fade : LIKELY;
    return confidence >= least ? transition : undefined;
  }

  /** The frames {@link ASIDE} before and after a window, or as far away as there are any. */
  #aside(begin: number, end: number): Aside {
    const { oldest, count } = this.#frames;
    let before = begin;
    while (before > oldest && this.#timeOf(begin) - this.#timeOf(before) < ASIDE) {
      before--;
    }
    let after = end;
    while (after < count - 1 && this.#timeOf(after) - this.#timeOf(end) < ASIDE) after++;
    return { begin, end, before, after };
  }

  /**
   * Whether the picture changes before or after the window as it does inside, and nearly as fast. What lies beyond a picture of one
   * colour is another transition.
   */
  #goesOn({ begin, end, before, after }: Aside, ramp: Ramp, type: Transition['type']) {
    const least = (from: number, to: number) => {
      const seconds = this.#timeOf(to) - this.#timeOf(from);
      return seconds < ASIDE / 2
        ? Infinity
        : ONWARD * (seconds / (ramp.end - ramp.start) + SLACK);
    };
    return (
      (type !== 'fade-in' && -this.#window.shareOf(before) > least(before, begin)) ||
      (type !== 'fade-out' && this.#window.shareOf(after) - 1 > least(end, after))
    );
  }

  /** The signs of Note [Transitions], in the order of the weights. */
  #evidence(
    { begin, end, before, after }: Aside,
    ramp: Ramp,
    type: Transition['type'],
    apart: number,
  ): number[] {
    const from = this.#frames.at(begin);
    const to = this.#frames.at(end);
    const first = type === 'fade-in' ? UNKNOWN : this.#stir(before, begin);
    const last = type === 'fade-out' ? UNKNOWN : this.#stir(end, after);
    const calm = Math.min(first, last, UNKNOWN);
    const coloured = colouredness(from, to);
    return [
      1,
      ramp.residual + ramp.bend,
      Math.log(apart + 0.05),
      lossBetween(from, to),
      Math.log(calm + 0.03),
      coloured,
      // More is movement: what chroma changes in long windows adds up.
      coloured * Math.log(Math.min(1, ramp.chroma) + 0.1),
      1 - Math.abs(ramp.sag - 1),
      Math.min(1, ramp.fineSag),
      Math.log(ramp.unexplained + 0.02),
      ramp.jump / (apart + 0.05),
      type === 'dissolve' ? 0 : 1,
    ];
  }

  /** By how much the picture changes between two frames aside of a window; at the ends of the film there are none. */
  #stir(first: number, last: number): number {
    const [a, b] = [this.#frames.at(first), this.#frames.at(last)];
    if (b.time - a.time < ASIDE / 2) return UNKNOWN;
    return mismatchOf(a.signature, b.signature);
  }
}

/** Mismatch that counts where nothing is shown before and after. */
const UNKNOWN = 1;
/** Weights of 1 and the evidence of Note [Transitions], rounded. */
const WEIGHTS: readonly number[] = [
  -0.8, -23.6, 1.2, 1.25, -0.95, 2.3, 2.9, 3.6, 2.05, 1.5, -2.75, 4.45,
];

/** Seconds of the windows. */
const WINDOWS = [0.27, 0.4, 0.6, 0.9, 1.3, 1.9, 2.7, 3.6];
/** Seconds of the longest window that every frame ends; longer ones only every second does. */
const EVERY = 1;
/** Seconds that are looked at before and after a window. */
const ASIDE = 0.25;
/**
 * Seconds between frames that are looked at, at least: a little less than at 30 a second, and no whole number of milliseconds, so that
 * rounding does not decide about timestamps in those. The longest window, and what is looked at before and after it, are 127 frames then:
 * {@link RecentFrames} holds as many.
 */
const SPACING = 0.0329;
/** Seconds after a transition until no window that holds it is left that could fit better. */
const SETTLED = 1;
/** Mismatch of the pictures before and after, at least. */
const APART = 0.15;
/** Residual and bend of a ramp, added, at which nothing speaks for a transition any more. */
const WORST = 0.25;
/** By how much shares may fall again at most. */
const UNEVEN = 0.3;
/** Confidence from which on a ramp may be a dissolve. */
const LIKELY = 0.5;
/** As a part of how fast shares rise, how fast they go on beyond a window, at most; and how far they may for other reasons. */
const ONWARD = 0.9;
const SLACK = 0.1;

/** Numbers of the first and the last frame of a window, and of those that are looked at before and after it. */
interface Aside {
  readonly begin: number;
  readonly end: number;
  readonly before: number;
  readonly after: number;
}

const PLAIN_ENDS: Readonly<Record<Transition['type'], PlainEnd>> = {
  ...{ 'fade-in': 'first', 'fade-out': 'last', dissolve: undefined },
};

/**
 * A part of a fade, as far as it has come, is a dissolve as well: the fade goes before. Of others the longer, at equal odds and at
 * odds that are not four times less for half the length: a part of a transition looks like one too, and has less movement in it.
 */
function isSurer(a: Transition, b: Transition): boolean {
  const [fadeA, fadeB] = [a.color !== undefined, b.color !== undefined];
  if (fadeA !== fadeB) return fadeA;
  const rank = ({ confidence, start, end }: Transition) =>
    (confidence / (1 - confidence)) * (end - start) ** 2;
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
  dissolve = 0.75,
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
const REST = 0.12;

/** Seconds before a fade-in in which a cut is its first sight, and after a fade-out in which one is its last step. */
const MARGIN = 0.12;

/** A cut, and the colour of its first picture if that is of one. */
export interface ColoredCut {
  readonly cut: CutEvent;
  readonly color: PlainColor | undefined;
}

/**
 * Leaves out cuts that are part of a transition: inside of a dissolve or a fade, where a picture begins to appear out of black or
 * white, or where the last of it goes. A cut at the end of a fade-out, to the next shot, is one, and so is a cut to black that a fade-in
 * follows at once.
 */
export function withoutTransitions(
  cuts: readonly ColoredCut[],
  transitions: readonly Transition[],
): CutEvent[] {
  const isPart = ({ cut: { time }, color }: ColoredCut) =>
    transitions.some(({ type, start, end }) => {
      const early = type === 'fade-in' && color === undefined ? MARGIN : 0;
      const late = type === 'fade-out' && color !== undefined ? MARGIN : 0;
      return time > start - early && (time < end || time < end + late);
    });
  return cuts.flatMap((colored) => (isPart(colored) ? [] : colored.cut));
}

/** Leaves out dissolves with a sure cut inside: in a mixture of two pictures none is all new. */
export function withoutCuts(
  transitions: readonly Transition[],
  cuts: readonly ColoredCut[],
): Transition[] {
  const isCut = ({ start, end }: Transition) =>
    cuts.some(
      ({ cut: { time, confidence } }) => confidence >= SURE && time > start && time < end,
    );
  return transitions.filter(
    (transition) => transition.type !== 'dissolve' || !isCut(transition),
  );
}

/** Confidence from which on a cut is none of a dissolve's frames. */
const SURE = 0.95;

/** In order of time. */
export function byTime(a: AnalysisEvent, b: AnalysisEvent): number {
  return timeOf(a) - timeOf(b);
}

/** When an event begins. */
export function timeOf(event: AnalysisEvent): number {
  return event.type === 'cut' ? event.time : event.start;
}
