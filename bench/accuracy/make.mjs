// Films whose cuts are known, because they are joined here from single shots with the ffmpeg tool.
import { spawnSync } from 'node:child_process';
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
import { random, run } from './tools.mjs';

/** Counts up whenever the same seed would give other films. */
const RECIPE = 3;
const SHOTS = 24;

/** How much faster a time-lapse runs. */
const FAST = 2.5;

const RATES = [
  '12',
  '15',
  '24000/1001',
  '24',
  '25',
  '30000/1001',
  '30',
  '48',
  '50',
  '60',
];
const SIZES = [
  [480, 270],
  [426, 240],
  [320, 180],
  [320, 240],
];
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
  const telecined = index % 10 === 7;
  const rate = telecined ? '24000/1001' : dice.pick(RATES);
  const fps = rate.split('/').reduce((a, b) => a / b);
  const [width, height] = dice.pick(SIZES);
  const shots = planShots(sources, fps, dice);
  const { joints, begins, ...places } = planJoints(shots, fps, dice);
  const encoder = dice.pick(ENCODERS);
  const raw = openSync(`${file}.yuv`, 'w');
  let held = [];
  for (const [i, shot] of shots.entries()) {
    const frames = shotFrames(shot, { rate, fps, width, height, dice });
    const ready = join(held, frames, joints[i]);
    // The end of a shot is held back until it is known what follows.
    held = ready.splice(Math.max(0, ready.length - Math.ceil(2 * fps)));
    for (const frame of ready) writeSync(raw, frame);
  }
  for (const frame of held) writeSync(raw, frame);
  closeSync(raw);
  run('ffmpeg', [
    ...['-v', 'error', '-y', '-f', 'rawvideo', '-s', `${width}x${height}`, '-r', rate],
    ...['-i', `${file}.yuv`, ...(telecined ? ['-vf', 'telecine=pattern=23'] : [])],
    ...[...encoder, '-threads', '2', file],
  ]);
  rmSync(`${file}.yuv`);
  const described = shots.map(({ source, tricks, join: kind }, i) => ({
    ...{ begin: begins[i], source: source.name, group: source.group, tricks, join: kind },
  }));
  const film = { rate, ...places, shots: described };
  const labels = telecined ? telecineLabels(film) : film;
  const made = countFrames(file);
  if (made !== labels.frames) {
    throw new Error(`${file} has ${made} frames, meant were ${labels.frames}`);
  }
  return labels;
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
function planShots(sources, fps, dice) {
  const shots = [];
  for (let i = 0; i < SHOTS; i++) {
    const before = shots.at(-1);
    // Jump cuts, and the same set once more: harder than a change of place.
    const same = before !== undefined && !before.same && dice.chance(0.12);
    const source = same
      ? before.source
      : dice.pick(sources.filter((other) => other !== before?.source));
    const [from, to] = dice.pick(source.spans);
    const seconds = Math.min(to - from, dice.between(0.5, 3.5));
    const length = Math.max(8, Math.floor(seconds * fps));
    const start = from + Math.max(0, to - from - length / fps) * dice.next();
    const joint = i === 0 ? 'none' : dice.weighted(JOINTS);
    const tricks = TRICKS.filter(([, probability]) => dice.chance(probability))
      .map(([name]) => name)
      .slice(0, 2);
    if (same) tricks.unshift('closer');
    // As much of the source as there is.
    const shown = tricks.includes('fast')
      ? Math.max(8, Math.floor(length / FAST))
      : length;
    shots.push({ source, start, length: shown, tricks, same, join: joint });
  }
  return shots;
}

const JOINTS = [
  ['cut', 80],
  ['blended', 4],
  ['dissolve', 6],
  ['fade', 5],
  ['white', 2],
  ['black', 3],
];

/** What is done to a shot, and how often. */
const TRICKS = [
  ['dark', 0.16],
  ['flash', 0.12],
  ['exposure', 0.06],
  ['noise', 0.1],
  ['grey', 0.06],
  ['pan', 0.08],
  ['shake', 0.07],
  ['passing', 0.08],
  ['caption', 0.08],
  ['twos', 0.1],
  ['fast', 0.06],
  ['zoom', 0.05],
  ['strobe', 0.03],
];

