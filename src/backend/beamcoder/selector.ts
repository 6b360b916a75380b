/** Decides frame by frame which ones a pass yields, knowing only times: `native/selector.cc` in TypeScript. */
import type { NativeSelection } from '../../native.ts';

/** Note [Time slack] in native/selector.h; seconds. */
export function slack(time: number): number {
  return 1e-9 * Math.max(1, Math.abs(time));
}

export class Selector {
  readonly #selection: NativeSelection;
  #seen = 0;
  #origin: number | undefined;
  /** Number of the first target not answered yet; whole. */
  #nextTarget = 0;

  constructor(selection: NativeSelection) {
    this.#selection = selection;
  }

  get hasTargets(): boolean {
    return this.#selection.every > 0;
  }

  /** Whether a frame shown from `time` on lies behind the range, so that reading may stop. */
  isPastEnd(time: number): boolean {
    const { end } = this.#selection;
    return end !== null && time + slack(time) >= end;
  }

  isBeforeStart(time: number): boolean {
    const { start } = this.#selection;
    return start !== null && time + slack(time) < start;
  }

  /** Where the range begins, or `time` where it has no beginning. */
  startOr(time: number): number {
    return this.#selection.start ?? time;
  }

  /** Without targets: whether the next frame is wanted. Counts it for `step`. */
  takes(time: number): boolean {
    if (this.isBeforeStart(time)) return false;
    return this.#seen++ % this.#selection.step === 0;
  }

  /** With targets: how many of them fall into the span in which one frame is on screen. Frames have to come in order. */
  answers(time: number, until: number): number {
    this.#origin ??= this.#selection.start ?? time;
    const origin = this.#origin;
    const { end, every } = this.#selection;
    // The first target that is not before `at`: targets are origin + k · every.
    const firstAt = (at: number) => Math.ceil((at - slack(at) - origin) / every);
    const from = Math.max(firstAt(time), this.#nextTarget);
    const to = firstAt(end === null ? until : Math.min(until, end));
    if (!(to > from)) return 0;
    this.#nextTarget = to;
    return Math.min(to - from, 1e9);
  }
}
