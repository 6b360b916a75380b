// Measures rushes beside others: npm run bench -- [options]
//
//   --clip FILE      measure this file instead of the clips that the suite makes; may be repeated
//   --only NAME,…    only these workloads; of a clip of yours, without the file's name
//   --peers NAME,…   only these, besides rushes and ffmpeg-decode
//   --rounds N       how often the peers take turns (5)
//   --threads N      decoder threads of everyone (one per core)
//   --resume         leave out what was measured of this very commit
//   --results FILE   where results are kept (bench/results/results.json)
//   --json           print results as JSON, and no tables
//   --list           print the names of workloads and peers, and measure nothing
//
// Results that are kept in their own place are also drawn and written into the documentation (publish.mjs).
// Outputs are compared before anything is measured. docs/performance.md says how, and what the figures mean.
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { importWorkload, runImports } from './imports.mjs';
import { commit, describeMachine } from './machine.mjs';
import { prepareLauncher } from './measure.mjs';
import { benchDirectory } from './paths.mjs';
import { floor, ours, peers } from './peers.mjs';
import { publish } from './publish.mjs';
import { Results } from './results.mjs';
import { runWorkload } from './rounds.mjs';
import { machineLine, table } from './table.mjs';
import { workloads } from './workloads.mjs';

const { values } = parseArgs({
  options: {
    clip: { type: 'string', multiple: true, default: [] },
    only: { type: 'string' },
    peers: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    threads: { type: 'string', default: String(availableParallelism()) },
    resume: { type: 'boolean', default: false },
    results: { type: 'string' },
    json: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const threads = Number(values.threads);
for (const [name, value] of Object.entries({ rounds, threads })) {
  if (!(Number.isInteger(value) && value > 0)) {
    throw new RangeError(`--${name} must be a whole number above 0, got ${values[name]}`);
  }
}
const kept = join(benchDirectory, 'results', 'results.json');

/** Progress goes where it disturbs no one who reads the results. */
const log = (line) => console.error(line);
const print = (text) => values.json || console.log(text);
const titleOf = (name) => peers.find((peer) => peer.name === name)?.title ?? name;

function chosenWorkloads() {
  const clips = values.clip.map((file) => resolve(file));
  const all = [...workloads(clips), ...(clips.length > 0 ? [] : [importWorkload])];
  if (values.only === undefined) return all;
  const only = values.only.split(',');
  return all.filter(({ name }) => only.includes(name.split(':')[0]));
}

/** Peers that can run here, and for the others why they cannot. */
async function preparePeers() {
  const wanted = values.peers?.split(',');
  const unknown = wanted?.find((name) => !peers.some((peer) => peer.name === name));
  if (unknown) throw new RangeError(`--peers: there is no ${unknown}`);
  const ready = [];
  const notRun = {};
  for (const peer of peers) {
    if (wanted && ![ours, floor, ...wanted].includes(peer.name)) continue;
    try {
      await peer.prepare?.();
      ready.push(peer);
    } catch (error) {
      notRun[peer.name] = error.message;
      log(`not run: ${peer.title}: ${error.message}`);
    }
  }
  return { ready, notRun };
}

async function main() {
  const chosen = chosenWorkloads();
  if (values.list) {
    console.log(`workloads: ${chosen.map(({ name }) => name).join(' ')}`);
    console.log(`peers: ${peers.map(({ name }) => name).join(' ')}`);
    return;
  }
  await prepareLauncher();
  const { ready, notRun } = await preparePeers();
  const machine = await describeMachine();
  print(`${machineLine(machine)}\n`);
  const path = values.results ? resolve(values.results) : kept;
  const results = await Results.open(path, machine);
  const now = await commit();
  for (const workload of chosen) {
    const { name, title } = workload;
    if (!(values.resume && results.has(name, now, rounds))) {
      const options = { rounds, threads, log: (line) => log(`${title}: ${line}`) };
      const run =
        workload === importWorkload ? runImports : runWorkload.bind(null, workload);
      const found = await run(ready, options);
      found.notRun = { ...notRun, ...found.notRun };
      await results.add(name, { ...found, commit: now, roundsAsked: rounds });
    }
    print(table(results.workloads[name], titleOf));
  }
  if (values.json) console.log(JSON.stringify(results, null, 2));
  if (path === kept) await publish(results, titleOf);
}

await main();
