// Films whose cuts are known, because they are joined here from single shots with the ffmpeg tool.
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join as joinPath } from 'node:path';
import { labelsAfter, PROCESSES, repeated } from './processes.mjs';
import { styleOf } from './styles.mjs';
import { random, run } from './tools.mjs';
import { FAST, shotFrames } from './tricks.mjs';

/** Counts up whenever the same seed would give other films. */
const RECIPE = 7;
const SHOTS = 24;

const ENCODERS = [
  ['-c:v', 'libx264', '-preset', 'veryfast', '-crf', '20'],
  ['-c:v', 'libx264', '-preset', 'veryfast', '-crf', '30'],
  ['-c:v', 'libx264', '-preset', 'veryfast', '-crf', '38'],
  ['-c:v', 'libx264', '-preset', 'veryfast', '-b:v', '250k'],
  // No key frames at cuts, so that what was before shines through.
  [
    ...['-c:v', 'libx264', '-preset', 'veryfast', '-crf', '32'],
    '-sc_threshold',
    '0',
    '-g',
    '600',
  ],
  ['-c:v', 'mpeg4', '-q:v', '6'],
  ['-c:v', 'mpeg4', '-b:v', '300k'],
  ['-c:v', 'mpeg2video', '-q:v', '8', '-g', '15', '-bf', '2'],
];

/**
 * Makes (once) `count` films of 24 shots each in `folder`. A film is `{ file, frames, rate, cuts, gradual, shots }`: `cuts` are
 * `[first, last]` frames that may be called the first of the new shot (mostly one and the same; two where a frame mixes
 * both shots), `gradual` half-open ranges of dissolves and fades, in which any cut is false.
 */
export function makeFilms({ sources, folder, count, seed, report }) {
  mkdirSync(folder, { recursive: true });
  return Array.from({ length: count }, (_, i) => {
    const file = joinPath(folder, `film-${RECIPE}-${seed}-${i}.mkv`);
    const labels = `${file}.json`;
    if (!existsSync(labels)) {
      report?.(`making film ${i + 1} of ${count}`);
      writeFileSync(
        `${labels}.part`,
        JSON.stringify(makeFilm(sources, file, random(seed * 1000 + i), i)),
      );
      renameSync(`${labels}.part`, labels);
    }
    return { file, ...JSON.parse(readFileSync(labels, 'utf8')) };
  });
}

function makeFilm(sources, file, dice, index) {
  const style = styleOf(index);
  const rate = dice.pick(style.rates);
  const fps = rate.split('/').reduce((a, b) => a / b);
  const [width, height] = dice.pick(style.sizes);
  const shots = planShots(sources, fps, style, dice);
  const { joints, begins, ...places } = planJoints(shots, fps, dice);
  const encoder = dice.pick(ENCODERS);
  const process = PROCESSES[style.process];
  const bars = style.bars && barsOf(dice.pick(style.bars), width, height);
  const raw = openSync(`${file}.yuv`, 'w');
  let written = 0;
  const write = (frames) => {
    const all = process?.ratio ? repeated(frames, written, process.ratio(rate)) : frames;
    for (const frame of all) writeSync(raw, frame);
    written += frames.length;
  };
  let held = [];
  for (const [i, shot] of shots.entries()) {
    const frames = shotFrames(shot, { rate, fps, width, height, dice, bars });
    const ready = join(held, frames, joints[i]);
    // The end of a shot is held back until it is known what follows.
    held = ready.splice(Math.max(0, ready.length - Math.ceil(3 * fps)));
    write(ready);
  }
  write(held);
  closeSync(raw);
  const shown = process?.ratio ? process.rate(rate) : rate;
  run('ffmpeg', [
    ...['-v', 'error', '-y', '-f', 'rawvideo', '-s', `${width}x${height}`, '-r', shown],
    ...['-i', `${file}.yuv`, ...(process?.filter ? ['-vf', process.filter] : [])],
    ...[...encoder, '-threads', '2', file],
  ]);
  rmSync(`${file}.yuv`);
  const described = shots.map(({ source, tricks, join: kind }, i) => ({
    ...{ begin: begins[i], source: source.name, group: source.group, tricks, join: kind },
  }));
  const film = { style: style.name, rate, ...places, shots: described };
  if (bars) film.crop = bars;
  const labels = process ? labelsAfter(process, film) : film;
  const made = countFrames(file);
  if (made !== labels.frames) {
    throw new Error(`${file} has ${made} frames, meant were ${labels.frames}`);
  }
  return labels;
}

