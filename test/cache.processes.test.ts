/** What only processes can show: leases, kills, disks that are full, read-only or damaged. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statfsSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { build } from 'esbuild';
import { describe, expect, test } from 'vitest';
import { Store } from '../src/cache/store.ts';
import { AnalysisCache, analyze } from '../src/index.ts';
import { CLEAN, ENVIRONMENT, type Ended, LIBRARY, runScript } from './helpers/child.ts';
import { clip, testOf } from './helpers/clips.ts';
import { temporaryDirectory } from './helpers/temporary.ts';

const root = temporaryDirectory();
const DIST = resolve(import.meta.dirname, '..', 'dist');
/** Where addons may be; with PREBUILDS_ONLY the second alone counts. */
const ADDONS = ['build', 'prebuilds'].filter((name) =>
  existsSync(resolve(DIST, '..', name)),
);
const CLIP = 'upright.mp4';

let count = 0;
function newFolder(): string {
  const folder = join(root, String(count++));
  mkdirSync(folder);
  return folder;
}

/** Copies of a clip that differ in a box that players skip. */
function clips(folder: string, number: number): string[] {
  return Array.from({ length: number }, (_, i) => {
    const path = join(folder, `${i}.mp4`);
    const box = Buffer.alloc(12);
    box.writeUInt32BE(box.length);
    box.write('free', 4);
    box.writeUInt32BE(i, 8);
    writeFileSync(path, Buffer.concat([readFileSync(clip(CLIP)), box]));
    return path;
  });
}

/** Analyses the clips named after the directory, prints how many it made itself; warnings as `[code]` lines. */
const ANALYZE = `
  import { analyze, AnalysisCache } from ${LIBRARY};
  const [directory, ...paths] = process.argv.slice(1);
  process.removeAllListeners('warning');
  process.on('warning', ({ code, message }) => console.log('[' + code + '] ' + message));
  const cache = new AnalysisCache({ directory });
  let frames = 0;
  for (const path of paths) frames += (await analyze(path, { cache })).frames;
  const { misses, hits, persistent, entries } = await cache.stats();
  await cache.close();
  console.log(JSON.stringify({ misses, hits, persistent, entries, frames }));`;

interface Summary {
  misses: number;
  hits: number;
  persistent: boolean;
  entries: number;
  frames: number;
}

function summaryOf(ended: Ended): Summary & { warnings: string[] } {
  expect(ended).toMatchObject(CLEAN);
  const lines = ended.stdout.trim().split('\n');
  const warnings = lines.filter((line) => line.startsWith('['));
  return { ...(JSON.parse(lines.at(-1) as string) as Summary), warnings };
}

function analyzeIn(directory: string, paths: string[], options = {}): Promise<Ended> {
  return runScript(ANALYZE, [directory, ...paths], options);
}

