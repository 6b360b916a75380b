/**
 * Real clips and their oracles in a folder beside the repository, which not everyone has.
 * Tests that need them are skipped where it is absent, and counted.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'vitest';
import { SHARED_MEDIA } from './media-names.ts';
import { skipTest } from './skip.ts';

const FOLDER = resolve(import.meta.dirname, '..', '..', SHARED_MEDIA);

/** The folder, or `undefined` where it is absent. */
export function sharedMedia(): string | undefined {
  return existsSync(join(FOLDER, 'MANIFEST.tsv')) ? FOLDER : undefined;
}

/** Path of a file in it, present or not: `media/bikes.mp4`, `oracle/summary.json`. */
export function mediaFile(path: string): string {
  return join(FOLDER, path);
}

/** A test that reads shared media; skipped by its name, and counted, where they are absent. */
export function mediaTest(name: string, run: () => Promise<void>, timeout?: number) {
  if (sharedMedia() !== undefined) {
    test(name, run, timeout);
    return;
  }
  skipTest(name, `${SHARED_MEDIA} absent`);
}

/** What is known of one file: a part of oracle/summary.json. */
export interface MediaSummary {
  readonly video_streams: readonly {
    readonly index: number;
    readonly ffmpeg_frames: number;
    readonly rotation: number | null;
    readonly width: number;
    readonly height: number;
  }[];
}

export function summary(): Record<string, MediaSummary> {
  return JSON.parse(readFileSync(mediaFile('oracle/summary.json'), 'utf8'));
}
