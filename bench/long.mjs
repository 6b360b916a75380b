// Memory of the analysis of a long film: node --expose-gc bench/long.mjs [--hours 3] [--folder DIR]
//
// A made minute (cuts, movement, grain) is repeated without encoding it anew, and analysed twice: as usual, and with one sample a
// minute, so that next to nothing of what grows is the result itself. Ten times a second, and after a garbage collection in each
// tenth of the film, it is noted what the process has resident and what JavaScript holds.
import { mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { analyze } from '../dist/index.mjs';
import { run } from './accuracy/tools.mjs';

const { values } = parseArgs({
  options: {
    hours: { type: 'string', default: '3' },
    folder: { type: 'string', default: join(tmpdir(), 'rushes-long') },
  },
});
if (global.gc === undefined) throw new Error('run it with node --expose-gc');
const minutes = 60 * Number(values.hours);

function makeFilm(folder) {
  const minute = join(folder, 'minute.mp4');
  const film = join(folder, 'film.mp4');
  const sources = [
    'testsrc2=s=320x180:r=10:d=20',
    'mandelbrot=s=320x180:r=10',
    'life=s=320x180:r=10',
  ];
  const inputs = sources.flatMap((source) => ['-f', 'lavfi', '-t', '20', '-i', source]);
  const graph = ['-filter_complex', 'concat=n=3,noise=alls=8:allf=t,format=yuv420p'];
  const codec = ['-c:v', 'libx264', '-preset', 'veryfast', '-crf', '30'];
  run('ffmpeg', ['-v', 'error', '-y', ...inputs, ...graph, ...codec, minute]);
  const again = ['-stream_loop', `${minutes - 1}`, '-i', minute];
  run('ffmpeg', ['-v', 'error', '-y', ...again, '-c', 'copy', film]);
  return film;
}

const megabytes = (bytes) => (bytes / 1e6).toFixed(1);

/** Analyses the film and prints what was held in each tenth of it. */
async function measure(film, fps) {
  const resident = Array(10).fill(0);
  const held = Array(10).fill(null);
  let tenth = 0;
  const note = () => {
    resident[tenth] = Math.max(resident[tenth], process.memoryUsage.rss());
  };
  const timer = setInterval(note, 100);
  const before = process.cpuUsage();
  const onProgress = ({ fraction }) => {
    tenth = Math.min(9, Math.floor(10 * fraction));
    if (held[tenth] !== null) return;
    global.gc();
    const { heapUsed, external } = process.memoryUsage();
    held[tenth] = heapUsed + external;
  };
  const { events, samples, shots, frames } = await analyze(film, { fps, onProgress });
  const { user, system } = process.cpuUsage(before);
  clearInterval(timer);
  const cuts = events.filter(({ type }) => type === 'cut').length;
  console.log(
    `${frames} frames, ${samples.length} samples, ${shots.length} shots, ${cuts} cuts; ${((user + system) / 1e6).toFixed(0)} CPU s`,
  );
  console.log(`  most resident, MB:            ${resident.map(megabytes).join(' ')}`);
  console.log(
    `  held after a collection, MB:  ${held.map((bytes) => (bytes === null ? '-' : megabytes(bytes))).join(' ')}`,
  );
}

mkdirSync(values.folder, { recursive: true });
const film = makeFilm(values.folder);
console.log(`${values.hours} hours, 320x180, 10 frames a second, by tenths of the film`);
await measure(film, 1 / 60);
await measure(film, 2);
rmSync(values.folder, { recursive: true });
