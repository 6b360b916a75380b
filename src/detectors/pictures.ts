/** Comparing pictures by their signatures: 16x9 cells of mean luma, as `FrameChange.signature` has them. */
import { SIGNATURE, SIGNATURE_COLUMNS } from '../measures.ts';

export type Signature = Uint8Array;

/** Mean luma, 0–255. */
export function meanOf(picture: Signature): number {
  let sum = 0;
  for (let i = 0; i < SIGNATURE; i++) sum += picture[i] as number;
  return sum / SIGNATURE;
}

/** Of the cells' luma. */
export function varianceOf(picture: Signature): number {
  let [sum, squares] = [0, 0];
  for (let i = 0; i < SIGNATURE; i++) {
    const cell = picture[i] as number;
    sum += cell;
    squares += cell * cell;
  }
  return (SIGNATURE * squares - sum * sum) / SIGNATURE ** 2;
}

/** How little two pictures have in common, 0–2: Note [Mismatch] in thumbnail.ts, over the cells of a signature. */
export function mismatchOf(a: Signature, b: Signature): number {
  const [meanA, meanB] = [meanOf(a), meanOf(b)];
  let apart = 0;
  let varianceA = 0;
  let varianceB = 0;
  for (let i = 0; i < SIGNATURE; i++) {
    const p = (a[i] as number) - meanA;
    const q = (b[i] as number) - meanB;
    apart += (p - q) ** 2;
    varianceA += p * p;
    varianceB += q * q;
  }
  const means = (SIGNATURE * (meanA - meanB) ** 2) / 32;
  return (apart + means) / (varianceA + varianceB + means + 16 * SIGNATURE);
}

/** Columns and rows of a signature, half-open. */
interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

const ROWS = SIGNATURE / SIGNATURE_COLUMNS;
const WHOLE: Box = { left: 0, top: 0, right: SIGNATURE_COLUMNS, bottom: ROWS };
const areaOf = ({ left, top, right, bottom }: Box) => (right - left) * (bottom - top);
/** Mean luma of what is black: less than the 24 of FFmpeg's vf_cropdetect.c, because the shadows of dark shots come to that. */
const BLACK_CELL = 18;

/**
 * Note [Bars]: what two pictures show, without the lines at their sides that are black in both: bars of letterbox and pillarbox,
 * and what surrounds letters on black. The contrast between those and the rest would make any two pictures look alike.
 */
function shownBox(a: Signature, b: Signature): Box {
  const shows = (i: number) =>
    (a[i] as number) > BLACK_CELL || (b[i] as number) > BLACK_CELL;
  const rowShows = (y: number) => {
    for (let x = 0; x < SIGNATURE_COLUMNS; x++) {
      if (shows(y * SIGNATURE_COLUMNS + x)) return true;
    }
    return false;
  };
  const columnShows = (x: number) => {
    for (let i = x; i < SIGNATURE; i += SIGNATURE_COLUMNS) if (shows(i)) return true;
    return false;
  };
  let top = 0;
  while (top < ROWS && !rowShows(top)) top++;
  if (top === ROWS) return WHOLE;
  let bottom = ROWS;
  while (!rowShows(bottom - 1)) bottom--;
  let left = 0;
  while (!columnShows(left)) left++;
  let right = SIGNATURE_COLUMNS;
  while (!columnShows(right - 1)) right--;
  const whole = top === 0 && left === 0 && bottom === ROWS && right === SIGNATURE_COLUMNS;
  return whole ? WHOLE : { left, top, right, bottom };
}

/** By how much the mismatch of two pictures is too small because of bars (Note [Bars]): 1 and more. */
export function dilutionOf(a: Signature, b: Signature): number {
  const box = shownBox(a, b);
  return box === WHOLE ? 1 : spreadIn(a, b, WHOLE) / spreadIn(a, b, box);
}

/** What a mismatch is a part of. */
function spreadIn(a: Signature, b: Signature, box: Box): number {
  let [sumA, sumB, squares] = [0, 0, 0];
  for (let y = box.top; y < box.bottom; y++) {
    for (let x = box.left; x < box.right; x++) {
      const p = a[y * SIGNATURE_COLUMNS + x] as number;
      const q = b[y * SIGNATURE_COLUMNS + x] as number;
      sumA += p;
      sumB += q;
      squares += p * p + q * q;
    }
  }
  const n = areaOf(box);
  const means = (sumA - sumB) ** 2 / n / 32;
  // Noise is all over the picture.
  return squares - (sumA * sumA + sumB * sumB) / n + means + 16 * SIGNATURE;
}

