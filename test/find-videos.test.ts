import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { type FindOptions, findVideos } from '../src/index.ts';
import { testUnless } from './helpers/skip.ts';
import { temporaryDirectory } from './helpers/temporary.ts';

const ROOT = temporaryDirectory();
let trees = 0;

/** A new folder with these files in it; their content is their name, but for transport streams. */
function tree(...files: string[]): string {
  const root = join(ROOT, String(trees++));
  mkdirSync(root);
  for (const file of files) {
    const path = join(root, file);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, file.endsWith('stream.ts') ? Buffer.alloc(188, 0x47) : file);
  }
  return root;
}

/** What is found, without the folder. */
async function found(root: string, pattern: string | URL, options?: FindOptions) {
  const names: string[] = [];
  for await (const { path, error } of findVideos(pattern, options)) {
    const name = path.slice(root.length + 1);
    names.push(error === undefined ? name : `${name} ${error.code}`);
  }
  return names;
}

test('finds videos in a directory and below it, sorted, files before folders', async () => {
  const root = tree('b.mp4', 'a.MOV', 'z/c.mkv', 'c/d/e.webm', 'c/a.mxf', 'notes.txt');
  const expected = ['a.MOV', 'b.mp4', 'c/a.mxf', 'c/d/e.webm', 'z/c.mkv'];
  expect(await found(root, root)).toEqual(expected);
  expect(await found(root, pathToFileURL(root))).toEqual(expected);
});

test('takes other endings where asked, with or without their dot, in any case', async () => {
  const root = tree('a.mp4', 'b.RAW', 'c.bin');
  expect(await found(root, root, { extensions: ['raw', '.bin'] })).toEqual([
    'b.RAW',
    'c.bin',
  ]);
});

test('passes over hidden files and folders', async () => {
  const root = tree('.a.mp4', '.cache/b.mp4', 'c.mp4');
  expect(await found(root, root)).toEqual(['c.mp4']);
});

test('follows links to files and no links to folders', async () => {
  const root = tree('real/a.mp4');
  symlinkSync(join(root, 'real', 'a.mp4'), join(root, 'link.mp4'));
  symlinkSync(root, join(root, 'real', 'circle'));
  symlinkSync(join(root, 'gone'), join(root, 'dangling.mp4'));
  expect(await found(root, root)).toEqual(['link.mp4', 'real/a.mp4']);
});

test('does not take TypeScript for transport streams', async () => {
  const root = tree('index.ts', 'types.mts', 'stream.ts');
  expect(await found(root, root)).toEqual(['stream.ts']);
});

test('passes over what is no regular file', async () => {
  const root = tree('a.mp4');
  mkdirSync(join(root, 'folder.mp4'));
  const made = spawnSync('mkfifo', [join(root, 'pipe.mp4')]);
  expect(made.status).toBe(0);
  expect(await found(root, root)).toEqual(['a.mp4']);
  expect(await found(root, join(root, '*.mp4'))).toEqual(['a.mp4']);
});

test('expands globs, whatever the ending', async () => {
  const root = tree('a1.mp4', 'a2.txt', 'b1.mp4', 'x/a3.mp4', 'x/y/a4.mp4');
  expect(await found(root, join(root, 'a*'))).toEqual(['a1.mp4', 'a2.txt']);
  expect(await found(root, join(root, '*', 'a*'))).toEqual(['x/a3.mp4']);
  expect(await found(root, join(root, '**', 'a*.mp4'))).toEqual([
    'a1.mp4',
    'x/a3.mp4',
    'x/y/a4.mp4',
  ]);
  expect(await found(root, join(root, '{x/y,.}/[ab]?.mp4'))).toEqual(['x/y/a4.mp4']);
});

test('takes a name that looks like a glob, but exists, as it is', async () => {
  const root = tree('a[1].mp4', 'a1.mp4', '{b}/*.mp4');
  expect(await found(root, join(root, 'a[1].mp4'))).toEqual(['a[1].mp4']);
  expect(await found(root, join(root, '{b}'))).toEqual(['{b}/*.mp4']);
});

test('names what matches nothing, and leaves a missing path to whoever opens it', async () => {
  const root = tree('a.mp4');
  expect(await found(root, join(root, '*.mov'))).toEqual(['*.mov ERR_NOT_FOUND']);
  expect(await found(root, join(root, 'b.mp4'))).toEqual(['b.mp4']);
});

testUnless(process.getuid?.() === 0 ? 'root may read everything' : undefined)(
  'names a folder that cannot be read',
  async () => {
    const root = tree('a.mp4', 'locked/b.mp4');
    chmodSync(join(root, 'locked'), 0);
    try {
      expect(await found(root, root)).toEqual(['a.mp4', 'locked ERR_ACCESS']);
    } finally {
      chmodSync(join(root, 'locked'), 0o755);
    }
  },
);

test('ends with the reason of its signal', async () => {
  const root = tree('a.mp4', 'b.mp4');
  const stop = new AbortController();
  const search = findVideos(root, { signal: stop.signal });
  expect((await search.next()).done).toBe(false);
  stop.abort(new Error('enough'));
  // Entries of the folder that was read already may still come.
  const rest = async () => {
    for await (const _ of search);
    for await (const _ of findVideos(root, { signal: stop.signal }));
  };
  await expect(rest()).rejects.toThrow('enough');
});
