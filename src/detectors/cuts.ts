import type { AnalysisEvent } from '../analysis.ts';
import { FLASH, type FrameChange } from '../measures.ts';

/** A decoded frame as {@link CutDetector} takes it: when it is shown, and what changed. */
export interface TimedChange extends FrameChange {
  /** Presentation time in seconds. */
  readonly time: number;
  /** Presentation timestamp in ticks of the stream's time base. */
  readonly pts: number;
}

/** A frame on which the detector has decided. */
export interface DecidedFrame {
  /** Index of the frame among all that were pushed, from 0. */
  readonly frame: number;
  readonly time: number;
  readonly pts: number;
  /** How likely a new shot begins here, 0–100. */
  readonly sceneScore: number;
  /** The cut, if this is the first frame of a new shot. */
  readonly cut: AnalysisEvent | null;
}

export interface CutOptions {
  /** Confidence from which on a change is a cut, above 0 and up to 1. Default 0.5. */
  readonly minimumConfidence?: number | undefined;
  /**
   * Seconds. Of changes that lie nearer together only the surest is a cut. Default 0.2:
   * shorter shots are hardly made, while a bright flash or a wipe can look like two cuts.
   */
  readonly minimumShot?: number | undefined;
}

/**
 * Finds hard cuts, from the changes of every decoded frame.
 *
 * Note [Cuts]: a frame begins a new shot if nothing shown from it on resembles what was
 * shown before (the *break*), and more so if the pictures around it change little (the
 * *activity*):
 *
 *     sceneScore = 100 / (1 + exp(−(8 ln(break + 0.03) − 2.25 ln(activity + 0.03) + 2.5)))
 *
 * - break: the smallest mismatch between a frame before and one from it on, as far as the
 *   pictures between them last no longer than a flash. After flashes, blinking lights or a
 *   damaged frame the picture comes back, and the break is small. To compare all pairs
 *   across the cut, not only its two frames, is the idea of the graph partition model of
 *   J. Yuan et al., "A Formal Study of Shot Boundary Detection", IEEE TCSVT 17(2), 2007.
 * - activity: the largest mismatch of the three frames on either side to their own
 *   predecessors: a pan, a shaken camera or a van before the lens must be outdone. A rolling
 *   neighbourhood is also what PySceneDetect's AdaptiveDetector and FFmpeg's vf_scdet.c
 *   (which compares with one frame) adapt by. Repeated pictures (time-lapse, 24 frames a
 *   second shown as 60) do not count as neighbours, else every new one would be a peak.
 *
 * Luma histograms and block motion were tried beside these two and gained nothing. Chroma
 * histograms gained half a percent on joined clips and nothing on films left out of the
 * fit, so that luma alone is scaled for frames that are not sampled. The three weights come
 * from a logistic regression over 800 cuts between real clips joined at 6 to 120 frames a
 * second, with flashes, pans, exposure jumps, fades and dissolves, and 22 cuts of real
 * films. They are rounded: the result hardly depends on them.
 *
 * The detector looks ahead about a second, or three frames that differ if they are sooner,
 * and remembers as much; how long the film is does not matter.
 */
export class CutDetector {
  readonly #minimumScore: number;
  readonly #minimumShot: number;
  #count = 0;
  /** Frames that the activity of the next one to score looks back on, oldest first. */
  #before: Neighbour[] = [];
  /** Frames not yet scored. */
  #waiting: Pending[] = [];
  /** Scored frames on which is not decided, and before them the changes near them. */
  #scored: Scored[] = [];
  #lastChanges: Scored[] = [];

  /** @throws {RangeError} for an option out of range */
  constructor(options: CutOptions = {}) {
    const { minimumConfidence = 0.5, minimumShot = 0.2 } = options;
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
  }

