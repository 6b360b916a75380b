import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { forgetIfGone } from '../scripts/build-addon.mjs';

test('what cmake found counts for as long as it is there', async () => {
  const build = mkdtempSync(join(tmpdir(), 'rushes-build-'));
  onTestFinished(() => rmSync(build, { recursive: true }));
  const compiler = join(build, 'c++');
  writeFileSync(compiler, '');
  mkdirSync(join(build, 'CMakeFiles'));
  const cache = join(build, 'CMakeCache.txt');
  writeFileSync(
    cache,
    [
      '//CXX compiler, by hand /gone:FILEPATH=/gone',
      `CMAKE_CXX_COMPILER:FILEPATH=${compiler}`,
      'CMAKE_DLLTOOL:FILEPATH=CMAKE_DLLTOOL-NOTFOUND',
      'CMAKE_INSTALL_PREFIX:PATH=/gone',
    ].join('\n'),
  );
  await forgetIfGone(build);
  expect(existsSync(cache)).toBe(true);
  rmSync(compiler);
  await forgetIfGone(build);
  expect(existsSync(cache)).toBe(false);
  expect(existsSync(join(build, 'CMakeFiles'))).toBe(false);
  await forgetIfGone(build); // nothing is left to forget
});