describe('processes', () => {
  const test = testOf(CLIP);

  test('eight of them analyse twenty files twenty times in all', async () => {
    const folder = newFolder();
    const paths = clips(folder, 20);
    const directory = join(folder, 'cache');
    const ended = await Promise.all(
      Array.from({ length: 8 }, (_, i) => {
        // Each begins elsewhere, every other one goes backwards.
        const turned = [...paths.slice(i * 2), ...paths.slice(0, i * 2)];
        return analyzeIn(directory, i % 2 ? turned.reverse() : turned);
      }),
    );
    const summaries = ended.map(summaryOf);
    expect(summaries.flatMap(({ warnings }) => warnings)).toEqual([]);
    expect(summaries.map(({ frames }) => frames)).toEqual(Array(8).fill(20 * 25));
    expect(summaries.reduce((sum, { misses }) => sum + misses, 0)).toBe(20);
    expect(summaries.reduce((sum, { hits }) => sum + hits, 0)).toBe(140);
    await using cache = new AnalysisCache({ directory });
    expect(await cache.verify()).toMatchObject({ damaged: 0 });
    expect((await cache.stats()).analyses).toBe(20);
  });

  /**
   * A script that may `require('./store.cjs')` for `Store` and `loadAddon`: to begin is most of what these processes do, so they load
   * no more of the library.
   */
  async function storeScript(folder: string, script: string): Promise<string> {
    for (const name of ['node_modules', 'package.json', ...ADDONS]) {
      symlinkSync(resolve(DIST, '..', name), join(folder, name));
    }
    await build({
      stdin: {
        contents: `export { Store } from './cache/store.ts'; export { loadAddon } from './native.ts';`,
        resolveDir: resolve(DIST, '..', 'src'),
      },
      outfile: join(folder, 'dist', 'store.cjs'),
      bundle: true,
      format: 'cjs',
      define: { 'import.meta.dirname': '__dirname' },
      supported: { 'dynamic-import': false }, // of lmdb: require
      platform: 'node',
      packages: 'external',
    });
    const path = join(folder, 'dist', 'script.cjs');
    writeFileSync(path, script);
    return path;
  }

  function runStoreScript(args: readonly string[]): ChildProcess {
    return spawn(process.execPath, args, { env: ENVIRONMENT });
  }

  const OPEN = `
    const { loadAddon, Store } = require('./store.cjs');
    const [directory, name] = process.argv.slice(2);
    if (name < 'd') loadAddon(); // Note [The queue] in gate.ts: the others go without
    const limits = { maxBytes: 1e9, maxAge: 1e9 };
    const fail = (message) => { throw new Error(message); };
    const run = async () => {
      for (let i = 0; i < 80; i++) {
        const store = await Store.open(directory, fail);
        for (let j = 0; j < 5; j++) store.put([name, i, j].join('-'), { i, j }, limits);
        await store.close();
      }
    };
    run();`;

  test('lose nothing while others open and close the cache all the time', async () => {
    const folder = newFolder();
    const directory = join(folder, 'cache');
    const script = await storeScript(folder, OPEN);
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    const ended = await Promise.all(
      names.map(async (name) => {
        const child = runStoreScript([script, directory, name]);
        const errors = child.stderr?.toArray();
        const [code] = await once(child, 'close');
        return `${code} ${Buffer.concat((await errors) ?? [])}`;
      }),
    );
    expect(ended).toEqual(names.map(() => '0 '));
    const store = await Store.open(directory, expect.fail);
    expect(store.keys()).toHaveLength(names.length * 80 * 5);
    await store.close();
  }, 120_000);

  // Each writes as fast as it can and says what it has written; it is killed in the middle of that.
  const WRITE = `
    const { writeSync } = require('node:fs');
    const { loadAddon, Store } = require('./store.cjs');
    loadAddon(); // without it one in two thousand would wait for ever: Note [The queue] in gate.ts
    const [directory, name] = process.argv.slice(2);
    const limits = { maxBytes: 1e9, maxAge: 1e9 };
    Store.open(directory, (message) => writeSync(2, message)).then((store) => {
      for (let i = 0; ; i++) {
        const id = name + '-' + i;
        // Some share a page, some have pages of their own.
        const value = { id, rest: Array.from({ length: i % 5 ? 10 : 3000 }, (_, n) => n * i) };
        if (!store.put(id, value, limits)) process.exit(3);
        writeSync(1, id + '\\n');
        if (i % 7 === 6) store.remove([name + '-' + (i - 3)]);
      }
    });`;

  test('killed two hundred times leave a sound cache that lacks nothing', async () => {
    const folder = newFolder();
    const directory = join(folder, 'cache');
    const writer = await storeScript(folder, WRITE);
    const expected: string[] = [];
    let kills = 0;
    for (let round = 0; round < 20; round++) {
      const running = Array.from({ length: 10 }, (_, i) => {
        const child = runStoreScript([writer, directory, `${round}-${i}`]);
        let stdout = '';
        let stderr = '';
        child.stdout?.once('data', () => {
          setTimeout(() => child.kill('SIGKILL'), Math.random() * 20);
        });
        child.stdout?.on('data', (chunk) => {
          stdout += chunk;
        });
        child.stderr?.on('data', (chunk) => {
          stderr += chunk;
        });
        return new Promise<{ signal: string | null; stdout: string; stderr: string }>(
          (done) => {
            child.on('close', (_, signal) => done({ signal, stdout, stderr }));
          },
        );
      });
      for (const { signal, stdout, stderr } of await Promise.all(running)) {
        expect({ signal, stderr }).toEqual({ signal: 'SIGKILL', stderr: '' });
        kills++;
        // One in seven is removed, or about to be.
        const ids = stdout.split('\n').slice(0, -1);
        expected.push(...ids.filter((_, i) => i % 7 !== 3));
      }
      await using cache = new AnalysisCache({ directory });
      expect(await cache.verify()).toMatchObject({ damaged: 0 });
    }
    expect(kills).toBe(200);
    const store = await Store.open(directory, expect.fail);
    const lost = expected.filter(
      (id) => (store.get(id, 1e9) as { id?: string } | undefined)?.id !== id,
    );
    expect(lost).toEqual([]);
    expect(expected.length).toBeGreaterThan(200);
    expect(store.put('last', {}, { maxBytes: 1e9, maxAge: 1e9 })).toBe(true);
    await store.close();
  }, 300_000);

  const QUEUE = `
    const { openSync, writeSync } = require('node:fs');
    const { loadAddon, Store } = require('./store.cjs');
    const [directory, role] = process.argv.slice(2);
    const addon = role === 'pass' ? undefined : loadAddon();
    Store.open(directory, (message) => { throw new Error(message); }).then((store) => {
      if (role === 'hold') {
        writeSync(1, String(addon.lockFile(openSync(directory + '/v1/gate/data.mdb', 'r+'))));
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
      }
      store.put(role, {}, { maxBytes: 1e9, maxAge: 1e9 });
      return store.close();
    });`;

  // Note [The queue] in gate.ts
  test('queue for the lock of a file, which a killed one lets go', async () => {
    const folder = newFolder();
    const directory = join(folder, 'cache');
    const script = await storeScript(folder, QUEUE);
    const holder = runStoreScript([script, directory, 'hold']);
    const [held] = await once(holder.stdout as Readable, 'data');
    expect(String(held)).toBe('true');
    const others = [true, false].map((queues) => {
      return runStoreScript([script, directory, queues ? 'queue' : 'pass']);
    });
    const [queued, passed] = others.map((child) => once(child, 'close'));
    // Who goes without the addon is not kept by the queue, so the other has had time enough.
    expect(await passed).toEqual([0, null]);
    await sleep(200);
    expect(others[0]?.exitCode).toBe(null);
    holder.kill('SIGKILL');
    expect(await queued).toEqual([0, null]);
    const store = await Store.open(directory, expect.fail);
    expect(store.keys()).toEqual(['pass', 'queue']);
    await store.close();
  });

  test('wait for one that works with a blocked event loop, not for one that died', async () => {
    const folder = newFolder();
    const [path] = clips(folder, 1) as [string];
    const directory = join(folder, 'cache');
    // Takes the lease, says so, and blocks for good while it holds it.
    const block = `
      import { analyze, AnalysisCache } from ${LIBRARY};
      import { writeSync } from 'node:fs';
      const [directory, path] = process.argv.slice(1);
      const cache = new AnalysisCache({ directory });
      await analyze(path, { cache, get signal() { return undefined; }, onProgress() {
        writeSync(1, 'working\\n');
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
      } });`;
    let holder: ChildProcess | undefined;
    const working = new Promise<void>((done) => {
      void runScript(block, [directory, path], {
        onStart: (child) => {
          holder = child;
          child.stdout?.once('data', () => done());
        },
      });
    });
    await working;
    await using cache = new AnalysisCache({ directory });
    let ended = false;
    const waiting = analyze(path, { cache }).finally(() => {
      ended = true;
    });
    // Of another file nobody waits.
    await analyze(clip('vfr.mp4'), { cache });
    expect(ended).toBe(false);
    const impatient = analyze(path, { cache, signal: AbortSignal.timeout(100) });
    await expect(impatient).rejects.toMatchObject({ name: 'TimeoutError' });
    expect(ended).toBe(false);
    holder?.kill('SIGKILL');
    expect((await waiting).frames).toBe(25);
    expect((await cache.stats()).misses).toBe(2);
  });

  test('leave alone what an older schema wrote', async () => {
    const folder = newFolder();
    const [path] = clips(folder, 1) as [string];
    const directory = join(folder, 'cache');
    // The library as it was before its schema, or its measures, changed.
    for (const constant of ['ANALYSIS_SCHEMA', 'MEASURE_VERSION']) {
      const old = join(folder, constant);
      cpSync(join(DIST, 'cjs'), join(old, 'dist', 'cjs'), { recursive: true });
      for (const name of ['node_modules', 'package.json', ...ADDONS]) {
        symlinkSync(resolve(DIST, '..', name), join(old, name));
      }
      const library = join(old, 'dist', 'cjs', 'index.js');
      const text = readFileSync(library, 'utf8');
      const version = new RegExp(`var ${constant} = \\d+;`);
      const changed = text.replace(version, `var ${constant} = 0;`);
      expect(changed).not.toBe(text);
      writeFileSync(library, changed);
      const script = ANALYZE.replace(LIBRARY, JSON.stringify(`file://${library}`));
      expect(summaryOf(await runScript(script, [directory, path])).misses).toBe(1);
      expect(summaryOf(await runScript(script, [directory, path])).misses).toBe(0);
    }
    expect(summaryOf(await analyzeIn(directory, [path]))).toMatchObject({
      misses: 1,
      entries: 3,
      warnings: [],
    });
    expect(summaryOf(await analyzeIn(directory, [path])).misses).toBe(0);
  });
});

