import { clock, quantity } from './format.ts';

/** The part of standard error that a progress bar needs. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** How far work has come. */
export interface ProgressState {
  /** 0–1; `null` if the end is unknown. */
  readonly fraction: number | null;
  /** Presentation time reached, in seconds. */
  readonly time: number;
  /** Seconds of the whole; `null` if unknown. */
  readonly duration: number | null;
  readonly framesPerSecond: number;
}

const BAR_WIDTH = 24;
const LABEL_WIDTH = 28;
const MILLISECONDS_BETWEEN_DRAWINGS = 100;

/** Erases the line and returns to its beginning (ECMA-48 EL). */
const CLEAR = '\r\x1b[2K';
/** Turns wrapping off and on (DECAWM), so that a long line is cut at the edge of the terminal. */
const [NO_WRAP, WRAP] = ['\x1b[?7l', '\x1b[?7h'];

/**
 * One line that is drawn over itself, only on a terminal: how far, how fast, how long still, and the memory of the process. Written here because an importer
 * often does not know how long a file is: the libraries looked at (cli-progress among them)
 * draw towards a known total.
 */
export class Progress {
  readonly #stream: ProgressStream;
  readonly #label: string;
  readonly #now: () => number;
  readonly #began: number;
  readonly #enabled: boolean;
  readonly #memory: () => number;
  #drawn = Number.NEGATIVE_INFINITY;
  #visible = false;

  constructor(
    stream: ProgressStream,
    label: string,
    options: { enabled?: boolean; now?: () => number; memory?: () => number } = {},
  ) {
    const { enabled = true, now = () => performance.now() } = options;
    this.#memory = options.memory ?? (() => process.memoryUsage.rss());
    this.#stream = stream;
    this.#label = shorten(label);
    this.#now = now;
    this.#began = now();
    this.#enabled = enabled && stream.isTTY === true && process.env.TERM !== 'dumb';
  }

  /** Draws, unless the last drawing is too recent. */
  update(state: ProgressState): void {
    const now = this.#now();
    if (!this.#enabled || now - this.#drawn < MILLISECONDS_BETWEEN_DRAWINGS) return;
    this.#drawn = now;
    this.#visible = true;
    const line = this.#line(state, (now - this.#began) / 1000);
    this.#stream.write(`\r${NO_WRAP}${line}\x1b[K${WRAP}`);
  }

  /** Takes the line away and leaves the cursor where it was before. */
  clear(): void {
    if (!this.#visible) return;
    this.#visible = false;
    this.#stream.write(CLEAR);
  }

  #line(state: ProgressState, elapsed: number): string {
    const { fraction, time, duration, framesPerSecond } = state;
    const parts = [this.#label];
    if (fraction !== null) {
      const done = Math.min(Math.max(fraction, 0), 1);
      const filled = Math.round(done * BAR_WIDTH);
      parts.push(
        `[${'#'.repeat(filled)}${'-'.repeat(BAR_WIDTH - filled)}]`,
        `${String(Math.floor(done * 100)).padStart(3)} %`,
      );
    }
    parts.push(duration === null ? clock(time) : `${clock(time)} / ${clock(duration)}`);
    parts.push(`${framesPerSecond.toFixed(0)} fps`);
    // Before that an estimate would jump about.
    if (fraction !== null && fraction > 0.01 && elapsed > 0.5) {
      const left = (elapsed * (1 - Math.min(fraction, 1))) / fraction;
      parts.push(`ETA ${clock(left).replace(/\.\d+$/, '')}`);
    }
    parts.push(quantity(this.#memory(), 'B'));
    return parts.join('  ');
  }
}

function shorten(label: string): string {
  const letters = [...label];
  if (letters.length <= LABEL_WIDTH) return label;
  return `…${letters.slice(1 - LABEL_WIDTH).join('')}`;
}
