// Draws results as an SVG for the README: CPU time as bars, decoding alone as a line that nobody who decodes every frame
// with the same libav gets past.
import { floor, ours } from './peers.mjs';

/** The workloads that are drawn, and their headings. */
const panels = {
  'every-frame-rgb24': 'Every frame, 1080p H.264 of 15 Mb/s',
  'every-frame-rgb24-low-rate': 'Every frame, 1080p H.264 of a low bit rate',
  'twenty-times': '20 exact frames from 20 s, three key frames',
  analysis: 'Analysis: cuts in every frame, 2 samples a second',
};
const width = 800;
const labelWidth = 285;
const valueWidth = 130;
const barHeight = 16;
const rowHeight = 22;
const headingHeight = 34;
const gap = 14;

const escapeText = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/** Follows the reader's light or dark scheme; greys that are legible on both stand in where that is not known. */
const style = `
  text { font: 13px system-ui, sans-serif; fill: #768390; }
  .heading { font-weight: 600; font-size: 15px; }
  .ours { font-weight: 600; }
  .bar { fill: #9aa4af; }
  .bar.ours { fill: #1f8a65; }
  .floor { stroke: #c9660a; stroke-width: 1.5; stroke-dasharray: 4 3; }
  @media (prefers-color-scheme: light) {
    text { fill: #424a53; }
  }
  @media (prefers-color-scheme: dark) {
    text { fill: #c9d1d9; }
    .bar { fill: #6e7681; }
    .bar.ours { fill: #3fb68b; }
    .floor { stroke: #f0a04b; }
  }`;

function panel(heading, { peers }, titleOf, top) {
  const rows = Object.entries(peers)
    .filter(([name]) => name !== floor)
    .map(([name, { cpu, toFloor }]) => ({ name, cpu: cpu.median, of: toFloor.median }))
    .sort((a, b) => a.of - b.of);
  const most = Math.max(1, ...rows.map(({ of }) => of));
  const scale = (width - labelWidth - valueWidth) / most;
  const floorX = labelWidth + scale;
  const bars = rows.map(({ name, cpu, of }, i) => {
    const y = top + headingHeight + i * rowHeight;
    const own = name.startsWith(ours) ? ' ours' : '';
    const text = y + barHeight - 3;
    const right = labelWidth + of * scale;
    return [
      `<text class="label${own}" x="${labelWidth - 8}" y="${text}" text-anchor="end">${escapeText(titleOf(name))}</text>`,
      `<rect class="bar${own}" x="${labelWidth}" y="${y}" width="${(of * scale).toFixed(1)}" height="${barHeight}" rx="2"/>`,
      `<text class="value${own}" x="${(right + 6).toFixed(1)}" y="${text}">${of.toFixed(2)} × (${cpu.toFixed(2)} s)</text>`,
    ].join('\n');
  });
  const bottom = top + headingHeight + rows.length * rowHeight;
  const line = `<line class="floor" x1="${floorX.toFixed(1)}" x2="${floorX.toFixed(1)}" y1="${top + headingHeight - 6}" y2="${bottom}"/>`;
  const title = `<text class="heading" x="0" y="${top + 18}">${escapeText(heading)}</text>`;
  return { svg: [title, ...bars, line].join('\n'), bottom: bottom + gap };
}

/** The drawing, and what it says in words. */
export function chart({ machine, workloads }, titleOf) {
  const parts = [];
  let top = 0;
  for (const [name, heading] of Object.entries(panels)) {
    if (!workloads[name]) continue;
    const { svg, bottom } = panel(heading, workloads[name], titleOf, top);
    parts.push(svg);
    top = bottom;
  }
  const note = `CPU time, children included, as a multiple of what the ffmpeg tool takes to decode the file and do nothing else (dashed). ${machine.cores} cores, FFmpeg ${machine.ffmpeg}. Shorter is better.`;
  const words = note.match(/.{1,112}(?: |$)/g);
  const lines = words.map(
    (line, i) => `<text x="0" y="${top + 14 + i * 18}">${escapeText(line.trim())}</text>`,
  );
  const height = top + words.length * 18 + 6;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escapeText(note)}">
<style>${style}
</style>
${[...parts, ...lines].join('\n')}
</svg>
`;
}
