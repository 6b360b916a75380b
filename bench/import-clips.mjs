// Many short clips that differ, for bench/import.mjs, made with the ffmpeg tool.
//
// Each is 2 s of 1280x720 H.264 at 25 frames a second: two of 16 scenes of a second each, one cut after the other
// without encoding them again. The scenes move all over and have grain, as footage has.
import { execFile } from 'node:child_process';
import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const exec = promisify(execFile);
const ffmpeg = (...args) => exec('ffmpeg', ['-v', 'error', '-nostdin', '-y', ...args]);

const SCENES = 16;
const SCENE_SECONDS = 1;
const RATE = 25;
/** Frames of each clip. */
export const FRAMES = 2 * SCENE_SECONDS * RATE;
/** Pairs of different scenes. */
export const MOST_CLIPS = SCENES * (SCENES - 1);

/** Sources that ffmpeg 5.1 has; each gives another picture for each number. */
const SOURCES = [
  (i) => `testsrc2=size=1280x720:rate=${RATE},hue=h=${i * 40}`,
  (i) => `mandelbrot=size=1280x720:rate=${RATE}:start_scale=${0.4 / (i + 1)}`,
  (i) => `life=size=320x180:rate=${RATE}:seed=${i}:mold=10,scale=1280:720,format=yuv420p`,
  (i) => `gradients=size=1280x720:rate=${RATE}:seed=${i}:speed=0.05`,
];

async function makeScene(folder, i) {
  const path = join(folder, `scene-${i}.mp4`);
  const source = SOURCES[i % SOURCES.length](i);
  await ffmpeg(
    ...['-f', 'lavfi', '-i', `${source},noise=alls=8:allf=t:all_seed=${i},setsar=1`],
    ...['-t', String(SCENE_SECONDS), '-pix_fmt', 'yuv420p', '-c:v', 'libx264'],
    ...['-preset', 'veryfast', '-b:v', '6M', '-maxrate', '9M', '-bufsize', '9M'],
    ...['-bf', '2', '-threads', '2', path],
  );
  return path;
}

/**
 * Makes `count` clips in `folder`, or finds them there, and gives their paths.
 *
 * @param {string} folder
 * @param {number} count at most {@link MOST_CLIPS}
 * @returns {Promise<string[]>}
 */
export async function makeClips(folder, count) {
  await mkdir(folder, { recursive: true });
  const clips = Array.from({ length: count }, (_, i) => join(folder, `clip-${i}.mp4`));
  const last = await stat(clips[count - 1]).catch(() => undefined);
  if (last !== undefined) return clips;
  const scenes = [];
  for (let i = 0; i < SCENES; i++) scenes.push(await makeScene(folder, i));
  const list = join(folder, 'list.txt');
  for (const [i, clip] of clips.entries()) {
    const first = i % SCENES;
    const second = (first + 1 + Math.floor(i / SCENES)) % SCENES;
    await writeFile(list, `file '${scenes[first]}'\nfile '${scenes[second]}'\n`);
    const copy = ['-f', 'concat', '-safe', '0', '-i', list, '-c', 'copy'];
    await ffmpeg(...copy, '-movflags', '+faststart', clip);
  }
  for (const file of [list, ...scenes]) await rm(file);
  return clips;
}
