import { describe, expect, test } from 'vitest';
import { sparklines } from '../src/cli/sparkline.ts';
import { type Terminal, terminalOf } from '../src/cli/terminal.ts';
import type { Analysis } from '../src/index.ts';
import { madeAnalysis } from './helpers/analyses.ts';
import { rushes } from './helpers/child.ts';
import { clip, testOf } from './helpers/clips.ts';

const PLAIN: Terminal = { columns: 68, color: false, unicode: true };

/** Samples of these qualities, one a second, in shots of the lengths given. */
function analysisOf(qualities: readonly number[], lengths: readonly number[]): Analysis {
  const made = madeAnalysis({ lengths, fps: 1 });
  const samples = made.samples.map((sample, i) => ({
    ...sample,
    ...{ quality: qualities[i] ?? 0, brightness: 255, motion: i },
  }));
  return { ...made, samples };
}

/** The row with a name, without it and its scale. */
function row(text: string, name: string): string {
  const line = text.split('\n').find((line) => line.trim().startsWith(name)) ?? '';
  return line.slice(16).split('  ')[0] ?? '';
}

describe('sparklines', () => {
  // 40 columns for 10 seconds: each sample is four wide.
  const text = sparklines(
    analysisOf([0, 100, 50, 12, 13, 99, 0, 0, 25, 100], [4, 6]),
    PLAIN,
  );

  test('draw values on a scale of their own', () => {
    const wide = (letters: string) =>
      [...letters].map((letter) => letter.repeat(4)).join('');
    expect(row(text, 'quality')).toBe(wide('▁█▅▁▂█▁▁▃█'));
    expect(row(text, 'brightness')).toBe(wide('██████████'));
    expect(row(text, 'motion')).toBe(wide('▁▁▂▃▄▅▆▇██'));
    expect(text).toMatch(/motion .* {2}0-9\n/);
  });

  test('mark cuts, and segments by rank, above a scale of time', () => {
    expect(row(text, 'cuts')).toBe(`${'·'.repeat(16)}│${'·'.repeat(23)}`);
    // 4.2 to 9.8 s
    expect(row(text, 'segments')).toBe(`${'·'.repeat(16)}1${'━'.repeat(23)}`);
    const scale = text.split('\n').at(-2) ?? '';
    expect(scale.trimEnd().length).toBe(16 + 40);
    expect(scale.trim()).toMatch(/^0:00.000 +0:10.000$/);
  });

  test('fit the width of the terminal, whatever the length of the video', () => {
    for (const columns of [40, 61, 80, 120, 300]) {
      for (const lengths of [[0.5], [3, 4], Array.from({ length: 500 }, () => 7)]) {
        const lines = sparklines(madeAnalysis({ lengths }), { ...PLAIN, columns }).split(
          '\n',
        );
        for (const line of lines) expect([...line].length).toBeLessThanOrEqual(columns);
      }
    }
  });

  test('are plain ASCII where that is all there is', () => {
    const ascii = sparklines(madeAnalysis({ lengths: [3, 4] }), {
      ...PLAIN,
      unicode: false,
    });
    expect(ascii).toMatch(/^[\x20-\x7e\n]+$/);
    expect(ascii.split('\n').length).toBe(text.split('\n').length);
  });

  test('have colours that end where they began, and only where wanted', () => {
    const colored = sparklines(madeAnalysis({ lengths: [3, 4] }), {
      ...PLAIN,
      color: true,
    });
    const codes = new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, 'g');
    expect(colored.match(codes)?.length).toBe(10);
    const bare = sparklines(madeAnalysis({ lengths: [3, 4] }), PLAIN);
    expect(colored.replace(codes, '')).toBe(bare);
  });

  test('are not there without samples', () => {
    expect(sparklines({ ...madeAnalysis({ lengths: [3] }), samples: [] }, PLAIN)).toBe(
      '',
    );
  });
});

describe('terminalOf', () => {
  const utf8 = { LANG: 'de_DE.UTF-8' };
  const tty = { isTTY: true, columns: 132 };
  const cases: [object, Record<string, string>, string, Terminal][] = [
    [tty, utf8, 'linux', { columns: 132, color: true, unicode: true }],
    [
      tty,
      { ...utf8, NO_COLOR: '1' },
      'linux',
      { columns: 132, color: false, unicode: true },
    ],
    [
      tty,
      { ...utf8, TERM: 'dumb' },
      'linux',
      { columns: 132, color: false, unicode: true },
    ],
    [
      {},
      { ...utf8, LC_ALL: 'C' },
      'linux',
      { columns: 80, color: false, unicode: false },
    ],
    [{}, { COLUMNS: '100' }, 'linux', { columns: 100, color: false, unicode: false }],
    [
      { isTTY: true, columns: 9 },
      {},
      'win32',
      { columns: 40, color: true, unicode: true },
    ],
  ];
  for (const [stream, env, platform, wanted] of cases) {
    test(`${JSON.stringify({ ...stream, ...env })} on ${platform}`, () => {
      expect(terminalOf(stream, env, platform)).toEqual(wanted);
    });
  }
});

testOf('cuts.mp4')('rushes analyze shows the timeline in its summary', async () => {
  const env = { LC_ALL: 'C', COLUMNS: '60' };
  const { stdout } = await rushes(['analyze', clip('cuts.mp4')], { env });
  expect(stdout).toMatch(/^ {4}cuts {8}\.+\|\.+\|\.+\|\.+$/m);
  expect(stdout).toMatch(/^ {4}motion {6}[_.:=+*#-]{32} {2}0-[\d.]+$/m);
});
