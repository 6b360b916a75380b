/** `rushes import` in processes of its own: interrupted, killed, gone on with. */
import { type ChildProcess, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { rushes } from './helpers/child.ts';
import { type ClipName, clip } from './helpers/clips.ts';
import { temporaryDirectory } from './helpers/temporary.ts';

const TEMPORARY = temporaryDirectory();
let folders = 0;

/** A new folder with copies of clips under names of their own. */
function footage(...clips: ClipName[]): string {
  const folder = join(TEMPORARY, String(folders++));
  mkdirSync(folder);
  clips.forEach((name, i) => {
    copyFileSync(clip(name), join(folder, `${String(i).padStart(3, '0')}-${name}`));
  });
  return folder;
}

interface Line {
  readonly source: string;
  readonly analysis?: { readonly complete: boolean };
  readonly error?: { readonly code: string; readonly message: string };
}

/** @throws if a line is torn */
function parse(text: string): Line[] {
  expect(text === '' || text.endsWith('\n')).toBe(true);
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line);
}

const linesOf = (path: string) => parse(readFileSync(path, 'utf8'));
const NO_CACHE = ['--no-cache'];

test('prints a line for each video, and the failures on standard error', async () => {
  const folder = footage('upright.mp4', 'garbage.mp4', 'truncated.mp4', 'vfr.mp4');
  const ended = await rushes(['import', folder, '--ordered', ...NO_CACHE]);
  expect(ended.code).toBe(1);
  const lines = parse(ended.stdout);
  expect(lines.map(({ analysis, error }) => error?.code ?? analysis?.complete)).toEqual([
    true,
    'ERR_INVALID_DATA',
    false,
    true,
  ]);
  const [garbage, truncated] = ended.stderr.trimEnd().split('\n');
  expect(garbage).toMatch(/001-garbage\.mp4: .*\(ERR_INVALID_DATA\)$/);
  expect(truncated).toMatch(/002-truncated\.mp4: the result is incomplete: .*\(ERR_TRUN/);
});

test('writes pictures beside the lines, and says where', async () => {
  const folder = footage('upright.mp4', 'upright.mp4');
  const pictures = join(folder, 'pictures');
  const args = ['--thumbnails', pictures, '--sheets', pictures, ...NO_CACHE];
  const ended = await rushes(['import', folder, ...args]);
  expect(ended).toMatchObject({ code: 0, stderr: '' });
  for (const line of parse(ended.stdout)) {
    const { thumbnail } = line as Line & { thumbnail: string };
    expect(basename(thumbnail)).toMatch(/^00[01]-upright-[0-9a-f]{8}\.jpg$/);
    expect(readFileSync(thumbnail).subarray(0, 3)).toEqual(Buffer.from('ffd8ff', 'hex'));
  }
});

test('goes on after kill -9 at any moment: no line lost, doubled or torn', async () => {
  const names: ClipName[] = ['upright.mp4', 'cuts.mp4', 'vfr.mp4', 'garbage.mp4'];
  const folder = footage(
    ...Array.from({ length: 80 }, (_, i) => names[i % 4] ?? 'vp9.webm'),
  );
  const out = join(folder, 'results.ndjson');
  const args = ['import', folder, '--out', out, '--resume', '--jobs', '2', ...NO_CACHE];
  let kills = 0;
  let whole = '';
  for (let round = 0; round < 200; round++) {
    const ended = await rushes(args, {
      // Some rounds end before anything is written, most after a few files more.
      onStart: (child) => void killAfter(child, recordsOf(out).length + (round % 5) * 4),
    });
    const records = recordsOf(out);
    const done = existsSync(out) ? readFileSync(out, 'utf8') : '';
    // What was vouched for once is never touched again.
    expect(done.startsWith(whole)).toBe(true);
    const last = records.at(-1);
    const end = last === undefined ? 0 : (JSON.parse(last) as { end: number }).end;
    whole = Buffer.from(done).subarray(0, end).toString();
    // At most what was on its way to the disk, two results, is not yet vouched for.
    expect(done.slice(whole.length).split('\n').length - 1).toBeLessThanOrEqual(2);
    if (ended.signal === null) break;
    expect(ended.signal).toBe('SIGKILL');
    kills += 1;
  }
  expect(kills).toBeGreaterThan(2);
  const sources = linesOf(out).map(({ source }) => source);
  expect(sources).toHaveLength(80);
  expect(new Set(sources).size).toBe(80);
  expect(linesOf(out).filter(({ error }) => error !== undefined)).toHaveLength(20);
}, 240_000);

/** Whole lines of the journal, without the first. */
function recordsOf(out: string): string[] {
  const journal = `${out}.journal`;
  return existsSync(journal)
    ? readFileSync(journal, 'utf8').split('\n').slice(1, -1)
    : [];
}

/** Kills a process at a random moment after the journal has so many records. */
async function killAfter(child: ChildProcess, records: number): Promise<void> {
  const out = child.spawnargs[child.spawnargs.indexOf('--out') + 1] as string;
  while (child.exitCode === null && recordsOf(out).length < records) await delay(5);
  await delay(Math.random() * 40);
  child.kill('SIGKILL');
}

test('ends at the first SIGINT although a file hangs, and goes on later', async () => {
  const folder = footage('upright.mp4', 'vfr.mp4');
  const hanging = join(folder, '000-hanging.mp4');
  expect(spawnSync('mkfifo', [hanging]).status).toBe(0);
  const out = join(folder, 'results.ndjson');
  const paths = [hanging, join(folder, '*upright.mp4'), join(folder, '*vfr.mp4')];
  const args = ['import', ...paths, '--out', out, '--jobs', '2', ...NO_CACHE];
  const ended = await rushes(args, {
    onStart: async (child) => {
      while (!existsSync(out) || linesOf(out).length < 2) await delay(20);
      child.kill('SIGINT');
    },
  });
  expect(ended).toMatchObject({ code: 130, signal: null, stdout: '' });
  expect(ended.stderr).toBe('rushes: import: stopped after 2 files; --resume goes on\n');
  const again = await rushes([...args, '--resume', '--timeout', '0.3', '--json']);
  expect(JSON.parse(again.stdout)).toMatchObject({ analysed: 0, failed: 1, resumed: 2 });
  expect(linesOf(out).map(({ error }) => error?.code)).toEqual([
    undefined,
    undefined,
    'ERR_TIMEOUT',
  ]);
});

test('does not mix results, nor replace them unasked', async () => {
  const folder = footage('upright.mp4');
  const out = join(folder, 'results.ndjson');
  const args = ['import', folder, '--out', out, ...NO_CACHE];
  expect((await rushes(args)).stdout).toMatch(/^1 file analysed in [\d.]+ s\n$/);
  const before = readFileSync(out, 'utf8');
  const unasked = await rushes(args);
  expect(unasked.code).toBe(2);
  expect(unasked.stderr).toContain('exists: --resume goes on with it');
  const mixed = await rushes([...args, '--resume', '--fps', '1']);
  expect(mixed.code).toBe(2);
  expect(mixed.stderr).toContain('was made with other options');
  expect(readFileSync(out, 'utf8')).toBe(before);
  const resumed = await rushes([...args, '--resume']);
  expect(resumed.stdout).toBe('0 files analysed in 0 s, 1 done before\n');
  expect((await rushes([...args, '--overwrite', '--fps', '1'])).code).toBe(0);
  expect(linesOf(out)).toHaveLength(1);
});

test('takes from the cache what an earlier import put there', async () => {
  const folder = footage('upright.mp4', 'vfr.mp4', 'garbage.mp4');
  const out = join(folder, 'results.ndjson');
  const cache = ['--cache-dir', join(folder, 'cache')];
  const args = ['import', folder, '--out', out, '--overwrite', '--json', ...cache];
  const first = await rushes(args);
  expect(JSON.parse(first.stdout)).toMatchObject({ analysed: 2, cached: 0, failed: 1 });
  const lines = linesOf(out).map(({ analysis }) => analysis);
  const second = await rushes([...args, '--ordered']);
  expect(JSON.parse(second.stdout)).toMatchObject({ analysed: 2, cached: 2, failed: 1 });
  const again = linesOf(out).map(({ analysis }) => analysis);
  expect(again).toEqual(expect.arrayContaining(lines));
});

test('says so when there is nothing to import', async () => {
  const folder = footage();
  const out = join(TEMPORARY, 'nothing.ndjson');
  const ended = await rushes(['import', folder, '--out', out, ...NO_CACHE]);
  expect(ended).toMatchObject({ code: 0, stdout: 'no videos found\n', stderr: '' });
});
