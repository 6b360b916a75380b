import { createHash } from 'node:crypto';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MAX_POINTS, SERIES, thinned, timelineData } from '../src/cli/report-data.ts';
import {
  escapeHtml,
  fileSection,
  pageEnd,
  pageHead,
  type ShotPicture,
} from '../src/cli/report-html.ts';
import type { Analysis } from '../src/index.ts';
import { madeAnalysis } from './helpers/analyses.ts';
import { rushes } from './helpers/child.ts';
import { browserTest, dumpDom } from './helpers/chromium.ts';
import { CUTS_AT, clip, testOf } from './helpers/clips.ts';
import { temporaryDirectory } from './helpers/temporary.ts';

const folder = temporaryDirectory();
const DIST = join(import.meta.dirname, '..', 'dist', 'report');
const assets = {
  script: readFileSync(join(DIST, 'page.js'), 'utf8'),
  style: readFileSync(join(DIST, 'page.css'), 'utf8'),
};

/** How often something is there. */
const times = (text: string, pattern: RegExp) => text.match(pattern)?.length ?? 0;

/** Bytes as large as a thumbnail of a film's shot. */
const size = { width: 144, height: 81 };
const picture: ShotPicture = { data: new Uint8Array(1700), format: 'webp', ...size };

function page(analysis: Analysis): string {
  const pictures = analysis.shots.map(() => picture);
  const head = pageHead([analysis.source], assets);
  return head + fileSection(analysis, pictures, 1) + pageEnd(assets);
}

