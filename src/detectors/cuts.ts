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
 * Note [Cuts]: a frame begins a new shot if nothing shown from it on resembles what was shown before. Eleven signs tell, each by a
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
 * - difference: the plain mean |ΔY|, and its largest in the frames around, as parts of the pictures' contrast: dark shots differ by little.
 *
 * Note [Soft cuts]: editing at another frame rate, deinterlacing, 2:3 pulldown and encoders that blend leave one frame that is a
 * mixture of the two shots. Such a frame (a mixture by its signature, between neighbours that differ) is scored by what lies on
 * either side of it (that it is one is a sign of its own: there are more mixtures than such cuts), and is the cut itself. A hard cut right there or in the next frame goes before.
 *
 * Weights and accuracy: docs/analysis.md, made by bench/accuracy.mjs. The detector looks ahead about a second, or four frames that
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
    const evidence = evidenceOfCut(around);
    const mixed = evidenceOfSoftCut(around);
    if (frame > 0) this.#onEvidence?.(frame, evidence, mixed);
    const turns = first.plain === this.#last?.plain ? undefined : first.plain;
    const hard = frame === 0 ? -Infinity : this.#logOdds(evidence);
    const before = this.#scored.at(-1);
    // Note [Soft cuts]
    if (before?.soft && hard > 0) {
      this.#scored[this.#scored.length - 1] = { ...before, sceneScore: before.hard };
    }
    const soft = hard > 0 || mixed === undefined ? -Infinity : this.#logOdds(mixed);
    const best = Math.max(hard, soft);
    this.#scored.push({
      ...{ frame, time, pts, soft: soft > hard, hard: scoreOf(hard) },
      ...{ sceneScore: scoreOf(best), color: turns },
    });
    this.#last = first;
    if (differs(first)) this.#before.push(first);
    if (this.#before.length > NEIGHBOURS) this.#before.shift();
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
    const surroundings = { frame, previous: this.#last, later: this.#waiting };
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
      const below = first.sceneScore < this.#minimumScore;
      const open =
        last.time - first.time < this.#minimumShot && this.#scored.length <= LOOKAHEAD;
      if (!finished && !below && open) return decided;
      this.#scored.shift();
      const { frame, time, pts, sceneScore } = first;
      const cut = below ? null : this.#cutAt(first, this.#scored);
      decided.push({ frame, time, pts, sceneScore, cut, color: first.color });
    }
  }

  /** A cut, unless there is a surer one too near; of equal ones the first counts. */
  #cutAt(first: Scored, later: readonly Scored[]): CutEvent | null {
    const near = (other: Scored) => Math.abs(other.time - first.time) < this.#minimumShot;
    const earlier = this.#lastChanges.filter(near);
    this.#lastChanges = [...earlier, first];
    if (earlier.some((other) => other.sceneScore >= first.sceneScore)) return null;
    if (later.some((other) => near(other) && other.sceneScore > first.sceneScore)) {
      return null;
    }
    const { frame, time, pts, sceneScore } = first;
    return { type: 'cut', time, pts, frame, confidence: sceneScore / 100 };
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
/** Frames waited for at most, should timestamps stand still: {@link NEAR} at 240 a second. */
const LOOKAHEAD = 264;

type Scored = Omit<DecidedFrame, 'cut'> & {
  /** The score without Note [Soft cuts], and whether that is another. */
  readonly hard: number;
  readonly soft: boolean;
};

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
  -4.4, 2.2, -0.9, 3.9, -0.5, -1.8, 3.6, 0.1, -0.6, -3.1, 3.3, -1.9,
];

function scoreOf(logOdds: number): number {
  return 100 / (1 + Math.exp(-logOdds));
}
