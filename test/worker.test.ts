import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect } from 'vitest';
import { openVideo } from '../src/index.ts';
import { CLEAN, LIBRARY, runScript } from './helpers/child.ts';
import { clip, facts, testOf } from './helpers/clips.ts';
import { digests, md5 } from './helpers/frames.ts';

const NAME = 'h264-bframes-audio.mp4';
const test = testOf(NAME);

describe('in worker threads', () => {
  test('a video gives the same frames as in the main thread', async () => {
    await using video = await openVideo(clip(NAME));
    const wanted = (await digests(video.frames())).map(({ md5 }) => md5);
    const script = `
      const { createHash } = require('node:crypto');
      const { parentPort, workerData } = require('node:worker_threads');
      (async () => {
        const { openVideo } = await import(${LIBRARY});
        const video = await openVideo(workerData);
        const hashes = [];
        for await (const { data } of video) {
          hashes.push(createHash('md5').update(data).digest('hex'));
        }
        await video.close();
        parentPort.postMessage(hashes);
      })();`;
    const workers = [1, 2].map(
      () => new Worker(script, { eval: true, workerData: clip(NAME) }),
    );
    const answers = await Promise.all(workers.map((worker) => once(worker, 'message')));
    for (const [hashes] of answers) expect(hashes).toEqual(wanted);
    await Promise.all(workers.map((worker) => worker.terminate()));
  });

  test('frames can be handed over to one without a copy', async () => {
    await using video = await openVideo(clip(NAME));
    const worker = new Worker(
      `const { createHash } = require('node:crypto');
      const { parentPort } = require('node:worker_threads');
      parentPort.on('message', ({ frame, pts }) => {
        const md5 = createHash('md5').update(frame.data).digest('hex');
        parentPort.postMessage({ md5, pts: frame.pts, bytes: frame.data.length });
      });`,
      { eval: true },
    );
    let handedOver = 0;
    for await (const frame of video.frames({ end: 1 })) {
      const wanted = { md5: md5(frame.data), pts: frame.pts, bytes: 128 * 96 * 3 };
      const answer = once(worker, 'message');
      worker.postMessage({ frame }, [frame.data.buffer]);
      expect(frame.data.length).toBe(0); // it is the worker's now
      expect(await answer).toEqual([wanted]);
      handedOver++;
    }
    expect(handedOver).toBe(25);
    await worker.terminate();
  });

  test('frames own their whole buffer, so that handing one over takes no other', async () => {
    await using video = await openVideo(clip(NAME), { pixelFormat: 'gray8' });
    const buffers = new Set<ArrayBuffer>();
    for await (const { data } of video) {
      expect([data.byteOffset, data.byteLength]).toEqual([0, data.buffer.byteLength]);
      buffers.add(data.buffer);
    }
    expect(buffers.size).toBe(facts(NAME).frames);
  });

  // In a process of its own: what fails here takes the process with it.
  test('terminating one in mid-read, 30 times, harms nobody', async () => {
    const { stdout, ...rest } = await runScript(
      `import { once } from 'node:events';
      import { Worker } from 'node:worker_threads';
      import { openVideo } from ${LIBRARY};
      const path = process.argv[1];
      const script = \`
        const { parentPort, workerData } = require('node:worker_threads');
        (async () => {
          const { openVideo } = await import(${LIBRARY.replaceAll('"', "'")});
          const video = await openVideo(workerData);
          parentPort.postMessage('reading');
          for (;;) {
            for await (const batch of video.batches({ size: 3 }));
          }
        })();\`;
      let terminated = 0;
      for (let round = 0; round < 30; round++) {
        // Without this process's options, which make scripts ES modules.
        const worker = new Worker(script, { eval: true, execArgv: [], workerData: path });
        await once(worker, 'message');
        // At different moments of a read.
        await new Promise((done) => setTimeout(done, round % 7));
        await worker.terminate();
        terminated++;
      }
      const video = await openVideo(path);
      let frames = 0;
      for await (const _ of video) frames++;
      await video.close();
      console.log(JSON.stringify({ terminated, frames }));`,
      [clip(NAME)],
    );
    expect(rest).toEqual(CLEAN);
    expect(JSON.parse(stdout)).toEqual({ terminated: 30, frames: facts(NAME).frames });
  });
});
