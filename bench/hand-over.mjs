// What handing a frame over costs: node bench/hand-over.mjs
//
// Frames of 640x360 rgb24 are taken and nothing is done with them; decoding and scaling go on in other threads. What the main
// thread runs meanwhile, by the kernel's account (Linux: /proc/PID/task/TID/schedstat), is the price of asking for a frame, being
// woken for it, making its object and its buffer, and collecting the garbage. Ways take turns; given are medians of 7 rounds.
import { readFileSync } from 'node:fs';
import { openVideo } from '../dist/index.mjs';
import { clipFiles } from './clips.mjs';
import { median } from './statistics.mjs';

const ROUNDS = 7;
const size = { width: 640, height: 360, fit: 'fill', pixelFormat: 'rgb24' };
const [file] = await clipFiles('h264-1080p-low.mp4', console.error);

/** Microseconds that the main thread has run; its id is that of the process. */
function mainThread() {
  const account = `/proc/self/task/${process.pid}/schedstat`;
  return Number(readFileSync(account, 'utf8').split(' ')[0]) / 1000;
}

async function* oneByOne(video) {
  for await (const frame of video.frames()) yield [frame];
}

const ways = {
  'one by one': { batches: oneByOne },
  'one by one, recycled': { batches: oneByOne, recycle: true },
  'batches of 8': { batches: (video) => video.batches({ size: 8 }) },
  'batches of 8, recycled': {
    batches: (video) => video.batches({ size: 8 }),
    recycle: true,
  },
};

async function measure({ batches, recycle = false }) {
  const video = await openVideo(file, size);
  try {
    let frames = 0;
    const before = mainThread();
    for await (const batch of batches(video)) {
      frames += batch.length;
      if (!recycle) continue;
      for (const frame of batch) video.recycle(frame);
    }
    return (mainThread() - before) / frames;
  } finally {
    await video.close();
  }
}

const costs = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, way] of Object.entries(ways)) costs[name].push(await measure(way));
}
for (const [name, found] of Object.entries(costs)) {
  const [least, greatest] = [Math.min(...found), Math.max(...found)];
  const range = `${least.toFixed(1)}–${greatest.toFixed(1)}`;
  console.log(`${name.padEnd(24)} ${median(found).toFixed(1)} µs a frame (${range})`);
}
