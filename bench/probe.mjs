// What a clip is, by ffprobe: the oracle of how many frames there are, and when.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const exec = promisify(execFile);

/**
 * @returns times of all frames in seconds, rising, and facts for people: codec, profile, size, frames a second, number of
 *   frames and key frames, seconds, Mb/s
 */
export async function probe(file) {
  const { stdout } = await exec(
    'ffprobe',
    [
      ...['-v', 'error', '-select_streams', 'v:0', '-of', 'json', '-show_entries'],
      'stream=codec_name,profile,width,height,avg_frame_rate:packet=pts_time,size,flags',
      file,
    ],
    { maxBuffer: 1 << 30 },
  );
  const { packets, streams } = JSON.parse(stdout);
  const { codec_name, profile, width, height, avg_frame_rate } = streams[0];
  const shown = packets.filter(({ flags }) => !flags.includes('D'));
  const times = shown.map(({ pts_time }) => Number(pts_time)).sort((a, b) => a - b);
  const [numerator, denominator] = avg_frame_rate.split('/').map(Number);
  const frameRate = numerator / denominator;
  const seconds = times.at(-1) - times[0] + 1 / frameRate;
  const bytes = packets.reduce((sum, { size }) => sum + Number(size), 0);
  return {
    times,
    facts: {
      ...{ codec: codec_name, profile, width, height, frameRate },
      frames: times.length,
      keyFrames: shown.filter(({ flags }) => flags.includes('K')).length,
      seconds: Number(seconds.toFixed(3)),
      megabitsPerSecond: Number(((bytes * 8) / seconds / 1e6).toFixed(2)),
    },
  };
}
