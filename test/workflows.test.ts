// The workflows cannot be run here; that they are well formed can be seen.
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');
const folder = join(root, '.github', 'workflows');
const files = readdirSync(folder);
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

test.for(files)('%s has the form that GitHub asks for', async (name) => {
  const validator = join(root, 'node_modules', '@action-validator', 'cli', 'cli.mjs');
  await promisify(execFile)(process.execPath, [validator, join(folder, name)]);
});

test.for(files)('%s calls scripts that there are', (name) => {
  const text = readFileSync(join(folder, name), 'utf8');
  const called = [...text.matchAll(/npm run ([\w:-]+)/g)].map(([, script]) => script);
  expect(called.filter((script) => !(String(script) in scripts))).toEqual([]);
  expect(called.length + (text.match(/\.ci\/run/g)?.length ?? 0)).toBeGreaterThan(0);
});
