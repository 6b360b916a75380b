import { expect, test } from 'vitest';
import { ImportProgressView } from '../src/cli/import-progress.ts';
import type { ImportActivity, ImportProgress } from '../src/index.ts';

const TOTALS = { total: 12, resumed: 2, level: 'low' };

/** What a terminal of so many rows would show, as far as the view moves about in it. */
class Screen {
  readonly isTTY: boolean;
  readonly rows: number;
  lines: string[] = [''];
  #row = 0;

  constructor(isTTY: boolean, rows = 24) {
    this.isTTY = isTTY;
    this.rows = rows;
  }

  write(text: string): void {
    const visible = text.replaceAll('\x1b', '␛');
    for (const [part] of visible.matchAll(/␛\[\??\d*[A-Za-z]|\r|\n|[^␛\r\n]+/g)) {
      const up = /^␛\[(\d+)A$/.exec(part)?.[1];
      if (part === '\n') this.lines[++this.#row] ??= '';
      else if (up !== undefined) this.#row -= Number(up);
      else if (part === '␛[J') {
        this.lines.length = this.#row + 1;
        this.lines[this.#row] = '';
      } else if (!/^[␛\r]/.test(part)) this.lines[this.#row] = part;
    }
  }
}

function active(name: string, fraction: number | null): ImportActivity {
  const progress = { time: 5, duration: 20, frames: 125, framesPerSecond: 250.4 };
  const begun = fraction === null ? null : { ...progress, fraction };
  return { source: `/footage/${name}`, index: 0, progress: begun };
}

function progressOf(files: readonly ImportActivity[]): ImportProgress {
  const counts = { done: 4, failed: 1, cached: 2, frames: 3000 };
  return { found: 10, foundAll: true, ...counts, elapsed: 10, active: files };
}

test('shows a line for each active file, and one for all of them', () => {
  const screen = new Screen(true);
  const view = new ImportProgressView(screen);
  view.update(progressOf([active('a.mp4', 0.25), active('b.mp4', null)]), TOTALS);
  expect(screen.lines).toEqual([
    expect.stringMatching(/^ {2}a\.mp4 +\[#####-{15}\] {2}25 % {2}250 fps$/),
    expect.stringMatching(/^ {2}b\.mp4 +waiting$/),
    '6 of 12 files  [##########----------]  50 %  1 failed  2 from the cache  300 fps  ETA 0:15  memory low',
    '',
  ]);
});

test('draws over itself, with fewer lines when fewer files are active, and clears up', () => {
  const screen = new Screen(true);
  const view = new ImportProgressView(screen);
  view.update(progressOf([active('a.mp4', 0.5), active('b.mp4', 0.5)]), TOTALS);
  expect(screen.lines).toHaveLength(4);
  view.clear();
  expect(screen.lines).toEqual(['']);
  view.update(progressOf([active('c.mp4', 0.5)]), TOTALS);
  expect(screen.lines).toHaveLength(3);
  expect(screen.lines[0]).toContain('c.mp4');
});

test('leaves room for the total where there are more files than rows', () => {
  const screen = new Screen(true, 6);
  const view = new ImportProgressView(screen);
  view.update(progressOf(Array(20).fill(active('a.mp4', 0.5))), TOTALS);
  expect(screen.lines).toHaveLength(6);
  expect(screen.lines[4]).toMatch(/^6 of 12 files/);
});

test('is silent where there is no terminal', () => {
  const screen = new Screen(false);
  new ImportProgressView(screen).update(progressOf([active('a.mp4', 0.5)]), TOTALS);
  expect(screen.lines).toEqual(['']);
});
