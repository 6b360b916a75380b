// What FFmpeg's blackdetect, freezedetect and cropdetect find in a film.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { run } from './tools.mjs';

/** Seconds that black and frozen pictures last at least: as rushes has it, where blackdetect and freezedetect wait for 2. */
const BLACK = 0.1;
export const FREEZE = 1;

/**
 * How they are called: by default but for those durations, and for boxes that do not have to be multiples of 16 and are of each frame, since a
 * single fade to white would make that of all frames so far the whole picture.
 */
export const FILTERS = {
  black: `blackdetect=d=${BLACK}`,
  freezes: `freezedetect=d=${FREEZE}`,
  boxes: 'cropdetect=round=2:reset=1',
};

/** `{ black, freezes, boxes }` of a film, decoded once and kept in `folder`, for filters called otherwise under another name. */
export function filterFilm(file, folder) {
  const filters = [...Object.values(FILTERS), 'metadata=print:file=-'].join(',');
  const hash = createHash('sha256').update(filters).digest('hex').slice(0, 8);
  const kept = join(folder, `${basename(file)}.filters-${hash}.json`);
  if (existsSync(kept)) return JSON.parse(readFileSync(kept, 'utf8'));
  const lines = run('ffmpeg', [
    ...['-v', 'error', '-noautorotate', '-i', file, '-map', '0:V:0', '-vf', filters],
    ...['-fps_mode', 'passthrough', '-f', 'null', '-'],
  ]);
  const found = {
    // Of every black frame blackdetect tells in metadata, whatever its duration.
    black: spansIn(lines, 'black', 'black_start', 'black_end').filter(
      ({ start, end }) => end - start >= BLACK - 1e-6,
    ),
    freezes: spansIn(
      ...[lines, 'freeze', 'freezedetect.freeze_start', 'freezedetect.freeze_end'],
    ),
    boxes: boxesIn(lines),
  };
  writeFileSync(kept, JSON.stringify(found));
  return found;
}

/** What is open at the end of the film ends with its last frame. */
function spansIn(lines, type, startKey, endKey) {
  const valuesOf = (key) =>
    [...lines.matchAll(new RegExp(`^lavfi\\.${key}=(.+)$`, 'gm'))].map(([, value]) =>
      Number(value),
    );
  const [, last] = /.*pts_time:([\d.]+)/s.exec(lines) ?? [];
  const ends = valuesOf(endKey);
  return valuesOf(startKey).map((start, i) => ({
    type,
    start,
    end: ends[i] ?? Number(last),
  }));
}

/** The boxes told, and the share of the film's frames that each is told of. */
function boxesIn(lines) {
  const frames = lines.split(/^frame:/m).slice(1);
  const counts = new Map();
  for (const frame of frames) {
    const value = (key) => new RegExp(`cropdetect\\.${key}=(-?\\d+)`).exec(frame)?.[1];
    const box = ['x', 'y', 'w', 'h'].map(value).join(' ');
    counts.set(box, (counts.get(box) ?? 0) + 1);
  }
  return [...counts].map(([box, count]) => {
    const [left, top, width, height] = box.split(' ').map(Number);
    return { crop: { left, top, width, height }, share: count / frames.length };
  });
}
