// Builds the FFmpeg that is inside the prebuilt addon: static, decoders only, LGPL 2.1 or newer.
//
//   node scripts/build-ffmpeg.mjs [--target linux-x64|linux-arm64]
//
// About 10 minutes of processor time, once: the result is kept outside of the repository,
// under a hash of what it depends on (`ffmpegBuild`), and counts when its last file,
// `.complete`, is there. It may be killed at any moment, and begins again with the library
// that it was at; a second one waits for the first.
//
// On Debian it is compiled against the C library of Debian 11, whatever the machine's own is,
// and for other processors too (Note [Sysroot]). Elsewhere it takes the machine as it is.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import {
  copyFile,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises';
import { availableParallelism, homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { withLock } from './lock.mjs';
import { CommandError, main, run } from './run.mjs';
import { scratchApt } from './scratch-apt.mjs';
import { installRequirements, missingRequirements, onPath } from './system-packages.mjs';

/**
 * What is compiled, from the authors' own archives. They are fetched from Debian, or else from
 * `url`, or may be laid into `sources/` by hand; the hash says that they are the same.
 */
export const SOURCES = {
  ffmpeg: {
    version: '7.1.5',
    licence: 'LGPL-2.1-or-later',
    licenceFile: 'COPYING.LGPLv2.1',
    url: 'https://ffmpeg.org/releases/ffmpeg-7.1.5.tar.xz',
    sha256: 'de668509caf9e35e3cd162473441fdb29538c6d96ed080292b3cf9e6fc5d558f',
  },
  dav1d: {
    version: '1.5.1',
    licence: 'BSD-2-Clause',
    licenceFile: 'COPYING',
    url: 'https://downloads.videolan.org/pub/videolan/dav1d/1.5.1/dav1d-1.5.1.tar.xz',
    sha256: '401813f1f89fa8fd4295805aa5284d9aed9bc7fc1fdbe554af4292f64cbabe21',
  },
  zlib: {
    version: '1.3.1',
    licence: 'Zlib',
    licenceFile: 'LICENSE',
    url: 'https://zlib.net/fossils/zlib-1.3.1.tar.gz',
    sha256: '9a93b2b7dfdac77ceba5a558a580e74667dd6fede4585b91eefb60f03b72df23',
    // Debian's archive is the same less some of contrib/, none of which is compiled.
    debianSha256: '60dd315c07f616887caa029408308a018ace66e3d142726a97db164b3b8f69fb',
  },
  // Not FFmpeg's, but the addon's own.
  highway: {
    version: '1.2.0',
    licence: 'Apache-2.0',
    licenceFile: 'LICENSE',
    url: 'https://github.com/google/highway/archive/refs/tags/1.2.0.tar.gz',
    sha256: '7e0be78b8318e8bdbf6fa545d2ecb4c90f947df03f7aadc42c1967f019e63343',
  },
};

/** Among the licences: what FFmpeg was configured with, one option a line. */
export const CONFIGURATION_FILE = 'ffmpeg-configure.txt';

const DEBIAN_SUITE = 'trixie';
const SYSROOT_SUITE = 'bullseye';
const targets = {
  'linux-x64': { debian: 'amd64', cpu: 'x86_64', triplet: 'x86_64-linux-gnu' },
  'linux-arm64': { debian: 'arm64', cpu: 'aarch64', triplet: 'aarch64-linux-gnu' },
};
const host = `${process.platform}-${process.arch}`;
const here = import.meta.dirname;

/** @typedef {ReturnType<typeof ffmpegBuild>} FfmpegBuild */

/** Where the build for a target is, finished (`complete`) or not. Looks, and makes nothing. */
export function ffmpegBuild(target = host) {
  const hash = createHash('sha256').update(target);
  for (const file of ['build-ffmpeg.mjs', 'ffmpeg/va-stubs.c', 'ffmpeg/glibc-floor.h']) {
    hash.update(readFileSync(join(here, file)));
  }
  const caches = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  const name = `ffmpeg-${SOURCES.ffmpeg.version}-${target}-${hash.digest('hex').slice(0, 12)}`;
  const folder = join(caches, 'rushes-build', name);
  const prefix = join(folder, 'prefix');
  return {
    target,
    folder,
    prefix,
    sysroot: join(folder, 'sysroot'),
    /** Of everything inside, and how FFmpeg was configured. */
    licences: join(prefix, 'licences'),
    /** For cmake; sets compiler and flags. */
    toolchainFile: join(prefix, 'toolchain.cmake'),
    pkgConfig: join(prefix, 'lib', 'pkgconfig'),
    complete: existsSync(join(prefix, '.complete')),
    isCross: target !== host,
    strip: target !== host ? `${targets[target]?.triplet}-strip` : 'strip',
  };
}

// Note [Sysroot]
// A program asks for the newest version of each C function that the C library at hand has, and
// does not start where there is none so new. So the private FFmpeg and the prebuilt addon are
// compiled and linked against an old library (its files, from Debian's packages, in a folder;
// not in use on this machine), and need no newer one. The same way lets one machine build for
// another processor. Of the compiler, the run-time parts (libstdc++, libgcc) come from the old
// suite too, since they also ask for functions.
function compiler({ target, folder, sysroot, isCross }) {
  if (!usesSysroot(target)) {
    return {
      cc: 'cc',
      cxx: 'c++',
      tool: (name) => name,
      cFlags: [],
      cxxFlags: [],
      linkFlags: [],
    };
  }
  const { triplet } = targets[target];
  const tool = (name) => (isCross ? `${triplet}-${name}` : name);
  const usr = join(sysroot, 'usr');
  const gcc = join(usr, 'lib', 'gcc', triplet, '10');
  const headers = (...folders) =>
    folders.flatMap((folder) => ['-isystem', join(usr, 'include', folder)]);
  const cxxHeaders = headers('c++/10', `${triplet}/c++/10`);
  const cHeaders = headers('', triplet);
  const cFlags = [`--sysroot=${sysroot}`, '-include', join(folder, 'glibc-floor.h')];
  return {
    cc: tool('gcc'),
    cxx: tool('g++'),
    tool,
    cFlags: [...cFlags, ...cHeaders],
    // In this order: the headers of C++ include those of C as the next of the same name.
    cxxFlags: [...cFlags, '-nostdinc++', ...cxxHeaders, ...cHeaders],
    linkFlags: [`--sysroot=${sysroot}`, `-B${gcc}`, `-B${join(usr, 'lib', triplet)}`],
  };
}

function usesSysroot(target) {
  return target in targets && onPath('apt-get');
}

/** All decoders that make pictures, by the order in which FFmpeg lists them: video comes first. */
async function videoDecoders(source) {
  const list = await readFile(join(source, 'libavcodec', 'allcodecs.c'), 'utf8');
  const [video, rest] = list.split('/* audio codecs */');
  if (rest === undefined) throw new CommandError('allcodecs.c has another form', '');
  const names = [...video.matchAll(/ff_(\w+)_decoder;/g)].map(([, name]) => name);
  // Other libraries' and drivers' own decoders; devices are reached through hwaccels.
  return names.filter(
    (name) => !/_(v4l2m2m|cuvid|qsv|mmal|mediacodec|rkmpp|amf|crystalhd)$/.test(name),
  );
}

/** Why each is as it is: docs/prebuilt.md. */
async function configureLine(build, source) {
  const { target, sysroot, isCross } = build;
  const { cc, cxx, cFlags, linkFlags, tool } = compiler(build);
  const decoders = [...(await videoDecoders(source)), 'av1', 'libdav1d'];
  // Without these, probing reads megabytes of a stream to learn what the sound is like.
  const audio = ['aac', 'aac_latm', 'ac3', 'eac3', 'dca', 'mp2float', 'mp3float'];
  const devices = target.startsWith('linux')
    ? ['--enable-vaapi', '--enable-vulkan', '--enable-ffnvcodec', '--enable-nvdec']
    : target.startsWith('darwin')
      ? ['--enable-videotoolbox']
      : ['--enable-d3d11va', '--enable-dxva2'];
  return [
    `--prefix=${build.prefix}`,
    `--cc=${cc}`,
    `--cxx=${cxx}`,
    ...(usesSysroot(target)
      ? [`--sysroot=${sysroot}`, `--ar=${tool('ar')}`, `--ranlib=${tool('ranlib')}`]
      : []),
    ...(isCross
      ? [
          '--enable-cross-compile',
          '--target-os=linux',
          `--arch=${targets[target].cpu}`,
          `--cross-prefix=${tool('')}`,
        ]
      : []),
    '--pkg-config=pkg-config', // not the cross compiler's: PKG_CONFIG_LIBDIR says all
    '--pkg-config-flags=--static',
    // Assertions name the file that they are in.
    `--extra-cflags=-fvisibility=hidden -ffile-prefix-map=${build.folder}=. ${[`-I${join(build.prefix, 'include')}`, ...cFlags].join(' ')}`,
    `--extra-ldflags=-L${join(build.prefix, 'lib')} ${linkFlags.join(' ')}`,
    ...'--enable-static --disable-shared --enable-pic --disable-debug'.split(' '),
    ...'--disable-autodetect --disable-programs --disable-doc --disable-network'.split(
      ' ',
    ),
    ...'--disable-avdevice --disable-avfilter --disable-swresample'.split(' '),
    ...'--disable-encoders --disable-muxers --disable-devices --disable-filters'.split(
      ' ',
    ),
    '--disable-protocols',
    '--enable-protocol=file,pipe,data,crypto',
    '--disable-decoders',
    `--enable-decoder=${[...decoders, ...audio].join(',')}`,
    ...['--enable-libdav1d', '--enable-zlib', ...devices],
  ];
}

/** The archive of a source, checked. */
async function fetchSource(name, folder, apt) {
  const { version, url, sha256, debianSha256 } = SOURCES[name];
  const archives = async () =>
    (await readdir(folder)).filter(
      (file) => file.startsWith(name) && /\.tar\.(xz|gz)$/.test(file),
    );
  const find = async () => {
    for (const file of await archives()) {
      const bytes = await readFile(join(folder, file));
      const hash = createHash('sha256').update(bytes).digest('hex');
      if (hash === sha256 || hash === debianSha256) return join(folder, file);
    }
    return undefined;
  };
  const found = await find();
  if (found) return found;
  await apt?.downloadSource(name, folder).catch(() => {});
  const fromDebian = await find();
  if (fromDebian) return fromDebian;
  const reason = (error) => error.cause?.message ?? error.message;
  const answer = await fetch(url).catch((error) => ({
    ok: false,
    statusText: reason(error),
  }));
  if (answer.ok) {
    await writeFile(
      join(folder, `${name}-${version}.tar.${url.split('.').pop()}`),
      Buffer.from(await answer.arrayBuffer()),
    );
  }
  const fetched = await find();
  if (fetched) return fetched;
  throw new CommandError(
    `${name} ${version} is not to be had from Debian ${DEBIAN_SUITE} nor from ${url} (${answer.statusText}).\n` +
      `Lay its archive (SHA-256 ${sha256}) into ${folder}, and run this again.`,
    '',
  );
}

function flagList(flags) {
  return flags.map((flag) => `'${flag}'`).join(', ');
}

/** One library: how it is configured and compiled, in a folder of its own. */
const libraries = {
  async zlib(build, { source, folder, jobs, env, run }) {
    const { cc, cFlags, tool } = compiler(build);
    // Its configure builds where it is called, from the sources beside it.
    const flags = ['-O3', '-fPIC', '-fvisibility=hidden', ...cFlags].join(' ');
    const where = {
      cwd: folder,
      env: {
        ...env,
        CC: cc,
        AR: tool('ar'),
        RANLIB: tool('ranlib'),
        CFLAGS: flags,
        CHOST: '',
      },
    };
    await run(join(source, 'configure'), ['--static', `--prefix=${build.prefix}`], where);
    await run('make', [`-j${jobs}`, 'libz.a'], where);
    await run('make', ['install'], where);
  },

  async dav1d(build, { source, folder, env, run }) {
    const { cc, cFlags, linkFlags, tool } = compiler(build);
    const machine = join(folder, 'machine.ini');
    const cpu = targets[build.target]?.cpu;
    await writeFile(
      machine,
      [
        `[binaries]\nc = '${cc}'\nar = '${tool('ar')}'\nstrip = '${tool('strip')}'`,
        `[built-in options]\nc_args = [${flagList(cFlags)}]\nc_link_args = [${flagList(linkFlags)}]`,
        ...(build.isCross
          ? [
              `[host_machine]\nsystem = 'linux'\ncpu_family = '${cpu}'\ncpu = '${cpu}'\nendian = 'little'`,
            ]
          : []),
      ].join('\n'),
    );
    const options = [
      '--buildtype=release',
      '--default-library=static',
      '--libdir=lib',
      `--prefix=${build.prefix}`,
    ];
    const off = ['enable_tools', 'enable_tests'].map((option) => `-D${option}=false`);
    const kind = build.isCross ? '--cross-file' : '--native-file';
    const setup = ['setup', folder, source, kind, machine, ...options, ...off];
    await run('meson', setup, { env });
    await run('ninja', ['-C', folder, 'install'], { env });
  },

  async ffmpeg(build, { source, folder, jobs, env, run }) {
    if (build.target.startsWith('linux')) await installVaStubs(build);
    const line = await configureLine(build, source);
    await run(join(source, 'configure'), line, { cwd: folder, env });
    const header = join(folder, 'config.h');
    await writeFile(header, withoutFolders(build, await readFile(header, 'utf8')));
    await run('make', [`-j${jobs}`], { cwd: folder, env });
    await run('make', ['install'], { cwd: folder, env });
    await writeFile(
      join(build.licences, CONFIGURATION_FILE),
      withoutFolders(build, `${line.join('\n')}\n`),
    );
  },

  async highway(build, { source, folder, env, run }) {
    const options = {
      CMAKE_TOOLCHAIN_FILE: build.toolchainFile,
      CMAKE_BUILD_TYPE: 'Release',
      CMAKE_POSITION_INDEPENDENT_CODE: 'ON',
      CMAKE_INSTALL_PREFIX: build.prefix,
      CMAKE_INSTALL_LIBDIR: 'lib',
      BUILD_SHARED_LIBS: 'OFF',
      BUILD_TESTING: 'OFF',
      HWY_ENABLE_CONTRIB: 'OFF',
      HWY_ENABLE_EXAMPLES: 'OFF',
      HWY_ENABLE_TESTS: 'OFF',
    };
    const flags = Object.entries(options).map(([name, value]) => `-D${name}=${value}`);
    await run('cmake', ['-S', source, '-B', folder, '-G', 'Ninja', ...flags], { env });
    await run('ninja', ['-C', folder, 'install'], { env });
  },
};

/** FFmpeg shows how it was configured to whoever asks; where this machine has its folders is no part of that. */
function withoutFolders(build, text) {
  return text.replaceAll(build.folder, '.');
}

/** libva.a, which is none, and the pkg-config files by which FFmpeg looks for libva. */
async function installVaStubs(build) {
  const { cc, cFlags, tool } = compiler(build);
  const lib = join(build.prefix, 'lib');
  await mkdir(build.pkgConfig, { recursive: true });
  const object = join(lib, 'va-stubs.o');
  const stubs = join(here, 'ffmpeg', 'va-stubs.c');
  await run(cc, ['-O2', '-fPIC', ...cFlags, '-c', stubs, '-o', object]);
  await run(tool('ar'), ['rcs', join(lib, 'libva.a'), object]);
  await rm(object);
  for (const name of ['libva', 'libva-drm']) {
    const fields = {
      Name: name,
      Description: 'stubs',
      Version: '1.10.0',
      Libs: `-L${lib} -lva -ldl -lpthread`,
    };
    const text = Object.entries(fields)
      .map(([key, value]) => `${key}: ${value}\n`)
      .join('');
    await writeFile(join(build.pkgConfig, `${name}.pc`), text);
  }
}

async function makeSysroot(build, apt) {
  const unfinished = `${build.sysroot}.tmp`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished);
  // The C library and the compiler's run-time parts.
  const old = [
    'libc6',
    'libc6-dev',
    'linux-libc-dev',
    'libcrypt-dev',
    'libgcc-s1',
    'libgcc-10-dev',
    'libstdc++-10-dev',
  ];
  // Headers alone are used of these: what they declare is opened when a device is asked for.
  // libva's are old so that FFmpeg needs no newer one; the others promise to be compatible.
  const devices = [
    'libva-dev',
    ...['libvulkan-dev', 'libffmpeg-nvenc-dev'].map((name) => `${name}/${DEBIAN_SUITE}`),
  ];
  await apt.unpack(
    [...old, ...devices].map((name) =>
      name.includes('/') ? name : `${name}/${SYSROOT_SUITE}`,
    ),
    unfinished,
  );
  await rename(unfinished, build.sysroot);
}

