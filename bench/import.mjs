// What an import of many files costs:
//
//   node bench/import.mjs [--json] [--only cache,memory,cores,whole] [--rounds 5] [--clips FOLDER]
//
//   cache    importing 200 clips, and again: from memory, and from disk by a new process
//   memory   the same import's resident set against its budget, by quarters of the clips
//   cores    throughput on two cores and on one (taskset; Linux)
//   whole    the same clips by an importer that loads a clip's frames into memory and measures them then
//
// Before anything is measured, results are compared: the import has to come to the same numbers as whole clips measured
// by the TypeScript reference (src/measures.ts, src/change-meter.ts, src/detectors/cuts.ts), bit for bit, and the cache to those of the import.
// Each run is a process of its own; runs that are compared take turns, and a ratio is the median of the rounds' ratios.
// `others` is how many cores the rest of the machine kept busy meanwhile (Linux). Where that is not next to nothing,
// wall times are worth little, and CPU seconds are what to look at; root can put other work off with `chrt -r 1 node …`.
// --clips keeps the clips (import-clips.mjs) for another time. results/import.json has the figures that the README names.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { availableParallelism, cpus, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { build } from 'esbuild';
import { FRAMES, makeClips } from './import-clips.mjs';
import { median } from './statistics.mjs';

const exec = promisify(execFile);

const CLIPS = 200;
/** Clips of runs that are repeated, and of those that are loaded whole, which take longest. */
const FEW = 40;
const FEWEST = 20;
const BUDGET = 256 * 2 ** 20;

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    clips: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    only: { type: 'string', default: 'cache,memory,cores,whole' },
  },
});
const wanted = new Set(values.only.split(','));
const ROUNDS = Number(values.rounds);

/** Seconds of CPU time that everything on the machine has used; Linux. */
async function machineCpu() {
  const [line] = (await readFile('/proc/stat', 'utf8').catch(() => '')).split('\n');
  const [user, nice, system, , , irq, softirq] = line.split(/\s+/).slice(1).map(Number);
  return (user + nice + system + irq + softirq) / 100; // USER_HZ
}

/** One run in a process of its own, on these cores. */
async function run(job, cores) {
  const script = [join(import.meta.dirname, 'import-run.mjs'), JSON.stringify(job)];
  const command = [process.execPath, ...script];
  if (cores !== undefined) command.unshift('taskset', '-c', cores);
  const began = performance.now();
  const before = await machineCpu();
  const { stdout } = await exec(command[0], command.slice(1), { maxBuffer: 2 ** 26 });
  const seconds = (performance.now() - began) / 1000;
  const result = JSON.parse(stdout);
  const others = Math.max(0, ((await machineCpu()) - before - result.cpu) / seconds);
  return { ...result, others: rounded(others, 2) };
}

const rounded = (value, digits = 3) => Number(value.toFixed(digits));
const mebibytes = (bytes) => rounded(bytes / 2 ** 20, 1);