describe('a disk', () => {
  const needsRoot = process.getuid?.() === 0 && existsSync('/proc/mounts') && canMount();
  const rootTest = test.skipIf(!needsRoot);

  function canMount(): boolean {
    const probe = join(root, 'probe');
    mkdirSync(probe);
    try {
      mount(probe, 'size=64k');
      execFileSync('umount', [probe]);
      return true;
    } catch {
      return false;
    }
  }

  function mount(folder: string, options: string): void {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder], {
      stdio: 'ignore',
    });
  }

  async function onTmpfs(options: string, work: (folder: string) => Promise<void>) {
    const folder = newFolder();
    mount(folder, options);
    try {
      await work(folder);
    } finally {
      execFileSync('umount', [folder]);
    }
  }

  const once = [expect.stringMatching(/^\[RUSHES_CACHE\] .*does not work/)];

  rootTest('that is full at the start is gone without, with one warning', async () => {
    await onTmpfs('size=2m', async (folder) => {
      const { bavail, bsize } = statfsSync(folder);
      writeFileSync(join(folder, 'rest'), Buffer.alloc(bavail * bsize));
      const paths = clips(newFolder(), 3);
      const ended = await analyzeIn(join(folder), paths);
      const summary = { misses: 3, persistent: false, warnings: once };
      expect(summaryOf(ended)).toMatchObject(summary);
    });
  });

  rootTest('that fills up keeps what it has, with one warning', async () => {
    await onTmpfs('size=3m', async (folder) => {
      const analysis = await analyze(clip('cuts.mp4'), { fps: 25 });
      const file = join(newFolder(), 'analysis.json');
      writeFileSync(file, JSON.stringify(analysis));
      const script = `
        import { AnalysisCache } from ${LIBRARY};
        import { readFileSync } from 'node:fs';
        const [directory, file] = process.argv.slice(1);
        process.removeAllListeners('warning');
        process.on('warning', ({ code, message }) => console.log('[' + code + '] ' + message));
        const cache = new AnalysisCache({ directory, maxMemoryBytes: 1 });
        const analysis = JSON.parse(readFileSync(file, 'utf8'));
        let kept = 0, found = 0, late = 0;
        for (; kept < 1000 && await cache.set(Buffer.from('a' + kept), analysis); kept++);
        for (let i = 0; i < kept; i++) found += (await cache.get(Buffer.from('a' + i), { fps: 25 })) ? 1 : 0;
        for (let i = 0; i < 5; i++) late += await cache.set(Buffer.from('b' + i), analysis);
        await cache.close();
        console.log(JSON.stringify({ kept, found, late }));`;
      const summary = summaryOf(await runScript(script, [folder, file])) as unknown as {
        kept: number;
        found: number;
        late: number;
        warnings: string[];
      };
      expect(summary.kept).toBeGreaterThan(50);
      expect(summary.kept).toBeLessThan(1000);
      expect(summary).toMatchObject({ found: summary.kept, late: 0, warnings: once });
    });
  });

  rootTest('that is read-only is gone without, with one warning', async () => {
    const paths = clips(newFolder(), 3);
    const full = join(newFolder(), 'cache');
    await analyzeIn(full, paths);
    // Empty, and with a cache in it.
    for (const seed of [undefined, full]) {
      await onTmpfs('size=4m', async (folder) => {
        if (seed !== undefined) cpSync(seed, folder, { recursive: true });
        execFileSync('mount', ['-o', 'remount,ro', folder]);
        const ended = await analyzeIn(folder, paths);
        const summary = { misses: 3, persistent: false, warnings: once };
        expect(summaryOf(ended)).toMatchObject(summary);
      });
    }
  });

  const plainTest = testOf(CLIP);

  plainTest('with a damaged database costs one warning and no result', async () => {
    const paths = clips(newFolder(), 3);
    const made = join(newFolder(), 'cache');
    await analyzeIn(made, paths);
    const { size } = statSync(join(made, 'v1', 'data.mdb'));
    const garbage = Buffer.from(Array.from({ length: size }, (_, i) => (i * 7919) >> 3));
    const damages: Record<string, (file: string) => void> = {
      truncated: (file) => truncateSync(file, Math.floor(size / 2)),
      'cut to two pages': (file) => truncateSync(file, 8192),
      'cut to a part of a page': (file) => truncateSync(file, 100),
      garbage: (file) => writeFileSync(file, garbage),
      'no database': (file) => writeFileSync(file, 'hello'),
      'zeros behind its meta pages': (file) =>
        writeFileSync(
          file,
          Buffer.concat([
            readFileSync(file).subarray(0, 8192),
            Buffer.alloc(size - 8192),
          ]),
        ),
      'garbage behind its meta pages': (file) =>
        writeFileSync(
          file,
          Buffer.concat([readFileSync(file).subarray(0, 8192), garbage.subarray(8192)]),
        ),
    };
    for (const [name, damage] of Object.entries(damages)) {
      const directory = join(newFolder(), 'cache');
      cpSync(made, directory, { recursive: true });
      damage(join(directory, 'v1', 'data.mdb'));
      const summary = summaryOf(await analyzeIn(directory, paths));
      expect({ name, ...summary }).toMatchObject({ name, misses: 3, warnings: once });
      // The next one finds a sound cache.
      const next = { misses: 0, persistent: true, warnings: [] };
      expect(summaryOf(await analyzeIn(directory, paths))).toMatchObject(next);
      expect(readdirSync(directory)).toEqual(['v1']);
    }
  });

  plainTest('with a damaged lock file, or none, works', async () => {
    const paths = clips(newFolder(), 2);
    const directory = join(newFolder(), 'cache');
    await analyzeIn(directory, paths);
    const lock = join(directory, 'v1', 'lock.mdb');
    for (const bytes of [Buffer.alloc(0), Buffer.alloc(70_000, 0x5a), Buffer.from('x')]) {
      writeFileSync(lock, bytes);
      const summary = summaryOf(await analyzeIn(directory, paths));
      expect(summary).toMatchObject({ misses: 0, warnings: [] });
    }
  });

  plainTest('is not used where lmdb cannot be loaded, with one warning', async () => {
    const folder = newFolder();
    cpSync(join(DIST, 'cjs'), join(folder, 'dist', 'cjs'), { recursive: true });
    const modules = resolve(DIST, '..', 'node_modules');
    mkdirSync(join(folder, 'node_modules'));
    for (const name of readdirSync(modules).filter((name) => name !== 'lmdb')) {
      symlinkSync(join(modules, name), join(folder, 'node_modules', name));
    }
    for (const name of ADDONS) symlinkSync(resolve(DIST, '..', name), join(folder, name));
    copyFileSync(resolve(DIST, '..', 'package.json'), join(folder, 'package.json'));
    const library = join(folder, 'dist', 'cjs', 'index.js');
    const script = ANALYZE.replace(LIBRARY, JSON.stringify(`file://${library}`));
    const ended = await runScript(script, [join(folder, 'cache'), ...clips(folder, 2)]);
    expect(summaryOf(ended)).toMatchObject({
      misses: 2,
      persistent: false,
      warnings: [expect.stringMatching(/RUSHES_CACHE.*lmdb/)],
    });
  });

  plainTest(
    'with any bit turned over never ends the process',
    async () => {
      const folder = newFolder();
      const made = join(folder, 'made');
      // Enough for branch pages and lists of free pages.
      const analysis = await analyze(clip(CLIP));
      {
        await using cache = new AnalysisCache({ directory: made });
        for (let i = 0; i < 150; i++) await cache.set(Buffer.from(`${i}`), analysis);
        for (let i = 0; i < 150; i += 2) await cache.delete(Buffer.from(`${i}`));
      }
      const file = join(folder, 'analysis.json');
      writeFileSync(file, JSON.stringify(analysis));
      const script = `
      import { AnalysisCache } from ${LIBRARY};
      import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
      import { join } from 'node:path';
      const [made, directory, file, seed] = process.argv.slice(1);
      process.removeAllListeners('warning');
      const analysis = JSON.parse(readFileSync(file, 'utf8'));
      const data = readFileSync(join(made, 'v1', 'data.mdb'));
      let state = Number(seed);
      const random = (below) => (state = (state * 48271) % 2147483647) % below;
      for (let round = 0; round < 40; round++) {
        rmSync(directory, { recursive: true, force: true });
        mkdirSync(join(directory, 'v1'), { recursive: true });
        const bytes = Buffer.from(data);
        for (let i = random(4); i >= 0; i--) {
          // Heads of pages, where structure is, more often than values.
          const page = random(bytes.length / 4096) * 4096;
          bytes[page + random(random(2) ? 4096 : 64)] ^= 1 << random(8);
        }
        writeFileSync(join(directory, 'v1', 'data.mdb'), bytes);
        const cache = new AnalysisCache({ directory });
        for (let i = 0; i < 150; i++) {
          const found = await cache.get(Buffer.from(String(i)));
          if (found && JSON.stringify(found.samples) !== JSON.stringify(analysis.samples)) process.exit(4);
          if (i % 10 === 0) await cache.set(Buffer.from('new' + i), analysis);
        }
        await cache.verify();
        await cache.clear();
        await cache.close();
      }
      console.log('{}');`;
      const ended = await Promise.all(
        [11, 222, 3333].map((seed) => {
          const directory = join(folder, String(seed));
          return runScript(script, [made, directory, file, String(seed)], {
            timeout: 120_000,
          });
        }),
      );
      for (const { stdout, ...rest } of ended) expect(rest).toEqual(CLEAN);
    },
    150_000,
  );
});
