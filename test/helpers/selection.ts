/** Which frames `frames({ start, end, every, step, keyFrames })` has to give: said plainly. */

export interface Selection {
  readonly start?: number;
  readonly end?: number;
  readonly every?: number;
  readonly step?: number;
  readonly keyFrames?: boolean;
}

interface TimedFrame {
  readonly time: number;
  /** Seconds. */
  readonly duration: number;
  readonly keyFrame: boolean;
}

/** Rounding of doubles: far below a tick of any time base used here. */
const EPSILON = 1e-9;

/** Positions of the chosen frames, which come in the order of time. */
export function select(frames: readonly TimedFrame[], selection: Selection): number[] {
  return selection.every === undefined
    ? selectInRange(frames, selection)
    : selectOnScreen(frames, selection, selection.every);
}

/** start ≤ time < end; key frames only, if so wanted; of these every `step`th, from the first. */
function selectInRange(frames: readonly TimedFrame[], selection: Selection): number[] {
  const { start, end, step = 1, keyFrames = false } = selection;
  return [...frames.keys()]
    .filter((index) => {
      const { time, keyFrame } = frames[index] as TimedFrame;
      const begun = start === undefined || time >= start - EPSILON;
      const over = end !== undefined && time >= end - EPSILON;
      return begun && !over && (!keyFrames || keyFrame);
    })
    .filter((_, position) => position % step === 0);
}

/** For each time start, start + every … < end: the last frame not after it; none twice. */
function selectOnScreen(
  frames: readonly TimedFrame[],
  { start, end }: Selection,
  every: number,
): number[] {
  const first = frames[0];
  const last = frames.at(-1);
  if (!first || !last) return [];
  const origin = start ?? first.time;
  const over = Math.min(end ?? Number.POSITIVE_INFINITY, last.time + last.duration);
  const chosen: number[] = [];
  for (let k = 0; origin + k * every < over - EPSILON; k++) {
    const target = origin + k * every;
    const shown = frames.findLastIndex(({ time }) => time <= target + EPSILON);
    if (shown >= 0 && shown !== chosen.at(-1)) chosen.push(shown);
  }
  return chosen;
}
