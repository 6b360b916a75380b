import type { SpanEvent } from '../analysis.ts';
import { SIGNATURE, SIGNATURE_COLUMNS } from '../measures.ts';
import { BLACK, meanOf, mismatchOf, type Signature } from './pictures.ts';
import type { SeenFrame } from './transitions.ts';

/** What these detectors give: spans that are over, oldest first. */
interface SpanDetector<Frame> {
  /** Takes the next decoded frame. */
  push(frame: Frame): SpanEvent[];
  /** Ends the film, whose last frame was shown until `end` (seconds). */
  finish(end: number): SpanEvent[];
}

/** How long something has to last. */
export interface SpanOptions {
  /** Seconds. */
  readonly minimum?: number | undefined;
}

/** @throws {RangeError} */
function checkMinimum(minimum: number): number {
  if (!(minimum >= 0)) throw new RangeError(`minimum must be 0 or more, not ${minimum}`);
  return minimum;
}

/**
 * Finds black: runs of frames of which at least 98 % are nearly black (up to 10 % of the range above it), as FFmpeg's vf_blackdetect.c
 * has it. `minimum`: default 0.1 s.
 */
export class BlackDetector implements SpanDetector<SeenFrame> {
  readonly #minimum: number;
  #start: number | undefined;

  constructor({ minimum = 0.1 }: SpanOptions = {}) {
    this.#minimum = checkMinimum(minimum);
  }

  push({ dark, time }: SeenFrame): SpanEvent[] {
    if (dark < BLACK) return this.finish(time);
    this.#start ??= time;
    return [];
  }

  finish(end: number): SpanEvent[] {
    const start = this.#start;
    this.#start = undefined;
    if (start === undefined || end - start < this.#minimum - 1e-9) return [];
    return [{ type: 'black', start, end, confidence: 1 }];
  }
}

/** A frame as {@link FreezeDetector} takes it. */
export interface ComparedFrame extends SeenFrame {
  /** Mean |ΔY| to the frame before, 0–255. */
  readonly difference: number;
}

/**
 * Finds where the picture stands still: runs of frames that differ from those before them by one level at most in the mean, no cell of
 * whose signature has left its place of the first frame by more than one level, and of which a quarter at least repeat the frame
 * before. FFmpeg's vf_freezedetect.c, by default, takes 0.001 of the range (a quarter of a level) for the first of these, and has no other.
 * But of an empty road, where hardly anything moves, encoders at low rates leave less, while some refine what stands still by more;
 * between two such steps they repeat it as it is. Frames that are black do not count. `minimum`: default 1 s.
 */
export class FreezeDetector implements SpanDetector<ComparedFrame> {
  readonly #minimum: number;
  #first: SeenFrame | undefined;
  /** How many frames came after the first, and how many of those repeat the one before. */
  #after = 0;
  #repeated = 0;

  constructor({ minimum = 1 }: SpanOptions = {}) {
    this.#minimum = checkMinimum(minimum);
  }

  push(frame: ComparedFrame): SpanEvent[] {
    const first = this.#first;
    if (first !== undefined && frame.difference <= STILL && isSame(first, frame)) {
      this.#after += 1;
      if (frame.difference <= REPEATED) this.#repeated += 1;
      return [];
    }
    const found = this.finish(frame.time);
    this.#first = frame.dark < BLACK ? frame : undefined;
    return found;
  }

  finish(end: number): SpanEvent[] {
    const start = this.#first?.time;
    const isRepeated = 4 * this.#repeated >= this.#after;
    this.#first = undefined;
    this.#after = 0;
    this.#repeated = 0;
    if (start === undefined || end - start < this.#minimum - 1e-9) return [];
    if (!isRepeated) return [];
    return [{ type: 'freeze', start, end, confidence: 1 }];
  }
}

/** Mean |ΔY| up to which a picture stands still, and up to which it is repeated: but for one sample in 250, by a level. */
const STILL = 1;
const REPEATED = 0.004;
/** Levels that a cell of a signature may be off. */
const OFF = 1;

function isSame(a: SeenFrame, b: SeenFrame): boolean {
  for (let i = 0; i < SIGNATURE; i++) {
    const apart = (a.signature[i] as number) - (b.signature[i] as number);
    if (Math.abs(apart) > OFF) return false;
  }
  return true;
}

export interface FlashOptions {
  /** Levels by which the mean luma has to rise at once. Default 20. */
  readonly rise?: number | undefined;
  /** Seconds that it lasts at most. Default 0.25. */
  readonly maximum?: number | undefined;
}

/**
 * Finds flashes, as of cameras and lightning: the mean luma jumps up from one frame to the next (within 0.1 s), more than half of
 * that is gone within `maximum`, and the picture is then what it was before. That a flash is a short rise of luma, after
 * which the old picture comes back, is the model of D. Zhang, W. Qi and H. J. Zhang, "A New Shot Boundary Detection
 * Algorithm", PCM 2001.
 */
export class FlashDetector implements SpanDetector<SeenFrame> {
  readonly #rise: number;
  readonly #maximum: number;
  #last: SeenFrame | undefined;
  #lit: { before: SeenFrame; start: number; rise: number } | undefined;

