import { analyze, openVideo } from '../../dist/index.mjs';
import { runPeer } from './peer.mjs';

async function analysis({ files, fps, threads, width, height }) {
  const { samples, events } = await analyze(files[0], { fps, threads, width, height });
  return {
    samples: samples.map(({ time, brightness }) => ({ time, brightness })),
    cuts: events.filter(({ type }) => type === 'cut').map(({ time }) => time),
  };
}

/** What of a video is handed over, and how. */
function frames(video, { kind, fps, times }) {
  if (kind === 'times') return video.framesAt(times);
  return video.frames(kind === 'rate' ? { fps } : {});
}

await runPeer(async (work, sink) => {
  if (work.kind === 'analyze') return analysis(work);
  const { width, height, pixelFormat, threads } = work;
  for (const file of work.files) {
    const options = { width, height, fit: 'fill', pixelFormat, threads };
    const video = await openVideo(file, options);
    try {
      const found = await frames(video, work);
      if (Array.isArray(found)) found.sort((a, b) => a.pts - b.pts);
      for await (const frame of found) {
        sink.frame(frame.data, frame.time);
        video.recycle(frame);
      }
    } finally {
      await video.close();
    }
  }
});
