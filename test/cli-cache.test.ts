import { existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test as always, describe, expect } from 'vitest';
import { CLEAN, rushes } from './helpers/child.ts';
import { clip, testOf } from './helpers/clips.ts';
import { temporaryDirectory } from './helpers/temporary.ts';

const root = temporaryDirectory();
const NAME = 'upright.mp4';
const test = testOf(NAME);
let count = 0;
const newDirectory = () => join(root, String(count++));

async function json(args: readonly string[]): Promise<unknown> {
  const ended = await rushes([...args, '--json']);
  expect(ended).toMatchObject(CLEAN);
  return JSON.parse(ended.stdout) as unknown;
}

describe('rushes analyze', () => {
  test('uses the cache where it is asked to, and says so', async () => {
    const directory = newDirectory();
    const env = { RUSHES_CACHE_DIR: directory };
    const plain = await rushes(['analyze', clip(NAME)], { env });
    expect(plain).toMatchObject(CLEAN);
    expect(existsSync(directory)).toBe(false);
    await rushes(['analyze', clip(NAME), '--no-cache'], { env });
    expect(existsSync(directory)).toBe(false);
    const first = await rushes(['analyze', clip(NAME), '--cache'], { env });
    expect(first.stdout).not.toContain('from the cache');
    const second = await rushes(['analyze', clip(NAME), '--cache'], { env });
    expect(second).toMatchObject(CLEAN);
    expect(second.stdout).toContain('from the cache');
    const shown = ({ stdout }: { stdout: string }) =>
      stdout.split('\n').filter((line) => !/^ {2}(took|used)/.test(line));
    expect(shown(second)).toEqual(shown(plain));
    expect(await json(['analyze', clip(NAME), '--cache-dir', directory])).toEqual(
      await json(['analyze', clip(NAME)]),
    );
  });
});

describe('rushes cache', () => {
  test('shows, checks, prunes and clears', async () => {
    const directory = newDirectory();
    const at = ['--cache-dir', directory];
    await rushes(['analyze', clip(NAME), clip('vfr.mp4'), ...at]);
    expect(await json(['cache', 'path', ...at])).toEqual({ directory });
    expect(await json(['cache', 'stats', ...at])).toMatchObject({
      directory,
      analyses: 2,
      persistent: true,
    });
    expect(await json(['cache', 'verify', ...at])).toMatchObject({ damaged: 0 });
    const pruned = await json(['cache', 'prune', ...at, '--max-bytes', '1kB']);
    expect((pruned as { removed: number }).removed).toBeGreaterThan(1);
    await rushes(['analyze', clip(NAME), ...at]);
    expect(await json(['cache', 'prune', ...at, '--max-age', '1h'])).toMatchObject({
      removed: 0,
    });
    expect(await json(['cache', 'clear', ...at])).toEqual({ removed: 1 });
    const stats = await rushes(['cache', 'stats', ...at]);
    expect(stats.stdout).toContain('analyses        0\n');
  });

  test('fails with a warning where the cache does not work', async () => {
    const directory = newDirectory();
    writeFileSync(directory, 'a file');
    const ended = await rushes(['cache', 'stats', '--cache-dir', directory]);
    expect(ended.code).toBe(1);
    expect(ended.stderr.match(/RUSHES_CACHE/g)).toHaveLength(1);
    expect(readFileSync(directory, 'utf8')).toBe('a file');
    const analysis = await rushes(['analyze', clip(NAME), '--cache-dir', directory]);
    expect(analysis.code).toBe(0);
  });

  test('replaces a database that is cut short', async () => {
    const directory = newDirectory();
    const at = ['--cache-dir', directory];
    await rushes(['analyze', clip(NAME), ...at]);
    truncateSync(join(directory, 'v1', 'data.mdb'), 10_000);
    const ended = await rushes(['cache', 'verify', ...at]);
    expect(ended.stderr).toContain('RUSHES_CACHE');
    expect(await json(['cache', 'stats', ...at])).toMatchObject({ entries: 0 });
  });

  always('does nothing at a wrong call', async () => {
    const directory = newDirectory();
    const wrong = {
      'ACTION is missing': [],
      "ACTION is one of stats, verify, prune, clear, path, got 'toString'": ['toString'],
      "'more' is too much": ['stats', 'more'],
      '--max-age goes with prune': ['clear', '--max-age', '1d'],
      '--max-bytes wants': ['prune', '--max-bytes', '0'],
      '--max-age wants': ['prune', '--max-age', 'old'],
      '--cache-dir wants': ['stats', '--cache-dir='],
    };
    for (const [message, args] of Object.entries(wrong)) {
      const env = { RUSHES_CACHE_DIR: directory };
      const ended = await rushes(['cache', ...args], { env });
      expect({ code: ended.code, stderr: ended.stderr }).toEqual({
        code: 2,
        stderr: expect.stringContaining(message),
      });
    }
    expect(existsSync(directory)).toBe(false);
  });
});
