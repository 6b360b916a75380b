/** How the frames of a window lie between its first and its last one: the arithmetic of Note [Transitions] in transitions.ts. */
import { SIGNATURE } from '../measures.ts';
import { meanOf, type PlainColor, type Signature } from './pictures.ts';

/** A decoded frame in {@link RecentFrames}. */
export interface KeptFrame {
  /** Presentation time in seconds. */
  readonly time: number;
  /** As in `FrameChange`. */
  readonly signature: Signature;
  readonly dark: number;
  readonly color: number;
  /** What colour the picture fades from or to, if it does. */
  readonly plain: PlainColor | undefined;
  /** Where a mark is on black, if that is all there is. */
  readonly mark: readonly number[] | undefined;
  /** As in `FrameChange`. */
  readonly variance: number;
  /** The largest since the frame before it in {@link RecentFrames}. */
  readonly mismatch: number;
  /** All that chroma changed up to this frame, and all residuals. */
  readonly chroma: number;
  readonly residual: number;
}

/** How many frames {@link RecentFrames} holds at most: a power of two, so that a frame's slot is the last bits of its number. */
const CAPACITY = 128;
const SLOT = CAPACITY - 1;

/**
 * The {@link CAPACITY} frames seen last, numbered from 0, and the products Σ a·b of their signatures, of which shares and residuals
 * are made: each is summed once, when it is first asked for, since many windows want the same.
 */
