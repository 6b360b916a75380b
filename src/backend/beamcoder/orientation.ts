/** Turns and places planes of pixels: `placePlane` of native/orientation.cc in TypeScript. */

/** Clockwise quarter turns, then, if `flip`, mirrored left to right. */
export interface Orientation {
  readonly quarterTurns: number;
  readonly flip: boolean;
}

export interface PixelPlane {
  readonly data: Uint8Array;
  /** Bytes before the first pixel, and from one row to the next. */
  readonly offset: number;
  readonly stride: number;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
}

/**
 * A walk over the source in the order of the turned picture's pixels: where its upper left corner comes from, and the steps in the
 * source for a step to the right and one down.
 */
function walkOf({ quarterTurns, flip }: Orientation, width: number, height: number) {
  const right = width - 1;
  const bottom = height - 1;
  const walks = [
    { x: 0, y: 0, rightX: 1, rightY: 0, downX: 0, downY: 1 },
    { x: 0, y: bottom, rightX: 0, rightY: -1, downX: 1, downY: 0 },
    { x: right, y: bottom, rightX: -1, rightY: 0, downX: 0, downY: -1 },
    { x: right, y: 0, rightX: 0, rightY: 1, downX: -1, downY: 0 },
  ] as const;
  const walk: Record<'x' | 'y' | 'rightX' | 'rightY' | 'downX' | 'downY', number> = {
    ...(walks[quarterTurns & 3] as (typeof walks)[0]),
  };
  if (flip) {
    const across = (quarterTurns % 2 !== 0 ? height : width) - 1;
    walk.x += across * walk.rightX;
    walk.y += across * walk.rightY;
    walk.rightX = -walk.rightX;
    walk.rightY = -walk.rightY;
  }
  return walk;
}

/** Puts the turned `source` with its corner at `left`, `top` of `target`; what sticks out is cut off. `bytes` are those of a pixel. */
export function placePlane(
  source: PixelPlane,
  orientation: Orientation,
  target: PixelPlane,
  { left, top }: { left: number; top: number },
  bytes: number,
): void {
  const walk = walkOf(orientation, source.width, source.height);
  const lies = orientation.quarterTurns % 2 !== 0;
  const width = lies ? source.height : source.width;
  const height = lies ? source.width : source.height;
  const firstX = Math.max(0, left);
  const lastX = Math.min(target.width, left + width);
  const firstY = Math.max(0, top);
  const lastY = Math.min(target.height, top + height);
  const step = walk.rightX * bytes + walk.rightY * source.stride;
  for (let y = firstY; y < lastY && firstX < lastX; y++) {
    const u = firstX - left;
    const v = y - top;
    let from =
      source.offset +
      (walk.y + u * walk.rightY + v * walk.downY) * source.stride +
      (walk.x + u * walk.rightX + v * walk.downX) * bytes;
    let to = target.offset + y * target.stride + firstX * bytes;
    if (step === bytes) {
      const row = source.data.subarray(from, from + (lastX - firstX) * bytes);
      target.data.set(row, to);
      continue;
    }
    for (let x = firstX; x < lastX; x++, from += step, to += bytes) {
      for (let i = 0; i < bytes; i++)
        target.data[to + i] = source.data[from + i] as number;
    }
  }
}