/** How far a change of colour between two pictures can tell anything, 0–1: fully if a tenth of the samples of one has any. */
export function colouredness(
  a: { readonly color: number },
  b: { readonly color: number },
): number {
  return Math.min(1, 10 * Math.max(a.color, b.color));
}

/** Where a picture lies between two others. */
export interface Mixture {
  /** How much of the second picture is in it: 0 none, 1 nothing else. */
  readonly share: number;
  /** What neither explains, as a part of what the two differ by, squared; 0 for a pure mixture. */
  readonly residual: number;
}

/** The share of `b` in `picture` = (1 − share) · a + share · b that leaves the least over. */
export function mixtureOf(picture: Signature, a: Signature, b: Signature): Mixture {
  let across = 0;
  let along = 0;
  let own = 0;
  for (let i = 0; i < SIGNATURE; i++) {
    const d = (b[i] as number) - (a[i] as number);
    const e = (picture[i] as number) - (a[i] as number);
    across += d * d;
    along += d * e;
    own += e * e;
  }
  const share = across === 0 ? 0 : along / across;
  // Two levels of noise in each cell.
  const residual = (own - share * along) / (across + 2 * SIGNATURE);
  return { share, residual: Math.max(0, residual) };
}

/**
 * How much of both pictures goes at a change from one to the other, 0–1. A caption, or something that comes into view, leaves what
 * the picture showed elsewhere in its place; in a new shot nothing stays. Of each picture it is the part of its variance (and of
 * its area) in cells that change, and of the two the smaller one counts; what is black in both at the sides does not count. Of dim and flat
 * pictures and of letters on black a level tells what changes. A picture of one colour has nothing that could stay.
 */
export function lossBetween(
  a: { readonly signature: Signature; readonly dark: number },
  b: { readonly signature: Signature; readonly dark: number },
): number {
  const [p, q] = [a.signature, b.signature];
  const box = shownBox(p, q);
  if (!changesIn(p, q, box)) return 0;
  if (isLetters(a) && isLetters(b)) {
    return Math.min(dimLoss(p, q, box), dimLoss(q, p, box));
  }
  const [meanP, meanQ] = [meanIn(p, box), meanIn(q, box)];
  const [allP, allQ] = [weightIn(p, box, meanP), weightIn(q, box, meanQ)];
  const area = areaOf(box);
  const contrast = Math.sqrt(Math.max(allP, allQ) / area - AREA);
  const limit = Math.max(CHANGED, contrast / 4);
  let [lostP, lostQ] = [0, 0];
  for (let y = box.top; y < box.bottom; y++) {
    for (let x = box.left; x < box.right; x++) {
      const from = p[y * SIGNATURE_COLUMNS + x] as number;
      const to = q[y * SIGNATURE_COLUMNS + x] as number;
      const change = Math.min(
        Math.abs(to - from),
        Math.abs(to - meanQ - (from - meanP)), // but for a change of exposure
      );
      if (change <= limit) continue;
      lostP += (from - meanP) ** 2 + AREA;
      lostQ += (to - meanQ) ** 2 + AREA;
    }
  }
  const flat = FLAT * area;
  return Math.min(
    a.dark >= BLACK || allP < flat ? dimLoss(p, q, box) : lostP / allP,
    b.dark >= BLACK || allQ < flat ? dimLoss(q, p, box) : lostQ / allQ,
  );
}

/** The part of a picture's variance, and of its area, in cells that change by more than a level; all of it, if it shows nothing. */
function dimLoss(a: Signature, b: Signature, box: Box): number {
  const mean = meanIn(a, box);
  let [all, lost] = [0, 0];
  for (let y = box.top; y < box.bottom; y++) {
    for (let x = box.left; x < box.right; x++) {
      const i = y * SIGNATURE_COLUMNS + x;
      const weight = ((a[i] as number) - mean) ** 2 + 1;
      all += weight;
      if (Math.abs((b[i] as number) - (a[i] as number)) > 1) lost += weight;
    }
  }
  return all < (1 + SHOWN) * areaOf(box) ? 1 : lost / all;
}

/** Whether any cell changes. */
function changesIn(a: Signature, b: Signature, box: Box): boolean {
  for (let y = box.top; y < box.bottom; y++) {
    for (let x = box.left; x < box.right; x++) {
      const i = y * SIGNATURE_COLUMNS + x;
      if (Math.abs((a[i] as number) - (b[i] as number)) > CHANGED) return true;
    }
  }
  return false;
}

