// The scripts that developers meet first. Set-up is tried in a copy of the repository,
// with the repository's own node_modules.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import {
  chmod,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { clip, testOf } from './helpers/clips.ts';

const root = join(import.meta.dirname, '..');
const COPIED =
  /^(native|src|scripts|build|dist|CMakeLists\.txt|package.*\.json|tsconfig.*\.json)$/;

let folder: string;
let copy: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rushes-tools-'));
  copy = join(folder, 'copy');
  for (const name of await readdir(root)) {
    if (COPIED.test(name))
      await cp(join(root, name), join(copy, name), { recursive: true });
  }
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
  // Were set-up wrong about node_modules, it would empty the repository's.
  await mkdir(join(folder, 'bin'));
  await writeFile(join(folder, 'bin', 'npm'), '#!/bin/sh\nexit 1\n');
  await chmod(join(folder, 'bin', 'npm'), 0o755);
  // Silent after `npm test`'s own, but not after a change and `npx vitest`.
  await setup();
}, 300_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

function startSetup(): ChildProcess {
  const env = { PATH: join(folder, 'bin') + delimiter + process.env.PATH };
  return spawn(process.execPath, ['scripts/setup.mjs'], { cwd: copy, env });
}

async function ended(
  child: ChildProcess,
): Promise<{ code: number | null; output: string }> {
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (data) => {
      output += data;
    });
  }
  const code = await new Promise<number | null>((done) => child.once('close', done));
  return { code, output };
}

const setup = () => ended(startSetup());
const loseDist = () => rm(join(copy, 'dist'), { recursive: true });
const BUILT = { code: 0, output: 'set-up: building the TypeScript …\n' };

test('set-up says nothing when there is nothing to do', async () => {
  expect(await setup()).toEqual({ code: 0, output: '' });
});

test('set-up makes again what is lost, and only that', async () => {
  await rm(join(copy, 'dist', 'cli.mjs'));
  expect(await setup()).toEqual(BUILT);
  expect(existsSync(join(copy, 'dist', 'cli.mjs'))).toBe(true);
  expect(await setup()).toEqual({ code: 0, output: '' });
});

test('set-up that was killed in mid-build is made good by the next', async () => {
  await loseDist();
  const killed = startSetup();
  while (!existsSync(join(copy, 'dist.tmp'))) await new Promise(setImmediate);
  killed.kill('SIGKILL');
  await ended(killed);
  expect(existsSync(join(copy, '.setup', 'lock'))).toBe(true);

  const { code, output } = await setup();
  expect({ code, output: output.replace(/^set-up: waiting.*\n/, '') }).toEqual(BUILT);
  expect(await setup()).toEqual({ code: 0, output: '' });
  expect(await readdir(join(copy, '.setup'))).toEqual([]);
});

test('two set-ups at once build once', async () => {
  await loseDist();
  const both = await Promise.all([setup(), setup()]);
  expect(both.map(({ code }) => code)).toEqual([0, 0]);
  const output = both.map((result) => result.output).join('');
  expect(output.match(/building the TypeScript/g)).toHaveLength(1);
});

testOf('cuts.mp4')('the demo analyses the file it is given', async () => {
  const demo = ['scripts/demo.mjs', clip('cuts.mp4')];
  const { code, output } = await ended(spawn(process.execPath, demo, { cwd: root }));
  expect(output).toContain('The whole result: demo-output/analysis.json');
  expect(output).toMatch(/demo-output\/report\.html: 1 file, /);
  expect(code).toBe(0);
});
