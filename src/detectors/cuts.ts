import type { CutEvent } from '../analysis.ts';
import { FLASH } from '../measures.ts';
import {
  evidenceOfCut,
  evidenceOfSoftCut,
  NEIGHBOURS,
  type Pending,
  type Surroundings,
  type TimedChange,
} from './cut-evidence.ts';
import {
  colorOf,
  dilutionOf,
  type PlainColor,
  type Signature,
  varianceOf,
} from './pictures.ts';

export type { TimedChange };

/** A frame on which the detector has decided. */
export interface DecidedFrame {
  /** Index of the frame among all that were pushed, from 0. */
  readonly frame: number;
  readonly time: number;
  readonly pts: number;
  /** How likely a new shot begins here, 0–100. */
  readonly sceneScore: number;
  /** The cut, if this is the first frame of a new shot. */
  readonly cut: CutEvent | null;
  /** Which colour the picture turns to here, if it is of one. */
  readonly color: PlainColor | undefined;
}

export interface CutOptions {
  /** Confidence from which on a change is a cut, above 0 and up to 1. Default 0.5. */
  readonly minimumConfidence?: number | undefined;
  /**
   * Seconds. Of changes that lie nearer together only the surest is a cut. Default 0.2:
   * shorter shots are hardly made, while a bright flash or a wipe can look like two cuts.
   */
  readonly minimumShot?: number | undefined;
  /** For fitting: others than {@link WEIGHTS}. @internal */
  readonly weights?: readonly number[] | undefined;
  /** For fitting: told the evidence of every frame but the first, that of a soft cut where there is some. @internal */
  readonly onEvidence?:
    | ((
        frame: number,
        hard: readonly number[],
        soft: readonly number[] | undefined,
      ) => void)
    | undefined;
}

/**
 * Finds hard cuts, from the changes of every decoded frame.
 *
 * Note [Cuts]: a frame begins a new shot if nothing shown from it on resembles what was shown before. Ten signs tell, each by a
 * weight that a logistic regression gave it:
 *
 *     sceneScore = 100 / (1 + exp(−Σ weight · evidence))
 *
 * - break: the smallest mismatch between a frame before and one from it on, as far as the pictures between them last no longer
 *   than a flash. After flashes, blinking lights or a damaged frame the picture comes back, and the break is small. To compare all
 *   pairs across the cut, not only its two frames, is the idea of the graph partition model of J. Yuan et al., "A Formal Study of
 *   Shot Boundary Detection", IEEE TCSVT 17(2), 2007. Mismatches are those of the picture without bars: Note [Bars] in pictures.ts.
 * - calm: the largest mismatch of the three frames before, or of those after, whichever is smaller: where the camera is panned or
 *   shaken, both sides move. A rolling neighbourhood is also what PySceneDetect's AdaptiveDetector and FFmpeg's vf_scdet.c (which
 *   compares with one frame) adapt by. Repeated pictures (time-lapse, 24 frames a second shown as 60) do not count as
 *   neighbours, else every new one would be a peak; but nothing is a neighbour beyond a picture of one colour that rests.
 * - residual: how much of the frame is not found in the one before it, wherever it was (Note [Residual] in block-matching.ts), and the
 *   same of the calmer side. Pans leave little, however far they go; a jump to another part of the same picture, whose layout
 *   hardly changes, leaves much where the frames around leave little. Flat pictures have nothing to be found by: of
 *   two of them the break counts in its place.
 * - colour: how much the distribution of chroma changed, and how much it did on the calmer side and on the other one. It hardly
 *   changes in pans, zooms and shakes, and does where shots of similar layout follow each other. In films without colour
 *   it tells nothing: all count as far as the pictures have colour.
 * - loss: how much of the picture went (`lossBetween`): captions and things that pass leave most of it where it was.
 * - difference: the largest mean |ΔY| of the frames around, as a part of the pictures' contrast: dark shots differ by little.
 *
 * Note [Soft cuts]: editing at another frame rate, deinterlacing, 2:3 pulldown and encoders that blend leave one frame that is a
 * mixture of the two shots. Such a frame (a mixture by its signature, between neighbours that differ) is scored by what lies on
 * either side of it (that it is one is a sign of its own: there are more mixtures than such cuts), and is the cut itself. A hard cut right there or in the next frame goes before.
 *
 * Note [Neighbourhoods]: where shots follow each other soon, or hardly move, the nearest frames that differ from theirs are the cuts
 * before and after, which do not tell how much moves. So only frames of the two shots at hand are neighbours: when a frame begins
 * a shot, those after it have no neighbours before it, as at the start of a film, and those before it are scored again without it and
 * what follows. That raises scores, if anything: all that happens around a cut speaks against it.
 *
 * Weights and accuracy: docs/analysis.md, made by bench/accuracy.mjs. The detector looks ahead about two seconds, or twice four frames that
 * differ if they are sooner, and remembers as much; how long the film is does not matter.
 */