  /**
   * Takes the next decoded frame; the first one is no cut. Gives the frames on which it
   * allowed to decide, each once and in order.
   */
  push(change: TimedChange): DecidedFrame[] {
    this.#waiting.push({ ...change, frame: this.#count++ });
    while (this.#waiting.length > 0 && this.#seesEnough()) this.#score();
    return this.#decide(false);
  }

  /** Ends the film: gives the frames that were still open. */
  finish(): DecidedFrame[] {
    while (this.#waiting.length > 0) this.#score();
    return this.#decide(true);
  }

  /** Whether what comes later can no longer change the score of the first waiting frame. */
  #seesEnough(): boolean {
    const first = this.#waiting[0];
    const last = this.#waiting.at(-1);
    if (first === undefined || last === undefined || first === last) return false;
    if (this.#waiting.length > LOOKAHEAD) return true;
    if (last.time - first.time <= FLASH) return false;
    return !isNear(first, last) || differing(this.#waiting, 1).length === NEIGHBOURS;
  }

  #score(): void {
    const first = this.#waiting.shift();
    if (first === undefined) return;
    const { frame, time, pts } = first;
    const activity = [...this.#before, ...differing(this.#waiting, 0)]
      .filter((neighbour) => isNear(first, neighbour))
      .reduce((largest, { mismatch }) => Math.max(largest, mismatch), 0);
    const sceneScore =
      frame === 0 ? 0 : sceneScoreOf(breakAt(first, this.#waiting), activity);
    this.#scored.push({ frame, time, pts, sceneScore });
    if (first.difference > REPEATED) {
      this.#before = [...this.#before, first].slice(-NEIGHBOURS);
    }
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
      decided.push({ ...first, cut: below ? null : this.#cutAt(first, this.#scored) });
    }
  }

  /** A cut, unless there is a surer one too near; of equal ones the first counts. */
  #cutAt(first: Scored, later: readonly Scored[]): AnalysisEvent | null {
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

/** How many frames on either side count for the activity. */
const NEIGHBOURS = 3;
/** Seconds beyond which a frame is no neighbour, unless it is one of the next three. */
const NEAR = 1.1;
/**
 * Mean |ΔY| up to which a frame repeats the one before: a decoder still refines repeated
 * pictures a little.
 */
const REPEATED = 0.08;
/** Frames waited for at most, should timestamps stand still: {@link NEAR} at 240 a second. */
const LOOKAHEAD = 264;

type Pending = TimedChange & { readonly frame: number };
type Neighbour = Pick<Pending, 'frame' | 'time' | 'mismatch'>;
type Scored = Omit<DecidedFrame, 'cut'>;

function isNear(a: Neighbour, b: Neighbour): boolean {
  return Math.abs(b.time - a.time) <= NEAR || Math.abs(b.frame - a.frame) <= NEIGHBOURS;
}

/** The first {@link NEIGHBOURS} frames that differ from their predecessors, from `begin` on. */
function differing(frames: readonly Pending[], begin: number): Pending[] {
  const found: Pending[] = [];
  for (let i = begin; i < frames.length && found.length < NEIGHBOURS; i++) {
    const frame = frames[i];
    if (frame !== undefined && frame.difference > REPEATED) found.push(frame);
  }
  return found;
}

/** The break of Note [Cuts] before `first`. */
function breakAt(first: Pending, later: readonly Pending[]): number {
  let smallest = Math.min(first.mismatch, recallBefore(first, first));
  for (const frame of later) {
    if (!(frame.time - first.time <= FLASH)) break;
    smallest = Math.min(smallest, recallBefore(first, frame));
  }
  return smallest;
}

/** Mismatch of `frame` to the frame that it most resembles, if that was before `first`. */
function recallBefore(first: Pending, { frame, recall, recallAge }: Pending): number {
  return recallAge > 0 && frame - recallAge < first.frame ? recall : Infinity;
}

/** Note [Cuts]. */
function sceneScoreOf(breaking: number, activity: number): number {
  const logOdds = 8 * Math.log(breaking + 0.03) - 2.25 * Math.log(activity + 0.03) + 2.5;
  return 100 / (1 + Math.exp(-logOdds));
}
