/** One plane of a picture, and the cells of a grid laid over it. */

/** One plane of 8-bit samples. */
export interface Plane {
  /** `[height, stride]`, row by row. */
  readonly data: Uint8Array;
  /** Samples in a row, and rows; both at least 1. */
  readonly width: number;
  readonly height: number;
  /** Bytes from one row to the next; at least `width`. */
  readonly stride: number;
}

export function at(plane: Plane, x: number, y: number): number {
  return plane.data[y * plane.stride + x] as number;
}

/**
 * Sum and number of the samples in one cell of a grid. When `length` samples are shared out
 * among `count` cells, cell i begins at floor(i · length / count) and holds at least one, so
 * that pictures smaller than the grid repeat theirs.
 */
export function cell(plane: Plane, columns: number, rows: number, i: number, j: number) {
  const [left, right] = cellRange(i, columns, plane.width);
  const [top, bottom] = cellRange(j, rows, plane.height);
  let sum = 0;
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) sum += at(plane, x, y);
  }
  return { sum, area: (right - left) * (bottom - top) };
}

function cellRange(i: number, count: number, length: number): [number, number] {
  const begin = Math.floor((i * length) / count);
  return [begin, Math.max(begin + 1, Math.floor(((i + 1) * length) / count))];
}
