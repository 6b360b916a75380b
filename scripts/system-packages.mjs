import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { CommandError, run } from './run.mjs';

const libraries = ['libavformat', 'libavcodec', 'libavutil', 'libswscale'];

// What must be there, how to see that it is, and what brings it on Debian and on macOS.
const requirements = [
  { name: 'a C++20 compiler', here: () => onPath('c++'), apt: ['g++'] },
  { name: 'cmake', here: () => onPath('cmake'), apt: ['cmake'], brew: ['cmake'] },
  { name: 'ninja', here: () => onPath('ninja'), apt: ['ninja-build'], brew: ['ninja'] },
  {
    name: 'pkg-config',
    here: () => onPath('pkg-config'),
    apt: ['pkg-config'],
    brew: ['pkgconf'],
  },
  {
    name: `FFmpeg's development files (${libraries.join(', ')})`,
    here: async () => (await version(...libraries)) !== '',
    apt: libraries.map((library) => `${library}-dev`),
    brew: ['ffmpeg'],
  },
  {
    // The addon can do without, more slowly.
    name: 'Highway (vector instructions)',
    here: async () => (await version('libhwy')) !== '',
    apt: ['libhwy-dev'],
    brew: ['highway'],
  },
  {
    // The addon can do without: frames are made smaller in memory, not on hardware devices.
    name: 'libavfilter',
    here: async () => (await version('libavfilter')) !== '',
    apt: ['libavfilter-dev'],
    brew: ['ffmpeg'],
  },
  {
    name: 'the ffmpeg tool',
    here: () => onPath('ffmpeg') && onPath('ffprobe'),
    apt: ['ffmpeg'],
    brew: ['ffmpeg'],
  },
];

/** FFmpeg's libraries that only beamcoder wants, against which the tests measure and fall back. */
const beamcoderLibraries = ['libavdevice', 'libavfilter', 'libswresample', 'libpostproc'];

const testRequirements = [
  {
    name: `FFmpeg 5's other development files, for beamcoder (${beamcoderLibraries.join(', ')})`,
    // With another FFmpeg it cannot be built, and its tests are skipped.
    here: async () => {
      const versions = await libraryVersions();
      if (!/^59\./.test(versions) || !onPath('apt-get')) return true;
      const check = ['--exists', ...beamcoderLibraries];
      return run('pkg-config', check).then(
        () => true,
        () => false,
      );
    },
    apt: beamcoderLibraries.map((library) => `${library}-dev`),
  },
  {
    name: 'doctest',
    here: () =>
      ['/usr', '/usr/local', '/opt/homebrew'].some((prefix) =>
        existsSync(join(prefix, 'include', 'doctest', 'doctest.h')),
      ),
    apt: ['doctest-dev'],
    brew: ['doctest'],
  },
  {
    name: 'clang-format',
    here: () => onPath('clang-format'),
    apt: ['clang-format'],
    brew: ['clang-format'],
  },
  {
    name: 'clang-tidy',
    // Homebrew has it inside llvm only, off the path; lint.mjs can do without.
    here: () => onPath('clang-tidy') || process.platform === 'darwin',
    apt: ['clang-tidy'],
  },
  {
    name: 'a Vulkan driver that needs no graphics card',
    // Homebrew has none for FFmpeg: tests of its surfaces are skipped there.
    here: () =>
      process.platform !== 'linux' ||
      ['/usr/share/vulkan/icd.d', '/etc/vulkan/icd.d'].some(
        (folder) =>
          existsSync(folder) && readdirSync(folder).some((name) => name.includes('lvp')),
      ),
    apt: ['mesa-vulkan-drivers'],
  },
];

// What scripts/build-ffmpeg.mjs compiles with.
const prebuiltRequirements = [
  { name: 'make', here: () => onPath('make'), apt: ['make'] },
  { name: 'meson', here: () => onPath('meson'), apt: ['meson'], brew: ['meson'] },
  {
    name: 'nasm',
    here: () => onPath('nasm') || process.arch !== 'x64',
    apt: ['nasm'],
    brew: ['nasm'],
  },
];

const crossRequirements = [
  {
    name: 'a C++ compiler for arm64',
    here: () => onPath('aarch64-linux-gnu-g++'),
    apt: ['g++-aarch64-linux-gnu'],
  },
];

/** Whether a command of that name can be run. */
export function onPath(command) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** The versions of the libraries that the addon is built with. */
export async function libraryVersions() {
  const optional = ['libhwy', 'libavfilter'].map((name) => version(name));
  return (await Promise.all([version(...libraries), ...optional])).join('\n');
}

/** What pkg-config says; '' if one is missing. */
function version(...names) {
  return run('pkg-config', ['--modversion', ...names]).catch(() => '');
}

/** What the clone needs from the system and does not find there. */
export async function missingRequirements({ test, prebuilt, cross }) {
  const missing = [];
  const wanted = [
    ...requirements,
    ...(test ? testRequirements : []),
    ...(prebuilt ? prebuiltRequirements : []),
    ...(cross ? crossRequirements : []),
  ];
  for (const requirement of wanted) {
    if (!(await requirement.here())) missing.push(requirement);
  }
  return missing;
}

/** Installs what is missing, with apt-get or brew. */
export async function installRequirements(missing) {
  const [manager, install] = onPath('apt-get')
    ? ['apt', aptInstall]
    : onPath('brew')
      ? ['brew', (packages) => run('brew', ['install', ...packages])]
      : [];
  const unknown = missing.filter((requirement) => !requirement[manager]);
  if (unknown.length > 0) {
    const list = unknown.map(
      ({ name, apt }) => `\n  ${name} (on Debian: ${apt.join(' ')})`,
    );
    const hint =
      process.platform === 'darwin'
        ? '\n`xcode-select --install` brings the compiler, Homebrew the rest.'
        : '';
    throw new CommandError(
      `Please install these, which set-up cannot install here, and run it again:${list.join('')}${hint}`,
      '',
    );
  }
  await install([...new Set(missing.flatMap((requirement) => requirement[manager]))]);
}

async function aptInstall(packages) {
  const isRoot = process.getuid() === 0;
  if (!isRoot && !onPath('sudo')) {
    throw new CommandError(`As root: apt-get install ${packages.join(' ')}`, '');
  }
  // Another apt-get or an automatic upgrade may be at work.
  const aptGet = ['apt-get', '-o', 'DPkg::Lock::Timeout=300', '-qq', '-y'];
  const asRoot = (...command) => {
    const line = ['env', 'DEBIAN_FRONTEND=noninteractive', ...command];
    return isRoot ? run(line[0], line.slice(1)) : run('sudo', line);
  };
  // Lists that are out of date matter only if they lack what is wanted.
  const updated = await asRoot(...aptGet, 'update').catch((error) => error.output);
  const install = () =>
    asRoot(...aptGet, 'install', '--no-install-recommends', ...packages);
  try {
    await install();
  } catch (error) {
    if (!error.output?.includes('dpkg --configure -a')) {
      throw new CommandError(error.message, updated + error.output);
    }
    // An earlier installation was killed.
    await asRoot('dpkg', '--configure', '-a');
    await install();
  }
}
