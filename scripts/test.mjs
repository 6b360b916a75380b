// Runs the tests and closes with one line that counts them all.
//
//   node scripts/test.mjs              the native tests, then vitest
//   node scripts/test.mjs --native     the native tests alone
//   node scripts/test.mjs --packages   the prebuilt addon and every way to install it
//   node scripts/test.mjs ARGUMENTS…   vitest alone, with these arguments
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { forgetIfGone } from './build-addon.mjs';
import { CommandError, report, root, run } from './run.mjs';

/** Runs a command whose failing tests are news, not an error; `failed` says if it did. */
async function runTests(command, args, options) {
  try {
    return { output: await run(command, args, options), failed: false };
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return { output: error.output, failed: true };
  }
}

/** Without Node, under AddressSanitizer, UndefinedBehaviorSanitizer and LeakSanitizer. */
async function testNative() {
  const build = join(root, 'build-native', 'sanitize');
  try {
    const options = [
      '-DCMAKE_BUILD_TYPE=RelWithDebInfo',
      '-DRUSHES_TESTS=ON',
      '-DRUSHES_WERROR=ON',
      '-DRUSHES_SANITIZE=address,undefined',
    ];
    await forgetIfGone(build);
    await run('cmake', ['-S', root, '-B', build, '-G', 'Ninja', ...options]);
    await run('cmake', ['--build', build]);
    await run(process.execPath, [join(root, 'test', 'fixtures', 'generate.mjs')]);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    report(error);
    return { passed: 0, failed: 1, skipped: 0 };
  }
  const { output, failed } = await runTests('ctest', ['--test-dir', build, '--verbose']);
  process.stdout.write(output);
  // [doctest] test cases: 12 | 11 passed | 1 failed | 0 skipped
  const counts = output.match(
    /test cases: +\d+ \| +(\d+) passed \| +(\d+) failed \| +(\d+) skipped/,
  );
  return count(counts?.slice(1).map(Number) ?? [0, 0, 0], failed);
}

async function testNode(args) {
  const folder = await mkdtemp(join(tmpdir(), 'rushes-test-'));
  const file = join(folder, 'results.json');
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const reporters = [
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${file}`,
  ];
  const command = [vitest, 'run', ...reporters, ...args];
  const { failed } = await runTests(process.execPath, command, { show: true });
  const results = await readFile(file, 'utf8').then(JSON.parse, () => undefined);
  await rm(folder, { recursive: true });
  if (!results) return count([0, 0, 0], failed);
  // A file that cannot be loaded or prepared has failed, though none of its tests did.
  const unloadable = results.testResults.filter(
    (file) =>
      file.status === 'failed' &&
      !file.assertionResults.some(({ status }) => status === 'failed'),
  ).length;
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = results;
  return count(
    [numPassedTests, numFailedTests + unloadable, numPendingTests + numTodoTests],
    failed,
  );
}

/** A run that failed counts as a failure even if no single test did, such as a crash. */
function count([passed, failed, skipped], runFailed) {
  return { passed, failed: runFailed ? Math.max(failed, 1) : failed, skipped };
}

/** Builds the private FFmpeg, where that has not been done: minutes. */
async function testPackages() {
  await run(process.execPath, [join(root, 'scripts', 'build-ffmpeg.mjs')], {
    show: true,
  });
  process.env.RUSHES_TEST_PACKAGES = '1';
  return testNode(
    ['install', 'prebuilt', 'packages', 'arm64'].map((name) => `test/${name}.test.ts`),
  );
}

const args = process.argv.slice(2);
const nativeOnly = args.includes('--native');
const results = [];
if (args.includes('--packages')) results.push(await testPackages());
else {
  if (nativeOnly || args.length === 0) results.push(await testNative());
  if (!nativeOnly) results.push(await testNode(args));
}

const sum = (key) => results.reduce((total, result) => total + result[key], 0);
const skipped = sum('skipped') > 0 ? `, ${sum('skipped')} skipped` : '';
console.log(`\n${sum('passed')} passed, ${sum('failed')} failed${skipped}`);
process.exitCode = sum('failed') > 0 ? 1 : 0;
