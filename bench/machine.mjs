// On what was measured, and with which versions.
import { execFile } from 'node:child_process';
import { availableParallelism, cpus, release, totalmem, type } from 'node:os';
import { promisify } from 'node:util';
import { root } from './paths.mjs';
import { peers, versionOf } from './peers.mjs';

const exec = promisify(execFile);

/** The first line of what a command prints; undefined if it cannot be run. */
async function firstLine(command, ...args) {
  try {
    const { stdout } = await exec(command, args, { cwd: root });
    return stdout.split('\n')[0];
  } catch {
    return undefined;
  }
}

/** As JSON; the same for every run with the same versions, whichever peers it is about. */
export async function describeMachine() {
  const packages = await Promise.all(
    peers.map(async (peer) => [peer.name, await versionOf(peer)]),
  );
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memory: totalmem(),
    system: `${type()} ${release()} ${process.arch}`,
    node: process.version,
    ffmpeg: (await firstLine('ffmpeg', '-version'))?.match(/version (\S+)/)?.[1],
    libavcodec: await firstLine('pkg-config', '--modversion', 'libavcodec'),
    packages: Object.fromEntries(packages.filter(([, version]) => version)),
  };
}

/** The commit that is measured, with `+` if files differ from it; undefined outside of a clone. */
export async function commit() {
  const hash = await firstLine('git', 'rev-parse', '--short', 'HEAD');
  const changed = await firstLine('git', 'status', '--porcelain', 'src', 'native');
  return hash && `${hash}${changed ? '+' : ''}`;
}
