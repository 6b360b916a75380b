// beamcoder's addon, without its index.js, which prints a banner. The scaler is FFmpeg's filter in two steps.
import { createRequire } from 'node:module';
import { Picker, runPeer } from './peer.mjs';

const beamcoder = createRequire(import.meta.url)(
  'beamcoder/build/Release/beamcoder.node',
);
beamcoder.logging('error');

/** A beamcoder frame's rows without their padding. */
function packed({ data: [plane], linesize: [stride], height }, rowBytes) {
  if (stride === rowBytes) return plane.subarray(0, rowBytes * height);
  const rows = Buffer.allocUnsafe(rowBytes * height);
  for (let y = 0; y < height; y++) {
    plane.copy(rows, y * rowBytes, y * stride, y * stride + rowBytes);
  }
  return rows;
}

async function makeScaler(stream, { width, height, pixelFormat }) {
  const { codecpar, sample_aspect_ratio: aspect } = stream;
  const format = pixelFormat === 'gray8' ? 'gray' : pixelFormat;
  const [small, convert] =
    format === 'gray' ? ['gray', ''] : ['yuv420p', `,scale,format=${format}`];
  return beamcoder.filterer({
    filterType: 'video',
    inputParams: [
      {
        width: codecpar.width,
        height: codecpar.height,
        pixelFormat: codecpar.format,
        timeBase: stream.time_base,
        pixelAspect: aspect[0] > 0 ? aspect : [1, 1],
      },
    ],
    outputParams: [{ pixelFormat: format }],
    filterSpec: `scale=${width}:${height}:flags=area,format=${small}${convert}`,
  });
}

async function readFile(file, work, sink) {
  const demuxer = await beamcoder.demuxer(`file:${file}`);
  const stream = demuxer.streams.find(({ codecpar }) => codecpar.codec_type === 'video');
  for (const other of demuxer.streams) if (other !== stream) other.discard = 'all';
  const { index: stream_index } = stream;
  const decoder = beamcoder.decoder({
    demuxer,
    stream_index,
    thread_count: work.threads,
  });
  const scaler = await makeScaler(stream, work);
  const [num, den] = stream.time_base;
  const picker = new Picker(work);
  const rowBytes = work.width * (work.pixelFormat === 'gray8' ? 1 : 3);

  const take = async (frames) => {
    const wanted = frames.filter(({ pts }) => picker.takes((pts * num) / den));
    if (wanted.length === 0) return;
    const [{ frames: small }] = await scaler.filter(wanted);
    for (const frame of small)
      sink.frame(packed(frame, rowBytes), (frame.pts * num) / den);
  };
  for (let packet = await demuxer.read(); packet; packet = await demuxer.read()) {
    if (packet.stream_index !== stream_index) continue;
    await take((await decoder.decode(packet)).frames);
    if (picker.done) return;
  }
  await take((await decoder.flush()).frames);
}

await runPeer(async (work, sink) => {
  for (const file of work.files) await readFile(file, work, sink);
});
