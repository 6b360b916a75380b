// Checks form, types and known mistakes: all of them, even if one fails.
//
//   node scripts/lint.mjs [--fix]      --fix: mends the form instead, and checks nothing
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { CommandError, report, root, run } from './run.mjs';
import { onPath } from './system-packages.mjs';

const bin = (name) => join(root, 'node_modules', '.bin', name);
const filesIn = (folder, extension) =>
  readdirSync(join(root, folder))
    .filter((name) => extension.test(name))
    .map((name) => join(folder, name));

const nativeFiles = ['native', 'native/test', 'bench/native'].flatMap((folder) =>
  filesIn(folder, /\.(cc|h)$/),
);

/** With the flags that the addon is built with; each file takes seconds, so side by side. */
async function runClangTidy() {
  // Only Debian's packages are sure to have it (system-packages.mjs).
  if (!onPath('clang-tidy') && !process.env.CI) return;
  const files = filesIn('native', /\.cc$/);
  const check = async () => {
    for (let file = files.pop(); file; file = files.pop()) {
      await run('clang-tidy', ['-p', 'build-native/release', '--quiet', file]);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, check));
}

const fixes = {
  biome: () => run(bin('biome'), ['check', '--write']),
  'clang-format': () => run('clang-format', ['-i', ...nativeFiles]),
};
const checks = {
  biome: () => run(bin('biome'), ['ci', '--error-on-warnings']),
  'clang-format': () => run('clang-format', ['--dry-run', '-Werror', ...nativeFiles]),
  tsc: () => run(bin('tsc'), []),
  'tsc, examples': () => run(bin('tsc'), ['--project', 'examples/import-service']),
  'tsc, browser': () => run(bin('tsc'), ['--project', 'src/cli/report-page']),
  'clang-tidy': runClangTidy,
};

const tasks = process.argv.includes('--fix') ? fixes : checks;
for (const [name, task] of Object.entries(tasks)) {
  try {
    await task();
    console.log(`${name}: ok`);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    report(error);
    process.exitCode = 1;
  }
}
