// Who is measured: what each can do, how it is started, and how it is made ready.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { benchDirectory, cacheDirectory, root } from './paths.mjs';
import { decodeOnly, scale } from './peers/ffmpeg-arguments.mjs';

/** @import { Work } from './peers/peer.mjs' */

const exec = promisify(execFile);
const peersDirectory = join(benchDirectory, 'peers');
const plain = join(cacheDirectory, 'plain');

/** A peer that is a script in peers/. */
function script(file, more = {}) {
  return (work) => [
    process.execPath,
    join(peersDirectory, file),
    JSON.stringify({ ...work, ...more }),
  ];
}

/** The ffmpeg tool alone, without Node; started once for each file. */
function tool(args) {
  return (work) => {
    if (work.files.length === 1) return ['ffmpeg', ...args(work, work.files[0])];
    const quoted = args(work, '$f').map((word) => (word === '$f' ? '"$f"' : `'${word}'`));
    const loop = `for f; do ffmpeg ${quoted.join(' ')} || exit 1; done`;
    return ['sh', '-c', loop, 'sh', ...work.files];
  };
}

function plainCommand(steps) {
  return ({ files, width, height, pixelFormat, threads, samples }) => [
    ...[plain, files[0], String(width), String(height), pixelFormat, String(threads)],
    ...[steps, ...(samples ? [String(samples.every), samples.path] : [])],
  ];
}

const toNull = (scaler) =>
  tool((work, file) => scale(work, scaler, ['-f', 'null', '-'], file));
const everyFrame = ['frames'];
const pictures = ['frames', 'rate', 'times'];

/**
 * @typedef {object} Peer
 * @property {string} name for `--peers`
 * @property {string} title for people
 * @property {string[]} does kinds of work
 * @property {(work: Work) => string[]} command what is measured
 * @property {((work: Work) => string[]) | null} [check] what shows its output, if not `command`; null: it has none
 * @property {string} [module] npm package, whose version is printed and whose import can be measured
 * @property {string} [entry] what of the package is imported, if not all of it
 * @property {() => Promise<void>} [prepare] throws with the reason why it cannot be run
 * @property {(work: Work) => string | undefined} [refuses] why it cannot do a work of its kinds
 */

/** @type {Peer[]} in the order of the table. The first is ours. */
export const peers = [
  {
    name: 'rushes',
    title: 'rushes',
    does: [...pictures, 'analyze', 'import'],
    command: script('rushes.mjs'),
    module: join(root, 'dist', 'index.mjs'),
  },
  {
    name: 'rushes-prebuilt',
    title: 'rushes, prebuilt addon',
    does: [...pictures, 'analyze'],
    command: (work) => ['env', 'PREBUILDS_ONLY=1', ...script('rushes.mjs')(work)],
    prepare: findPrebuilt,
  },
  {
    name: 'ffmpeg-decode',
    title: 'ffmpeg, decoding only',
    does: [...pictures, 'analyze'],
    command: tool(decodeOnly),
    check: null,
  },
  {
    name: 'ffmpeg-scale',
    title: 'ffmpeg, scaled, to null',
    does: pictures,
    command: toNull('plain'),
    check: script('ffmpeg-pipe.mjs', { scaler: 'plain' }),
  },
  {
    name: 'ffmpeg-area',
    title: 'ffmpeg, scaled in two steps, to null',
    does: pictures,
    command: toNull('area'),
    check: script('ffmpeg-pipe.mjs', { scaler: 'area' }),
  },
  {
    name: 'ffmpeg-pipe',
    title: 'ffmpeg over a pipe',
    does: pictures,
    command: script('ffmpeg-pipe.mjs', { scaler: 'plain' }),
  },
  {
    name: 'ffmpeg-pipe-area',
    title: 'ffmpeg over a pipe, scaled in two steps',
    does: pictures,
    command: script('ffmpeg-pipe.mjs', { scaler: 'area' }),
  },
  {
    name: 'ffmpeg-seek',
    title: 'ffmpeg, started for each frame',
    does: ['times'],
    command: script('ffmpeg-seek.mjs'),
  },
  {
    name: 'ffmpeg-detect',
    title: 'ffmpeg, scdet and signalstats',
    does: ['analyze'],
    command: script('ffmpeg-detect.mjs'),
  },
  {
    name: 'plain-c',
    title: 'C on libav, bilinear',
    does: everyFrame,
    command: plainCommand('one'),
    prepare: preparePlain,
    refuses: oneFile,
  },
  {
    name: 'plain-c-area',
    title: 'C on libav, in two steps',
    does: everyFrame,
    command: plainCommand('two'),
    prepare: preparePlain,
    refuses: oneFile,
  },
  {
    name: 'node-av',
    title: 'node-av, low level',
    does: [...pictures, 'import'],
    command: script('node-av.mjs'),
    module: 'node-av',
    prepare: () => preparePackage('node-av'),
  },
  {
    name: 'beamcoder',
    title: 'beamcoder',
    does: [...pictures, 'import'],
    command: script('beamcoder.mjs'),
    module: 'beamcoder',
    entry: 'beamcoder/build/Release/beamcoder.node',
    prepare: prepareBeamcoder,
  },
  {
    name: 'mediabunny',
    title: 'mediabunny with its server',
    does: [...pictures, 'import'],
    command: script('mediabunny.mjs'),
    module: '@mediabunny/server',
    prepare: () => preparePackage('@mediabunny/server'),
    refuses: ({ pixelFormat }) =>
      pixelFormat === 'gray8' ? 'hands over no grey' : undefined,
  },
];

