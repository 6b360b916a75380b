/**
 * The prebuilt addon and the packages made of it. Both need the private FFmpeg, whose compilation takes minutes: tests use what
 * an earlier `npm run prebuilds` has left in the user's cache, and are skipped, and counted, without.
 */
import { test } from 'vitest';
import { ffmpegBuild } from '../../scripts/build-ffmpeg.mjs';
import { skipTest } from './skip.ts';

/** Whether the private FFmpeg is there. */
export const HAS_PREBUILT: boolean = ffmpegBuild().complete;
/** Whether `npm run test:packages` is running, which takes minutes and installs large packages. */
const ALL: boolean = process.env.RUSHES_TEST_PACKAGES === '1';

/** A test of the prebuilt addon. */
export function prebuiltTest(name: string, run: () => void | Promise<void>) {
  if (HAS_PREBUILT) test(name, run, 300_000);
  else skipTest(name, 'no private FFmpeg; `npm run prebuilds` builds it');
}

/** A test that is too long, or fetches too much, for every run. */
export function packagesTest(name: string, run: () => void | Promise<void>) {
  if (ALL && HAS_PREBUILT) test(name, run, 900_000);
  else skipTest(name, 'only in `npm run test:packages`');
}
