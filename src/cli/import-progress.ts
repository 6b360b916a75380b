import type { ImportActivity, ImportProgress } from '../index.ts';
import { clock, count, printable } from './format.ts';
import { label } from './probe.ts';
import type { ProgressStream } from './progress.ts';

/** What is known beside what the import itself says. */
export interface ImportTotals {
  /** Files in all; `null` while they are counted. */
  readonly total: number | null;
  /** Files that an earlier run had finished. */
  readonly resumed: number;
  /** Of the memory monitor. */
  readonly level: string;
}

const MILLISECONDS_BETWEEN_DRAWINGS = 100;
const NAME_WIDTH = 32;
const BAR_WIDTH = 20;
/** Erases from the cursor to the end of the screen, and of the line (ECMA-48 ED, EL). */
const [ERASE_BELOW, ERASE_RIGHT] = ['\x1b[J', '\x1b[K'];
/** Turns wrapping off and on (DECAWM), so that a long line is cut at the edge of the terminal. */
const [NO_WRAP, WRAP] = ['\x1b[?7l', '\x1b[?7h'];

/** One line for each active file and one for all, drawn over themselves, only on a terminal. */
export class ImportProgressView {
  readonly #stream: ProgressStream & { readonly rows?: number };
  readonly #enabled: boolean;
  #drawn = Number.NEGATIVE_INFINITY;
  #lines = 0;

  constructor(stream: ProgressStream & { readonly rows?: number }) {
    this.#stream = stream;
    this.#enabled = stream.isTTY === true && process.env.TERM !== 'dumb';
  }

  /** Draws, unless the last drawing is too recent. */
  update(progress: ImportProgress, totals: ImportTotals): void {
    const now = performance.now();
    if (!this.#enabled || now - this.#drawn < MILLISECONDS_BETWEEN_DRAWINGS) return;
    this.#drawn = now;
    // The last row stays free, or a line break there would scroll the first line out of reach.
    const room = Math.max(1, (this.#stream.rows ?? 24) - 2);
    const files = progress.active.slice(0, room).map(fileLine);
    const lines = [...files, totalLine(progress, totals)];
    const text = lines.map((line) => `${line}${ERASE_RIGHT}\n`).join('');
    this.#stream.write(`${this.#home()}${NO_WRAP}${text}${WRAP}${ERASE_BELOW}`);
    this.#lines = lines.length;
  }

  /** Takes the lines away, for something else to be printed. */
  clear(): void {
    if (this.#lines === 0) return;
    this.#stream.write(`${this.#home()}${ERASE_BELOW}`);
    this.#lines = 0;
    this.#drawn = Number.NEGATIVE_INFINITY;
  }

  /** To the beginning of the first line (ECMA-48 CUU). */
  #home(): string {
    return this.#lines === 0 ? '\r' : `\r\x1b[${this.#lines}A`;
  }
}

function fileLine({ source, progress }: ImportActivity): string {
  const name = label(typeof source === 'string' ? source : String(source));
  const shown = printable(name).slice(0, NAME_WIDTH).padEnd(NAME_WIDTH);
  if (progress === null) return `  ${shown}  waiting`;
  const { fraction, time, framesPerSecond } = progress;
  const speed = `${framesPerSecond.toFixed(0)} fps`;
  return fraction === null
    ? `  ${shown}  ${clock(time)}  ${speed}`
    : `  ${shown}  ${bar(fraction)}  ${speed}`;
}

function totalLine(progress: ImportProgress, totals: ImportTotals): string {
  const { done, failed, cached, elapsed, frames } = progress;
  const finished = done + totals.resumed;
  const parts = [
    totals.total === null
      ? count(finished, 'file')
      : `${finished} of ${count(totals.total, 'file')}  ${bar(finished / Math.max(1, totals.total))}`,
  ];
  if (failed > 0) parts.push(`${failed} failed`);
  if (cached > 0) parts.push(`${cached} from the cache`);
  if (elapsed > 0.5) parts.push(`${(frames / elapsed).toFixed(0)} fps`);
  if (totals.total !== null && done > 0 && elapsed > 1) {
    const left = ((totals.total - finished) * elapsed) / done;
    parts.push(`ETA ${clock(left).replace(/\.\d+$/, '')}`);
  }
  parts.push(`memory ${totals.level}`);
  return parts.join('  ');
}

function bar(fraction: number): string {
  const done = Math.min(Math.max(fraction, 0), 1);
  const filled = Math.round(done * BAR_WIDTH);
  const percent = String(Math.floor(done * 100)).padStart(3);
  return `[${'#'.repeat(filled)}${'-'.repeat(BAR_WIDTH - filled)}] ${percent} %`;
}
