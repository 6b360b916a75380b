// The ffmpeg tool writes raw frames into a pipe, Node takes them out of it. `scaler` of the work is one of those in
// ffmpeg-arguments.mjs. Times do not go through a pipe.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { scale } from './ffmpeg-arguments.mjs';
import { runPeer } from './peer.mjs';

const raw = ['-f', 'rawvideo', 'pipe:1'];

/** Cuts the bytes of a stream into pieces of `size`, copying each byte once. */
async function* pieces(stream, size) {
  let piece = Buffer.allocUnsafe(size);
  let filled = 0;
  for await (const chunk of stream) {
    for (let at = 0; at < chunk.length; ) {
      const copied = chunk.copy(piece, filled, at);
      at += copied;
      filled += copied;
      if (filled < size) continue;
      yield piece;
      piece = Buffer.allocUnsafe(size);
      filled = 0;
    }
  }
  if (filled > 0) throw new Error(`the pipe ended within a frame`);
}

await runPeer(async (work, sink) => {
  const size = work.width * work.height * (work.pixelFormat === 'gray8' ? 1 : 3);
  for (const file of work.files) {
    const args = scale(work, work.scaler, raw, file);
    const child = spawn('ffmpeg', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const closed = once(child, 'close');
    for await (const frame of pieces(child.stdout, size)) sink.frame(frame);
    const [code] = await closed;
    if (code !== 0) throw new Error(`ffmpeg ended with ${code}`);
  }
});
