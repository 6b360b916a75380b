// Makes prebuilds/ for this platform, which node-gyp-build finds in the published package.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { main, root, run } from './run.mjs';

await main(async () => {
  // node-gyp insists on Node's headers, or downloads them, though binding.gyp compiles
  // nothing. All that it reads of them is this file.
  const nodedir = join(root, 'build-native', 'nodedir');
  await mkdir(join(nodedir, 'include', 'node'), { recursive: true });
  await writeFile(
    join(nodedir, 'include', 'node', 'common.gypi'),
    "{ 'target_defaults': { 'configurations': { 'Release': {}, 'Debug': {} } } }\n",
  );
  await run('npx', ['prebuildify', '--napi', '--strip', '--tag-libc'], {
    env: { npm_config_nodedir: nodedir },
    show: true,
  });
});