/** Exactly `length` frames of a shot, as yuv420p. */
function shotFrames(shot, { rate, fps, width, height, dice }) {
  const { source, start, length } = shot;
  const raw = spawnSync(
    'ffmpeg',
    [
      ...['-v', 'error', '-threads', '1'],
      ...(isRaw(source.file) ? [] : ['-ss', start.toFixed(3)]),
      ...['-i', source.file],
      ...['-filter_complex', shotChain(shot, { rate, fps, width, height, dice })],
      ...['-map', '[out]', '-f', 'rawvideo', '-pix_fmt', 'yuv420p', '-'],
    ],
    { maxBuffer: 2 ** 31 },
  ).stdout;
  const bytes = (width * height * 3) / 2;
  if (raw.length !== length * bytes) {
    throw new Error(
      `${source.name} from ${start} gave ${raw.length / bytes} frames, not ${length}`,
    );
  }
  return Array.from({ length }, (_, i) => raw.subarray(i * bytes, (i + 1) * bytes));
}

/** Raw streams cannot be sought in. */
function isRaw(file) {
  return /\.h?264$/.test(file);
}

/** The filters that make those frames. */
function shotChain(
  { source, start, length, tricks },
  { rate, fps, width, height, dice },
) {
  const has = (name) => tricks.includes(name);
  const head = ['[0:V:0]setpts=PTS-STARTPTS'];
  if (isRaw(source.file))
    head.push(`trim=start=${start.toFixed(3)}`, 'setpts=PTS-STARTPTS');
  if (has('fast')) head.push(`setpts=PTS/${FAST}`);
  if (has('twos')) head.push(`fps=${rate.includes('/') ? '12000/1001' : fps / 2}`);
  head.push(
    `fps=${rate}`,
    `scale=${width}:${height}:force_original_aspect_ratio=increase:flags=area`,
    `crop=${width}:${height}`,
    'setsar=1',
    'format=yuv420p',
    // Sources that end early stand still.
    `tpad=stop=-1:stop_mode=clone`,
    `trim=end_frame=${length}`,
    `setpts=N/(${rate})/TB`,
  );
  const fit = `scale=${width}:${height}:flags=bilinear,setsar=1`;
  if (has('closer')) {
    const scale = dice.between(1.4, 2.2);
    head.push(
      `crop=iw/${scale}:ih/${scale}:${dice.next()}*(iw-ow):${dice.next()}*(ih-oh)`,
      fit,
    );
  }
  if (has('pan')) {
    // Up to a seventh of the view from frame to frame.
    const speed = dice.between(0.3, 1) * Math.min(3, fps / 11);
    head.push(`crop=iw/2:ih/2:'(iw-ow)*(0.5+0.5*sin(${speed}*t*3.14))':(ih-oh)/2`, fit);
  }
  if (has('shake')) {
    const wobble = (a, b) => `(0.5+0.25*sin(n*${a})+0.25*sin(n*${b}))`;
    head.push(
      `crop=iw*0.88:ih*0.88:'(iw-ow)*${wobble(1.9, 0.7)}':'(ih-oh)*${wobble(2.3, 0.9)}'`,
      fit,
    );
  }
  if (has('zoom')) {
    head.push(
      `zoompan=z='1+0.9*on/${length}':d=1:x='iw/2-iw/zoom/2':y='ih/2-ih/zoom/2':s=${width}x${height}:fps=${rate}`,
    );
  }
  if (has('dark')) {
    const gain = dice.between(0.08, 0.4);
    const chroma = `128+(val-128)*${(gain * 1.5).toFixed(3)}`;
    head.push(`lutyuv=y='16+(val-16)*${gain.toFixed(3)}':u='${chroma}':v='${chroma}'`);
  }
  if (has('grey')) head.push('hue=s=0');
  const middle = Math.floor(length / 2);
  if (has('exposure')) {
    const offset = dice.pick([-50, -30, 35, 60]);
    head.push(`lutyuv=y='clip(val+${offset},16,235)':enable='gte(n,${middle})'`);
  }
  if (has('flash')) {
    const frames = Math.max(1, Math.round(dice.pick([0.04, 0.04, 0.08, 0.16]) * fps));
    const light = dice.pick(["'clip(val+110,16,235)'", '235', "'clip(val*1.8,16,235)'"]);
    const at = dice.integer(2, Math.max(2, length - frames - 3));
    head.push(`lutyuv=y=${light}:enable='between(n,${at},${at + frames - 1})'`);
  }
  if (has('strobe')) {
    head.push(`lutyuv=y='clip(val+90,16,235)':enable='lt(mod(t,0.25),0.08)'`);
  }
  if (has('caption')) {
    const place = `x=iw*0.12:y=ih*${dice.between(0.1, 0.82).toFixed(2)}:w=iw*0.5:h=ih*0.1`;
    const colour = dice.pick(['white@0.8', 'black@0.7', 'navy@0.9', 'yellow@0.7']);
    head.push(`drawbox=${place}:color=${colour}:t=fill:enable='gte(n,${middle})'`);
  }
  if (has('noise')) head.push(`noise=alls=${dice.integer(6, 24)}:allf=t`);
  if (!has('passing')) return `${head.join(',')}[out]`;
  const from = Math.floor(length / 3);
  // Ten frames at least, so that it can be told from a cut at all.
  const seconds = Math.max(10 / fps, dice.between(0.4, 1));
  const wide = dice.between(0.3, 0.7);
  const shade = dice.pick(['0x202020', '0x606878', '0xc0b8a8']);
  const x = `-w+(W+w)*(t-${(from / fps).toFixed(3)})/${seconds.toFixed(3)}`;
  return [
    `${head.join(',')}[shot]`,
    `color=${shade}:s=${Math.round(width * wide)}x${height}:r=${rate}[thing]`,
    `[shot][thing]overlay=x='${x}':y=0:shortest=1:eof_action=pass[out]`,
  ].join(';');
}

