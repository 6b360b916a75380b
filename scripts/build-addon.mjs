// Builds the addon with cmake-js and puts it where node-gyp-build looks for it.
//
//   node scripts/build-addon.mjs [--out DIR] [--werror]
//
// Everything that builds the addon comes through here: setup.mjs, install.mjs, and
// node-gyp and prebuildify by way of binding.gyp.
import { existsSync, realpathSync } from 'node:fs';
import { copyFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { isAbsolute, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { main, root, run } from './run.mjs';

// Never build/, which node-gyp empties and takes for its own.
const buildDirectory = join(
  root,
  'build-native',
  process.env.RUSHES_CMAKE_BUILD ?? 'release', // prebuild.mjs has other compilers and libraries
);

/** Copies so that whoever loads `to` sees the old file or the new one, never a half. */
async function copyAtomically(from, to) {
  // Not `.node` at the end: node-gyp-build takes any file named so.
  const temporary = `${to}.${process.pid}.tmp`;
  await copyFile(from, temporary);
  await rename(temporary, to);
}

function cmakeJs(command, ...options) {
  const script = createRequire(import.meta.url).resolve('cmake-js/bin/cmake-js');
  const where = ['--directory', root, '--out', buildDirectory, '--config', 'Release'];
  return run(process.execPath, [script, command, ...where, ...options]);
}

/**
 * Has cmake look at the machine anew if anything that it found there, such as the compiler, is gone: by itself it goes
 * by what it knows, and fails.
 */
export async function forgetIfGone(build) {
  const cache = join(build, 'CMakeCache.txt');
  const text = await readFile(cache, 'utf8').catch(() => '');
  const found = [...text.matchAll(/^\w[^:\n]*:FILEPATH=(.+)$/gm)].map(([, path]) => path);
  if (found.every((path) => !isAbsolute(path) || existsSync(path))) return;
  await rm(join(build, 'CMakeFiles'), { recursive: true, force: true });
  await rm(cache); // last, so that it tells the same if this is interrupted
}

/**
 * Lets cmake look at the machine.
 *
 * @throws {CommandError} if it lacks something: cmake, a compiler, FFmpeg's libraries
 */
export async function configureAddon({ werror = false } = {}) {
  await forgetIfGone(buildDirectory);
  const output = await cmakeJs('configure', `--CDRUSHES_WERROR=${werror ? 'ON' : 'OFF'}`);
  // cmake's warning, which nobody sees.
  if (/CMake Warning.*Highway/s.test(output)) {
    console.log(
      'rushes: without Highway (Debian: libhwy-dev, Homebrew: highway) pictures are made smaller by swscale, which takes\n' +
        'about twice as long. Once it is installed, `npm rebuild rushes` uses it.',
    );
  }
}

/** Compiles what `configureAddon` has prepared, and gives what the compiler said. */
export async function compileAddon({ out = join(root, 'build', 'Release') } = {}) {
  // A build that was killed may leave half an object file that looks up to date, so where
  // this mark is still found all objects are made anew.
  const unfinished = join(buildDirectory, '.unfinished');
  if (existsSync(unfinished)) {
    await run('cmake', ['--build', buildDirectory, '--target', 'clean']);
  }
  await writeFile(unfinished, '');
  let output;
  try {
    output = await cmakeJs('build');
  } finally {
    // A build that fails by itself, on a mistake in the sources, leaves no halves.
    await rm(unfinished, { force: true });
  }
  await mkdir(out, { recursive: true });
  await copyAtomically(join(buildDirectory, 'rushes.node'), join(out, 'rushes.node'));
  return output;
}

if (realpathSync(process.argv[1]) === import.meta.filename) {
  await main(async () => {
    const { out, werror } = parseArgs({
      options: { out: { type: 'string' }, werror: { type: 'boolean' } },
    }).values;
    await configureAddon({ werror });
    const output = await compileAddon(out === undefined ? {} : { out: resolve(out) });
    if (output.includes('warning:')) console.log(output);
  });
}
