// Shows what rushes does with a video: its facts, shots, best segments, and the cost; and
// writes a page about it.
//
//   node scripts/demo.mjs [FILE…]
//
// Without a FILE it makes one whose cuts are known, and says how many were found.
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { main, root, run } from './run.mjs';

const folder = join(root, 'demo-output');
const analysisFile = join(folder, 'analysis.json');
const reportFile = join(folder, 'report.html');
const rate = 25;

// Seconds, and a source of FFmpeg's that looks and moves unlike its neighbours; the dark
// one and the blurred one are there to be judged worse than the others.
const shots = [
  [4, 'testsrc2=size=1280x720'],
  [3.2, 'mandelbrot=size=640x360:end_scale=0.05,scale=1280:720,lutyuv=y=val*0.4'],
  [2.4, 'gradients=size=1280x720:nb_colors=4:speed=0.02:seed=7'],
  // Its first second is chaos, which would be one cut after the other.
  [
    4.8,
    'life=size=160x90:mold=10:ratio=0.2:seed=3:life_color=#e0f0a0,scale=1280:720,trim=start=1,setpts=PTS-STARTPTS',
  ],
  [2, 'testsrc=size=1280x720,gblur=sigma=12,negate'],
  [3.6, "smptehdbars=size=2560x1440,crop=1280:720:x='160*t':y='200*t'"],
];

/** The frames' pictures with hard cuts between them, in presentation order from time 0. */
async function makeClip(file) {
  await mkdir(folder, { recursive: true });
  const inputs = shots.flatMap(([seconds, source]) => [
    ...['-f', 'lavfi', '-t', seconds],
    ...['-i', source.replace('=', `=rate=${rate}:`)],
  ]);
  const same = 'format=yuv420p,setsar=1';
  const graph = shots.map((_, index) => `[${index}]${same}[v${index}];`).join('');
  const joined = `${shots.map((_, index) => `[v${index}]`).join('')}concat=n=${shots.length}`;
  // Moved into place whole, so that an interrupted demo leaves no half.
  const unfinished = join(folder, 'unfinished.mp4');
  await run('ffmpeg', [
    ...['-v', 'error', '-nostdin', '-y', ...inputs],
    ...['-filter_complex', `${graph}${joined}`, '-c:v', 'libx264', '-preset', 'veryfast'],
    unfinished,
  ]);
  await rename(unfinished, file);
}

/** The times at which a new shot begins, the first shot's apart. */
function knownCuts() {
  let time = 0;
  return shots.slice(0, -1).map(([seconds]) => {
    time += seconds;
    return Number(time.toFixed(2));
  });
}

async function compareCuts() {
  const { shots: found } = JSON.parse(await readFile(analysisFile, 'utf8'));
  const cuts = found.slice(1).map(({ start }) => start);
  const known = knownCuts();
  const isSame = (a, b) => Math.abs(a - b) < 0.5 / rate;
  const hits = known.filter((cut) => cuts.some((time) => isSame(cut, time)));
  const extra = cuts.filter((time) => !known.some((cut) => isSame(cut, time)));
  console.log(
    `Of the ${known.length} cuts made, ${hits.length} were found, to the frame; ${extra.length} were found that are none.`,
  );
}

function rushes(...args) {
  return run(process.execPath, [join(root, 'dist', 'cli.mjs'), ...args], { show: true });
}

await main(async () => {
  const files = process.argv.slice(2);
  const made = join(folder, 'shots.mp4');
  const isMade = files.length === 0;
  if (isMade) {
    files.push(made);
    const seconds = shots.reduce((sum, [length]) => sum + length, 0);
    console.log(
      `No file given, so this is a made one: ${relative(root, made)}, ${seconds} s with hard cuts at ${knownCuts().join(', ')} s.\n`,
    );
    if (!existsSync(made)) await makeClip(made);
  }
  await mkdir(folder, { recursive: true });
  await rushes('probe', ...files);
  console.log();
  await rushes('analyze', '--output', analysisFile, ...files);
  console.log(`\nThe whole result: ${relative(root, analysisFile)}\n`);
  await rushes('report', '-o', relative(root, reportFile), ...files);
  if (isMade) await compareCuts();
});
