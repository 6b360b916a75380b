/**
 * How large a frame becomes and which way up it stands: sharp's words and meanings.
 * Pure arithmetic; the pixels are moved by `native/scaler.cc`.
 */
import type { VideoInfo } from './info.ts';

/**
 * How a picture fills `width` × `height`:
 *
 * - `inside`: as large as fits inside, keeping its shape; the output may be smaller on one side
 * - `contain`: the same, then black bars up to the exact size
 * - `cover`: covers the exact size, keeping its shape; what sticks out is cut off evenly
 * - `fill`: stretched to the exact size
 */
export type Fit = 'inside' | 'contain' | 'cover' | 'fill';

/** What shapes the output. */
export interface GeometryOptions {
  width?: number | undefined;
  height?: number | undefined;
  fit: Fit;
  withoutEnlargement: boolean;
  autorotate: boolean;
  squarePixels: boolean;
}

/** The way from a stored picture to an output frame; all sizes in pixels. */
export interface Geometry {
  /** Size to which the whole stored picture is scaled, before it is turned. */
  readonly scaleWidth: number;
  readonly scaleHeight: number;
  /** Clockwise quarter turns, then, if `flip`, mirrored left to right. */
  readonly quarterTurns: number;
  readonly flip: boolean;
  /** Size of the output. */
  readonly width: number;
  readonly height: number;
  /** Where the turned picture's upper left corner lies in the output. */
  readonly left: number;
  readonly top: number;
}

type Picture = Pick<
  VideoInfo,
  'width' | 'height' | 'sampleAspectRatio' | 'rotation' | 'flipped'
>;

/** Size as shown: pixels made square (the width changes, as `scale=iw*sar:ih` does), then turned upright. */
export function displaySize(
  picture: Picture,
  options: Pick<GeometryOptions, 'autorotate' | 'squarePixels'>,
): { width: number; height: number } {
  const { num, den } = picture.sampleAspectRatio;
  const width = options.squarePixels
    ? Math.max(1, Math.round((picture.width * num) / den))
    : picture.width;
  const lies = options.autorotate && picture.rotation % 180 !== 0;
  return lies
    ? { width: picture.height, height: width }
    : { width, height: picture.height };
}

/** By how much each side shrinks, as sharp's pipeline resolves it. */
function shrinkFactors(
  shown: { width: number; height: number },
  options: GeometryOptions,
): { x: number; y: number } {
  let x = 1;
  let y = 1;
  if (options.width !== undefined && options.height !== undefined) {
    x = shown.width / options.width;
    y = shown.height / options.height;
    if (options.fit === 'cover') x = y = Math.min(x, y);
    else if (options.fit !== 'fill') x = y = Math.max(x, y);
  } else if (options.width !== undefined) {
    x = shown.width / options.width;
    if (options.fit !== 'fill') y = x;
  } else if (options.height !== undefined) {
    y = shown.height / options.height;
    if (options.fit !== 'fill') x = y;
  }
  if (options.withoutEnlargement) {
    x = Math.max(1, x);
    y = Math.max(1, y);
  }
  return { x: Math.min(x, shown.width), y: Math.min(y, shown.height) };
}

/** Works out the output for `picture`. */
export function resolveGeometry(picture: Picture, options: GeometryOptions): Geometry {
  const shown = displaySize(picture, options);
  const shrink = shrinkFactors(shown, options);
  const scaled = {
    width: Math.max(1, Math.round(shown.width * (1 / shrink.x))),
    height: Math.max(1, Math.round(shown.height * (1 / shrink.y))),
  };
  const output = { ...scaled };
  let left = 0;
  let top = 0;
  if (options.fit === 'cover') {
    output.width = Math.min(scaled.width, options.width ?? scaled.width);
    output.height = Math.min(scaled.height, options.height ?? scaled.height);
    left = -Math.floor((scaled.width - output.width + 1) / 2);
    top = -Math.floor((scaled.height - output.height + 1) / 2);
  } else if (options.fit === 'contain') {
    output.width = options.width ?? scaled.width;
    output.height = options.height ?? scaled.height;
    left = Math.floor((output.width - scaled.width) / 2);
    top = Math.floor((output.height - scaled.height) / 2);
  }
  const quarterTurns = options.autorotate ? picture.rotation / 90 : 0;
  const lies = quarterTurns % 2 !== 0;
  return {
    scaleWidth: lies ? scaled.height : scaled.width,
    scaleHeight: lies ? scaled.width : scaled.height,
    quarterTurns,
    flip: options.autorotate && picture.flipped,
    width: output.width,
    height: output.height,
    left: left + 0,
    top: top + 0,
  };
}