/** For cmake, so that the addon is compiled as its FFmpeg was. */
async function writeToolchainFile(build) {
  const { cc, cxx, cxxFlags, linkFlags, tool } = compiler(build);
  const lines = [`set(CMAKE_C_COMPILER ${cc})`, `set(CMAKE_CXX_COMPILER ${cxx})`];
  if (build.isCross) {
    lines.push('set(CMAKE_SYSTEM_NAME Linux)');
    lines.push(`set(CMAKE_SYSTEM_PROCESSOR ${targets[build.target].cpu})`);
  }
  if (usesSysroot(build.target)) {
    const flags = [...linkFlags, '-static-libstdc++', '-static-libgcc'].join(' ');
    lines.push(
      `set(CMAKE_STRIP ${tool('strip')})`,
      `set(CMAKE_SYSROOT ${build.sysroot})`,
      `set(CMAKE_FIND_ROOT_PATH ${build.prefix})`,
      'set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)',
      // Not CMAKE_CXX_FLAGS_INIT, over which cmake-js has its way.
      `add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:SHELL:${cxxFlags.join(' ')}>")`,
      ...['EXE', 'MODULE'].map(
        (kind) => `set(CMAKE_${kind}_LINKER_FLAGS_INIT "${flags}")`,
      ),
    );
  }
  await writeFile(build.toolchainFile, `${lines.join('\n')}\n`);
}