/** What the outputs of all peers are compared with. */
export const reference = script('ffmpeg-pipe.mjs', { scaler: 'area' });

export const ours = peers[0].name;
export const floor = 'ffmpeg-decode';

function oneFile({ files }) {
  return files.length === 1 ? undefined : 'takes one file';
}

/** The last lines of what a command printed, for a reason that fits into a line. */
function reason(error) {
  const lines = `${error.stderr || error.message}`.trim().split('\n');
  return new Error(lines.slice(-3).join(' ').slice(0, 300));
}

/** The addon with FFmpeg inside, which most users get: another FFmpeg than that of the floor. */
async function findPrebuilt() {
  const folder = join(root, 'prebuilds', `${process.platform}-${process.arch}`);
  if (!existsSync(folder)) throw new Error('there is none: npm run prebuilds makes it');
}

let installation;

/** Installs all packages, once; without scripts, so that one that does not build leaves the others. */
function installPackages() {
  installation ??= (async () => {
    const [lock, done] = await Promise.all(
      ['package-lock.json', 'node_modules/.package-lock.json'].map((file) =>
        stat(join(peersDirectory, file)).catch(() => undefined),
      ),
    );
    if (done && done.mtimeMs >= lock.mtimeMs) return;
    const install = ['ci', '--ignore-scripts', '--no-audit', '--no-fund'];
    await exec('npm', install, { cwd: peersDirectory });
  })();
  return installation;
}

async function preparePackage(name) {
  try {
    await installPackages();
    await exec(process.execPath, ['-e', `import('${name}')`], { cwd: peersDirectory });
  } catch (error) {
    throw reason(error);
  }
}

/** Needs a compiler and FFmpeg 5's development files, those of libpostproc and libavdevice included. */
async function prepareBeamcoder() {
  try {
    await installPackages();
    const addon = join(
      ...[peersDirectory, 'node_modules', 'beamcoder', 'build', 'Release'],
      'beamcoder.node',
    );
    if (existsSync(addon)) return;
    await exec('npm', ['rebuild', 'beamcoder'], { cwd: peersDirectory });
  } catch (error) {
    throw reason(error);
  }
}

async function preparePlain() {
  const libraries = ['libavformat', 'libavcodec', 'libswscale', 'libavutil'];
  try {
    const flags = await exec('pkg-config', ['--cflags', '--libs', ...libraries]);
    await compile('peers/plain.c', plain, flags.stdout.trim().split(/\s+/));
  } catch (error) {
    throw reason(error);
  }
}

/** Compiles one of the suite's programs in C, where that is out of date. */
export async function compile(source, program, flags = []) {
  const path = join(benchDirectory, source);
  const [from, made] = await Promise.all([
    stat(path),
    stat(program).catch(() => undefined),
  ]);
  if (made && made.mtimeMs >= from.mtimeMs) return;
  await mkdir(cacheDirectory, { recursive: true });
  const unfinished = `${program}.${process.pid}`;
  await exec('cc', ['-O2', '-o', unfinished, path, ...flags]);
  await rename(unfinished, program);
}

/** The version of a peer's package, as it is pinned; undefined if it has none. */
export async function versionOf({ module }) {
  if (module === undefined) return undefined;
  const own = module === peers[0].module;
  const path = join(own ? root : peersDirectory, 'package.json');
  const { version, dependencies } = JSON.parse(await readFile(path, 'utf8'));
  return own ? version : dependencies[module];
}
