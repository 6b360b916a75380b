/** An analysis as a few lines of text, one column for each part of the time. */
import type { Analysis } from '../index.ts';
import { clock, decimal } from './format.ts';
import type { Terminal } from './terminal.ts';

/** From nothing to full. */
const BLOCKS = { unicode: '▁▂▃▄▅▆▇█', ascii: '_.:-=+*#' } as const;
const MARKS = {
  unicode: { cut: '│', line: '━', idle: '·' },
  ascii: { cut: '|', line: '=', idle: '.' },
} as const;
const INDENT = '    ';
const NAME_WIDTH = 12;
/** For the scale behind a curve. */
const SCALE_WIDTH = 12;
const MOST_COLUMNS = 120;

/** SGR colours (ECMA-48): those that terminals have in a light and a dark scheme alike. */
const COLORS = {
  motion: 36,
  brightness: 33,
  quality: 32,
  cuts: 31,
  segments: 35,
} as const;
type Row = keyof typeof COLORS;

/** Rows of motion, brightness and quality, of cuts and of segments (by rank) above a scale of time. */
export function sparklines(analysis: Analysis, terminal: Terminal): string {
  const { shots, samples } = analysis;
  const [first, last] = [shots[0], shots.at(-1)];
  if (first === undefined || last === undefined || samples.length === 0) return '';
  const room = Math.min(terminal.columns, MOST_COLUMNS);
  const width = Math.max(10, room - INDENT.length - NAME_WIDTH - SCALE_WIDTH);
  const length = Math.max(last.end - first.start, 1e-6);
  const column = (time: number) =>
    Math.min(width - 1, Math.max(0, Math.floor(((time - first.start) / length) * width)));

  const curve = (
    name: 'motion' | 'brightness' | 'quality',
    top: number,
  ): [Row, string, string] => {
    const values = perColumn(
      samples.map((sample) => [column(sample.time), sample[name]]),
      width,
    );
    const most = top || Math.max(...values, 1e-9);
    return [
      name,
      blocks(values, most, terminal),
      `0-${decimal(most, most < 10 ? 1 : 0)}`,
    ];
  };
  const rows: [Row, string, string][] = [
    curve('motion', 0),
    curve('brightness', 255),
    curve('quality', 100),
    ['cuts', cutRow(analysis, column, width, terminal), ''],
    ['segments', segmentRow(analysis, column, width, terminal), ''],
  ];
  const lines = rows.map(([name, text, scale]) => {
    const painted = terminal.color ? `\x1b[${COLORS[name]}m${text}\x1b[39m` : text;
    return `${INDENT}${name.padEnd(NAME_WIDTH)}${painted}  ${scale}`.trimEnd();
  });
  const [begin, end] = [clock(first.start), clock(last.end)];
  const gap = ' '.repeat(Math.max(1, width - begin.length - end.length));
  lines.push(`${INDENT}${' '.repeat(NAME_WIDTH)}${begin}${gap}${end}`);
  return `${lines.join('\n')}\n`;
}

/** The greatest value in each column; that of the column before where there is none. */
function perColumn(
  points: readonly (readonly [number, number])[],
  width: number,
): number[] {
  const values = new Array<number>(width).fill(Number.NaN);
  for (const [column, value] of points) {
    const before = values[column] as number;
    values[column] = Number.isNaN(before) ? value : Math.max(before, value);
  }
  let held = points[0]?.[1] ?? 0;
  return values.map((value) => {
    if (!Number.isNaN(value)) held = value;
    return held;
  });
}

function blocks(values: readonly number[], most: number, { unicode }: Terminal): string {
  const levels = [...BLOCKS[unicode ? 'unicode' : 'ascii']];
  return values
    .map((value) => {
      const level = Math.floor((value / most) * levels.length);
      return levels[Math.min(Math.max(level, 0), levels.length - 1)];
    })
    .join('');
}

type ColumnOf = (time: number) => number;

function cutRow(
  { shots }: Analysis,
  column: ColumnOf,
  width: number,
  of: Terminal,
): string {
  const { cut, idle } = MARKS[of.unicode ? 'unicode' : 'ascii'];
  const row = new Array<string>(width).fill(idle);
  for (const { start } of shots.slice(1)) row[column(start)] = cut;
  return row.join('');
}

function segmentRow(
  { segments }: Analysis,
  column: ColumnOf,
  width: number,
  of: Terminal,
): string {
  const { line, idle } = MARKS[of.unicode ? 'unicode' : 'ascii'];
  const row = new Array<string>(width).fill(idle);
  // The best last, so that it stays where segments share a column.
  for (const [rank, { start, end }] of [...segments.entries()].reverse()) {
    const from = column(start);
    const to = Math.max(column(end - 1e-6), from);
    row.fill(line, from, to + 1);
    const number = String(rank + 1);
    if (number.length <= to - from + 1) row.splice(from, number.length, ...number);
  }
  return row.join('');
}