function written(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** Two hours at 2 samples a second, a shot every 2.4 s. */
const film = () => madeAnalysis({ lengths: Array.from({ length: 3000 }, () => 2.4) });

describe('thinned', () => {
  test('keeps every peak, the order of time and the number of points', () => {
    const value = fc.double({ min: -1e3, max: 1e3, noNaN: true });
    const values = fc.array(value, { minLength: 1, maxLength: 400 });
    fc.assert(
      fc.property(values, fc.integer({ min: 2, max: 60 }), (series, most) => {
        const clock = series.map((_, i) => i / 2);
        const out = thinned(clock, [series], most);
        expect(out.times.length).toBeLessThanOrEqual(Math.max(most, 2));
        expect(out.series[0]?.length).toBe(out.times.length);
        expect(Math.max(...(out.series[0] ?? []))).toBe(Math.max(...series));
        expect(Math.min(...(out.series[0] ?? []))).toBe(Math.min(...series));
        expect(out.times).toEqual([...new Set(out.times)].sort((a, b) => a - b));
        if (series.length <= most)
          expect(out).toEqual({ times: clock, series: [series] });
      }),
      { numRuns: 300 },
    );
  });
});

describe('timelineData', () => {
  test('draws events of every kind, also of unknown ones', () => {
    const made = madeAnalysis({ lengths: [2, 3] });
    const events = [
      ...made.events,
      { type: 'fade', start: 1, end: 2.5 },
      { type: 'news', time: 4 },
      { type: 'odd' },
    ];
    const data = timelineData({ ...made, events } as unknown as Analysis);
    expect(data.events).toEqual([
      ['fade', 1, 2.5],
      ['news', 4, 4],
    ]);
    expect(data).toMatchObject({ start: 0, end: 5, shots: [0, 2], cutScores: [0, 90] });
  });
});

describe('the page', () => {
  test('is bounded in size for a film of two hours and 3000 shots', () => {
    const analysis = film();
    expect(analysis.samples.length).toBe(14_400);
    const data = timelineData(analysis);
    expect(data.times.length).toBeLessThanOrEqual(MAX_POINTS);
    expect(JSON.stringify(data).length).toBeLessThan(250_000);
    // 3000 pictures of 1700 bytes are 6.8 MB in base64; all else has 2 MB.
    const { length } = page(analysis);
    expect(length).toBeGreaterThan(6_800_000);
    expect(length).toBeLessThan(8_800_000);
  });

  test('names nothing outside itself, and allows no other script', () => {
    const html = page(madeAnalysis({ lengths: [2, 3] }));
    const attributes = html.matchAll(/\b(?:src|href|action|data)="([^"]*)"/g);
    const elsewhere = [...attributes].filter(
      ([, to]) => !/^(data:image\/|#)/.test(to ?? ''),
    );
    expect(elsewhere).toEqual([]);
    const hash = (text: string) => createHash('sha256').update(text).digest('base64');
    const policy = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(
      html,
    )?.[1];
    expect(policy?.split('; ')).toEqual([
      "default-src 'none'",
      'img-src data:',
      `script-src 'sha256-${hash(assets.script)}'`,
      `style-src 'sha256-${hash(assets.style)}'`,
      "base-uri 'none'",
      "form-action 'none'",
    ]);
    expect(html).not.toMatch(/<[^>]*\s(style|on\w+)=/);
    expect(assets.script).not.toMatch(/<\/script|<!--/i);
    expect(assets.style).not.toMatch(/<\/style|@import|url\(/i);
  });

  test('has a name for everything that can be operated', () => {
    const html = page(madeAnalysis({ lengths: [2, 3.25] }));
    expect(html).toContain('<html lang="en">');
    expect(html).toMatch(/<section class="file" id="file-1" aria-labelledby="name-1">/);
    expect(html).toMatch(/role="slider" tabindex="0" aria-labelledby="timeline-1"/);
    const labels = [...html.matchAll(/<button[^>]*aria-label="([^"]+)"/g)].map(
      ([, l]) => l,
    );
    expect(labels).toEqual([
      'Shot 1, 0:00.000, 2 s',
      'Shot 2, 0:02.000, 3.25 s, cut 90 % sure, segment 1',
    ]);
    expect(times(html, /<img /g)).toBe(times(html, /<img [^>]*alt=""/g));
  });

  const hostile =
    '"><img src=x onerror=alert(1)></script><script>alert(2)</script>\'&.mp4';
  test('holds hostile names as text only', () => {
    const source = `/x/${hostile.replaceAll('/', '\u2215')}`;
    const made = madeAnalysis({ lengths: [2, 3], source });
    const bad = `</pre></script><script>alert(3)</script>`;
    const info = { ...made.info, metadata: { [bad]: bad }, codec: bad };
    const errors = [{ code: 'ERR_DECODE', message: bad, time: null }] as const;
    const events = [{ type: bad, time: 1 }] as unknown as Analysis['events'];
    const html = page({ ...made, info, errors, events, complete: false });
    // The data, the one script and nothing else.
    expect(times(html, /<script\b/gi)).toBe(2);
    expect(times(html, /<\/script/gi)).toBe(2);
    expect(times(html, /<img src=x/gi)).toBe(0);
    expect(html).toContain('&lt;script&gt;alert(3)');
    expect(escapeHtml(`<a b="c" d='e'>&`)).toBe(
      '&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;',
    );
  });

  browserTest('runs no script of a hostile name', async () => {
    const source = `/x/${hostile.replaceAll('/', '\u2215')}`;
    const html = page(madeAnalysis({ lengths: [2, 3], source }));
    const spy = '<script>document.title = "broken"</script>';
    const dom = await dumpDom(
      written('hostile.html', html.replace('</main>', `${spy}</main>`)),
    );
    expect(dom).not.toContain('<title>broken');
    expect(dom).toContain('class="uplot');
  });

  browserTest(
    'draws a timeline of four series and answers what is under the cursor',
    async () => {
      const dom = await dumpDom(
        written('small.html', page(madeAnalysis({ lengths: [2, 3, 9] }))),
      );
      expect(times(dom, /<canvas/g)).toBe(SERIES.length);
      expect(times(dom, /class="chart (motion|brightness|sharpness|sceneScore)"/g)).toBe(
        4,
      );
      expect(dom).toMatch(/aria-valuetext="0:00.000, shot 1, motion 5, brightness 120/);
      expect(dom).toMatch(/class="readout"[^>]*><img src="data:image/);
      expect(times(dom, /class="go current"/g)).toBe(1);
    },
  );

  browserTest('is operated with the keyboard', async () => {
    // A script of the test's own presses the keys, for which the policy has to let it run.
    const press = `addEventListener('load', () => setTimeout(() => {
      const charts = document.querySelector('.charts');
      const said = [];
      const press = (key, shiftKey = false) => {
        charts.dispatchEvent(new KeyboardEvent('keydown', { key, shiftKey, bubbles: true, cancelable: true }));
        said.push(charts.getAttribute('aria-valuetext').split(',').slice(0, 2).join());
      };
      for (const key of ['ArrowRight', 'ArrowDown', 'ArrowDown', 'ArrowUp', 'End', 'ArrowRight', 'Home']) press(key);
      press('ArrowRight', true);
      press('+'); press('-'); press('Escape');
      document.querySelectorAll('.shots .go')[2].click();
      said.push(charts.getAttribute('aria-valuenow'));
      press('Enter');
      said.push(document.activeElement.getAttribute('aria-label'));
      const out = document.createElement('output');
      out.id = 'said';
      out.textContent = said.join('|');
      document.body.append(out);
    }, 500));`;
    const analysis = madeAnalysis({ lengths: [2, 3, 9] });
    const html = page(analysis).replace(
      /<meta http-equiv="Content-Security-Policy"[^>]*>/,
      '',
    );
    const pressed = html.replace('</body>', `<script>${press}</script></body>`);
    const dom = await dumpDom(written('keys.html', pressed));
    const said = /<output id="said">([^<]*)</.exec(dom)?.[1]?.split('|');
    expect(said).toEqual([
      ...['0:00.500, shot 1', '0:02.000, shot 2', '0:05.000, shot 3', '0:02.000, shot 2'],
      ...['0:13.500, shot 3', '0:13.500, shot 3', '0:00.000, shot 1', '0:05.000, shot 3'],
      ...['0:05.000, shot 3', '0:05.000, shot 3', '0:05.000, shot 3', '5'],
      ...['0:05.000, shot 3', 'Shot 3, 0:05.000, 9 s, cut 90 % sure'],
    ]);
  });

  browserTest('opens a film of two hours and 3000 shots', async () => {
    const dom = await dumpDom(written('film.html', page(film())));
    expect(times(dom, /<canvas/g)).toBe(SERIES.length);
    expect(times(dom, /class="go/g)).toBe(3000 + 10);
  });
});

describe('rushes report', () => {
  testOf('cuts.mp4')(
    'writes one page about all files, failed ones included',
    async () => {
      const odd = join(folder, '<b>&.mp4');
      copyFileSync(clip('cuts.mp4'), odd);
      const out = join(folder, 'out.html');
      const args = ['report', odd, '/gone.mp4', clip('cuts.mp4'), '-o', out];
      const { code, stdout, stderr } = await rushes(args);
      expect(code).toBe(1);
      expect(stdout).toMatch(/out\.html: 3 files, [\d.]+ kB\n$/);
      expect(stderr).toMatch(/^rushes: \/gone\.mp4: .*ERR_NOT_FOUND\)\n$/);
      const html = readFileSync(out, 'utf8');
      expect(times(html, /<section class="file"/g)).toBe(3);
      expect(html).toContain('<h1 id="name-1">&lt;b&gt;&amp;.mp4</h1>');
      expect(html).toMatch(/<li><a href="#file-2">gone.mp4<\/a><\/li>/);
      expect(times(html, /<img [^>]*src="data:image\/webp;base64,[\w+/=]{100,}"/g)).toBe(
        8,
      );
      const starts = [...html.matchAll(/<li><button [^>]*data-time="([\d.]+)"/g)];
      const wanted = [0, ...CUTS_AT.map((frame) => frame / 25)];
      expect(starts.map(([, time]) => Number(time))).toEqual([...wanted, ...wanted]);
    },
  );

  testOf('cuts.mp4')('gives the analyses as JSON', async () => {
    const out = join(folder, 'json.html');
    const { stdout } = await rushes(['report', '--json', clip('cuts.mp4'), '-o', out]);
    expect(JSON.parse(stdout)).toMatchObject({ schema: 2, frames: 230 });
  });

  testOf('cuts.mp4')('leaves nothing behind where it cannot write', async () => {
    const out = join(folder, 'no', 'where.html');
    const { code, stderr } = await rushes(['report', clip('cuts.mp4'), '-o', out]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/where\.html: .*\(ENOENT\)\n$/);
  });

  test('wants to know where to write', async () => {
    const { code, stderr } = await rushes(['report', 'a.mp4']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/-o OUT\.html is missing/);
  });
});
