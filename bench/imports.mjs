// What `import` of each library costs, in a process of its own.
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { measure } from './measure.mjs';
import { benchDirectory } from './paths.mjs';
import { spread } from './statistics.mjs';

/** @import { Peer } from './peers.mjs' */

/** Rounds, at least: one takes so little that a few tell nothing. */
const LEAST_ROUNDS = 15;

export const importWorkload = {
  name: 'import',
  title: 'import of the module',
  goal: { ms: 40, rss: 12e6 },
};

/**
 * @param {Peer[]} peers those that can run here
 * @param {{ rounds: number, log: (line: string) => void }} options
 */
export async function runImports(peers, { rounds, log }) {
  const script = join(benchDirectory, 'peers', 'import.mjs');
  const libraries = peers.filter(({ does }) => does.includes('import'));
  const runs = new Map(libraries.map(({ name }) => [name, []]));
  const loadBefore = loadavg()[0];
  const count = Math.max(rounds, LEAST_ROUNDS);
  log(`${count} rounds …`);
  // The round before the first brings all files into memory.
  for (let round = -1; round < count; round++) {
    for (const { name, module, entry = module } of libraries) {
      const { output } = await measure([process.execPath, script, entry]);
      if (round >= 0) runs.get(name).push(JSON.parse(output));
    }
  }
  const summaries = [...runs].map(([name, all]) => [
    name,
    { ms: spread(all.map(({ ms }) => ms)), rss: spread(all.map(({ rss }) => rss)) },
  ]);
  return {
    title: importWorkload.title,
    goal: importWorkload.goal,
    date: new Date().toISOString(),
    load: [loadBefore, loadavg()[0]],
    rounds: count,
    imports: Object.fromEntries(summaries),
  };
}
