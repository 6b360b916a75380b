// Builds dist/ from src/:
//
//   cjs/index.js   the library, once, as CommonJS
//   cjs/names.js   its exports one by one: Node reads all of a CommonJS file that is imported
//                  for the names in it, which would take longer than to run the library
//   cjs/beamcoder-process.js   what runs where beamcoder decodes
//   index.mjs      the same library for ESM: the names of cjs/names.js and nothing else,
//                  so that a MediaError is the same class however it was loaded
//   cli.mjs        the command line, which imports index.mjs
//   benchmark.mjs  what runs one decode path of a benchmark, which does so, too
//   report/        script and style of the page that `rushes report` writes, uPlot inside
//   *.d.ts         the types, and in cjs/ the same again for CommonJS
import {
  chmod,
  copyFile,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, resolve, sep } from 'node:path';
import * as esbuild from 'esbuild';
import { CommandError, main, root, run } from './run.mjs';

const library = join(root, 'src', 'index.ts');
const cliFolder = join(root, 'src', 'cli') + sep;
const common = {
  bundle: true,
  platform: 'node',
  target: 'node20',
  packages: 'external',
  sourcemap: true,
  logLevel: 'warning',
};

function bundle(options) {
  return esbuild.build({ ...common, ...options }).catch(() => {
    throw new CommandError(`esbuild: ${options.entryPoints}`, ''); // it has said why
  });
}

/** What runs by itself shares the library's code with it. @param {string[]} own where its own files are */
const libraryStaysOutside = (...own) => ({
  name: 'library-stays-outside',
  setup(build) {
    build.onResolve({ filter: /^\.\.?\// }, ({ path, resolveDir }) => {
      const file = resolve(resolveDir, path);
      if (file === library) return { path: './index.mjs', external: true };
      const isOwn = own.some((folder) => file.startsWith(folder));
      if (isOwn || file.endsWith('.json')) return undefined;
      return {
        errors: [{ text: `${path}: the library is used through ../index.ts only` }],
      };
    });
  },
});

/** Parts of Node that take long to load, and that opening a video and taking its frames does without. */
const heavyBuiltIns = /^node:(child_process|crypto|v8|zlib)$/;

/** Loads them where something of them is first used, not with the library. */
const lazyBuiltIns = {
  name: 'lazy-built-ins',
  setup(build) {
    build.onResolve({ filter: heavyBuiltIns }, ({ path, namespace }) =>
      namespace === 'lazy' ? { path, external: true } : { path, namespace: 'lazy' },
    );
    build.onLoad({ filter: heavyBuiltIns, namespace: 'lazy' }, ({ path }) => {
      const names = Object.keys(createRequire(import.meta.url)(path));
      const getters = names.map((name) => `get ${name}() { return load().${name}; }`);
      return {
        contents: `const load = () => require('${path}');\nmodule.exports = { ${getters.join(', ')} };`,
      };
    });
  },
};

async function buildCommonJs(dist) {
  const outfile = join(dist, 'cjs', 'index.js');
  const beamcoderProcess = join(root, 'src', 'backend', 'beamcoder', 'process.ts');
  for (const [entry, file] of [
    [library, outfile],
    [beamcoderProcess, join(dist, 'cjs', 'beamcoder-process.js')],
  ]) {
    await bundle({
      entryPoints: [entry],
      outfile: file,
      format: 'cjs',
      define: { 'import.meta.dirname': '__dirname' },
      plugins: [lazyBuiltIns],
    });
  }
  await writeFile(join(dist, 'cjs', 'package.json'), '{ "type": "commonjs" }\n');
  return outfile;
}

async function wrapForEsm(dist, commonJs) {
  const names = Object.keys(createRequire(import.meta.url)(commonJs)).sort();
  const assigned = names.map((name) => `exports.${name} = library.${name};\n`).join('');
  await writeFile(
    join(dist, 'cjs', 'names.js'),
    `const library = require('./index.js');\n${assigned}`,
  );
  const list = names.map((name) => `  ${name},\n`).join('');
  await writeFile(join(dist, 'index.mjs'), `export {\n${list}} from './cjs/names.js';\n`);
}

async function buildCli(dist) {
  const outfile = join(dist, 'cli.mjs');
  await bundle({
    entryPoints: [join(cliFolder, 'main.ts')],
    outfile,
    format: 'esm',
    plugins: [libraryStaysOutside(cliFolder)],
  });
  await chmod(outfile, 0o755);
}

async function buildBenchmark(dist) {
  const folder = join(root, 'src', 'benchmark') + sep;
  await bundle({
    entryPoints: [join(folder, 'process.ts')],
    outfile: join(dist, 'benchmark.mjs'),
    format: 'esm',
    plugins: [libraryStaysOutside(folder, join(root, 'src', 'wire.ts'))],
  });
}

/** For browsers; nothing of it is loaded by Node. */
async function buildReportPage(dist) {
  const page = join(cliFolder, 'report-page');
  const { version } = JSON.parse(
    await readFile(join(root, 'node_modules', 'uplot', 'package.json'), 'utf8'),
  );
  const notice = `/* uPlot ${version}, (c) Leon Sorokin, MIT licence: https://github.com/leeoniya/uPlot */`;
  await bundle({
    entryPoints: [join(page, 'main.ts')],
    outfile: join(dist, 'report', 'page.js'),
    platform: 'browser',
    packages: 'bundle',
    format: 'iife',
    target: 'es2022',
    minify: true,
    sourcemap: false,
    supported: { 'inline-script': false }, // writes `<\\/script` where there is one
    banner: { js: notice },
  });
  const own = await readFile(join(page, 'style.css'), 'utf8');
  const chart = join(root, 'node_modules', 'uplot', 'dist', 'uPlot.min.css');
  const { code } = await esbuild.transform(`${await readFile(chart, 'utf8')}${own}`, {
    loader: 'css',
    minify: true,
  });
  await writeFile(join(dist, 'report', 'page.css'), `${notice}${code}`);
}

async function writeDeclarations(dist) {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  await run(process.execPath, [
    tsc,
    '--project',
    'tsconfig.build.json',
    '--outDir',
    dist,
  ]);
  const files = await readdir(dist, { recursive: true });
  for (const name of files.filter((file) => file.endsWith('.d.ts'))) {
    const file = join(dist, name);
    // tsc leaves the `.ts` of the sources, for which a reader of older tools has no file.
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replaceAll(/(['"]\.\.?\/[^'"]+)\.ts(?=['"])/g, '$1.js'));
    await mkdir(dirname(join(dist, 'cjs', name)), { recursive: true });
    await copyFile(file, join(dist, 'cjs', name));
  }
}

await main(async () => {
  const dist = join(root, 'dist');
  const fresh = join(root, 'dist.tmp');
  const old = join(root, 'dist.old');
  for (const folder of [fresh, old]) await rm(folder, { recursive: true, force: true });

  await wrapForEsm(fresh, await buildCommonJs(fresh));
  await buildCli(fresh);
  await buildBenchmark(fresh);
  await buildReportPage(fresh);
  await writeDeclarations(fresh);

  // Whoever runs from dist/ meanwhile goes on with the old files.
  await rename(dist, old).catch((error) => {
    if (error.code !== 'ENOENT') throw error;
  });
  await rename(fresh, dist);
  await rm(old, { recursive: true, force: true });
});
