/** Where every frame of a video is: what makes access by number, pts or time exact. */
import type { Rational } from './info.ts';
import { FLAG_KEY_FRAME, INDEX_ROW } from './native.ts';

/**
 * Every frame of a video in presentation order, as columns of one length: `pts[i]`, `duration[i]`, … belong to frame `i`.
 * JSON-safe, so that it can be stored.
 */
export interface FrameIndex {
  /** Number of frames that decoding yields. */
  readonly length: number;
  /** Seconds per tick of `pts` and `duration`. */
  readonly timeBase: Rational;
  /** Presentation timestamps in ticks, rising. */
  readonly pts: readonly number[];
  /** How long each frame is shown, in ticks. */
  readonly duration: readonly number[];
  /** Numbers of the key frames, rising. */
  readonly keyFrames: readonly number[];
  /** Byte offset of each frame's packet in the file; -1 where unknown. */
  readonly position: readonly number[];
  /** Place of each frame's packet in decoding order. */
  readonly order: readonly number[];
  /** Read from packets, without decoding; or by decoding everything, where packets do not say when they are shown. */
  readonly source: 'packets' | 'frames';
}

/** Which frame: the one on screen at a time in seconds, the one with a number, or the one with a pts. */
export type FrameAddress = number | { readonly index: number } | { readonly pts: number };

/** Makes columns of the addon's rows. */
export function indexFromRows(
  rows: Float64Array,
  timeBase: Rational,
  fromPackets: boolean,
): FrameIndex {
  const length = rows.length / INDEX_ROW.length;
  const column = (name: keyof typeof INDEX_ROW): number[] => {
    const values = new Array<number>(length);
    for (let i = 0, at = INDEX_ROW[name]; i < length; i++, at += INDEX_ROW.length) {
      values[i] = rows[at] as number;
    }
    return values;
  };
  const keyFrames: number[] = [];
  column('flags').forEach((flag, i) => {
    if ((flag & FLAG_KEY_FRAME) !== 0) keyFrames.push(i);
  });
  return {
    length,
    timeBase,
    pts: column('pts'),
    duration: column('duration'),
    keyFrames,
    position: column('position'),
    order: column('order'),
    source: fromPackets ? 'packets' : 'frames',
  };
}

/** Makes the addon's rows of columns. */
export function rowsFromIndex(index: FrameIndex): Float64Array<ArrayBuffer> {
  const rows = new Float64Array(index.length * INDEX_ROW.length);
  for (let i = 0; i < index.length; i++) {
    const begin = i * INDEX_ROW.length;
    rows[begin + INDEX_ROW.pts] = index.pts[i] as number;
    rows[begin + INDEX_ROW.duration] = index.duration[i] as number;
    rows[begin + INDEX_ROW.position] = index.position[i] as number;
    rows[begin + INDEX_ROW.order] = index.order[i] as number;
  }
  for (const key of index.keyFrames) {
    rows[key * INDEX_ROW.length + INDEX_ROW.flags] = FLAG_KEY_FRAME;
  }
  return rows;
}

/** Presentation time of frame `i` in seconds, the same double as `frame.time`. */
export function timeOf(index: FrameIndex, i: number): number {
  return ((index.pts[i] as number) * index.timeBase.num) / index.timeBase.den;
}

/** Seconds when the last frame leaves the screen. */
export function endOf(index: FrameIndex): number {
  const last = index.length - 1;
  const ticks = (index.pts[last] as number) + (index.duration[last] as number);
  return (ticks * index.timeBase.num) / index.timeBase.den;
}

/** How far below its own time a frame still counts as on screen; as `slack` in `native/selector.cc`. */
function slack(time: number): number {
  return 1e-9 * Math.max(1, Math.abs(time));
}

/** Number of the last frame with `isNotAfter(frame)`, or -1: they have to come first. */
function lastWith(length: number, isNotAfter: (frame: number) => boolean): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isNotAfter(middle)) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/**
 * Number of the frame that `address` means, and whether it lies out of range, in which case the number is that of the nearest frame.
 * A time before the first frame, or at or after the end of the last one, is out of range.
 */
export function resolveAddress(
  index: FrameIndex,
  address: FrameAddress,
): { frame: number; outside: boolean } {
  const last = index.length - 1;
  if (typeof address === 'number') {
    const slop = slack(address);
    const frame = lastWith(index.length, (i) => timeOf(index, i) <= address + slop);
    if (frame < 0) return { frame: 0, outside: true };
    // A last frame of unknown duration is shown at its own time at least.
    const end = Math.max(endOf(index), timeOf(index, last) + 2 * slop);
    return { frame, outside: frame === last && address + slop >= end };
  }
  if ('index' in address) {
    const number = address.index < 0 ? address.index + index.length : address.index;
    const frame = Math.min(Math.max(number, 0), last);
    return { frame, outside: frame !== number };
  }
  const frame = lastWith(index.length, (i) => (index.pts[i] as number) <= address.pts);
  return { frame: Math.max(frame, 0), outside: index.pts[frame] !== address.pts };
}
