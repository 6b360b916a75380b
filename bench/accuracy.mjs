// How well events are found: node bench/accuracy.mjs [--clips DIR] [--media DIR] [--films 50] [--seed 1,2] [--folder DIR] [--fit] [--json]
//
// Scores the cuts of `analyze` against those read by eye (MEDIA/oracle/cut_labels.json) and against films that it makes itself with the
// ffmpeg tool from single shots: of MEDIA/media, or of the files in --clips, each of which must be one shot. Beside it FFmpeg's scdet,
// on the same films, at whichever threshold suits it best. Dissolves, fades, black, frozen pictures and bars are scored on the made films,
// the last three beside FFmpeg's blackdetect, freezedetect and cropdetect. --fit also fits the weights of cuts and transitions anew, prints them,
// and scores every source with weights that were fitted without it. Films and measures are kept in --folder (by default in the system's temporary
// folder), because making and decoding them takes minutes.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { filterFilm } from './accuracy/filters.mjs';
import {
  fitTransitions,
  fitWeights,
  groupsAt,
  groupsOfSpan,
  observe,
  observeTransitions,
} from './accuracy/fit.mjs';
import { makeFilms } from './accuracy/make.mjs';
import { loadInternals, measureFilm } from './accuracy/rows.mjs';
import { matchCuts, summarise } from './accuracy/score.mjs';
import { findSources, groupOf } from './accuracy/sources.mjs';
import { labelsOf, scoreSpans, scoreTransitions } from './accuracy/spans.mjs';
import { run } from './accuracy/tools.mjs';

const TOLERANCES = [0, 1];

