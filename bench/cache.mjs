// What the cache costs and saves: node bench/cache.mjs [FILE], which prints JSON. Medians, in milliseconds.
//
// A hit from memory is a second question to one AnalysisCache. A hit from disk is the first one to a new
// AnalysisCache that does not hold the entry in memory, with the database open in the process, as it is for
// everyone but the first caller; that first one is `openAndHit`.
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AnalysisCache, analyze } from '../dist/index.mjs';

const ROUNDS = 300;
const file =
  process.argv[2] ??
  fileURLToPath(new URL('../test/fixtures/clips/cuts.mp4', import.meta.url));
const directory = await mkdtemp(join(tmpdir(), 'rushes-bench-'));

/** Milliseconds of each call of `work`, sorted. */
async function times(rounds, work) {
  const all = [];
  for (let i = 0; i < rounds; i++) {
    const began = performance.now();
    await work();
    all.push(performance.now() - began);
  }
  return all.sort((a, b) => a - b);
}

function summary(sorted) {
  const at = (part) => Number(sorted[Math.floor((sorted.length - 1) * part)].toFixed(3));
  return { median: at(0.5), p95: at(0.95), rounds: sorted.length };
}

try {
  const open = () => new AnalysisCache({ directory });
  const cache = open();
  const results = {};
  for (const fps of [2, 25]) {
    const options = { fps };
    const [analysis] = await times(1, () => analyze(file, { ...options, cache }));
    const { samples } = await cache.get(file, options);
    await times(20, () => cache.get(file, options));
    const memory = await times(ROUNDS, () => cache.get(file, options));
    const disk = [];
    for (let i = 0; i < ROUNDS; i++) {
      const other = open();
      disk.push(...(await times(1, () => other.get(file, options))));
      await other.close();
    }
    results[`${fps} samples a second`] = {
      samples: samples.length,
      analysis: Number(analysis.toFixed(1)),
      hitFromMemory: summary(memory),
      hitFromDisk: summary(disk.sort((a, b) => a - b)),
    };
  }
  await cache.close();
  const opened = [];
  for (let i = 0; i < 50; i++) {
    const other = open();
    opened.push(...(await times(1, () => other.get(file))));
    await other.close();
  }
  const { size } = await stat(file);
  const output = {
    file,
    bytes: size,
    ...results,
    openAndHit: summary(opened.sort((a, b) => a - b)),
  };
  console.log(JSON.stringify(output, null, 2));
} finally {
  await rm(directory, { recursive: true, force: true });
}
