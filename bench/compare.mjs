// Whether a peer did the same work: as many frames, at the same times, of the same size, looking the same.
import { open } from 'node:fs/promises';

/**
 * Least PSNR of luma, in decibels, of any compared frame to the reference's. Of luma, because chroma of 4:2:0 is rightly brought
 * up in several ways that differ much at hard edges. Filters differ (swscale's bilinear and bicubic keep or lose more
 * grain than an average of areas does), so frames are not equal. A wrong frame is told from a right one all the same:
 * `neighbourPsnr` in the results is what the reference's own next frame comes to.
 */
export const LEAST_PSNR = 28;

/** Most by which the mean of a channel may differ, in levels of 0–255: a wrong matrix, range or order of channels does more. */
const MEAN_TOLERANCE = 3;

/** Most seconds by which a time may differ: half a tick of a millisecond clock (WebM's), and rounding. */
const TIME_TOLERANCE = 0.002;

/** Weights of a channel in luma: ITU-R BT.601, as good as any for comparing. */
const lumaWeights = { 1: [1], 3: [0.299, 0.587, 0.114] };

/**
 * How two packed 8-bit pictures of 1 (grey) or 3 channels (RGB) differ.
 *
 * @returns PSNR of luma in decibels (100 for equal ones, so that it stays a number), and the greatest difference of a channel's means
 */
export function comparePicture(a, b, channels) {
  const weights = lumaWeights[channels];
  const sums = weights.map(() => 0);
  let squares = 0;
  for (let i = 0; i < a.length; i += channels) {
    let luma = 0;
    for (let c = 0; c < channels; c++) {
      const off = a[i + c] - b[i + c];
      sums[c] += off;
      luma += weights[c] * off;
    }
    squares += luma ** 2;
  }
  const pixels = a.length / channels;
  const psnr = 10 * Math.log10((255 ** 2 * pixels) / squares);
  return {
    psnr: Math.min(100, psnr),
    meanOff: Math.max(...sums.map((sum) => Math.abs(sum / pixels))),
  };
}

/** Says what differs between two pictures; undefined if they pass for the same one. */
export function pictureDifference({ psnr, meanOff }) {
  if (psnr < LEAST_PSNR) return `another picture: PSNR ${psnr.toFixed(1)} dB`;
  if (meanOff > MEAN_TOLERANCE)
    return `other colours: off by ${meanOff.toFixed(1)} levels`;
  return undefined;
}

/** {@link comparePicture} of each frame in one file with that in another. */
export async function comparePictures(path, otherPath, frameBytes, channels) {
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
      found.push(comparePicture(a, b, channels));
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
