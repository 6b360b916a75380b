// Makes prebuilds/PLATFORM-ARCH/rushes.LIBC.node: the addon with the private FFmpeg inside.
//
//   node scripts/prebuild.mjs [--target linux-x64|linux-arm64]
//
// Beside it, in licences.LIBC/, the licences of what is inside. scripts/pack.mjs makes packages
// of both.
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildFfmpeg } from './build-ffmpeg.mjs';
import { withLock } from './lock.mjs';
import { main, root } from './run.mjs';

// node-gyp insists on Node's headers, or downloads them, though binding.gyp compiles
// nothing. All that it reads of them is this file.
async function makeNodedir(folder) {
  await mkdir(join(folder, 'include', 'node'), { recursive: true });
  await writeFile(
    join(folder, 'include', 'node', 'common.gypi'),
    "{ 'target_defaults': { 'configurations': { 'Release': {}, 'Debug': {} } } }\n",
  );
}

async function makePrebuild(target, ffmpeg, run) {
  const [platform, arch] = target.split('-');
  const libc = existsSync('/etc/alpine-release') ? 'musl' : 'glibc'; // as node-gyp-build does

  // Away from the repository's build/, which node-gyp would empty.
  const folder = join(root, 'build-native', `prebuild-${target}`);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const file of ['package.json', 'binding.gyp']) {
    await cp(join(root, file), join(folder, file));
  }
  await symlink(join(root, 'scripts'), join(folder, 'scripts'), 'junction');
  const nodedir = join(folder, 'nodedir');
  await makeNodedir(nodedir);

  const prebuildify = join(root, 'node_modules', 'prebuildify', 'bin.js');
  const options = ['--napi', '--strip', '--platform', platform, '--arch', arch];
  if (platform === 'linux') options.push('--tag-libc', libc);
  await run(process.execPath, [prebuildify, ...options], {
    cwd: folder,
    env: {
      npm_config_nodedir: nodedir,
      PREBUILD_STRIP_BIN: ffmpeg.strip,
      // cmake does not forget the FFmpeg that it was first given.
      RUSHES_CMAKE_BUILD: basename(ffmpeg.folder),
      CMAKE_TOOLCHAIN_FILE: ffmpeg.toolchainFile,
      PKG_CONFIG_LIBDIR: ffmpeg.pkgConfig,
    },
  });

  // By renaming, so that others find an addon whole or not at all.
  const from = join(folder, 'prebuilds', target);
  const to = join(root, 'prebuilds', target);
  await mkdir(to, { recursive: true });
  for (const file of await readdir(from)) await rename(join(from, file), join(to, file));
  const licences = join(to, platform === 'linux' ? `licences.${libc}` : 'licences');
  await rm(licences, { recursive: true, force: true });
  await cp(ffmpeg.licences, licences, { recursive: true });
}

await main(async () => {
  const { target = `${process.platform}-${process.arch}` } = parseArgs({
    options: { target: { type: 'string' } },
  }).values;
  const ffmpeg = await buildFfmpeg(target);
  await mkdir(join(root, 'build-native'), { recursive: true });
  await withLock(join(root, 'build-native', 'prebuild.lock'), 'prebuild', (run) =>
    makePrebuild(target, ffmpeg, run),
  );
});
