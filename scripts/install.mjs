// What npm runs when somebody installs the package: builds the addon where no prebuilt one
// fits and the machine has what it takes. Where it has not, the installation goes on; the
// first use then says what is missing.
import { createRequire } from 'node:module';
import { compileAddon, configureAddon } from './build-addon.mjs';
import { main, root } from './run.mjs';

function isLoadable() {
  try {
    createRequire(import.meta.url)('node-gyp-build')(root);
    return true;
  } catch {
    return false;
  }
}

await main(async () => {
  if (isLoadable()) return;
  try {
    await configureAddon();
  } catch {
    console.log(
      "rushes: the native addon is not built: that needs cmake, a C++20 compiler, pkg-config and FFmpeg's\n" +
        'development files (5.1 or newer). Once they are installed, `npm rebuild rushes` builds it.',
    );
    return;
  }
  await compileAddon();
});
