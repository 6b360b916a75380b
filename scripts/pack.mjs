// Makes the packages that are published, in packages/: `rushes`, and for each addon in
// prebuilds/ a package of its own, of which npm installs the one that fits the machine.
//
//   node scripts/pack.mjs [--out FOLDER]
//
// The dependencies on the platforms' packages are written here and not into package.json: until they
// are published, no lock could name them, and `npm ci` in a clone would have to fetch them.
import {
  copyFile,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { CONFIGURATION_FILE, SOURCES } from './build-ffmpeg.mjs';
import { withLock } from './lock.mjs';
import { main, root, run } from './run.mjs';

const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));

/** One for each file `prebuilds/PLATFORM-ARCH/rushes.LIBC.node`. */
async function findPrebuilds() {
  const folder = join(root, 'prebuilds');
  const found = [];
  for (const target of await readdir(folder).catch(() => [])) {
    for (const file of await readdir(join(folder, target))) {
      const match = file.match(/^rushes(?:\.(glibc|musl))?\.node$/);
      if (!match) continue;
      const [, libc] = match;
      const [os, cpu] = target.split('-');
      const name = `@rushes/${target}${libc === 'musl' ? '-musl' : ''}`;
      const licences = join(folder, target, libc ? `licences.${libc}` : 'licences');
      found.push({ name, target, file, os, cpu, libc, licences });
    }
  }
  return found;
}

function platformManifest({ name, os, cpu, libc }) {
  const { version, author, engines, repository } = manifest;
  return {
    name,
    version,
    description: `The addon of rushes for ${os} on ${cpu}${libc ? ` (${libc})` : ''}, FFmpeg included`,
    license: `${manifest.license} AND ${Object.values(SOURCES)
      .map(({ licence }) => licence)
      .join(' AND ')}`,
    author,
    repository,
    engines,
    os: [os],
    cpu: [cpu],
    ...(libc && { libc: [libc] }),
  };
}

/** What the LGPL asks for: what is inside, under which licence, where its source is, how to exchange it. */
function platformReadme({ name, target, file }, configuration) {
  const rows = Object.entries(SOURCES).map(
    ([library, { version, licence, licenceFile, url, sha256 }]) =>
      `| ${library} | ${version} | ${licence}: \`licences/${library}-${licenceFile}.txt\` | ${url} | \`${sha256}\` |`,
  );
  return `# ${name}

The addon of [rushes](https://www.npmjs.com/package/rushes) for this platform. npm installs it with \`rushes\`, where it fits.

\`prebuilds/${target}/${file}\` is rushes ${manifest.version} (MIT, \`LICENSE\`), linked statically with these libraries, unchanged:

| library | version | licence | source | SHA-256 of the source |
|---|---|---|---|---|
${rows.join('\n')}

FFmpeg was configured so that no part under the GPL, and none that is not free, is in it:

\`\`\`
${configuration.trim()}
\`\`\`

To use a changed FFmpeg, or another: all of rushes' own source is in the package \`rushes\`, and \`npm_config_build_from_source=rushes npm rebuild rushes\`
builds the addon against the FFmpeg of the machine, which then goes before this one. To make this very file again, changed or not, take the repository of rushes
at the tag v${manifest.version}: \`scripts/build-ffmpeg.mjs\` builds the libraries and \`npm run prebuilds\` the addon.
`;
}

async function stagePlatform(prebuild, folder) {
  const where = join(folder, 'prebuilds', prebuild.target);
  await mkdir(where, { recursive: true });
  await copyFile(
    join(root, 'prebuilds', prebuild.target, prebuild.file),
    join(where, prebuild.file),
  );
  await copyFile(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  await cp(prebuild.licences, join(folder, 'licences'), { recursive: true });
  await writeFile(
    join(folder, 'README.md'),
    platformReadme(
      prebuild,
      await readFile(join(prebuild.licences, CONFIGURATION_FILE), 'utf8'),
    ),
  );
  await writeJson(join(folder, 'package.json'), platformManifest(prebuild));
}

/** What `npm pack` would take, with the platforms' packages added. */
async function stageMain(prebuilds, folder) {
  const work = await mkdtemp(join(tmpdir(), 'rushes-pack-'));
  const [{ filename }] = JSON.parse(await npmPack(root, work));
  await run('tar', ['-xzf', join(work, filename), '-C', folder, '--strip-components=1']);
  await rm(work, { recursive: true });
  const optionalDependencies = Object.fromEntries(
    prebuilds.map(({ name }) => [name, manifest.version]),
  );
  await writeJson(join(folder, 'package.json'), { ...manifest, optionalDependencies });
}

function writeJson(file, value) {
  return writeFile(file, `${JSON.stringify(value, null, 2)}\n`);
}

function npmPack(folder, out) {
  return run('npm', [
    'pack',
    folder,
    '--ignore-scripts',
    '--json',
    '--silent',
    '--pack-destination',
    out,
  ]);
}

/** A bill of materials in CycloneDX: npm's, of what is installed with rushes, and what is inside the addon. */
async function writeSbom(prebuilds, out) {
  const options = ['--package-lock-only', '--omit', 'dev', '--sbom-format', 'cyclonedx'];
  const sbom = JSON.parse(await run('npm', ['sbom', ...options]));
  sbom.metadata.component.name = manifest.name; // npm has the folder's
  for (const { name } of prebuilds) {
    sbom.components.push({
      'bom-ref': `${name}@${manifest.version}`,
      type: 'library',
      name,
      version: manifest.version,
      purl: `pkg:npm/${name.replace('@', '%40')}@${manifest.version}`,
      licenses: [{ license: { id: manifest.license } }],
      components: Object.entries(SOURCES).map(
        ([library, { version, licence, url, sha256 }]) => ({
          'bom-ref': `${name}/${library}@${version}`,
          type: 'library',
          name: library,
          version,
          licenses: [{ license: { id: licence } }],
          hashes: [{ alg: 'SHA-256', content: sha256 }],
          externalReferences: [{ type: 'distribution', url }],
        }),
      ),
    });
  }
  await writeJson(join(out, `${manifest.name}-${manifest.version}.cdx.json`), sbom);
}

async function packAll(out) {
  await rm(out, { recursive: true, force: true });
  await mkdir(out, { recursive: true });
  const prebuilds = await findPrebuilds();
  const staged = [
    { name: manifest.name, stage: (folder) => stageMain(prebuilds, folder) },
    ...prebuilds.map((one) => ({
      name: one.name,
      stage: (folder) => stagePlatform(one, folder),
    })),
  ];
  for (const { stage } of staged) {
    const folder = await mkdtemp(join(tmpdir(), 'rushes-pack-'));
    await stage(folder);
    const [{ filename, size }] = JSON.parse(await npmPack(folder, out));
    await rm(folder, { recursive: true });
    console.log(`${filename}: ${(size / 1e6).toFixed(1)} MB`);
  }
  await writeSbom(prebuilds, out);
}

await main(async () => {
  const { values } = parseArgs({ options: { out: { type: 'string' } } });
  const out = resolve(values.out ?? join(root, 'packages'));
  // So that no addon is made anew meanwhile.
  const lock = join(root, 'build-native', 'prebuild.lock');
  await withLock(lock, 'packages', () => packAll(out));
});