/** What bars on two sides leave of a picture, in even numbers. */
function barsOf([side, share], width, height) {
  const bar = 2 * Math.round(((side === 'height' ? height : width) * share) / 2);
  return side === 'height'
    ? { left: 0, top: bar, width, height: height - 2 * bar }
    : { left: bar, top: 0, width: width - 2 * bar, height };
}

function countFrames(file) {
  const probe = [
    '-v',
    'error',
    '-select_streams',
    'V:0',
    '-count_packets',
    '-of',
    'csv=p=0',
  ];
  return Number.parseInt(
    run('ffprobe', [...probe, '-show_entries', 'stream=nb_read_packets', file]),
    10,
  );
}

/** Which span comes when, how long, with what done to it, and how it follows the one before. */
function planShots(sources, fps, style, dice) {
  const shots = [];
  for (let i = 0; i < SHOTS; i++) {
    const before = shots.at(-1);
    // Jump cuts, and the same set once more: harder than a change of place.
    const same = before !== undefined && !before.same && dice.chance(style.jumps);
    const shares = sources
      .filter((other) => other.draw || other !== before?.source)
      .map((other) => [other, style.share(other)]);
    const source = same ? before.source : dice.weighted(shares);
    const [from, to] = source.draw ? [0, Infinity] : dice.pick(source.spans);
    const tricks = pickTricks(style, dice);
    const still = tricks.includes('still') || source.still;
    const seconds = Math.min(still ? Infinity : to - from, dice.between(0.5, 3.5));
    const length = Math.max(8, Math.floor(seconds * fps));
    const start = source.draw
      ? 0
      : from + Math.max(0, to - from - length / fps) * dice.next();
    const joint = i === 0 ? 'none' : dice.weighted(Object.entries(style.joints));
    if (same && !source.draw) tricks.unshift('closer');
    // As much of the source as there is.
    const shown =
      tricks.includes('fast') && !still ? Math.max(8, Math.floor(length / FAST)) : length;
    shots.push({ source, start, length: shown, tricks, same, join: joint });
    if (tricks.includes('freeze')) freeze(shots.at(-1), fps, dice);
  }
  return shots;
}

/** Two at most, and of those that move the camera one. */
function pickTricks(style, dice) {
  const picked = Object.entries(style.tricks)
    .filter(([, probability]) => dice.chance(probability))
    .map(([name]) => name);
  const moves = picked.filter((name) => MOVES.includes(name));
  return picked.filter((name) => !moves.slice(1).includes(name)).slice(0, 2);
}

const MOVES = ['pan', 'shake', 'whip', 'handheld', 'zoom'];

/** Lets the picture stand still after it has moved, for long enough to be seen. */
function freeze(shot, fps, dice) {
  if (shot.source.draw || shot.tricks.includes('still')) return;
  shot.tricks = shot.tricks.filter((name) => name === 'closer' || name === 'dark');
  shot.moves = shot.length;
  shot.length += Math.round(dice.between(1.3, 3) * fps);
}