/** Builds FFmpeg where that has not been done. */
export async function buildFfmpeg(target = host) {
  const build = ffmpegBuild(target);
  if (build.complete) return build;
  const caches = dirname(build.folder);
  await mkdir(join(caches, 'sources'), { recursive: true });
  await withLock(join(caches, 'lock'), 'FFmpeg', async (run) => {
    if (!ffmpegBuild(target).complete) await buildAll(build, run);
  });
  return ffmpegBuild(target);
}

async function buildAll(build, run) {
  const { target, folder } = build;
  const missing = await missingRequirements({ prebuilt: true, cross: build.isCross });
  if (missing.length > 0) await installRequirements(missing);

  await mkdir(build.licences, { recursive: true });
  const apt = usesSysroot(target)
    ? await scratchApt(
        join(folder, 'apt'),
        [DEBIAN_SUITE, SYSROOT_SUITE],
        targets[target].debian,
      )
    : undefined;
  if (apt && !existsSync(build.sysroot)) await makeSysroot(build, apt);
  await copyFile(join(here, 'ffmpeg', 'glibc-floor.h'), join(folder, 'glibc-floor.h'));
  await writeToolchainFile(build);
  for (const name of Object.keys(libraries)) {
    const stamp = join(folder, `.${name}-installed`);
    if (existsSync(stamp)) continue;
    console.log(`${name} ${SOURCES[name].version} …`);
    await buildLibrary(name, build, apt, run);
    await writeFile(stamp, '');
  }
  await writeFile(join(build.prefix, '.complete'), '');
}

