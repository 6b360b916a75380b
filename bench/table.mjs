// Results as tables for a terminal.

const number = (value, digits = 2) => value.toFixed(digits);
const megabytes = (bytes) => number(bytes / 1e6, 0);

function ratio(found) {
  if (!found) return '';
  const { median, least, greatest } = found;
  return `${number(median)} (${number(least)}–${number(greatest)})`;
}

/** Columns that line up: the first to the left, the others to the right. */
function aligned(rows) {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  return rows.map((row) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
      .join('  ')
      .trimEnd(),
  );
}

function goalLine({ toFloor, rss, times, ms }) {
  const parts = [
    toFloor && `at most ${toFloor} × decoding only`,
    ms && `at most ${ms} ms`,
    rss && `at most ${megabytes(rss)} MB`,
    times && `${times[0]} times less CPU than ${times[1]}`,
  ];
  return `goal: ${parts.filter(Boolean).join(', ')}`;
}

function peerRows(peers, titleOf) {
  return [
    ['', 'CPU s', '× decoding only', '× rushes', 'wall s', 'peak MB', 'luma dB'],
    ...Object.entries(peers).map(([name, found]) => [
      titleOf(name),
      number(found.cpu.median),
      ratio(found.toFloor),
      ratio(found.toOurs),
      number(found.wall.median),
      megabytes(found.rss),
      found.psnr ? number(found.psnr.median, 1) : '',
    ]),
  ];
}

function importRows(imports, titleOf) {
  return [
    ['', 'ms', 'MB'],
    ...Object.entries(imports).map(([name, { ms, rss }]) => [
      titleOf(name),
      `${number(ms.median, 0)} (${number(ms.least, 0)}–${number(ms.greatest, 0)})`,
      megabytes(rss.median),
    ]),
  ];
}

/** One workload's results. `titleOf` gives a peer's title. */
export function table(result, titleOf) {
  const { title, goal, rounds, load, peers, imports, notRun = {} } = result;
  const rows = imports ? importRows(imports, titleOf) : peerRows(peers, titleOf);
  const loads = load.map((value) => number(value, 1)).join(' to ');
  return [
    `${title} (${rounds} rounds, load ${loads})`,
    ...aligned(rows),
    ...Object.entries(notRun).map(([name, why]) => `not run: ${titleOf(name)}: ${why}`),
    ...(goal ? [goalLine(goal)] : []),
    '',
  ].join('\n');
}

export function machineLine({ cpu, cores, system, node, ffmpeg, packages }) {
  const versions = Object.entries(packages).map(
    ([name, version]) => `${name} ${version}`,
  );
  return `${cpu}, ${cores} cores, ${system}, Node ${node}, FFmpeg ${ffmpeg}, ${versions.join(', ')}`;
}
