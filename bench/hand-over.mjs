// What handing a frame over costs: node bench/hand-over.mjs
//
// Frames of 640x360 rgb24 are taken and nothing is done with them; decoding and scaling go on in other threads. What the main
// thread runs meanwhile, by the kernel's account (Linux: /proc/PID/task/TID/schedstat), is the price of asking for a frame, being
// woken for it, making its object and its buffer, and collecting the garbage. Ways take turns; given are medians of 7 rounds.
//
// "The addon alone" is what Node-API asks for, whoever uses it: the same reads of 8 frames, two of them under way, into the same
// sixteen buffers for ever, and nothing made of what comes.
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import nodeGypBuild from 'node-gyp-build';
import { openVideo } from '../dist/index.mjs';
import { clipFiles } from './clips.mjs';
import { median } from './statistics.mjs';

const ROUNDS = 7;
const [width, height, pixelFormat] = [640, 360, 'rgb24'];
const [file] = await clipFiles('h264-1080p-low.mp4', console.error);

/** Microseconds that the main thread has run; its id is that of the process. */
function mainThread() {
  const account = `/proc/self/task/${process.pid}/schedstat`;
  return Number(readFileSync(account, 'utf8').split(' ')[0]) / 1000;
}

/** Microseconds a frame, of batches with `length` frames. */
async function costOf(batches, done) {
  const before = mainThread();
  let frames = 0;
  for await (const batch of batches) {
    frames += batch.length;
    done?.(batch);
  }
  return (mainThread() - before) / frames;
}

async function* oneByOne(video) {
  for await (const frame of video.frames()) yield [frame];
}

const inBatches = (video) => video.batches({ size: 8 });

function library(batches, recycles) {
  return async () => {
    const video = await openVideo(file, { width, height, fit: 'fill', pixelFormat });
    const recycle = (batch) => {
      for (const frame of batch) video.recycle(frame);
    };
    try {
      return await costOf(batches(video), recycles ? recycle : undefined);
    } finally {
      await video.close();
    }
  };
}

/** Reads of 8 frames by the border of src/native.ts. */
async function* reads(decoder) {
  const post = ({ buffers, rows }) => {
    return { buffers, rows, result: decoder.read(buffers, rows) };
  };
  const bytes = width * height * 3;
  const queue = [0, 1].map(() => {
    const buffers = Array.from({ length: 8 }, () => new ArrayBuffer(bytes));
    return post({ buffers, rows: new ArrayBuffer(8 * 8 * buffers.length) });
  });
  for (;;) {
    const first = queue.shift();
    const read = await first.result;
    yield { length: read.count ?? read };
    if (read.done) break;
    queue.push(post(first));
  }
  await queue[0].result;
}

async function addonAlone() {
  const { Decoder } = nodeGypBuild(dirname(dirname(fileURLToPath(import.meta.url))));
  const stream = { source: file, streamIndex: -1, language: '' };
  const decoder = new Decoder({ ...stream, threads: 0, skipErrors: false });
  await decoder.open();
  const placed = { width, height, left: 0, top: 0, quarterTurns: 0, flip: false };
  await decoder.start(
    {
      ...{ start: null, end: null, step: 1, every: 0 },
      ...{ keyFrames: false, all: false, previous: false },
    },
    {
      ...{ scaleWidth: width, scaleHeight: height, ...placed },
      ...{ pixelFormat, toneMap: false, scalesOnDevice: false },
    },
  );
  try {
    return await costOf(reads(decoder));
  } finally {
    await decoder.close();
  }
}

const ways = {
  'one by one': library(oneByOne, false),
  'one by one, recycled': library(oneByOne, true),
  'batches of 8': library(inBatches, false),
  'batches of 8, recycled': library(inBatches, true),
  'the addon alone': addonAlone,
};
const costs = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, measure] of Object.entries(ways)) costs[name].push(await measure());
}
for (const [name, found] of Object.entries(costs)) {
  const [least, greatest] = [Math.min(...found), Math.max(...found)];
  const range = `${least.toFixed(1)}–${greatest.toFixed(1)}`;
  console.log(`${name.padEnd(24)} ${median(found).toFixed(1)} µs a frame (${range})`);
}