export class CutDetector {
  readonly #minimumScore: number;
  readonly #minimumShot: number;
  readonly #weights: readonly number[];
  readonly #onEvidence: CutOptions['onEvidence'];
  #count = 0;
  /** Time of the first frame. */
  #start = 0;
  /** Of the last frame pushed. */
  #signature: Signature | undefined;
  /** The last frame scored, and the last that differed from theirs, oldest first. */
  #last: Pending | undefined;
  #before: Pending[] = [];
  /** Frames not yet scored. */
  #waiting: Pending[] = [];
  /** Scored frames on which is not decided, and before them the changes near them. */
  #scored: Scored[] = [];
  #lastChanges: Scored[] = [];

  /** @throws {RangeError} for an option out of range */
  constructor(options: CutOptions = {}) {
    const { minimumConfidence = 0.5, minimumShot = 0.2, weights = WEIGHTS } = options;
    if (!(minimumConfidence > 0 && minimumConfidence <= 1)) {
      throw new RangeError(
        `minimumConfidence must be above 0 and up to 1, not ${minimumConfidence}`,
      );
    }
    if (!(minimumShot >= 0)) {
      throw new RangeError(`minimumShot must be 0 or more, not ${minimumShot}`);
    }
    this.#minimumScore = 100 * minimumConfidence;
    this.#minimumShot = minimumShot;
    this.#weights = weights;
    this.#onEvidence = options.onEvidence;
  }

