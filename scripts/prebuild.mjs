// Makes prebuilds/PLATFORM-ARCH/rushes.LIBC.node: the addon with the private FFmpeg inside.
//
//   node scripts/prebuild.mjs [--target linux-x64|linux-arm64]
//
// Beside it, in licences.LIBC/, the licences of what is inside. scripts/pack.mjs makes packages
// of both.
import { existsSync } from 'node:fs';
import { cp, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildFfmpeg } from './build-ffmpeg.mjs';
import { main, root, run } from './run.mjs';

// node-gyp insists on Node's headers, or downloads them, though binding.gyp compiles
// nothing. All that it reads of them is this file.
async function makeNodedir(folder) {
  await mkdir(join(folder, 'include', 'node'), { recursive: true });
  await writeFile(
    join(folder, 'include', 'node', 'common.gypi'),
    "{ 'target_defaults': { 'configurations': { 'Release': {}, 'Debug': {} } } }\n",
  );
}

await main(async () => {
  const { target = `${process.platform}-${process.arch}` } = parseArgs({
    options: { target: { type: 'string' } },
  }).values;
  const ffmpeg = await buildFfmpeg(target);
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
  await run(process.execPath, [prebuildify, ...options, '--out', root], {
    cwd: folder,
    env: {
      npm_config_nodedir: nodedir,
      PREBUILD_STRIP_BIN: ffmpeg.strip,
      RUSHES_CMAKE_BUILD: `release-${target}`,
      CMAKE_TOOLCHAIN_FILE: ffmpeg.toolchainFile,
      PKG_CONFIG_LIBDIR: ffmpeg.pkgConfig,
    },
  });
  const licences = platform === 'linux' ? `licences.${libc}` : 'licences';
  const to = join(root, 'prebuilds', target, licences);
  await rm(to, { recursive: true, force: true });
  await cp(ffmpeg.licences, to, { recursive: true });
});
