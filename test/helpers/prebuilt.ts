/**
 * The prebuilt addon and the packages made of it. Both need the private FFmpeg, whose compilation takes minutes: tests use what
 * an earlier `npm run prebuilds` has left in the user's cache, and are skipped, and counted, without.
 */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { test } from 'vitest';
import { ffmpegBuild } from '../../scripts/build-ffmpeg.mjs';
import { skipTest } from './skip.ts';

/** Whether the private FFmpeg is there. */
export const HAS_PREBUILT: boolean = ffmpegBuild().complete;
/** Whether `npm run test:packages` is running, which takes minutes and installs large packages. */
const ALL: boolean = process.env.RUSHES_TEST_PACKAGES === '1';
const ONLY_PACKAGES = 'only in `npm run test:packages`';

/** A test of the prebuilt addon. */
export function prebuiltTest(name: string, run: () => void | Promise<void>) {
  if (HAS_PREBUILT) test(name, run, 300_000);
  else skipTest(name, 'no private FFmpeg; `npm run prebuilds` builds it');
}

/** A test that is too long, or fetches too much, for every run. */
export function packagesTest(name: string, run: () => void | Promise<void>) {
  if (ALL && HAS_PREBUILT) test(name, run, 900_000);
  else skipTest(name, ONLY_PACKAGES);
}

/** What plays a processor for arm64, if it is installed. */
export const QEMU: string | undefined = ['qemu-aarch64', 'qemu-aarch64-static']
  .flatMap((name) =>
    (process.env.PATH ?? '').split(delimiter).map((path) => join(path, name)),
  )
  .find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });

/** Why the addon for arm64 cannot be tested here; `undefined` if it can. */
export const WHY_NO_ARM64: string | undefined = !ALL
  ? ONLY_PACKAGES
  : process.arch === 'arm64' || process.platform !== 'linux'
    ? 'arm64 is played by qemu on Linux of another processor'
    : QEMU === undefined
      ? 'no qemu for arm64 (Debian: qemu-user-static)'
      : !HAS_PREBUILT || !ffmpegBuild('linux-arm64').complete
        ? 'no private FFmpeg for arm64; `npm run prebuilds -- --target linux-arm64` builds it'
        : undefined;

/** A test of the addon for arm64. */
export function arm64Test(name: string, run: () => void | Promise<void>) {
  if (WHY_NO_ARM64 === undefined) test(name, run, 900_000);
  else skipTest(name, WHY_NO_ARM64);
}