/** Runs all of `jobs` in turn, every other round backwards. @returns the results of each */
async function alternate(jobs) {
  const results = Object.fromEntries(Object.keys(jobs).map((name) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) {
    const names = Object.keys(jobs);
    for (const name of round % 2 ? names.reverse() : names) {
      results[name].push(await jobs[name]());
    }
  }
  return results;
}

/** Of `a` by `b`, round by round. */
const ratio = (a, b, figure) =>
  rounded(median(a.map((result, i) => figure(result) / figure(b[i]))), 2);

const seconds = ({ runs }) => runs[0].seconds;
const cpu = ({ runs }) => runs[0].cpu;

/** What a row of runs comes to. */
function summary(results) {
  return {
    seconds: rounded(median(results.map(seconds))),
    cpuSeconds: rounded(median(results.map(cpu))),
    peakMiB: mebibytes(median(results.map(({ peak }) => peak))),
    others: results.map(({ others }) => others),
  };
}

function checkEqual(what, digests, expected) {
  const names = Object.keys(expected);
  const wrong = names.filter((name) => digests[name] !== expected[name]);
  if (names.length > 0 && wrong.length === 0) return;
  throw new Error(`${what}: ${wrong.length} of ${names.length} results differ`);
}

/** The TypeScript reference as a module that Node can load. */
async function buildReference(folder) {
  const outfile = join(folder, 'reference.mjs');
  const source = (path) => JSON.stringify(join(import.meta.dirname, '../src', path));
  const parts = ['measures.ts', 'change-meter.ts', 'detectors/cuts.ts'];
  const contents = parts.map((part) => `export * from ${source(part)};`).join(' ');
  const stdin = { contents, resolveDir: import.meta.dirname };
  await build({ stdin, outfile, bundle: true, format: 'esm', platform: 'node' });
  return outfile;
}

/** A first import, then others that find everything: from memory in the same process, from disk in new ones. */
async function measureCache(clips, folder) {
  const cacheDirectory = join(folder, 'cache');
  const job = { mode: 'import', clips, cacheDirectory, check: true };
  const first = await run({ ...job, times: 1 + ROUNDS });
  const fromDisk = [];
  for (let i = 0; i < ROUNDS; i++) fromDisk.push(await run(job));
  const [cold, ...warm] = first.runs;
  const again = { fromMemory: warm, fromDisk: fromDisk.map(({ runs }) => runs[0]) };
  const figures = Object.entries(again).map(([name, runs]) => {
    for (const { digests } of runs) checkEqual(name, digests, cold.digests);
    const seconds = median(runs.map((run) => run.seconds));
    const hits = Math.min(...runs.map(({ cached }) => cached));
    const timesFaster = rounded(cold.seconds / seconds, 1);
    return [name, { seconds: rounded(seconds), hits, timesFaster }];
  });
  return {
    clips: clips.length,
    first: { seconds: rounded(cold.seconds), cpuSeconds: rounded(cold.cpu) },
    ...Object.fromEntries(figures),
    others: [first, ...fromDisk].map(({ others }) => others),
  };
}

async function measureMemory(clips) {
  const { runs, peak, others } = await run({ mode: 'import', clips, budget: BUDGET });
  const [{ quarters }] = runs;
  return {
    budgetMiB: mebibytes(BUDGET),
    peakMiB: mebibytes(peak),
    peakOfQuartersMiB: quarters.map(mebibytes),
    lastToSecond: rounded(quarters[3] / quarters[1]),
    others,
  };
}

async function measureCores(clips) {
  const job = { mode: 'import', clips };
  const { one, two } = await alternate({
    one: () => run(job, '0'),
    two: () => run(job, '0,1'),
  });
  return {
    clips: clips.length,
    one: summary(one),
    two: summary(two),
    throughput: ratio(one, two, seconds),
    cpu: ratio(two, one, cpu),
  };
}

async function measureWhole(clips, reference) {
  const { streaming, whole } = await alternate({
    streaming: () => run({ mode: 'import', clips }),
    whole: () => run({ mode: 'whole', clips, reference }),
  });
  const decoding = whole.map(({ runs }) => runs[0].decoding / runs[0].seconds);
  return {
    clips: clips.length,
    streaming: summary(streaming),
    whole: { ...summary(whole), shareOfDecoding: rounded(median(decoding), 2) },
    timesFaster: ratio(whole, streaming, seconds),
    timesLessCpu: ratio(whole, streaming, cpu),
    memory: ratio(streaming, whole, ({ peak }) => peak),
  };
}

async function describeMachine() {
  const package_ = await readFile(join(import.meta.dirname, '../package.json'), 'utf8');
  const { stdout: ffmpeg } = await exec('ffmpeg', ['-version']);
  return {
    date: new Date().toISOString().slice(0, 10),
    rushes: JSON.parse(package_).version,
    node: process.version,
    ffmpeg: /version (\S+)/.exec(ffmpeg)?.[1],
    cpu: cpus()[0]?.model,
    cores: availableParallelism(),
    memoryGiB: rounded(totalmem() / 2 ** 30, 1),
    kernel: `${process.platform} ${release()} ${process.arch}`,
  };
}

const folder = await mkdtemp(join(tmpdir(), 'rushes-bench-'));
try {
  const clips = await makeClips(values.clips ?? join(folder, 'clips'), CLIPS);
  const fewest = clips.slice(0, FEWEST);
  const reference = await buildReference(folder);
  const expected = await run({ mode: 'whole', clips: fewest, reference, check: true });
  const streamed = await run({ mode: 'import', clips: fewest, check: true });
  checkEqual('the import', streamed.runs[0].digests, expected.runs[0].digests);

  const figures = {
    machine: await describeMachine(),
    clip: `2 s, ${FRAMES} frames of 1280x720 H.264`,
    checked: `${FEWEST} clips equal the TypeScript reference`,
  };
  if (wanted.has('cache')) figures.cache = await measureCache(clips, folder);
  if (wanted.has('memory')) figures.memory = await measureMemory(clips);
  if (wanted.has('cores')) figures.cores = await measureCores(clips.slice(0, FEW));
  if (wanted.has('whole')) figures.whole = await measureWhole(fewest, reference);
  if (values.json) console.log(JSON.stringify(figures, null, 2));
  else console.dir(figures, { depth: null });
} finally {
  await rm(folder, { recursive: true, force: true });
}
