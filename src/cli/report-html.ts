/** The page of `rushes report`, but for its script and style, which dist/report/ has. */
import { createHash } from 'node:crypto';
import type { Analysis, Thumbnail } from '../index.ts';
import type { Failure } from './failure.ts';
import { clock, count, decimal } from './format.ts';
import { describe as factsOf, label } from './probe.ts';
import { timelineData } from './report-data.ts';

/** Script and style of the page. */
export interface PageAssets {
  readonly script: string;
  readonly style: string;
}

/** One picture for a shot; `null` where there is none. */
export type ShotPicture = Pick<Thumbnail, 'data' | 'format' | 'width' | 'height'> | null;

const SEGMENTS_SHOWN = 10;

/** Text inside an element or a quoted attribute. */
export function escapeHtml(text: string): string {
  const entities = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return text.replace(/[&<>"']/g, (letter) => entities[letter as keyof typeof entities]);
}

/** JSON inside a script element: nothing in it can end that. */
function inlineJson(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c');
}

function hash(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}

/** Nothing is loaded, and nothing runs but the page's own script. */
function contentSecurityPolicy({ script, style }: PageAssets): string {
  return [
    "default-src 'none'",
    'img-src data:',
    `script-src ${hash(script)}`,
    `style-src ${hash(style)}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
}

/** Up to the first file. */
export function pageHead(sources: readonly string[], assets: PageAssets): string {
  const names = sources.map((source) => escapeHtml(label(source)));
  const title = names.length === 1 ? names[0] : count(names.length, 'file');
  const links = names.map((name, i) => `<li><a href="#file-${i + 1}">${name}</a></li>`);
  const contents =
    names.length > 1
      ? `<nav aria-label="Files"><ol class="contents">${links.join('')}</ol></nav>`
      : '';
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${contentSecurityPolicy(assets)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="rushes">
<title>${title} – rushes report</title>
<style>${assets.style}</style>
</head>
<body>
<header class="page"><p class="brand">rushes <span>report</span></p>${contents}</header>
<main>
`;
}

/** After the last file. */
export function pageEnd({ script }: PageAssets): string {
  return `</main>\n<script>${script}</script>\n</body>\n</html>\n`;
}

/** A file that could not be analysed. */
export function failureSection({ source, error }: Failure, number: number): string {
  return `<section class="file" id="file-${number}" aria-labelledby="name-${number}">
<h1 id="name-${number}">${escapeHtml(label(source))}</h1>
<p class="damage" role="note">${escapeHtml(`${error.message} (${error.code})`)}</p>
</section>
`;
}

/** Everything about one file. `pictures` are those of the shots, in their order. */
export function fileSection(
  analysis: Analysis,
  pictures: readonly ShotPicture[],
  number: number,
): string {
  const { source, info } = analysis;
  return `<section class="file" id="file-${number}" aria-labelledby="name-${number}">
<h1 id="name-${number}">${escapeHtml(label(source))}</h1>
<p class="path">${escapeHtml(source)}</p>
${tiles(analysis)}
${damage(analysis)}
${timeline(analysis, number)}
${segmentTable(analysis)}
${shotList(analysis, pictures)}
<details class="facts"><summary>About the file</summary>
<pre>${escapeHtml(factsOf(info))}</pre>
</details>
</section>
`;
}

function tiles({ info, shots, samples, options }: Analysis): string {
  const { displayWidth, displayHeight, averageFrameRate: rate } = info;
  const quality =
    samples.reduce((sum, sample) => sum + sample.quality, 0) / samples.length;
  const lengths = shots.map(({ start, end }) => end - start).sort((a, b) => a - b);
  const median = lengths[Math.floor(lengths.length / 2)];
  const list: [string, string][] = [
    ['Duration', info.duration === null ? 'unknown' : shortClock(info.duration)],
    ['Picture', `${displayWidth} × ${displayHeight}`],
    ['Codec', [info.codec, info.hdr?.toUpperCase()].filter(Boolean).join(', ')],
    ['Frame rate', rate === null ? 'unknown' : `${decimal(rate.num / rate.den, 2)} fps`],
    ['Shots', options.cuts ? String(shots.length) : 'not looked for'],
    ['Median shot', median === undefined ? '–' : `${decimal(median, 1)} s`],
    ['Mean quality', samples.length > 0 ? decimal(quality, 0) : '–'],
  ];
  const items = list.map(
    ([name, value]) => `<div><dt>${name}</dt><dd>${escapeHtml(value)}</dd></div>`,
  );
  return `<dl class="tiles">${items.join('')}</dl>`;
}

function damage({ errors, complete }: Analysis): string {
  if (errors.length === 0 && complete) return '';
  const [first] = errors;
  const what = first === undefined ? '' : `: ${escapeHtml(first.message)}`;
  const more = errors.length > 1 ? `, and ${errors.length - 1} more` : '';
  return `<p class="damage" role="note">${complete ? 'Damage' : 'The result is incomplete'}${what}${more}</p>`;
}

function timeline(analysis: Analysis, number: number): string {
  const data = timelineData(analysis);
  return `<section class="timeline" aria-labelledby="timeline-${number}">
<h2 id="timeline-${number}">Timeline</h2>
<div class="charts" role="slider" tabindex="0" aria-labelledby="timeline-${number}" aria-describedby="keys-${number}" aria-valuemin="${data.start}" aria-valuemax="${data.end}" aria-valuenow="${data.start}" aria-valuetext="${shortClock(data.start)}"></div>
<p class="readout" aria-hidden="true"></p>
<p class="keys" id="keys-${number}"><kbd>←</kbd> <kbd>→</kbd> step, with <kbd>Shift</kbd> by ten; <kbd>↑</kbd> <kbd>↓</kbd> previous and next cut; <kbd>+</kbd> <kbd>−</kbd> zoom, <kbd>Esc</kbd> whole; <kbd>Enter</kbd> go to the shot. Or point, drag and double-click.</p>
<script type="application/json" class="data">${inlineJson(data)}</script>
<noscript><p>The timeline needs scripts; the shots below do not.</p></noscript>
</section>`;
}

function segmentTable({ segments, shots }: Analysis): string {
  if (segments.length === 0) return '<h2>No segment worth keeping</h2>';
  const best = Math.max(...segments.map(({ score }) => score));
  const rows = segments
    .slice(0, SEGMENTS_SHOWN)
    .map(({ start, end, shot, score, quality, motion }, i) => {
      return `<tr><td>${i + 1}</td><td><button type="button" class="go" data-time="${start}">${clock(start)}</button></td><td>${clock(end)}</td><td>${decimal(end - start, 1)} s</td><td>${shot + 1} of ${shots.length}</td><td><meter min="0" max="${decimal(Math.max(best, 1), 1)}" value="${decimal(score, 1)}">${decimal(score, 1)}</meter> ${score.toFixed(1)}</td><td>${decimal(quality, 0)}</td><td>${motion.toFixed(1)}</td></tr>`;
    });
  const head = ['#', 'Start', 'End', 'Length', 'Shot', 'Score', 'Quality', 'Motion'];
  const cells = head.map((name) => `<th scope="col">${name}</th>`).join('');
  return `<h2>Segments worth keeping <small>${segments.length > SEGMENTS_SHOWN ? `the best ${SEGMENTS_SHOWN} of ${segments.length}` : 'best first'}</small></h2>
<div class="scroll"><table><thead><tr>${cells}</tr></thead><tbody>${rows.join('\n')}</tbody></table></div>`;
}

function shotList(
  { shots, segments }: Analysis,
  pictures: readonly ShotPicture[],
): string {
  const rank = new Map<number, number>();
  for (const [i, { shot }] of segments.slice(0, SEGMENTS_SHOWN).entries()) {
    if (!rank.has(shot)) rank.set(shot, i + 1);
  }
  const items = shots.map(({ index, start, end, confidence }, i) => {
    const sure =
      confidence === null ? '' : `, cut ${Math.round(confidence * 100)} % sure`;
    const best = rank.get(index);
    const badge =
      best === undefined
        ? ''
        : `<span class="badge" title="Holds the segment ranked ${best}">★ ${best}</span>`;
    const length = `${decimal(end - start, 2)} s`;
    const name = `Shot ${index + 1}, ${clock(start)}, ${length}${sure}${best === undefined ? '' : `, segment ${best}`}`;
    return `<li><button type="button" class="go" data-time="${start}" aria-label="${name}">${image(pictures[i] ?? null)}${badge}<span class="caption"><b>${index + 1}</b> <span>${shortClock(start)}</span> <i>${length}</i></span></button></li>`;
  });
  return `<h2>${count(shots.length, 'shot')}</h2>
<ol class="shots">
${items.join('\n')}
</ol>`;
}

function image(picture: ShotPicture): string {
  if (picture === null) return '<span class="nothing"></span>';
  const { data, format, width, height } = picture;
  const base64 = Buffer.from(data.buffer, data.byteOffset, data.length).toString(
    'base64',
  );
  return `<img loading="lazy" decoding="async" alt="" width="${width}" height="${height}" src="data:image/${format};base64,${base64}">`;
}

/** Without what is smaller than a tenth. */
function shortClock(seconds: number): string {
  return clock(seconds).replace(/(\.\d)\d\d$/, '$1');
}
