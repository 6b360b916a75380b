// The ffmpeg tool, started for each frame with `-ss` before its input.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { seekAndScale } from './ffmpeg-arguments.mjs';
import { runPeer, wantedTimes } from './peer.mjs';

const exec = promisify(execFile);

await runPeer(async (work, sink) => {
  for (const time of wantedTimes(work)) {
    const args = seekAndScale(work, time, 'area', ['-f', 'rawvideo', 'pipe:1']);
    const options = { encoding: 'buffer', maxBuffer: 64 * 1024 * 1024 };
    const { stdout } = await exec('ffmpeg', args, options);
    sink.frame(stdout);
  }
});
