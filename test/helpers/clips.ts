/** The clips that test/fixtures/generate.mjs makes, and what is known of each. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'vitest';

const DIRECTORY = join(import.meta.dirname, '..', 'fixtures', 'clips');

/** Facts by construction: they come from the recipe, not from a decoder. */
interface ClipFacts {
  /** Frames that a decoder has to give. */
  readonly frames: number;
  /** Stored size. */
  readonly width: number;
  readonly height: number;
  /** FFmpeg's name; yuv420p unless said otherwise. */
  readonly pixelFormat?: string;
  /** Clockwise quarter turns, then a mirroring left to right, that make it upright. */
  readonly rotation?: 0 | 90 | 180 | 270;
  readonly flipped?: boolean;
  /** Width to height of a pixel. */
  readonly sampleAspectRatio?: readonly [number, number];
  /** Seconds. */
  readonly start?: number;
}

const SMALL = { frames: 25, width: 96, height: 64 } as const;

/** Clips that decode without an error. */
export const CLIPS = {
  'attached-picture.mp4': SMALL,
  'cuts.mp4': { frames: 230, width: 160, height: 90 },
  'full-range.mp4': { ...SMALL, pixelFormat: 'yuvj420p' },
  'gray.mkv': { frames: 10, width: 64, height: 48, pixelFormat: 'gray' },
  'h264-bframes-audio.mp4': { frames: 125, width: 128, height: 96 },
  'hflip.mp4': { ...SMALL, flipped: true },
  'keyframes.mp4': { ...SMALL, frames: 100 },
  'mpeg2.ts': { ...SMALL, frames: 50 },
  'odd-size.mp4': { frames: 25, width: 161, height: 121 },
  'rgb.mp4': { ...SMALL, pixelFormat: 'gbrp' },
  'rotate180.mp4': { ...SMALL, rotation: 180 },
  'rotate270.mp4': { ...SMALL, rotation: 270 },
  'rotate90.mp4': { ...SMALL, rotation: 90 },
  'sar-rotate90.mp4': { ...SMALL, rotation: 90, sampleAspectRatio: [4, 3] },
  'sar.mp4': { ...SMALL, sampleAspectRatio: [4, 3] },
  'size-change.h264': { ...SMALL, frames: 30 },
  'start-offset.mp4': { ...SMALL, frames: 50, start: 8.32 },
  'start-offset.ts': { ...SMALL, frames: 50, start: 10 },
  'ten-bit.mp4': { ...SMALL, pixelFormat: 'yuv420p10le' },
  // Mirrored at the diagonals: a quarter turn, then left to right.
  'transpose.mp4': { ...SMALL, rotation: 90, flipped: true },
  'transverse.mp4': { ...SMALL, rotation: 270, flipped: true },
  'upright.mp4': SMALL,
  'vflip.mp4': { ...SMALL, rotation: 180, flipped: true },
  'vfr.mp4': { ...SMALL, frames: 54 },
  'vp9.webm': { ...SMALL, frames: 50 },
  'yuv444.mp4': { ...SMALL, pixelFormat: 'yuv444p' },
} as const satisfies Record<string, ClipFacts>;

export type GoodClip = keyof typeof CLIPS;

/** Clips that fail, at once or after a while, and the code with which they do. */
export const BAD_CLIPS = {
  'audio-only.m4a': 'ERR_NO_VIDEO',
  'cover-only.m4a': 'ERR_NO_VIDEO',
  'empty.mp4': 'ERR_EMPTY',
  'garbage.mp4': 'ERR_INVALID_DATA',
  'no-moov.mp4': 'ERR_INVALID_DATA',
  'text.txt': 'ERR_INVALID_DATA',
} as const;

/** Clips that lose something on the way. */
export type DamagedClip = 'damaged.mp4' | 'truncated.mp4' | 'truncated.mkv';

/** Clips whose packets nobody has decrypted. */
export type EncryptedClip = 'encrypted.mp4' | 'encrypted.mkv';

export type ClipName = GoodClip | keyof typeof BAD_CLIPS | DamagedClip | EncryptedClip;

/** 0-based indices of the first frames of new shots in cuts.mp4, at 25 frames a second. */
export const CUTS_AT = [60, 110, 170];

export function facts(name: GoodClip): ClipFacts {
  return CLIPS[name];
}

/** The path of a clip. */
export function clip(name: ClipName): string {
  return join(DIRECTORY, name);
}

/** `test`, but skipped at home where this ffmpeg could not make the clip; in CI it fails. */
export function testOf(name: ClipName) {
  return test.skipIf(!existsSync(clip(name)) && !process.env.CI);
}
