/** How what the cache keeps is turned into bytes: JSON, deflated, behind a checksum over key and bytes. */
import { createHash } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { FrameIndex } from '../frame-index.ts';

/** Raised when the shape of a record or the meaning of a key changes; records of another format are never looked at. */
export const RECORD_FORMAT = 1;

const CHECKSUM_BYTES = 8;
/** Analyses of an hour are 2 MB, indexes of ten hours 20 MB: what claims to be more is damaged. */
const MOST_BYTES = 2 ** 30;

/** Bytes that {@link unseal} gives back under the same key only. */
export function seal(key: string, value: unknown): Buffer {
  // Level 1 is a tenth larger than the default and takes two thirds of the time.
  const body = deflateRawSync(JSON.stringify(value), { level: 1 });
  return Buffer.concat([checksum(key, body), body]);
}

/** The value, or `undefined` if the bytes are not what was sealed. */
export function unseal(key: string, bytes: Uint8Array): unknown {
  const body = bytes.subarray(CHECKSUM_BYTES);
  if (bytes.length <= CHECKSUM_BYTES) return undefined;
  if (!checksum(key, body).equals(bytes.subarray(0, CHECKSUM_BYTES))) return undefined;
  try {
    const text = inflateRawSync(body, { maxOutputLength: MOST_BYTES }).toString('utf8');
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** The first bytes of a SHA-256: in no hurry, and found in every Node. */
function checksum(key: string, body: Uint8Array): Buffer {
  const hash = createHash('sha256').update(`${RECORD_FORMAT}:${key}:`).update(body);
  return hash.digest().subarray(0, CHECKSUM_BYTES);
}

/** A short name for a value: equal for equal JSON. */
export function fingerprint(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 32);
}

/** A frame index as steps from frame to frame, which are nearly all alike and deflate to almost nothing. */
export function packIndex(index: FrameIndex): unknown {
  return {
    ...index,
    pts: steps(index.pts),
    duration: steps(index.duration),
    keyFrames: steps(index.keyFrames),
    position: steps(index.position),
    order: steps(index.order),
  };
}

/** Inverse of {@link packIndex}. */
export function unpackIndex(packed: unknown): FrameIndex {
  const index = packed as FrameIndex;
  return {
    ...index,
    pts: sums(index.pts),
    duration: sums(index.duration),
    keyFrames: sums(index.keyFrames),
    position: sums(index.position),
    order: sums(index.order),
  };
}

function steps(values: readonly number[]): number[] {
  return values.map((value, i) => value - (i === 0 ? 0 : (values[i - 1] as number)));
}

function sums(values: readonly number[]): number[] {
  let sum = 0;
  return values.map((value) => {
    sum += value;
    return sum;
  });
}

/**
 * Freezes a JSON value through and through, so that all who get it may share it.
 *
 * @returns about how many bytes it takes in memory
 */
export function freezeAndWeigh(value: unknown): number {
  if (typeof value === 'string') return 16 + value.length;
  if (typeof value !== 'object' || value === null) return 0;
  let bytes = 48;
  // A number that is no small integer is an object of its own behind its slot.
  for (const part of Object.values(value)) bytes += 24 + freezeAndWeigh(part);
  Object.freeze(value);
  return bytes;
}
