// Adds to package-lock.json the packages of other platforms that npm left out.
//
// A dependency with native parts lists one optional package for each platform. npm records
// only those that it could look up when it wrote the lock, and `npm ci` then refuses the
// lock for the missing ones, here and on their platforms. `npm run lock` runs this after
// each change of a dependency.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { root } from './run.mjs';

const platformName =
  /(android|darwin|freebsd|linux|netbsd|openbsd|openharmony|win32)(musl)?-(arm64|arm|ia32|loong64|ppc64|riscv64|s390x|x64)(?:-(gnu|musl|msvc)?(?:eabi(?:hf)?)?)?$/;

/** What npm would have recorded; it is the package's name that says which platform it is for. */
function platformEntry(name, version, dev) {
  const match = platformName.exec(name);
  if (!match || !/^\d/.test(version))
    throw new Error(`${name}@${version}: which platform?`);
  const [, os, isMusl, cpu, abi] = match;
  const libc = os !== 'linux' || abi === 'msvc' ? undefined : isMusl ? 'musl' : abi;
  return {
    version,
    cpu: [cpu],
    ...(dev && { dev }),
    ...(libc && { libc: [libc === 'musl' ? 'musl' : 'glibc'] }),
    optional: true,
    os: [os],
  };
}

const file = join(root, 'package-lock.json');
const lock = JSON.parse(await readFile(file, 'utf8'));
const packages = { ...lock.packages };
for (const { optionalDependencies = {}, dev } of Object.values(lock.packages)) {
  for (const [name, version] of Object.entries(optionalDependencies)) {
    packages[`node_modules/${name}`] ??= platformEntry(name, version, dev);
  }
}
lock.packages = Object.fromEntries(
  Object.entries(packages).sort(([a], [b]) => a.localeCompare(b, 'en')),
);
await writeFile(file, `${JSON.stringify(lock, null, 2)}\n`);