/** From nothing, whatever a build that was killed may have left: half an object file looks finished to make and ninja. */
async function buildLibrary(name, build, apt, run) {
  const { version, licenceFile } = SOURCES[name];
  const source = join(build.folder, `${name}-${version}`);
  const folder = join(build.folder, name);
  for (const old of [source, folder]) await rm(old, { recursive: true, force: true });
  await mkdir(folder);
  const archive = await fetchSource(name, join(build.folder, '..', 'sources'), apt);
  await run('tar', ['-xf', archive, '-C', build.folder]);
  // Not what is installed on this machine. In the sysroot's folder is NVIDIA's ffnvcodec.pc alone.
  const ffnvcodec = join(build.sysroot, 'usr', 'share', 'pkgconfig');
  const env = { PKG_CONFIG_LIBDIR: `${build.pkgConfig}:${ffnvcodec}` };
  await libraries[name](build, {
    source,
    folder,
    jobs: availableParallelism(),
    env,
    run,
  });
  await copyFile(
    join(source, licenceFile),
    join(build.licences, `${name}-${licenceFile}.txt`),
  );
}

if (realpathSync(process.argv[1] ?? '/') === import.meta.filename) {
  await main(async () => {
    const { target } = parseArgs({ options: { target: { type: 'string' } } }).values;
    console.log((await buildFfmpeg(target)).prefix);
  });
}