export class RecentFrames {
  readonly #frames: KeptFrame[] = [];
  /** By slot: mean and sum of squares of the signature. */
  readonly #means = new Float64Array(CAPACITY);
  readonly #squares = new Float64Array(CAPACITY);
  /** By the newer frame of a pair and then by the older one; −1 where nobody asked. */
  readonly #products = new Int32Array(CAPACITY * CAPACITY);
  /** One more than the number of the last frame. */
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** The number of the oldest frame still there. */
  get oldest(): number {
    return Math.max(0, this.#count - CAPACITY);
  }

  push(frame: KeptFrame): void {
    const slot = this.#count & SLOT;
    this.#frames[slot] = frame;
    this.#means[slot] = meanOf(frame.signature);
    this.#squares[slot] = product(frame.signature, frame.signature);
    // Pairs with newer frames are in the rows of those, which are cleared when they come.
    this.#products.fill(-1, slot * CAPACITY, (slot + 1) * CAPACITY);
    this.#count += 1;
  }

  at(number: number): KeptFrame {
    return this.#frames[number & SLOT] as KeptFrame;
  }

  meanOf(number: number): number {
    return this.#means[number & SLOT] as number;
  }

  squaresOf(number: number): number {
    return this.#squares[number & SLOT] as number;
  }

  productOf(one: number, other: number): number {
    if (one === other) return this.squaresOf(one);
    const a = Math.min(one, other) & SLOT;
    const b = Math.max(one, other) & SLOT;
    const place = b * CAPACITY + a;
    const known = this.#products[place] as number;
    if (known >= 0) return known;
    const sum = product(
      (this.#frames[a] as KeptFrame).signature,
      (this.#frames[b] as KeptFrame).signature,
    );
    this.#products[place] = sum;
    return sum;
  }
}

/** Σ a·b, which a 32-bit integer holds; even and odd cells side by side, as processors like it. */
function product(a: Signature, b: Signature): number {
  let even = 0;
  let odd = 0;
  for (let i = 0; i < SIGNATURE; i += 2) {
    even = (even + Math.imul(a[i] as number, b[i] as number)) | 0;
    odd = (odd + Math.imul(a[i + 1] as number, b[i + 1] as number)) | 0;
  }
  return even + odd;
}

/** Frames in a ramp, at least, the one before and the one after included; and in a window about at most. */
export const FEWEST = 5;
const MOST = 40;
/** Shares that count as level. */
const LEVEL = 0.07;

/** The rising part of a window: the line through its shares, and how well both fit. */
export interface Ramp {
  /** Seconds. */
  readonly start: number;
  readonly end: number;
  /** Mean of what neither picture explains, as `Mixture.residual` of pictures.ts. */
  readonly residual: number;
  /** How far shares are from the line at most. */
  readonly bend: number;
  /** How much chroma changed on the way. */
  readonly chroma: number;
  /** How far contrast sinks on the way as that of mixtures does: 0 not at all, 1 as much; from −1 to 2. */
  readonly sag: number;
  /** The same of what is finer than the cells of a signature. */
  readonly fineSag: number;
  /** What no movement explains on the way (Note [Residual] in block-matching.ts), in 1/25 s. */
  readonly unexplained: number;
  /** The largest mismatch from one frame to the next. */
  readonly jump: number;
}

/** A line through shares. */
interface Line {
  /** Of the share, in each second. */
  readonly slope: number;
  /** The share at the time 0. */
  readonly offset: number;
}

/** The share on a line, level before 0 and after 1. */
function shareOn({ slope, offset }: Line, time: number): number {
  return Math.min(1, Math.max(0, offset + slope * time));
}

/** Which picture of a window is of one colour. */
export type PlainEnd = 'first' | 'last' | undefined;

/**
 * The window that is looked at: frames as mixtures of its first and its last one, as `mismatchOf` and `mixtureOf` of pictures.ts have
 * it, but from sums of products. Where one of those is of one colour, shares are distances from it, of which movement changes little. One
 * object serves all windows, so that nothing is allocated for those (nearly all) that hold no ramp.
 */
export class Window {
  readonly #frames: RecentFrames;
  #begin = 0;
  #end = 0;
  #plain: PlainEnd;
  /** Σ over the cells of from², from·to, and (to − from)². */
  #from = 0;
  #both = 0;
  #across = 0;
  /** Of the last frame asked for. */
  #share = 0;
  #residual = 0;
  readonly #times = new Float64Array(MOST + 2);
  readonly #shares = new Float64Array(MOST + 2);
  readonly #residuals = new Float64Array(MOST + 2);

  constructor(frames: RecentFrames) {
    this.#frames = frames;
  }

  /** Looks at the frames from `begin` to `end`, both included. */
  set(begin: number, end: number, plain: PlainEnd): void {
    this.#begin = begin;
    this.#end = end;
    this.#plain = plain;
    this.#from = this.#frames.squaresOf(begin);
    this.#both = this.#frames.productOf(begin, end);
    this.#across = this.#from + this.#frames.squaresOf(end) - 2 * this.#both;
  }

  /** Of the first and the last frame. */
  mismatch(): number {
    const [from, to] = [this.#frames.meanOf(this.#begin), this.#frames.meanOf(this.#end)];
    const squares = this.#from + this.#frames.squaresOf(this.#end);
    const shared = this.#both - SIGNATURE * from * to;
    const spread = squares - SIGNATURE * (from ** 2 + to ** 2);
    const means = (SIGNATURE * (from - to) ** 2) / 32;
    return (spread - 2 * shared + means) / (spread + means + 16 * SIGNATURE);
  }

  #mix(number: number): void {
    const across = this.#across;
    const before = this.#frames.productOf(this.#begin, number);
    const after = this.#frames.productOf(number, this.#end);
    const along = after - before - this.#both + this.#from;
    const own = this.#frames.squaresOf(number) + this.#from - 2 * before;
    const share = across === 0 ? 0 : along / across;
    // Two levels of noise in each cell.
    const residual = (own - share * along) / (across + 2 * SIGNATURE);
    this.#share = share;
    this.#residual = Math.max(0, residual);
    if (this.#plain === undefined || across === 0) return;
    // Distances from the plain picture, as parts of that between the two.
    const fromFirst = Math.sqrt(Math.max(0, own) / across);
    const fromLast = Math.sqrt(Math.max(0, own - 2 * along + across) / across);
    this.#share = this.#plain === 'first' ? fromFirst : 1 - fromLast;
    this.#residual = 0;
  }

  /**
   * Whether a few frames are mixtures that rise: most windows end here. Their residuals may be `worst` in the mean, and shares fall by
   * `uneven`.
   */
  mayRise(worst: number, uneven: number): boolean {
    const length = this.#end - this.#begin;
    let residuals = 0;
    let least = -Infinity;
    // The middle first, because it tells most.
    for (let k = 0; k < 5; k++) {
      const part = k === 0 ? 3 : k < 3 ? k : k + 1;
      this.#mix(Math.round(this.#begin + (length * part) / 6));
      residuals += this.#residual;
      if (residuals > 5 * worst) return false;
      if (part === 3) continue;
      if (this.#share < least - uneven) return false;
      least = Math.max(least, this.#share);
    }
    return true;
  }

  /** The share of a frame that need not lie inside of the window. */
  shareOf(number: number): number {
    this.#mix(number);
    return this.#share;
  }

  /** The rising part, if there is one whose residual and bend, added, are `worst` at most. */
  ramp(worst: number): Ramp | undefined {
    const count = this.#mixAll();
    const [times, shares, residuals] = [this.#times, this.#shares, this.#residuals];
    let low = 0;
    while (low + 1 < count && (shares[low + 1] as number) <= LEVEL) low++;
    let high = count - 1;
    while (high > 0 && (shares[high - 1] as number) >= 1 - LEVEL) high--;
    if (high - low + 1 < FEWEST) return undefined;
    // The ends are level: the line goes through what lies between.
    const line = this.#line(low + 1, high);
    const { slope, offset } = line;
    if (!(slope > 0)) return undefined;
    let bend = 0;
    let residual = 0;
    for (let i = low; i <= high; i++) {
      const expected = shareOn(line, times[i] as number);
      bend = Math.max(bend, Math.abs((shares[i] as number) - expected));
      residual += residuals[i] as number;
    }
    residual /= high - low + 1;
    if (residual + bend > worst) return undefined;
    const [first, last] = [times[low] as number, times[high] as number];
    const start = Math.min(last, Math.max(first, -offset / slope));
    const end = Math.max(first, Math.min(last, (1 - offset) / slope));
    const [from, to] = [this.#numberAt(low, count), this.#numberAt(high, count)];
    const [before, after] = [this.#frames.at(from), this.#frames.at(to)];
    return {
      ...{ start, end, residual, bend },
      chroma: after.chroma - before.chroma,
      ...this.#sags(low, high, count, line),
      unexplained: (after.residual - before.residual) / (25 * (last - first)),
      jump: this.#jump(from, to),
    };
  }

  #jump(from: number, to: number): number {
    let jump = 0;
    for (let number = from + 1; number <= to; number++) {
      jump = Math.max(jump, this.#frames.at(number).mismatch);
    }
    return jump;
  }

  /**
   * The variance of (1 − s)·A + s·B is less than (1 − s)·var A + s·var B by s·(1 − s)·var(A − B), which is what Alattar finds dissolves by.
   * What it is less by from frame `low` to `high` of `count`, by least squares, as a part of that. Of details, which where they lie do not
   * depend on each other, var(A − B) is var A + var B.
   */
  #sags(low: number, high: number, count: number, line: Line) {
    const [begin, end] = [this.#begin, this.#end];
    const means = this.#frames.meanOf(begin) * this.#frames.meanOf(end);
    const shared = this.#both / SIGNATURE - means;
    const coarse = new Sag(this.#coarseOf(begin), this.#coarseOf(end), shared);
    const fine = new Sag(this.#fineOf(begin), this.#fineOf(end), 0);
    for (let i = low; i <= high; i++) {
      const s = shareOn(line, this.#times[i] as number);
      const number = this.#numberAt(i, count);
      coarse.add(s, this.#coarseOf(number));
      fine.add(s, this.#fineOf(number));
    }
    return { sag: coarse.value(1e-4), fineSag: fine.value(1) };
  }

  /** Variance of the cells of a signature, and inside of them. */
  #coarseOf(number: number): number {
    return this.#frames.squaresOf(number) / SIGNATURE - this.#frames.meanOf(number) ** 2;
  }

  #fineOf(number: number): number {
    return Math.max(0, this.#frames.at(number).variance - this.#coarseOf(number));
  }

  /** Every frame's mixture, or of long windows about {@link MOST} frames'; how many they are. */
  #mixAll(): number {
    const step = this.#step();
    let count = 0;
    for (let number = this.#begin; number < this.#end; number += step) {
      this.#take(number, count++);
    }
    this.#take(this.#end, count++);
    return count;
  }

  #take(number: number, i: number): void {
    this.#mix(number);
    this.#times[i] = this.#frames.at(number).time;
    this.#shares[i] = this.#share;
    this.#residuals[i] = this.#residual;
  }

  #step(): number {
    return Math.ceil((this.#end - this.#begin) / MOST);
  }

  /** The number of the frame that is `i` of `count`. */
  #numberAt(i: number, count: number): number {
    return i === count - 1 ? this.#end : this.#begin + i * this.#step();
  }

  /** The line through shares from `first` to before `last`. */
  #line(first: number, last: number): Line {
    const [times, shares] = [this.#times, this.#shares];
    const n = last - first;
    let [meanTime, mean] = [0, 0];
    for (let i = first; i < last; i++) {
      meanTime += times[i] as number;
      mean += shares[i] as number;
    }
    meanTime /= n;
    mean /= n;
    let across = 0;
    let along = 0;
    for (let i = first; i < last; i++) {
      const t = (times[i] as number) - meanTime;
      across += t * t;
      along += t * ((shares[i] as number) - mean);
    }
    const slope = along / across;
    return { slope, offset: mean - slope * meanTime };
  }
}

/** By how much the variances of mixtures of two pictures are less than mixtures of their variances, by least squares. */
class Sag {
  readonly #first: number;
  readonly #last: number;
  /** Variance of the difference of the two. */
  readonly #apart: number;
  #across = 0;
  #along = 0;

  constructor(first: number, last: number, covariance: number) {
    this.#first = first;
    this.#last = last;
    this.#apart = first + last - 2 * covariance;
  }

  add(share: number, variance: number): void {
    const expected = share * (1 - share) * this.#apart;
    this.#across += expected * expected;
    this.#along += expected * ((1 - share) * this.#first + share * this.#last - variance);
  }

  /** As a part of what is expected, from −1 to 2; `noise` is a sum of squares that tells nothing. */
  value(noise: number): number {
    return Math.min(2, Math.max(-1, this.#along / (this.#across + noise)));
  }
}