function meanIn(picture: Signature, box: Box): number {
  let sum = 0;
  for (let y = box.top; y < box.bottom; y++) {
    for (let x = box.left; x < box.right; x++) {
      sum += picture[y * SIGNATURE_COLUMNS + x] as number;
    }
  }
  return sum / areaOf(box);
}

/** Variance and area, summed. */
function weightIn(picture: Signature, box: Box, mean: number): number {
  let sum = 0;
  for (let y = box.top; y < box.bottom; y++) {
    for (let x = box.left; x < box.right; x++) {
      sum += ((picture[y * SIGNATURE_COLUMNS + x] as number) - mean) ** 2 + AREA;
    }
  }
  return sum;
}

/** Share of near-black samples from which on a picture is black: that of FFmpeg's vf_blackdetect.c. */
export const BLACK = 0.98;
/** Share of near-black samples from which on a picture is at most letters on black. */
const LETTERS = 0.93;

/** A colour that pictures fade from and to. */
export type PlainColor = 'black' | 'white';

/** Which colour a picture is of, if it is of one: its cells differ from their mean by less than `uneven` levels. */
export function colorOf(
  picture: { readonly signature: Signature; readonly dark: number },
  uneven = 4,
): PlainColor | undefined {
  const { signature, dark } = picture;
  const mean = meanOf(signature);
  for (let i = 0; i < SIGNATURE; i++) {
    if (!(Math.abs((signature[i] as number) - mean) < uneven)) return undefined;
  }
  if (dark >= BLACK) return 'black';
  return mean > 180 ? 'white' : undefined;
}

/** Mean luma that a picture fades from or to as black, at most, as FFmpeg's vf_cropdetect.c has it: dim pictures are pictures. */
const DEEP = 24;
/** Levels that the cells of a picture that one fades from or to may differ from their mean by. */
const PLAIN = 2.5;
/** Cells that a mark on black takes at most: the 2 % of a picture that need not be {@link BLACK}. */
const MARK = 3;

/** What a picture fades from or to, if it does: pictures that are hardly seen any more are not that yet. */
export function plainOf(picture: {
  readonly signature: Signature;
  readonly dark: number;
}): PlainColor | undefined {
  const color = colorOf(picture, PLAIN);
  return color === 'black' && meanOf(picture.signature) > DEEP ? undefined : color;
}

/** The cells of a small mark on black, such as that of a station, or of a timecode; `undefined` where there is something else. */
export function markOn(picture: {
  readonly signature: Signature;
  readonly dark: number;
}): readonly number[] | undefined {
  const { signature, dark } = picture;
  if (dark < BLACK) return undefined;
  const ground = Math.min(...signature);
  if (ground > DEEP) return undefined;
  const cells: number[] = [];
  for (let i = 0; i < SIGNATURE; i++) {
    if ((signature[i] as number) - ground <= 2 * PLAIN) continue;
    if (cells.push(i) > MARK) return undefined;
  }
  return cells;
}

/**
 * What a picture fades from or to beside another one: also black but for a mark that the other one shows as well, so that it is
 * nowhere darker there. Letters that come out of black are not in what was before.
 */
export function plainBeside(
  picture: {
    readonly signature: Signature;
    readonly plain: PlainColor | undefined;
    readonly mark: readonly number[] | undefined;
  },
  other: { readonly signature: Signature },
): PlainColor | undefined {
  const { signature, plain, mark } = picture;
  if (plain !== undefined || mark === undefined) return plain;
  const stays = (i: number) =>
    (other.signature[i] as number) >= (signature[i] as number) - PLAIN;
  return mark.every(stays) ? 'black' : undefined;
}

/** Letters on black, unlike a dim picture, leave most of it of one shade. */
function isLetters({ signature, dark }: { signature: Signature; dark: number }): boolean {
  if (dark < LETTERS) return false;
  const middle = signature.slice().sort()[SIGNATURE >> 1] as number;
  const plain = signature.filter((cell) => Math.abs(cell - middle) <= 1).length;
  return 2 * plain > SIGNATURE;
}
/** Variance that every cell counts for, so that area counts in flat pictures. */
const AREA = 4;
/** What each cell of a picture with a standard deviation of four levels comes to: less is flat. */
const FLAT = 16 + AREA;
/** Luma levels by which a cell has to change at least. */
const CHANGED = 4;
/** Variance from which on a dim picture shows something. */
const SHOWN = 0.3;
