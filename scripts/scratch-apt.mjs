// Debian's packages of any suite, without touching the system: apt with a configuration, lists
// and a cache of its own. The mirror is the one that the machine itself uses.
import { existsSync } from 'node:fs';
import {
  mkdir,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { CommandError, run } from './run.mjs';

/** The mirror in the machine's apt sources, in either of their two formats. */
async function systemMirror() {
  const folder = '/etc/apt/sources.list.d';
  const names = await readdir(folder).catch(() => []);
  for (const file of [
    ...names.map((name) => join(folder, name)),
    '/etc/apt/sources.list',
  ]) {
    const text = await readFile(file, 'utf8').catch(() => '');
    const mirror =
      text.match(/^URIs:\s*(\S+\/debian)\/?\s/m) ??
      text.match(/^deb\s+(?:\[[^\]]*\]\s+)?(\S+\/debian)\/?\s/m);
    if (mirror) return mirror[1];
  }
  throw new CommandError('No Debian mirror is named in /etc/apt', '');
}

/**
 * @param {string} folder where it may keep its lists
 * @param {string[]} suites `bullseye` …
 * @param {string} architecture Debian's name: `amd64` …
 */
export async function scratchApt(folder, suites, architecture) {
  const mirror = await systemMirror();
  await mkdir(join(folder, 'lists', 'partial'), { recursive: true });
  await mkdir(join(folder, 'archives', 'partial'), { recursive: true });
  const list = join(folder, 'sources.list');
  const signed = `signed-by=/usr/share/keyrings/debian-archive-keyring.gpg`;
  const lines = suites.flatMap((suite) => [
    `deb [${signed}] ${mirror} ${suite} main`,
    `deb-src [${signed}] ${mirror} ${suite} main`,
  ]);
  await writeFile(list, `${lines.join('\n')}\n`);
  const settings = {
    'Dir::Etc::SourceList': list,
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::State::Lists': join(folder, 'lists'),
    'Dir::State::Status': '/dev/null',
    'Dir::Cache': folder,
    'APT::Architecture': architecture,
    'APT::Architectures': architecture,
    'APT::Sandbox::User': '', // apt would rather not write into this folder as root
  };
  const options = Object.entries(settings).flatMap(([key, value]) => [
    '-o',
    `${key}=${value}`,
  ]);
  const apt = (args, where) => run('apt-get', ['-qq', ...options, ...args], where);
  await apt(['update']);
  return {
    /** Unpacks binary packages, given as `name/suite`, into a folder. */
    async unpack(packages, into) {
      const debs = join(folder, 'debs');
      await rm(debs, { recursive: true, force: true });
      await mkdir(debs);
      await apt(['download', ...packages], { cwd: debs });
      for (const deb of await readdir(debs)) {
        await run('dpkg-deb', ['--extract', join(debs, deb), into]);
      }
      await makeLinksRelative(into);
    },
    /** Downloads the authors' archive of a source package into a folder. */
    downloadSource: (name, into) =>
      apt(['source', '--download-only', '--tar-only', name], { cwd: into }),
  };
}

/** A link to /lib/… means the one inside the folder. */
async function makeLinksRelative(folder) {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) continue;
    const parent = entry.parentPath ?? entry.path;
    const link = join(parent, entry.name);
    const to = await readlink(link);
    if (!to.startsWith('/') || !existsSync(join(folder, to))) continue;
    await rm(link);
    await symlink(relative(dirname(link), join(folder, to)), link);
  }
}
