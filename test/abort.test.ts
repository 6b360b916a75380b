import { getEventListeners } from 'node:events';
import { describe, expect } from 'vitest';
import { type AnalyzeOptions, analyze, openVideo } from '../src/index.ts';
import { clip, testOf } from './helpers/clips.ts';

const NAME = 'upright.mp4';
const PATH = clip(NAME);
const test = testOf(NAME);

/** The warnings that Node gives while `work` runs. */
async function warningsDuring(work: () => Promise<unknown>): Promise<string[]> {
  const warnings: string[] = [];
  const note = (warning: Error) => warnings.push(`${warning.name}: ${warning.message}`);
  process.on('warning', note);
  try {
    await work();
    // They are emitted in a later turn.
    await new Promise(setImmediate);
  } finally {
    process.off('warning', note);
  }
  return warnings;
}

const listeners = (signal: AbortSignal) => getEventListeners(signal, 'abort').length;
const SMALL: AnalyzeOptions = { width: 32, height: 32, threads: 1 };

describe('one signal for many videos', () => {
  test('makes Node warn of nothing, and no listener stays behind', async () => {
    const { signal } = new AbortController();
    const warnings = await warningsDuring(async () => {
      const videos = await Promise.all(
        Array.from({ length: 50 }, () => openVideo(PATH, { signal, threads: 1 })),
      );
      await Promise.all(
        videos.map(async (video) => {
          await video.index({ signal });
          for await (const frame of video.frames({ signal })) {
            expect(frame.width).toBeGreaterThan(0);
          }
        }),
      );
      await Promise.all(videos.map((video) => video.close()));
      await Promise.all(
        Array.from({ length: 50 }, () => analyze(PATH, { ...SMALL, signal })),
      );
    });
    expect(warnings).toEqual([]);
    expect(listeners(signal)).toBe(0);
  });

  test('stops each of them, and those that listen twice', async () => {
    const stop = new AbortController();
    const { signal } = stop;
    const videos = await Promise.all(
      Array.from({ length: 20 }, () => openVideo(PATH, { signal, threads: 1 })),
    );
    const passes = videos.map((video) => video.frames({ signal }));
    await Promise.all(passes.map((pass) => pass.next()));
    expect(listeners(signal)).toBe(1);
    const reason = new Error('enough');
    stop.abort(reason);
    for (const pass of passes) await expect(pass.next()).rejects.toBe(reason);
    for (const video of videos) await expect(video.frames().next()).rejects.toBe(reason);
    expect(listeners(signal)).toBe(0);
  });

  test('goes on for the others when one of them is closed', async () => {
    const stop = new AbortController();
    const { signal } = stop;
    const closed = await openVideo(PATH, { signal });
    const open = await openVideo(PATH, { signal });
    await closed.close();
    expect(listeners(signal)).toBe(1);
    stop.abort();
    await expect(open.frames().next()).rejects.toBe(signal.reason);
  });
});
