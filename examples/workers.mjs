// A pool of worker threads: each takes the next file, until there is none.
//
//   node examples/workers.mjs FILE…
//
// Decoding never blocks the event loop, so this is for work on pixels in JavaScript. To
// analyse many files, `importVideos` needs no workers.
import { availableParallelism } from 'node:os';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { openVideo } from 'rushes';

/** Stands for some work on pixels: how much red, green and blue there is. */
async function averageColor(file) {
  const video = await openVideo(file, { width: 64, threads: 1 });
  const sums = [0, 0, 0];
  let pixels = 0;
  for await (const { data } of video.frames({ every: 1 })) {
    for (let i = 0; i < data.length; i++) sums[i % 3] += data[i];
    pixels += data.length / 3;
  }
  await video.close();
  return sums.map((sum) => Math.round(sum / pixels));
}

if (isMainThread) {
  const files = process.argv.slice(2);
  const size = Math.min(availableParallelism(), files.length);
  for (let i = 0; i < size; i++) {
    const worker = new Worker(new URL(import.meta.url));
    const next = () => worker.postMessage(files.shift()); // undefined: no more
    worker.on('message', ({ file, color }) => console.log(file, ...color));
    worker.on('message', next);
    next();
  }
} else {
  parentPort.on('message', async (file) => {
    if (file === undefined) parentPort.close();
    else parentPort.postMessage({ file, color: await averageColor(file) });
  });
}
