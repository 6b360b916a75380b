/**
 * The real beamcoder package, in a folder of its own below build-native/: it is under the GPL, so it is no dependency of this one, not
 * even for development. Installed once, and found through NODE_PATH, as a package of the user's is through node_modules.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import Module from 'node:module';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { testUnless } from './skip.ts';

const VERSION = '0.7.1';
const ROOT = resolve(import.meta.dirname, '..', '..');
const { modules } = process.versions;
const FOLDER = join(ROOT, 'build-native', `beamcoder-${VERSION}-${modules}`);
const exec = promisify(execFile);

/** Where Node finds the package: for NODE_PATH. */
export const BEAMCODER_PATH = join(FOLDER, 'node_modules');

/** Beamcoder builds with FFmpeg 5 (libavcodec 59) and no other. */
async function hasFfmpeg5(): Promise<boolean> {
  try {
    const { stdout } = await exec('pkg-config', ['--modversion', 'libavcodec']);
    return stdout.startsWith('59.');
  } catch {
    return false;
  }
}

async function install(): Promise<void> {
  const fresh = `${FOLDER}.${process.pid}`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  writeFileSync(join(fresh, 'package.json'), '{ "private": true }');
  // As from a shell, not as a part of `npm test`.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(npm_(package|lifecycle|config_local)|VITEST|NODE_ENV)/.test(name),
    ),
  );
  const quietly = ['--no-save', '--prefer-offline', '--no-audit', '--no-fund'];
  await exec('npm', ['install', `beamcoder@${VERSION}`, ...quietly], { cwd: fresh, env });
  if (existsSync(FOLDER))
    rmSync(fresh, { recursive: true }); // another file's tests were first
  else renameSync(fresh, FOLDER);
}

/** Whether beamcoder is there now. In CI it has to be, wherever it can be built. */
async function ensure(): Promise<boolean> {
  if (!(await hasFfmpeg5())) return false;
  const built = join(BEAMCODER_PATH, 'beamcoder', 'build', 'Release', 'beamcoder.node');
  if (!existsSync(built)) {
    rmSync(FOLDER, { recursive: true, force: true });
    try {
      await install();
    } catch (error) {
      if (process.env.CI) throw error;
      return false;
    }
  }
  process.env.NODE_PATH = BEAMCODER_PATH;
  // Node reads it when it starts; this process has started.
  (Module as unknown as { _initPaths(): void })._initPaths();
  return true;
}

export const hasBeamcoder = await ensure();

/** `test`, but skipped by name where beamcoder cannot be installed. */
export const beamcoderTest = testUnless(
  hasBeamcoder ? undefined : `beamcoder ${VERSION} cannot be installed`,
);
