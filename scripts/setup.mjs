// Makes a clone ready to run: system packages, npm packages, the addon, the TypeScript.
//
//   node scripts/setup.mjs [--test]      --test: also what the tests and the linter need
//
// Does only what is missing or out of date, with a line for each step, and is silent when
// that is nothing. Needs Node and a package manager, nothing else.
//
// It may be killed at any moment: each step's stamp is written last and lies inside what
// the step makes, so whatever is unfinished has none and is made anew.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { withLock } from './lock.mjs';
import { main, root } from './run.mjs';
import {
  installRequirements,
  libraryVersions,
  missingRequirements,
} from './system-packages.mjs';

const { test } = parseArgs({ options: { test: { type: 'boolean' } } }).values;

/** A hash of files, or of all files in folders, and of anything else that matters. */
async function hashOf(paths, ...others) {
  const hash = createHash('sha256').update(JSON.stringify(others));
  for (const path of paths) {
    const entries = await readdir(join(root, path), {
      recursive: true,
      withFileTypes: true,
    }).catch(() => undefined);
    const files = entries
      ?.filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
    for (const file of files?.sort() ?? [join(root, path)]) {
      hash.update(`\n${file.slice(root.length)}\n`).update(await readFile(file));
    }
  }
  return hash.digest('hex');
}

/** What is built, in order. A step is done if `stamp` holds `key()` and `makes` is there. */
const steps = [
  {
    title: 'installing the npm packages',
    stamp: 'node_modules/.setup-stamp',
    makes: ['node_modules/.package-lock.json'],
    key: () =>
      hashOf(
        ['package-lock.json'],
        process.platform,
        process.arch,
        process.versions.modules,
      ),
    // Without scripts: none of the packages needs one, and our own is the next step.
    make: (run) => {
      const install = ['ci', '--ignore-scripts', '--no-audit', '--no-fund'];
      // npm looks each package up, since the lock names no registry; what it has cached
      // will do, unless that is older than the lock.
      return run('npm', [...install, '--prefer-offline']).catch(() =>
        run('npm', install),
      );
    },
  },
  {
    title: 'building the addon',
    stamp: 'build/Release/.setup-stamp',
    makes: ['build/Release/rushes.node'],
    key: async () =>
      hashOf(
        ['native', 'CMakeLists.txt', 'package-lock.json', 'scripts/build-addon.mjs'],
        await libraryVersions(),
      ),
    make: (run) =>
      run(process.execPath, [
        'scripts/build-addon.mjs',
        // A newer compiler's new warning should stop no one but us.
        ...(process.env.CI ? ['--werror'] : []),
      ]),
  },
  {
    title: 'building the TypeScript',
    stamp: 'dist/.setup-stamp',
    makes: [
      'dist/cjs/index.js',
      'dist/cjs/beamcoder-process.js',
      'dist/index.mjs',
      'dist/cli.mjs',
      'dist/benchmark.mjs',
      'dist/report/page.js',
      'dist/index.d.ts',
    ],
    key: () =>
      hashOf([
        'src',
        'tsconfig.json',
        'tsconfig.build.json',
        'package.json',
        'package-lock.json',
        'scripts/build-ts.mjs',
      ]),
    make: (run) => run(process.execPath, ['scripts/build-ts.mjs']),
  },
];

/** The key that the step's stamp must hold; undefined if it does already. */
async function outdatedKey({ stamp, makes, key }) {
  const wanted = await key();
  const found = await readFile(join(root, stamp), 'utf8').catch(() => undefined);
  const complete = makes.every((file) => existsSync(join(root, file)));
  return found === wanted && complete ? undefined : wanted;
}

async function isDone() {
  if ((await missingRequirements({ test })).length > 0) return false;
  for (const step of steps) if (await outdatedKey(step)) return false;
  return true;
}

await main(async () => {
  if (await isDone()) return;
  await withLock(join(root, '.setup', 'lock'), 'set-up', async (run) => {
    const missing = await missingRequirements({ test });
    if (missing.length > 0) {
      const names = missing.map(({ name }) => name).join(', ');
      console.log(`set-up: installing ${names} …`);
      await installRequirements(missing);
    }
    for (const step of steps) {
      const key = await outdatedKey(step);
      if (!key) continue;
      console.log(`set-up: ${step.title} …`);
      await step.make(run);
      const stamp = join(root, step.stamp);
      await writeFile(`${stamp}.tmp`, key);
      await rename(`${stamp}.tmp`, stamp);
    }
  });
});
