// The clips of the suite, made with the ffmpeg tool and kept in bench/.cache/clips.
//
// They are meant to cost a decoder and a scaler what footage costs them: grain and motion everywhere at the bit
// rate of a camera, or next to nothing to decode. All sources are seeded and the number of encoder threads is
// fixed, so that one ffmpeg makes the same clips everywhere. A clip is moved into place whole.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { inWorkshop } from '../scripts/workshop.mjs';
import { cacheDirectory } from './paths.mjs';

const exec = promisify(execFile);
const clipsDirectory = join(cacheDirectory, 'clips');

const RATE = 30;
const lavfi = (source) => ['-f', 'lavfi', '-i', source];

// Three shots of 200 frames: a zoom, a boiling texture, and a pan over hard edges.
const SHOT_FRAMES = 200;
const shots = [
  `mandelbrot=size=1920x1080:rate=${RATE}:maxiter=300:end_scale=0.02`,
  `life=size=480x270:rate=${RATE}:ratio=0.3:mold=20:seed=5:life_color=#d0e0a0:mold_color=#304060,scale=1920:1080:flags=bicubic`,
  `testsrc2=size=2560x1440:rate=${RATE},crop=1920:1080:x=t*60:y=t*40`,
];
const trim = `trim=end_frame=${SHOT_FRAMES},setpts=PTS-STARTPTS,setsar=1,format=yuv420p`;
const cameraGraph = [
  ...shots.map((_, i) => `[${i}]${trim}[s${i}]`),
  `${shots.map((_, i) => `[s${i}]`).join('')}concat=n=${shots.length},noise=alls=6:allf=t:all_seed=11`,
].join(';');
const shotStarts = shots.map((_, i) => (i * SHOT_FRAMES) / RATE);

const x264 = (preset, ...more) => [
  ...['-c:v', 'libx264', '-preset', preset, '-profile:v', 'high', '-threads', '2'],
  ...['-pix_fmt', 'yuv420p', ...more],
];
/** Key frames where shots begin and nowhere else, as a camera's long groups of pictures have them. */
const threeKeyFrames = [
  ...['-g', '9999', '-sc_threshold', '0', '-force_key_frames', shotStarts.join()],
];

/**
 * How each clip is made: ffmpeg's options between `-y` and the output. `from` names a clip that is made first and
 * is the input, `loops` times more than once; `segments` makes a folder of files.
 */
const recipes = {
  'h264-1080p-16m.mp4': {
    args: [
      ...shots.flatMap(lavfi),
      ...['-filter_complex', cameraGraph],
      ...x264('fast', '-bf', '3', ...threeKeyFrames),
      ...['-b:v', '16M', '-maxrate', '24M', '-bufsize', '24M'],
    ],
  },
  // A picture that stands still but for a window that moves, as in a recorded screen.
  'h264-1080p-low.mp4': {
    args: [
      ...lavfi(`gradients=size=1920x1080:rate=${RATE}:nb_colors=5:seed=7`),
      ...lavfi(`testsrc2=size=480x270:rate=${RATE}`),
      '-filter_complex',
      "[0]trim=end_frame=1,loop=-1:1[still];[still][1]overlay=x='700+600*sin(t/3)':y='400+300*cos(t/4)',format=yuv420p",
      ...['-t', '60', ...x264('veryfast', '-crf', '24', '-g', '250', '-bf', '3')],
    ],
  },
  'h264-1080p-10min.mp4': {
    loops: 9,
    from: 'h264-1080p-low.mp4',
    args: ['-c', 'copy'],
  },
  'h264-4k.mp4': {
    from: 'h264-1080p-16m.mp4',
    args: [
      ...[
        '-t',
        '5',
        '-vf',
        'scale=3840:2160:flags=bicubic,noise=alls=4:allf=t:all_seed=3',
      ],
      ...x264('veryfast', '-bf', '3', '-b:v', '40M'),
    ],
  },
  'hevc-1080p.mp4': {
    from: 'h264-1080p-16m.mp4',
    args: [
      ...['-ss', '3', '-t', '6', '-c:v', 'libx265', '-preset', 'veryfast', '-b:v', '8M'],
      ...['-x265-params', 'pools=2:frame-threads=2:log-level=error', '-tag:v', 'hvc1'],
    ],
  },
  'vp9-1080p.webm': {
    from: 'h264-1080p-16m.mp4',
    args: [
      ...['-ss', '3', '-t', '6', '-c:v', 'libvpx-vp9', '-b:v', '8M', '-threads', '2'],
      ...['-deadline', 'good', '-cpu-used', '5', '-row-mt', '1', '-tile-columns', '2'],
    ],
  },
  'av1-1080p.mp4': {
    from: 'h264-1080p-16m.mp4',
    args: [
      ...['-ss', '3', '-t', '6', '-c:v', 'libsvtav1', '-preset', '10', '-b:v', '8M'],
      ...['-svtav1-params', 'lp=2'],
    ],
  },
  short: {
    segments: 50,
    args: [
      ...lavfi(
        `testsrc2=size=640x360:rate=${RATE},noise=alls=8:allf=t:all_seed=2,format=yuv420p`,
      ),
      ...['-t', '50', ...x264('veryfast', '-crf', '28', '-sc_threshold', '0')],
      ...['-g', String(RATE), '-keyint_min', String(RATE)],
      ...['-f', 'segment', '-segment_time', '1', '-reset_timestamps', '1'],
    ],
  },
};

/** Where the clip of this name is or will be: the name carries a hash of how it is made. */
function pathOf(name) {
  const { from, ...recipe } = recipes[name];
  const made = JSON.stringify([recipe, from && pathOf(from)]);
  const hash = createHash('sha256').update(made).digest('hex').slice(0, 8);
  return join(clipsDirectory, `${hash}-${name}`);
}

async function make(name, log) {
  const path = pathOf(name);
  if (existsSync(path)) return path;
  const { from, loops = 0, args, segments } = recipes[name];
  const again = ['-stream_loop', String(loops)];
  const input = from === undefined ? [] : [...again, '-i', await make(from, log)];
  log(`making the clip ${name} …`);
  await mkdir(clipsDirectory, { recursive: true });
  await inWorkshop(clipsDirectory, 'unfinished-', async (unfinished) => {
    const target = join(unfinished, segments ? '%02d.mp4' : name);
    // `-ss` and `-t` before the input would be quicker, but select by other rules.
    const command = ['-v', 'error', '-nostdin', '-y', ...input, ...args];
    await exec('ffmpeg', [...command, '-an', '-fflags', '+bitexact', target]);
    await rename(segments ? unfinished : target, path);
  });
  return path;
}

/**
 * The files of a clip of the suite, made where they are missing.
 *
 * @param {string} name a key of `recipes`
 * @param {(line: string) => void} log told what takes long
 * @returns {Promise<string[]>} one file, or all those of a folder
 */
export async function clipFiles(name, log) {
  const path = await make(name, log);
  if (!recipes[name].segments) return [path];
  const files = (await readdir(path)).sort();
  return files.slice(0, recipes[name].segments).map((file) => join(path, file));
}