/** How many frames each joint takes, and where joints come to lie. */
function planJoints(shots, fps, dice) {
  const places = { cuts: [], gradual: [], black: [], freezes: [] };
  const { cuts, gradual, black, freezes } = places;
  const joints = [];
  /** Where each shot would begin if its joint were a cut. */
  const begins = [];
  let frames = 0;
  for (const [i, shot] of shots.entries()) {
    const { length, join: kind } = shot;
    const most = Math.floor(Math.min(length, shots[i - 1]?.length ?? length) / 2) - 2;
    const wanted = Math.max(5, Math.round(dice.between(0.3, 1.6) * fps));
    const span = kind === 'blended' ? 1 : Math.min(most, wanted);
    const rest = Math.round(dice.between(0.3, 1.5) * fps);
    begins.push(kind === 'dissolve' ? frames - Math.floor(span / 2) : frames);
    let joint = { kind, span };
    let begin = frames;
    const ended = gradual.length;
    if (i === 0) {
      joint = { kind: 'none', span: 0 };
    } else if (kind === 'blended') {
      // One frame of both: it, or the one after it, is the first of the new shot.
      cuts.push([frames - 1, frames]);
      begin = frames - 1;
    } else if (kind === 'pause') {
      joint = { kind, span: rest };
      cuts.push([frames, frames], [frames + rest, frames + rest]);
      black.push([frames, frames + rest]);
      begin = frames + rest;
    } else if (kind === 'cut' || span < 5) {
      cuts.push([frames, frames]);
      joint = { kind: 'cut', span: 0 };
    } else if (kind === 'dissolve') {
      gradual.push([frames - span, frames, kind]);
      begin = frames - span;
    } else if (kind === 'fade' || kind === 'white') {
      // In some the picture stays away for a while.
      const away = rest < 0.7 * fps ? rest : 0;
      const colour = kind === 'white' ? 'white' : 'black';
      gradual.push([frames - span, frames, 'fade-out', colour]);
      if (away > 0) gradual.push([frames, frames + away, 'away']);
      gradual.push([frames + away, frames + away + span, 'fade-in', colour]);
      if (kind === 'fade' && away > 0) black.push([frames, frames + away]);
      joint = { kind, span, rest: away };
      begin = frames + away;
    } else if (kind === 'black') {
      // Fades out, and the next shot begins at once.
      gradual.push([frames - span - 2, frames, 'fade-out', 'black']);
      cuts.push([frames, frames]);
    }
    joints.push(joint);
    if (shot.source.still && shot.tricks.includes('enters')) {
      gradual.push([begin, begin + Math.ceil(fps / 2), 'enters']);
    }
    // Where the shot before began to go, and this one is all there.
    const gone = gradual[ended]?.[0] ?? Math.min(frames, begin);
    const there = gradual.length > ended ? Math.max(begin, gradual.at(-1)[1]) : begin;
    const last = freezes.at(-1);
    if (last && last[1] === undefined) last[1] = gone;
    const stands = standsFrom(shot);
    if (stands !== undefined) freezes.push([Math.max(there, begin + stands), undefined]);
    frames = begin + length;
  }
  const last = freezes.at(-1);
  if (last && last[1] === undefined) last[1] = frames;
  return { joints, begins, frames, ...places };
}

/** From which of its frames on the picture of a shot stands still, if it does. */
function standsFrom({ tricks, moves, source }) {
  if (moves !== undefined) return moves;
  const calm = tricks.every((name) => ['still', 'dark', 'grey', 'closer'].includes(name));
  return tricks.includes('still') && calm && !source.draw ? 0 : undefined;
}

/** The frames of two shots, joined. */
function join(before, after, { kind, span, rest = 0 }) {
  const black = (frame, share) => mix(frame, plain(frame, 16), share);
  const white = (frame, share) => mix(frame, plain(frame, 235), share);
  const fade = kind === 'white' ? white : black;
  switch (kind) {
    case 'dissolve':
    case 'blended': {
      const begin = before.length - span;
      // Half a step in, so that neither the first nor the last frame is purely of one shot.
      const mixed = after
        .slice(0, span)
        .map((frame, i) => mix(before[begin + i], frame, (i + 0.5) / span));
      return [...before.slice(0, begin), ...mixed, ...after.slice(span)];
    }
    case 'black':
      return [...fadeOut(before, span, 2, black), ...after];
    case 'pause':
      return [...before, ...new Array(span).fill(black(after[0], 1)), ...after];
    case 'fade':
    case 'white':
      return [
        ...fadeOut(before, span, 0, fade),
        ...new Array(rest).fill(fade(after[0], 1)),
        ...after.map((frame, i) => (i < span ? fade(frame, 1 - i / span) : frame)),
      ];
    default:
      return [...before, ...after];
  }
}

function fadeOut(frames, span, rest, fade) {
  const begin = frames.length - span - rest;
  return frames.map((frame, i) =>
    i < begin ? frame : fade(frame, Math.min(1, (i - begin + 1) / span)),
  );
}

function plain(frame, luma) {
  return Buffer.alloc(frame.length, 128).fill(luma, 0, (frame.length * 2) / 3);
}

function mix(a, b, share) {
  return Buffer.from(a.map((value, i) => value + share * (b[i] - value) + 0.5));
}