  /**
   * Takes the next decoded frame; the first one is no cut. Gives the frames on which it
   * allowed to decide, each once and in order.
   */
  push(change: TimedChange): DecidedFrame[] {
    this.#waiting.push(this.#pending(change));
    while (this.#waiting.length > 0 && this.#seesEnough()) this.#score();
    return this.#decide(false);
  }

  /** Ends the film: gives the frames that were still open. */
  finish(): DecidedFrame[] {
    while (this.#waiting.length > 0) this.#score();
    return this.#decide(true);
  }

  /** The change that the picture without bars underwent. */
  #pending(change: TimedChange): Pending {
    const { time, pts, difference, residual, recallAge, chroma, color, dark, signature } =
      change;
    if (this.#count === 0) this.#start = time;
    const dilution = dilutionOf(this.#signature ?? signature, signature);
    this.#signature = signature;
    return {
      frame: this.#count++,
      time,
      pts,
      difference,
      mismatch: Math.min(UNRELATED, change.mismatch * dilution),
      residual,
      recall: Math.min(UNRELATED, change.recall * dilution),
      recallAge,
      chroma,
      color,
      dark,
      signature,
      variance: varianceOf(signature),
      plain: colorOf(change),
    };
  }

  /** Whether what comes later can no longer change the score of the first waiting frame. */
  #seesEnough(): boolean {
    const first = this.#waiting[0];
    const last = this.#waiting.at(-1);
    if (first === undefined || last === undefined || first === last) return false;
    if (this.#waiting.length > LOOKAHEAD) return true;
    if (last.time - first.time <= FLASH) return false;
    let neighbour = first;
    let differing = 0;
    for (let i = 1; i < this.#waiting.length; i++) {
      const frame = this.#waiting[i] as Pending;
      if (!isNear(first, frame, neighbour)) return true;
      if (!differs(frame)) continue;
      neighbour = frame;
      differing += 1;
      if (differing > NEIGHBOURS) return true;
    }
    return false;
  }

  #score(): void {
    const first = this.#waiting.shift();
    if (first === undefined) return;
    const { frame, time, pts } = first;
    const around = this.#around(first);
    const turns = first.plain === this.#last?.plain ? undefined : first.plain;
    const scored = { frame, time, pts, color: turns, around, ...this.#judge(around) };
    const before = this.#scored.at(-1);
    // Note [Soft cuts]
    if (before && scored.hard > 0) takeAsHard(before);
    this.#scored.push(scored);
    this.#last = first;
    if (differs(first)) this.#before.push(first);
    if (this.#before.length > NEIGHBOURS) this.#before.shift();
    // Until the next frame is scored, none is sure to be a mixture.
    if (scored.hard > BEGINS) this.#begin(scored);
    else if (before?.isSoft && before.logOdds > BEGINS) this.#begin(before);
  }

  /** Note [Neighbourhoods] */
  #begin({ frame, time }: Scored): void {
    this.#before = [];
    this.#start = time;
    for (const earlier of this.#scored) {
      if (earlier.frame >= frame) break;
      const { around } = earlier;
      const after = around.after.filter((neighbour) => neighbour.frame < frame);
      if (after.length === around.after.length) continue;
      const soon = (other: { time: number }) =>
        Math.abs(other.time - earlier.time) < STILL;
      const ends = after.length === 0 && soon({ time });
      earlier.around = { ...around, after: ends ? around.before.filter(soon) : after };
      Object.assign(earlier, this.#judge(earlier.around));
      if (earlier.frame === frame - 1) takeAsHard(earlier);
    }
  }

  #judge(around: Surroundings): Pick<Scored, 'hard' | 'isSoft' | 'logOdds'> {
    const { frame } = around.frame;
    if (frame === 0) return { hard: -Infinity, isSoft: false, logOdds: -Infinity };
    const evidence = evidenceOfCut(around);
    const mixed = evidenceOfSoftCut(around);
    this.#onEvidence?.(frame, evidence, mixed);
    const hard = this.#logOdds(evidence);
    const soft = hard > 0 || mixed === undefined ? -Infinity : this.#logOdds(mixed);
    return { hard, isSoft: soft > hard, logOdds: Math.max(hard, soft) };
  }

  #around(frame: Pending): Surroundings {
    const before: Pending[] = [];
    for (let i = this.#before.length - 1; i >= 0; i--) {
      const neighbour = this.#before[i] as Pending;
      if (!isNear(frame, neighbour, before.at(-1) ?? frame)) break;
      before.push(neighbour);
    }
    const after: Pending[] = [];
    for (const neighbour of this.#waiting) {
      if (!differs(neighbour)) continue;
      if (!isNear(frame, neighbour, after.at(-1) ?? frame)) break;
      if (after.push(neighbour) > NEIGHBOURS) break;
    }
    const end = this.#waiting.findIndex(({ time }) => !(time - frame.time <= FLASH));
    const later = this.#waiting.slice(0, end < 0 ? undefined : Math.max(1, end));
    const surroundings = { frame, previous: this.#last, later };
    const soon = (other: { time: number }) => Math.abs(other.time - frame.time) < STILL;
    const begins = before.length === 0 && soon({ time: this.#start });
    const ends = after.length === 0 && soon(this.#waiting.at(-1) ?? frame);
    return {
      ...surroundings,
      before: begins ? after.filter(soon) : before,
      after: ends ? before.filter(soon) : after,
    };
  }

  #logOdds(evidence: readonly number[]): number {
    let sum = 0;
    for (let i = 0; i < evidence.length; i++) {
      sum += (evidence[i] as number) * (this.#weights[i] ?? 0);
    }
    return sum;
  }

  #decide(finished: boolean): DecidedFrame[] {
    const decided: DecidedFrame[] = [];
    for (;;) {
      const first = this.#scored[0];
      const last = this.#scored.at(-1);
      if (first === undefined || last === undefined) return decided;
      const sceneScore = scoreOf(first.logOdds);
      const below = sceneScore < this.#minimumScore;
      const open =
        last.time - first.time < this.#minimumShot && this.#scored.length <= LOOKAHEAD;
      const isPending = last.frame < (first.around.after.at(-1)?.frame ?? 0);
      if (!finished && (isPending || (!below && open))) return decided;
      this.#scored.shift();
      const { frame, time, pts } = first;
      const cut = below ? null : this.#cutAt(first, this.#scored);
      decided.push({ frame, time, pts, sceneScore, cut, color: first.color });
    }
  }

  /** A cut, unless there is a surer one too near; of equal ones the first counts. */
  #cutAt(first: Scored, later: readonly Scored[]): CutEvent | null {
    const near = (other: Scored) => Math.abs(other.time - first.time) < this.#minimumShot;
    const earlier = this.#lastChanges.filter(near);
    this.#lastChanges = [...earlier, first];
    if (earlier.some((other) => other.logOdds >= first.logOdds)) return null;
    if (later.some((other) => near(other) && other.logOdds > first.logOdds)) return null;
    const { frame, time, pts, logOdds } = first;
    return { type: 'cut', time, pts, frame, confidence: scoreOf(logOdds) / 100 };
  }
}

/** Mismatch beyond which pictures are not less alike, a little more than unrelated ones have. */
const UNRELATED = 1.2;
/** Seconds beyond which a frame is no neighbour, unless it is one of the next three. */
const NEAR = 1.1;
/** Seconds from which on a picture of one colour, such as black, rests: what lies beyond is no neighbour. */
const STILL = 0.25;
/**
 * Mean |ΔY| up to which a frame repeats the one before: a decoder still refines repeated
 * pictures a little.
 */
const REPEATED = 0.08;
/** Log-odds from which on neighbours end at a frame: a false cut in a pan would hide from the frames around it that they are of one. */
const BEGINS = 1;
/** Frames waited for at most, should timestamps stand still: {@link NEAR} at 240 a second. */
const LOOKAHEAD = 264;

/** A frame with the log-odds that a shot begins there. */
type Scored = Omit<DecidedFrame, 'cut' | 'sceneScore'> & {
  around: Surroundings;
  logOdds: number;
  /** The same without Note [Soft cuts], and whether that is another. */
  hard: number;
  isSoft: boolean;
};

/** Note [Soft cuts]: the frame before a new shot is no mixture of both. */
function takeAsHard(scored: Scored): void {
  scored.isSoft = false;
  scored.logOdds = scored.hard;
}

/** Whether `b` is a neighbour of `a`, where `last` is the neighbour between them, or `a` itself. */
function isNear(a: Pending, b: Pending, last: Pending): boolean {
  const rested =
    Math.abs(b.frame - last.frame) > 1 && Math.abs(b.time - last.time) > STILL;
  const { plain } = b.frame > last.frame ? last : b;
  if (rested && plain !== undefined) return false;
  return Math.abs(b.time - a.time) <= NEAR || Math.abs(b.frame - a.frame) <= NEIGHBOURS;
}

/** From the frame before it. */
function differs({ difference }: Pending): boolean {
  return difference > REPEATED;
}

/** Weights of 1 and the evidence of Note [Cuts], rounded: the result hardly depends on them. */
const WEIGHTS: readonly number[] = [
  -5.2, 1.9, -0.6, 5.1, -1.4, -1.8, 4.4, -0.9, -3.1, 3.1, -2.0,
];

function scoreOf(logOdds: number): number {
  return 100 / (1 + Math.exp(-logOdds));
}
