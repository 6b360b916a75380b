// What npm runs when somebody installs the package: builds the addon where no prebuilt one
// fits and the machine has what it takes. Where it has not, the installation goes on; the
// first use then says what is missing.
//
// Asked to by npm_config_build_from_source, it builds even so, against the machine's own FFmpeg,
// and fails where it cannot: another FFmpeg than the one asked for would be no answer.
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { compileAddon, configureAddon } from './build-addon.mjs';
import { main, root } from './run.mjs';

const require = createRequire(import.meta.url);

/** Whether `src/native.ts` will find an addon that loads: in this package or the platform's. */
function isLoadable() {
  const load = require('node-gyp-build');
  const name = `@rushes/${process.platform}-${process.arch}`;
  return [
    () => root,
    () => dirname(require.resolve(`${name}/package.json`)),
    () => dirname(require.resolve(`${name}-musl/package.json`)),
  ].some((folder) => {
    try {
      load(folder());
      return true;
    } catch {
      return false;
    }
  });
}

/** Whether the user insists: `true`, as node-gyp-build reads it, or names of packages, as node-pre-gyp does. */
function mustBuild() {
  const asked = (process.env.npm_config_build_from_source ?? '').split(',');
  return asked.includes('true') || asked.includes('rushes');
}

await main(async () => {
  if (!mustBuild() && isLoadable()) return;
  try {
    await configureAddon();
  } catch (error) {
    console.log(
      "rushes: the native addon is not built: that needs cmake, ninja, a C++20 compiler, pkg-config and FFmpeg's\n" +
        'development files (5.1 or newer). Once they are installed, `npm rebuild rushes` builds it.',
    );
    if (mustBuild()) throw error;
    return;
  }
  await compileAddon();
});
