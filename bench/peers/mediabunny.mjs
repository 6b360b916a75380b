// mediabunny with its server package, which decodes with node-av and resizes with FFmpeg's scale filter. It has no
// rgb24: it hands over RGBA, and neither its scaler nor its number of threads can be chosen.
import { registerMediabunnyServer } from '@mediabunny/server';
import { ALL_FORMATS, FilePathSource, Input, VideoSampleSink } from 'mediabunny';
import { runPeer, wantedTimes } from './peer.mjs';

registerMediabunnyServer({ hardwareContext: null });

function samples(sink, work) {
  if (work.kind === 'frames') return sink.samples();
  return sink.samplesAtTimestamps(wantedTimes(work));
}

await runPeer(async (work, sink) => {
  const { width, height } = work;
  for (const file of work.files) {
    const source = new FilePathSource(file);
    const input = new Input({ formats: ALL_FORMATS, source });
    const videoSink = new VideoSampleSink(await input.getPrimaryVideoTrack());
    for await (const sample of samples(videoSink, work)) {
      const small = await sample.transform({ width, height, fit: 'fill' });
      const data = new Uint8Array(small.allocationSize({ format: 'RGBA' }));
      await small.copyTo(data, { format: 'RGBA' });
      sink.frame(data, sample.timestamp, 4);
      small.close();
      sample.close();
    }
    input.dispose();
  }
});
