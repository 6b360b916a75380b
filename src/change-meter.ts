/** How frames differ from those before them: the reference of `native/change_meter.cc` (Note [Exact measures] in measures.ts). */

import { residualOf } from './block-matching.ts';
import {
  type ChromaHistogram,
  chromaDistance,
  chromaHistogram,
  colorShare,
} from './chroma-histogram.ts';
import { FLASH, type FrameChange, SIGNATURE, SIGNATURE_COLUMNS } from './measures.ts';
import { at, type Plane } from './plane.ts';
import { displacement, projections } from './profiles.ts';
import {
  COLUMNS,
  displacedMismatch,
  makeThumbnail,
  mismatch,
  ROWS,
  type Thumbnail,
  variance,
} from './thumbnail.ts';

/** What {@link ChangeMeter} looks at. */
export interface FramePlanes {
  readonly luma: Plane;
  /** Chroma of one size, whatever that is: only its distribution counts. */
  readonly u: Plane;
  readonly v: Plane;
  /** Whether luma runs from 0 to 255 instead of from 16 to 235. */
  readonly fullRange: boolean;
}

/** How many thumbnails are kept at most: {@link FLASH} at 240 frames a second. */
const MEMORY = 61;

/** What is kept of the previous frame. */
interface Previous {
  readonly luma: Plane;
  readonly columns: readonly number[];
  readonly rows: readonly number[];
  readonly chroma: ChromaHistogram;
}

/** Compares each decoded frame with those before it. */
export class ChangeMeter {
  /** Newest first. */
  #thumbnails: Thumbnail[] = [];
  #previous: Previous | undefined;

  /** Compares the next frame, shown at `time` (seconds), with those before it. */
  next(planes: FramePlanes, time: number): FrameChange {
    const { luma } = planes;
    const thumbnail = makeThumbnail(luma, time);
    const current = {
      luma: { ...luma, data: luma.data.slice() },
      ...projections(luma),
      chroma: chromaHistogram(planes.u, planes.v),
    };
    const change = {
      ...this.#compare(current, thumbnail),
      color: colorShare(current.chroma),
      dark: darkShare(luma, planes.fullRange),
      variance: variance(thumbnail),
      signature: signatureOf(thumbnail),
    };
    this.#thumbnails.unshift(thumbnail);
    this.#thumbnails.length = Math.min(this.#thumbnails.length, MEMORY);
    this.#previous = current;
    return change;
  }

  /** Forgets what came before: the next frame is a first frame again. */
  reset(): void {
    this.#thumbnails = [];
    this.#previous = undefined;
  }

  #compare(
    current: Previous,
    thumbnail: Thumbnail,
  ): Omit<FrameChange, 'color' | 'dark' | 'variance' | 'signature'> {
    const [last] = this.#thumbnails;
    const previous = this.#previous;
    if (last === undefined || previous === undefined) {
      const still = { chroma: 0, shiftX: 0, shiftY: 0 };
      return {
        difference: 0,
        mismatch: 0,
        residual: 0,
        recall: 0,
        recallAge: 0,
        ...still,
      };
    }
    const { luma, columns, rows } = current;
    const mismatch = displacedMismatch(thumbnail, last);
    const sameSize =
      luma.width === previous.luma.width && luma.height === previous.luma.height;
    return {
      difference: sameSize
        ? meanDifference(luma, previous.luma)
        : meanDifference(asPlane(thumbnail), asPlane(last)),
      mismatch,
      residual: residualOf(thumbnail.cells, last.cells, mismatch),
      ...this.#recall(thumbnail),
      chroma: chromaDistance(current.chroma, previous.chroma),
      shiftX: sameSize ? displacement(columns, previous.columns) / luma.width : 0,
      shiftY: sameSize ? displacement(rows, previous.rows) / luma.height : 0,
    };
  }

  #recall(thumbnail: Thumbnail): Pick<FrameChange, 'recall' | 'recallAge'> {
    let recall = 0;
    let recallAge = 0;
    let between = this.#thumbnails[0];
    for (const [i, earlier] of this.#thumbnails.entries()) {
      if (i === 0) continue;
      // What lies between has been on screen since the frame after `earlier`.
      if (!(thumbnail.time - (between?.time ?? NaN) <= FLASH)) break;
      between = earlier;
      const value = mismatch(thumbnail, earlier);
      if (recallAge === 0 || value < recall) {
        recall = value;
        recallAge = i + 1;
      }
    }
    return { recall, recallAge };
  }
}

/** 10 % of the range above black. */
function darkShare(luma: Plane, fullRange: boolean): number {
  const limit = fullRange ? 25 : 37;
  let count = 0;
  for (let y = 0; y < luma.height; y++) {
    for (let x = 0; x < luma.width; x++) if (at(luma, x, y) <= limit) count += 1;
  }
  return count / (luma.width * luma.height);
}

/** Each cell is the mean of four of the thumbnail's, rounded half up. */
function signatureOf({ cells }: Thumbnail): Uint8Array {
  return Uint8Array.from({ length: SIGNATURE }, (_, i) => {
    const [x, y] = [2 * (i % SIGNATURE_COLUMNS), 2 * Math.floor(i / SIGNATURE_COLUMNS)];
    const sum = [0, 1, COLUMNS, COLUMNS + 1].reduce(
      (total, offset) => total + (cells[y * COLUMNS + x + offset] as number),
      0,
    );
    return Math.floor((sum + 2) / 4);
  });
}

/** Mean |a − b| of two planes of one size. */
function meanDifference(a: Plane, b: Plane): number {
  let sum = 0;
  for (let y = 0; y < a.height; y++) {
    for (let x = 0; x < a.width; x++) sum += Math.abs(at(a, x, y) - at(b, x, y));
  }
  return sum / (a.width * a.height);
}

function asPlane({ cells }: Thumbnail): Plane {
  return { data: Uint8Array.from(cells), width: COLUMNS, height: ROWS, stride: COLUMNS };
}
