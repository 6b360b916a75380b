/**
 * Layouts that frames can be asked for in.
 *
 * | format | `data` holds |
 * |---|---|
 * | `rgb24`, `bgr24` | `[height, width, 3]`, row by row, 0–255 |
 * | `rgba` | `[height, width, 4]`, row by row, 0–255; alpha 255 where the stream has none |
 * | `gray8` | `[height, width]`, luma as full range 0–255 |
 * | `yuv420p` | Y plane, then U, then V; chroma planes are half as wide and high, rounded up; the stream's own matrix and range |
 * | `rgb48le` | `[height, width, 3]` of 16-bit little-endian values, row by row, 0–65535: `new Uint16Array(frame.data.buffer)` |
 * | `native` | what the decoder produced: its pixel format, size and planes, neither scaled, rotated nor converted |
 */
export type PixelFormat =
  | 'rgb24'
  | 'rgba'
  | 'bgr24'
  | 'gray8'
  | 'yuv420p'
  | 'rgb48le'
  | 'native';

/** One decoded picture. Plain data: it stays valid after `close()` and may be transferred to a worker. */
export interface Frame {
  /** The pixels, rows without padding, planes one after another. Owns its whole `ArrayBuffer`. */
  readonly data: Uint8Array<ArrayBuffer>;
  /** Width in pixels. */
  readonly width: number;
  /** Height in pixels. */
  readonly height: number;
  /** FFmpeg's name of the layout of `data`: the format asked for, or the stream's own for `native`. */
  readonly pixelFormat: string;
  /** Presentation timestamp in ticks of {@link VideoInfo.timeBase}; exact up to 2^53. */
  readonly pts: number;
  /** Presentation time in seconds: `pts` × time base. Starts at the stream's start, which need not be 0. */
  readonly time: number;
  /** How long the frame is shown, in seconds; 0 where the stream does not say. */
  readonly duration: number;
  /** Whether decoding can start here. */
  readonly keyFrame: boolean;
}
