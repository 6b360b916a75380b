// What the ffmpeg tool says of cuts (scdet) and brightness (signalstats), read as a program would.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { detect } from './ffmpeg-arguments.mjs';
import { runPeer } from './peer.mjs';

const exec = promisify(execFile);

await runPeer(async (work) => {
  const directory = await mkdtemp(join(tmpdir(), 'rushes-bench-'));
  try {
    const output = join(directory, 'found');
    await exec('ffmpeg', detect(work, output));
    const cuts = await readFile(`${output}.cuts`, 'utf8');
    const samples = await readFile(`${output}.samples`, 'utf8');
    const sample = /pts_time:(\S+)\n\S+YAVG=(\S+)/g;
    return {
      cuts: [...cuts.matchAll(/scd\.time=(\S+)/g)].map(([, time]) => Number(time)),
      samples: [...samples.matchAll(sample)].map(([, time, brightness]) => ({
        time: Number(time),
        brightness: Number(brightness),
      })),
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
