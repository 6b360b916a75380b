// Writes the results into README.md and docs/, so that what is said there cannot differ from them.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { chart } from './chart.mjs';
import { root } from './paths.mjs';
import { ours } from './peers.mjs';
import { table } from './table.mjs';

const begin = '<!-- bench: written by npm run bench -->\n';
const end = '<!-- /bench -->';

const factor = (workload) => (name) => workload?.peers[name]?.toFloor?.median.toFixed(2);
const seconds = (workload) => (name) => workload?.peers[name]?.cpu.median.toFixed(2);

/** Column headings, and what stands in them for a peer. */
function columns(workloads) {
  const everyFrame = workloads['every-frame-rgb24'];
  const memory = (name) => {
    const rss = everyFrame?.peers[name]?.rss;
    return rss && (rss / 1e6).toFixed(0);
  };
  const import_ = (name) => workloads.import?.imports[name]?.ms.median.toFixed(0);
  return [
    ['every frame, 15 Mb/s', factor(everyFrame)],
    ['every frame, low rate', factor(workloads['every-frame-rgb24-low-rate'])],
    ['20 exact frames of 600', factor(workloads['twenty-times'])],
    ['analysis', factor(workloads.analysis)],
    ['50 short files, CPU s', seconds(workloads['short-files'])],
    ['import, ms', import_],
    ['peak MB', memory],
  ];
}

const rows = [
  ...[ours, 'rushes-prebuilt', 'plain-c-area', 'node-av', 'beamcoder', 'mediabunny'],
  ...['ffmpeg-pipe', 'ffmpeg-pipe-area', 'ffmpeg-detect'],
];

function markdownTable({ workloads }, titleOf) {
  const all = columns(workloads);
  const cells = rows
    .map((name) => [titleOf(name), ...all.map(([, cell]) => cell(name) ?? '')])
    .filter(([, ...figures]) => figures.some(Boolean))
    .map((row) => (row[0] === ours ? row.map((cell) => cell && `**${cell}**`) : row));
  const head = [
    ['', ...all.map(([title]) => title)],
    ['---', ...all.map(() => '--:')],
  ];
  return [...head, ...cells].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

function conditions({ machine, workloads }) {
  const all = Object.values(workloads);
  const newest = all
    .map(({ date }) => date)
    .sort()
    .at(-1)
    .slice(0, 10);
  const loads = all.flatMap(({ load }) => load);
  const [least, most] = [Math.min(...loads), Math.max(...loads)];
  const counts = [
    ...new Set(all.flatMap(({ peers, rounds }) => (peers ? [rounds] : []))),
  ];
  return `${machine.cpu}, ${machine.cores} cores, ${machine.system}, FFmpeg ${machine.ffmpeg}, Node ${machine.node}; ${newest}, medians of ${counts.sort((a, b) => a - b).join(' or ')} rounds, load average ${least.toFixed(1)} to ${most.toFixed(1)}.`;
}

/** Replaces what a file has between the two marks. */
async function fill(file, figures) {
  const path = join(root, file);
  const text = await readFile(path, 'utf8');
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${file} has no marks for the figures`);
  await writeFile(path, `${text.slice(0, from)}${begin}${figures}\n${text.slice(to)}`);
}

/** Writes the table of README.md, docs/performance.svg, and all figures into docs/performance.md. */
export async function publish(results, titleOf) {
  const about = conditions(results);
  await fill('README.md', `${markdownTable(results, titleOf)}\n\n${about}`);
  const all = Object.values(results.workloads).map((result) => table(result, titleOf));
  await fill(
    'docs/performance.md',
    `${about}\n\n\`\`\`\n${all.join('\n').trim()}\n\`\`\``,
  );
  await writeFile(join(root, 'docs', 'performance.svg'), chart(results, titleOf));
}