  /** @throws {RangeError} for an option out of range */
  constructor({ rise = 20, maximum = 0.25 }: FlashOptions = {}) {
    if (!(rise > 0)) throw new RangeError(`rise must be above 0, not ${rise}`);
    if (!(maximum > 0)) throw new RangeError(`maximum must be above 0, not ${maximum}`);
    this.#rise = rise;
    this.#maximum = maximum;
  }

  push(frame: SeenFrame): SpanEvent[] {
    const last = this.#last;
    this.#last = frame;
    const lit = this.#lit;
    if (lit !== undefined) {
      if (frame.time - lit.start > this.#maximum + 1e-9) this.#lit = undefined;
      else if (meanOf(frame.signature) - meanOf(lit.before.signature) < lit.rise / 2) {
        this.#lit = undefined;
        const apart = mismatchOf(lit.before.signature, frame.signature);
        if (apart > CAME_BACK) return [];
        const confidence = Math.min(1, lit.rise / (2 * this.#rise)) * (1 - apart);
        return [{ type: 'flash', start: lit.start, end: frame.time, confidence }];
      } else return [];
    }
    if (last === undefined || frame.time - last.time > AT_ONCE) return [];
    const rise = meanOf(frame.signature) - meanOf(last.signature);
    if (rise >= this.#rise) this.#lit = { before: last, start: frame.time, rise };
    return [];
  }

  finish(): SpanEvent[] {
    this.#lit = undefined;
    return [];
  }
}

/** Mismatch of the pictures before and after a flash, at most. */
const CAME_BACK = 0.3;
/** Seconds between the frames of a jump, at most. */
const AT_ONCE = 0.1 + 1e-9;

export interface ShakeOptions extends SpanOptions {
  /** Mean displacement around the camera's path, in each 1/25 s, as a share of the picture's size. Default 0.004. */
  readonly amplitude?: number | undefined;
  /** How often a second it has to turn back, at least. Default 5. */
  readonly turns?: number | undefined;
}

/** A frame as {@link ShakeDetector} takes it. */
export interface MovedFrame {
  /** Seconds. */
  readonly time: number;
  /** As in `FrameChange`. */
  readonly shiftX: number;
  readonly shiftY: number;
  readonly signature: Signature;
}

/** What {@link ShakeDetector} keeps of a frame. */
interface Movement {
  readonly time: number;
  readonly shiftX: number;
  readonly shiftY: number;
  /** How well the displacement explains what changed: the correlation of the change with the one to be expected. */
  readonly explained: number;
}

/**
 * Finds where the camera is shaken: within each second the picture moves by `amplitude` about its mean path, and turns back `turns`
 * times. To take what is fast in the camera's movement for shake, and what is slow for intended, is the way of W.-Q. Yan and
 * M. S. Kankanhalli, "Detection and removal of lighting & shaking artifacts in home videos", ACM Multimedia 2002. A displacement is the best
 * that there is, and so is found in pictures that do not move as a whole, such as smooth gradients: it has to explain the changes, too.
 * `minimum`: default 0.5 s. Holds one second of displacements.
 */
export class ShakeDetector implements SpanDetector<MovedFrame> {
  readonly #minimum: number;
  readonly #amplitude: number;
  readonly #turns: number;
  #window: Movement[] = [];
  #last: Signature | undefined;
  #run: { start: number; end: number; strength: number } | undefined;

  /** @throws {RangeError} for an option out of range */
  constructor({ minimum = 0.5, amplitude = 0.004, turns = 5 }: ShakeOptions = {}) {
    this.#minimum = checkMinimum(minimum);
    if (!(amplitude > 0)) {
      throw new RangeError(`amplitude must be above 0, not ${amplitude}`);
    }
    if (!(turns > 0)) throw new RangeError(`turns must be above 0, not ${turns}`);
    this.#amplitude = amplitude;
    this.#turns = turns;
  }

  push(frame: MovedFrame): SpanEvent[] {
    const { time } = frame;
    this.#window.push(movementSince(this.#last ?? frame.signature, frame));
    this.#last = frame.signature;
    const gone = this.#window.findIndex((frame) => frame.time > time - 1);
    // Should timestamps stand still, no more than a second at 240 frames.
    const excess = Math.max(gone, this.#window.length - 240);
    if (excess > 0) this.#window.splice(0, excess);
    const first = this.#window[0] as Movement;
    const strength = this.#strength();
    if (strength >= 1) {
      const run = this.#run;
      this.#run = {
        start: run?.start ?? first.time,
        end: time,
        strength: Math.max(run?.strength ?? 0, strength),
      };
      return [];
    }
    return this.#run !== undefined && first.time > this.#run.end ? this.finish() : [];
  }

  finish(): SpanEvent[] {
    const run = this.#run;
    this.#run = undefined;
    if (run === undefined || run.end - run.start < this.#minimum - 1e-9) return [];
    const { start, end, strength } = run;
    return [{ type: 'shake', start, end, confidence: Math.min(1, strength / 2) }];
  }

  /** How far the window exceeds what shake is: 1 and more where it is one. */
  #strength(): number {
    const frames = this.#window;
    const span = (frames.at(-1)?.time ?? 0) - (frames[0]?.time ?? 0);
    if (frames.length < 8 || span < 0.45) return 0;
    if (!this.#explains()) return 0;
    const axis = (name: 'shiftX' | 'shiftY') => {
      const mean = frames.reduce((sum, frame) => sum + frame[name], 0) / frames.length;
      let turns = 0;
      let moved = 0;
      let sign = 0;
      for (const frame of frames) {
        const own = frame[name] - mean;
        moved += Math.abs(own);
        const now = Math.abs(own) < this.#amplitude / 4 ? 0 : Math.sign(own);
        if (now !== 0 && sign !== 0 && now !== sign) turns += 1;
        if (now !== 0) sign = now;
      }
      const perFrame = moved / frames.length;
      const perTick = (perFrame * (frames.length - 1)) / span / 25;
      return turns / span >= this.#turns ? perTick / this.#amplitude : 0;
    };
    return Math.max(axis('shiftX'), axis('shiftY'));
  }

  /** Whether the displacements explain what changed in the window, each as far as it goes. */
  #explains(): boolean {
    let [moved, explained] = [0, 0];
    for (const frame of this.#window) {
      const distance = Math.abs(frame.shiftX) + Math.abs(frame.shiftY);
      moved += distance;
      explained += distance * frame.explained;
    }
    return explained >= EXPLAINED * moved;
  }
}

/** Correlation of what changed with what displacements let expect, at least. */
const EXPLAINED = 0.4;
const ROWS = SIGNATURE / SIGNATURE_COLUMNS;

/** Luma that moves by d changes by −d times its slope: of both pictures, since slopes change on the way. */
function movementSince(before: Signature, frame: MovedFrame): Movement {
  const { time, shiftX, shiftY, signature } = frame;
  const [cellsX, cellsY] = [shiftX * SIGNATURE_COLUMNS, shiftY * ROWS];
  const at = (i: number) => (before[i] as number) + (signature[i] as number);
  let [along, expected, changed] = [0, 0, 0];
  for (let y = 1; y < ROWS - 1; y++) {
    for (let x = 1; x < SIGNATURE_COLUMNS - 1; x++) {
      const i = y * SIGNATURE_COLUMNS + x;
      const slopeX = at(i + 1) - at(i - 1);
      const slopeY = at(i + SIGNATURE_COLUMNS) - at(i - SIGNATURE_COLUMNS);
      const expectedHere = -(cellsX * slopeX + cellsY * slopeY) / 4;
      const change = (signature[i] as number) - (before[i] as number);
      along += expectedHere * change;
      expected += expectedHere ** 2;
      changed += change ** 2;
    }
  }
  const explained = along === 0 ? 0 : along / Math.sqrt(expected * changed);
  return { time, shiftX, shiftY, explained };
}
