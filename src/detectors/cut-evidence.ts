/** What tells that a shot begins at a frame: Note [Cuts] in cuts.ts says what each sign is good for. */
import { FLASH, type FrameChange } from '../measures.ts';
import {
  colouredness,
  lossBetween,
  mismatchOf,
  mixtureOf,
  type PlainColor,
} from './pictures.ts';

/** A decoded frame as the detector of cuts takes it: when it is shown, and what changed. */
export interface TimedChange extends FrameChange {
  /** Presentation time in seconds. */
  readonly time: number;
  /** Presentation timestamp in ticks of the stream's time base. */
  readonly pts: number;
}

/** How many frames on either side count for the activity. */
export const NEIGHBOURS = 3;

/** What is kept of a frame until it is decided on. */
export type Pending = Omit<TimedChange, 'shiftX' | 'shiftY'> & {
  readonly frame: number;
  /** Of the signature. */
  readonly variance: number;
  /** Which colour the picture is of, if it is of one. */
  readonly plain: PlainColor | undefined;
};

/** A frame and what lies around it. */
export interface Surroundings {
  readonly frame: Pending;
  readonly previous: Pending | undefined;
  /** All that were pushed since. */
  readonly later: readonly Pending[];
  /**
   * The nearest frames of its shot and of the one before that differ from their predecessors, one more of them after it. Of a film's or a shot's first and
   * last moments, of which there is no telling what they were like, those of the other side.
   */
  readonly before: readonly Pending[];
  readonly after: readonly Pending[];
}

/** Evidence that a shot begins at a frame, in the order of its weights. */
export function evidenceOfCut(around: Surroundings): number[] {
  const { frame, previous, before, later } = around;
  const { chroma, residual } = frame;
  return evidence(
    { from: previous ?? frame, to: frame, mixed: false, chroma, residual },
    breakAt(frame, later),
    before.slice(0, NEIGHBOURS),
    around.after.slice(0, NEIGHBOURS),
  );
}

/** The same if a frame may be the one that mixes two shots (Note [Soft cuts]). */
export function evidenceOfSoftCut(around: Surroundings): number[] | undefined {
  const { frame, previous, later } = around;
  const [next] = later;
  if (previous === undefined || next === undefined) return undefined;
  const { share, residual: unmixed } = mixtureOf(
    frame.signature,
    previous.signature,
    next.signature,
  );
  if (Math.abs(share - 0.5) > MIXED || unmixed > UNMIXED) return undefined;
  // Where one picture fades out and another in, what lies between holds nothing of either.
  if (frame.variance < HELD * (previous.variance + next.variance)) return undefined;
  const apart = mismatchOf(previous.signature, next.signature);
  const breaking = later.reduce((smallest, other) => {
    const near = other.time - frame.time <= FLASH;
    return near ? Math.min(smallest, recallBefore(frame, other)) : smallest;
  }, apart);
  const chroma = Math.min(1, frame.chroma + next.chroma);
  const residual = Math.min(1, frame.residual + next.residual);
  const others = (frames: readonly Pending[]) =>
    frames.filter((other) => other !== next).slice(0, NEIGHBOURS);
  return evidence(
    { from: previous, to: next, mixed: true, chroma, residual },
    breaking,
    others(around.before),
    others(around.after),
  );
}

/** How far from half and half a mixture may be, and how much of it may be neither. */
const MIXED = 0.3;
const UNMIXED = 0.02;
/** Variance that a mixture has of its parts', at least; half and half of unrelated pictures it is a quarter. */
const HELD = 0.1;
/** Part of the contrast that pictures at rest differ by: less tells no more. */
const AT_REST = 0.05;

/** Variance up to which a picture is flat: a standard deviation of one level. */
const FLAT = 1;

/** From the last frame of one shot to the first of another. */
interface Change {
  readonly from: Pending;
  readonly to: Pending;
  /** Whether a frame of both lies between. */
  readonly mixed: boolean;
  readonly chroma: number;
  readonly residual: number;
}

function evidence(
  { from, to, mixed, chroma, residual }: Change,
  breaking: number,
  before: readonly Pending[],
  after: readonly Pending[],
): number[] {
  const [earlier, later] = [largest(before), largest(after)];
  const larger = (name: keyof Activity) => Math.max(earlier[name], later[name]);
  const smaller = (name: keyof Activity) => Math.min(earlier[name], later[name]);
  const coloured = colouredness(from, to);
  const variance = Math.max(from.variance, to.variance);
  const contrast = Math.sqrt(variance) + 4;
  // Flat pictures have nothing by which any block of them could be found.
  const unfound = variance < FLAT ? Math.max(residual, breaking) : residual;
  return [
    1,
    Math.log(breaking + 0.03),
    Math.log(smaller('mismatch') + 0.03),
    coloured * Math.log(chroma + 0.1),
    coloured * Math.log(larger('chroma') + 0.1),
    coloured * Math.log(smaller('chroma') + 0.1),
    lossBetween(from, to),
    Math.log(Math.max(larger('difference') / contrast, AT_REST)),
    mixed ? 1 : 0,
    Math.log(unfound + 0.1),
    Math.log(smaller('residual') + 0.1),
  ];
}

/** How much happens in some frames: the largest of each change. */
type Activity = Record<'mismatch' | 'residual' | 'chroma' | 'difference', number>;

function largest(frames: readonly Pending[]): Activity {
  const most = { mismatch: 0, residual: 0, chroma: 0, difference: 0 };
  for (const { mismatch, residual, chroma, difference } of frames) {
    most.mismatch = Math.max(most.mismatch, mismatch);
    most.residual = Math.max(most.residual, residual);
    most.chroma = Math.max(most.chroma, chroma);
    most.difference = Math.max(most.difference, difference);
  }
  return most;
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