const { values } = parseArgs({
  options: {
    clips: { type: 'string' },
    media: { type: 'string' },
    films: { type: 'string', default: '50' },
    seed: { type: 'string', default: '1' },
    folder: { type: 'string', default: join(tmpdir(), 'rushes-accuracy') },
    fit: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const media =
  values.media ?? fileURLToPath(new URL('../../shared/media', import.meta.url));
const report = (line) => process.stderr.write(`${line}\n`);

const internals = await loadInternals();
const sets = {};
if (existsSync(join(media, 'oracle'))) sets.labels = await labelledFilms();
sets.made = await madeFilms();
const output = { machine: machine(), sets: {} };
for (const [name, films] of Object.entries(sets)) {
  report(`scoring ${films.length} films: ${name}`);
  output.sets[name] = {
    films: films.length,
    cuts: films.reduce((sum, { film }) => sum + film.cuts.length, 0),
    frames: films.reduce((sum, { frames }) => sum + frames, 0),
    rushes: scoresOf(films, (film) => film.found),
    scdet: bestScdet(films),
  };
}
output.spans = scoreSpans(sets.made);
if (values.fit) Object.assign(output, fitted(), { transitions: fittedTransitions() });
console.log(values.json ? JSON.stringify(output, null, 2) : table(output));

/** Everything known about a film: labels, what was found in it, the evidence for that, and scdet's scores. */
async function examine(film, streamIndex) {
  mkdirSync(values.folder, { recursive: true });
  const { rows, timeBase, size, frames } = await measureFilm(
    ...[film.file, values.folder, internals, streamIndex],
  );
  const evidence = new Map();
  const changes = changesIn(rows, timeBase);
  const ramps = [];
  const spans = internals.spansIn(changes, {
    onEvidence: (transition, signs) => ramps.push({ transition, evidence: signs }),
  });
  const found = internals.cutsIn(changes, spans, {
    onEvidence: (frame, hard, soft) => evidence.set(frame, { hard, soft }),
  });
  const samples = samplesIn(rows, changes);
  const borders = internals.bordersOf(samples, changes, found, spans, size);
  const scdet = scdetScores(film.file);
  return { film, frames, size, changes, found, spans, borders, evidence, ramps, scdet };
}

function changesIn(rows, { num, den }) {
  const { length } = internals.MEASURE_ROW;
  return Array.from({ length: rows.length / length }, (_, i) => {
    const row = rows.subarray(i * length, (i + 1) * length);
    const pts = row[internals.MEASURE_ROW.pts];
    // As `analyze` has it: rounded otherwise, times decide otherwise at a limit.
    return { time: (pts * num) / den, pts, ...internals.changeOf(row) };
  });
}

/** What samples tell of borders. */
function samplesIn(rows, changes) {
  const { FLAG_SAMPLED, MEASURE_ROW } = internals;
  return changes.flatMap(({ time }, i) => {
    const column = (name) => rows[i * MEASURE_ROW.length + MEASURE_ROW[name]];
    if ((column('flags') & FLAG_SAMPLED) === 0) return [];
    const names = ['brightness', 'left', 'top', 'right', 'bottom'];
    return { time, ...Object.fromEntries(names.map((name) => [name, column(name)])) };
  });
}

async function labelledFilms() {
  const labels = readFileSync(join(media, 'oracle', 'cut_labels.json'), 'utf8');
  const films = [];
  for (const [name, entry] of Object.entries(JSON.parse(labels).files)) {
    report(`measuring ${name}`);
    const film = {
      ...{ name: groupOf(name), file: join(media, 'media', name) },
      cuts: entry.cuts.map((cut) => [cut, cut]),
      ignored: entry.ignore.map(([first, last]) => [first, last + 1]),
    };
    // Labels are of the first video stream, which is not always the best one.
    const first = name.startsWith('nasa') ? 0 : undefined;
    films.push({ ...(await examine(film, first)), labelled: true });
  }
  return films;
}

async function madeFilms() {
  const sources = findSources(join(media, 'media'), values.clips);
  const films = values.seed.split(',').flatMap((seed) =>
    makeFilms({
      ...{ sources, folder: values.folder, report },
      ...{ count: Number(values.films), seed: Number(seed) },
    }),
  );
  const examined = [];
  for (const film of films) {
    report(`measuring ${basename(film.file)}`);
    const filtered = filterFilm(film.file, values.folder);
    examined.push({ ...(await examine(film)), filtered, labelled: false });
  }
  return examined;
}

function scoresOf(films, find) {
  const scores = TOLERANCES.map((tolerance) => {
    const matches = films.map((film) => matchCuts(find(film), film.film, tolerance));
    return [`tolerance ${tolerance}`, summarise(matches)];
  });
  return Object.fromEntries(scores);
}

/** FFmpeg's lavfi.scd.score of every frame. */
function scdetScores(file) {
  const kept = join(values.folder, `${basename(file)}.scdet.json`);
  if (existsSync(kept)) return JSON.parse(readFileSync(kept, 'utf8'));
  const filters = 'scdet=threshold=0,metadata=print:key=lavfi.scd.score:file=-';
  const lines = run('ffmpeg', [
    ...['-v', 'error', '-noautorotate', '-i', file, '-map', '0:V:0', '-vf', filters],
    ...['-fps_mode', 'passthrough', '-f', 'null', '-'],
  ]);
  const scores = [...lines.matchAll(/lavfi\.scd\.score=([\d.]+)/g)].map(([, score]) =>
    Number(score),
  );
  writeFileSync(kept, JSON.stringify(scores));
  return scores;
}

function bestScdet(films) {
  let best;
  for (let threshold = 1; threshold <= 40; threshold += 0.5) {
    const scores = scoresOf(films, ({ scdet }) =>
      scdet.flatMap((score, frame) => (frame > 0 && score >= threshold ? frame : [])),
    );
    const [first] = TOLERANCES;
    const f1 = scores[`tolerance ${first}`].f1;
    if (!best || f1 > best.f1) best = { threshold, f1, scores };
  }
  return { threshold: best.threshold, ...best.scores };
}

/** Weights fitted to everything, and the scores of each source with weights fitted to the others. */
function fitted() {
  const films = Object.values(sets).flat();
  const rows = films.flatMap(observe);
  const groups = [...new Set(rows.flatMap((row) => row.groups))].sort();
  const leftOut = { labels: [], made: [] };
  for (const group of groups) {
    report(`fitting without ${group}`);
    const weights = fitWeights(rows.filter((row) => !row.groups.includes(group)));
    for (const film of films) {
      const { film: labels } = film;
      const concerned = (frame) => groupsAt(labels, frame).includes(group);
      if (film.labelled && labels.name !== group) continue;
      const cutsFound = internals.cutsIn(film.changes, film.spans, { weights });
      const found = cutsFound.filter(concerned);
      const cuts = labels.cuts.filter(([first]) => concerned(first));
      leftOut[film.labelled ? 'labels' : 'made'].push(
        matchCuts(found, { ...labels, cuts }, 0),
      );
    }
  }
  return {
    weights: rounded(fitWeights(rows)),
    // Every cut counts once for each source that it touches.
    leaveOneSourceOut: Object.fromEntries(
      Object.entries(leftOut).map(([name, matches]) => [name, summarise(matches)]),
    ),
  };
}

/** The same of dissolves and fades, on made films: labels know only cuts. */
function fittedTransitions() {
  const films = sets.made.map((examined) => ({
    ...examined,
    labels: labelsOf(examined),
  }));
  const places = films.flatMap((film) => observeTransitions(film, film.labels));
  const groups = [...new Set(places.flatMap((place) => place.groups))].sort();
  const concerned = [];
  for (const group of groups) {
    report(`fitting transitions without ${group}`);
    const weights = fitTransitions(
      places.filter((place) => !place.groups.includes(group)),
    );
    for (const { film, changes, labels } of films) {
      if (!film.shots.some((shot) => shot.group === group)) continue;
      const concerns = (span) => groupsOfSpan(film, changes, span).includes(group);
      const transitions = internals.transitionsIn(changes, { weights });
      concerned.push({ labels, transitions, concerns });
    }
  }
  return { weights: rounded(fitTransitions(places)), ...scoreTransitions(concerned) };
}

function rounded(weights) {
  return weights.map((weight) => Number(weight.toFixed(2)));
}

function machine() {
  const [, version] = /version (\S+)/.exec(run('ffmpeg', ['-version'])) ?? [];
  return { node: process.version, ffmpeg: version, cpus: cpus().length };
}

function table({ sets: scored, spans, weights, leaveOneSourceOut, transitions }) {
  const lines = [];
  const head = `  ${''.padEnd(34)}prec.  recall F1`;
  const line = (name, { right, wrong, missed, precision, recall, f1, distances }) => {
    const counts = `${right} found, ${wrong} false, ${missed} missed`;
    const figures = [precision, recall, f1].map((value) => value.toFixed(3)).join('  ');
    const off =
      distances && `${distances.median.toFixed(3)}  ${distances.tenth.toFixed(3)}`;
    lines.push(`  ${name.padEnd(34)}${figures}${off ? `  ${off}` : ''}   ${counts}`);
  };
  for (const [name, set] of Object.entries(scored)) {
    lines.push(`${name}: ${set.films} films, ${set.frames} frames, ${set.cuts} cuts`);
    lines.push(head);
    for (const tolerance of TOLERANCES.map((value) => `tolerance ${value}`)) {
      line(`rushes, ${tolerance}`, set.rushes[tolerance]);
      line(`scdet at ${set.scdet.threshold}, ${tolerance}`, set.scdet[tolerance]);
    }
    const left = leaveOneSourceOut?.[name];
    if (left) line('rushes, weights fitted to others', left);
  }
  lines.push(
    'spans of the made films: right where half of what label and found cover together is common to both;',
    '  seconds that their starts and ends are off: the median, and what a tenth exceeds;',
    '  bars: the box that holds for more than half of a film, right within 2 pixels',
    `${head}     median tenth`,
  );
  for (const [title, score] of Object.entries(spans)) line(title, score);
  if (transitions) {
    line('dissolves, fitted to others', transitions.dissolves);
    line('fades, fitted to others', transitions.fades);
    lines.push(`weights fitted to all: ${weights.join(' ')}`);
    lines.push(`weights of transitions: ${transitions.weights.join(' ')}`);
  }
  return lines.join('\n');
}