/** How many frames each joint takes, and where joints come to lie. */
function planJoints(shots, fps, dice) {
  const cuts = [];
  const gradual = [];
  const joints = [];
  /** Where each shot would begin if its joint were a cut. */
  const begins = [];
  let frames = 0;
  for (const [i, { length, join: kind }] of shots.entries()) {
    const most = Math.floor(Math.min(length, shots[i - 1]?.length ?? length) / 2) - 2;
    const wanted = Math.max(5, Math.round(dice.between(0.3, 1.6) * fps));
    const span = kind === 'blended' ? 1 : Math.min(most, wanted);
    begins.push(kind === 'dissolve' ? frames - Math.floor(span / 2) : frames);
    if (i > 0 && kind === 'blended') {
      // One frame of both: it, or the one after it, is the first of the new shot.
      cuts.push([frames - 1, frames]);
    } else if (i > 0 && (kind === 'cut' || span < 5)) {
      cuts.push([frames, frames]);
      joints.push({ kind: 'cut', span: 0 });
      frames += length;
      continue;
    } else if (kind === 'dissolve') {
      gradual.push([frames - span, frames]);
    } else if (kind === 'fade' || kind === 'white') {
      gradual.push([frames - span, frames + span]);
    } else if (kind === 'black') {
      // Fades out, and the next shot begins at once.
      gradual.push([frames - span - 2, frames]);
      cuts.push([frames, frames]);
    }
    joints.push({ kind, span });
    frames += kind === 'dissolve' || kind === 'blended' ? length - span : length;
  }
  return { joints, begins, frames, cuts, gradual };
}

/** The frames of two shots, joined. */
function join(before, after, { kind, span }) {
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
    case 'fade':
    case 'white':
      return [
        ...fadeOut(before, span, 0, fade),
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

/** Frame numbers after 2:3 pulldown, which makes ten fields, five frames, of four: two of the five mix neighbours. */
function telecineLabels(labels) {
  const first = (n) => Math.floor(n / 4) * 5 + (n % 4);
  const last = (n) => first(n) + (n % 4 >= 2 ? 1 : 0);
  return {
    ...labels,
    rate: '30000/1001',
    frames: Math.floor((labels.frames * 5) / 4),
    cuts: labels.cuts.map(([a, b]) => [first(a), last(b)]),
    gradual: labels.gradual.map(([a, b]) => [first(a), last(b) + 1]),
    shots: labels.shots.map((shot) => ({ ...shot, begin: first(shot.begin) })),
  };
}
