import { readFileSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ResultLog } from '../src/cli/result-log.ts';
import { temporaryDirectory } from './helpers/temporary.ts';

const DIRECTORY = temporaryDirectory();
let logs = 0;
const newPath = () => join(DIRECTORY, `${logs++}.ndjson`);
const SETTINGS = { fps: 2 };
const BEGIN = { resume: false, overwrite: false };
const RESUME = { resume: true, overwrite: false };

const line = (source: string) => JSON.stringify({ source, text: 'ä'.repeat(50) });

async function write(path: string, sources: readonly string[], how = BEGIN) {
  const log = await ResultLog.open(path, SETTINGS, how);
  const missing = sources.filter((source) => !log.has(source));
  await Promise.all(missing.map((source) => log.append(source, line(source))));
  await log.close();
}

const linesOf = (path: string) => readFileSync(path, 'utf8').split('\n').slice(0, -1);

test('holds every line once, wherever both files were cut off', async () => {
  const sources = ['a', 'b"\n', 'ü', 'd', 'e', 'f'];
  const whole = newPath();
  await write(whole, sources);
  const size = statSync(whole).size;
  const journalSize = statSync(`${whole}.journal`).size;
  const cut = (most: number) => fc.integer({ min: 0, max: most });
  await fc.assert(
    fc.asyncProperty(cut(size), cut(journalSize), cut(6), async (a, b, before) => {
      const path = newPath();
      await write(path, sources.slice(0, before));
      truncateSync(path, Math.min(a, statSync(path).size));
      truncateSync(`${path}.journal`, Math.min(b, statSync(`${path}.journal`).size));
      // Without the journal's first line there is nothing to go on with.
      const begun = readFileSync(`${path}.journal`, 'utf8').includes('\n');
      if (!begun && statSync(path).size > 0) {
        await expect(write(path, sources, RESUME)).rejects.toThrow('has no journal');
        return;
      }
      await write(path, sources, RESUME);
      expect(linesOf(path)).toHaveLength(sources.length);
      expect(new Set(linesOf(path))).toEqual(new Set(sources.map(line)));
    }),
    { numRuns: 100 },
  );
}, 60_000); // each run waits for the disk a few times

test('keeps what is whole as it is, byte for byte', async () => {
  const path = newPath();
  await write(path, ['a', 'b']);
  const before = readFileSync(path);
  await write(path, ['a', 'b', 'c'], RESUME);
  expect(readFileSync(path).subarray(0, before.length)).toEqual(before);
  expect(linesOf(path)).toEqual([line('a'), line('b'), line('c')]);
});

test('writes what comes at once together, in order', async () => {
  const path = newPath();
  const log = await ResultLog.open(path, SETTINGS, BEGIN);
  const sources = Array.from({ length: 100 }, (_, i) => `s${i}`);
  await Promise.all(sources.map((source) => log.append(source, line(source))));
  expect(log.size).toBe(100);
  await log.close();
  expect(linesOf(path)).toEqual(sources.map(line));
});

test('touches no results unless told to', async () => {
  const path = newPath();
  await write(path, ['a']);
  const before = readFileSync(path);
  await expect(write(path, ['b'])).rejects.toThrow('exists: --resume goes on with it');
  const other = { fps: 1 };
  await expect(ResultLog.open(path, other, RESUME)).rejects.toThrow('other options');
  expect(readFileSync(path)).toEqual(before);
  await write(path, ['b'], { resume: false, overwrite: true });
  expect(linesOf(path)).toEqual([line('b')]);
});
