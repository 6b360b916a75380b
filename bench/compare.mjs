// Whether a peer did the same work: as many frames, at the same times, of the same size, looking the same.
import { open } from 'node:fs/promises';

/**
 * Least PSNR, in decibels, of any compared frame to the reference's. Filters differ (swscale's bilinear and bicubic keep
 * or lose more grain than an average of areas does: 29.4 dB at least on the suite's clips), so frames are not equal. A wrong
 * frame is told from a right one all the same: `neighbour` in the results is what the reference's own next frame
 * comes to, 19 to 27 dB on the suite's clips.
 */
export const LEAST_PSNR = 28;

/** Most seconds by which a time may differ: half a tick of a millisecond clock (WebM's), and rounding. */
const TIME_TOLERANCE = 0.002;

/** Peak signal-to-noise ratio of 8-bit samples, in decibels; 100 for equal ones, so that it stays a number. */
export function psnr(a, b) {
  if (a.length !== b.length) throw new Error('not of one size');
  let squares = 0;
  for (let i = 0; i < a.length; i++) squares += (a[i] - b[i]) ** 2;
  return squares === 0 ? 100 : 10 * Math.log10((255 ** 2 * a.length) / squares);
}

/** PSNR of each frame in one file to that in another. */
export async function comparePictures(path, otherPath, frameBytes) {
  const file = await open(path);
  const other = await open(otherPath);
  try {
    const found = [];
    const a = Buffer.alloc(frameBytes);
    const b = Buffer.alloc(frameBytes);
    for (;;) {
      const [left, right] = await Promise.all([
        file.read(a, 0, frameBytes),
        other.read(b, 0, frameBytes),
      ]);
      if (left.bytesRead !== right.bytesRead) throw new Error('another number of frames');
      if (left.bytesRead === 0) return found;
      found.push(psnr(a, b));
    }
  } finally {
    await Promise.all([file.close(), other.close()]);
  }
}

/** Says what differs between the outcome of a peer and what is expected; undefined if nothing does. */
export function difference({ frames, times }, expected) {
  if (frames !== expected.frames) return `${frames} frames, not ${expected.frames}`;
  const { length } = times;
  if (length === 0) return undefined; // It cannot know.
  const wrong = times.findIndex(
    (time, i) => !(Math.abs(time - expected.times[i]) <= TIME_TOLERANCE),
  );
  return wrong < 0
    ? undefined
    : `frame ${wrong} is at ${times[wrong]} s, not at ${expected.times[wrong]} s`;
}
