/** Turns frames into what tests compare. */
import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import type { Frame, Video } from '../../src/index.ts';

/** A frame without its pixels, which the hash stands for. */
export type Digest = Omit<Frame, 'data'> & { readonly md5: string };

export function md5(data: Uint8Array): string {
  return createHash('md5').update(data).digest('hex');
}

export function digest({ data, ...facts }: Frame): Digest {
  return { ...facts, md5: md5(data) };
}

/** Digests of a pass, taken while it runs, so that the pixels are not all kept. */
export async function digests(
  frames: AsyncIterable<Frame>,
  limit = Number.POSITIVE_INFINITY,
): Promise<Digest[]> {
  const all: Digest[] = [];
  for await (const frame of frames) {
    all.push(digest(frame));
    if (all.length >= limit) break;
  }
  return all;
}

/** The same of all frames, read in batches. */
export async function batchDigests(
  video: Video,
  options?: Parameters<Video['batches']>[0],
): Promise<Digest[]> {
  const all: Digest[] = [];
  for await (const batch of video.batches(options)) all.push(...batch.map(digest));
  return all;
}

/**
 * Expects two lists to be equal, and shows only where they part: a diff of thousands of
 * frames helps nobody.
 */
export function expectSameList<T>(got: readonly T[], wanted: readonly T[]): void {
  const same = (a: T | undefined, b: T | undefined) =>
    JSON.stringify(a) === JSON.stringify(b);
  const parted = wanted.findIndex((item, index) => !same(got[index], item));
  if (parted >= 0) {
    expect({ index: parted, frame: got[parted] }).toEqual({
      index: parted,
      frame: wanted[parted],
    });
  }
  expect(got.length).toBe(wanted.length);
}

/** Peak signal-to-noise ratio in dB over all bytes (of 16-bit samples: over all samples). */
export function psnr(a: Uint8Array, b: Uint8Array, deep = false): number {
  const values = ({ buffer }: Uint8Array) =>
    deep ? new Uint16Array(buffer) : new Uint8Array(buffer);
  const [x, y] = [values(a), values(b)];
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += ((x[i] as number) - (y[i] as number)) ** 2;
  const peak = deep ? 65535 : 255;
  return 10 * Math.log10((peak * peak * x.length) / sum);
}
