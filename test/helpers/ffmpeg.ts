/** The ffmpeg and ffprobe tools: the oracle of pixels and times. */
import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { test } from 'vitest';
import { type HashedFrame, parseFramemd5 } from './oracle.ts';

const exec = promisify(execFile);
const MAX_BUFFER = 512 * 1024 * 1024;

/** Whether the tools are there. */
export const hasFfmpeg = ['ffmpeg', 'ffprobe'].every(
  (tool) => spawnSync(tool, ['-version']).status === 0,
);

/** `test`, but skipped at home where the tools are missing; in CI it fails then. */
export const ffmpegTest = hasFfmpeg || process.env.CI ? test : test.skip;

/** What ffmpeg prints on standard output. */
export async function ffmpeg(args: readonly string[]): Promise<Buffer> {
  const { stdout } = await exec('ffmpeg', ['-v', 'error', '-nostdin', ...args], {
    encoding: 'buffer',
    maxBuffer: MAX_BUFFER,
  });
  return stdout;
}

/** Options with which ffmpeg gives every frame once, with the file's own timestamps. */
const EVERY_FRAME = [
  ...['-map', '0:V:0', '-fps_mode', 'passthrough'],
  ...['-enc_time_base', '-1', '-fflags', '+bitexact'],
];

/**
 * Hash and time of every frame. Without options of its own: as decoded, not turned, each
 * at its own size, which is what `pixelFormat: 'native'` gives.
 *
 * @param output filter and pixel format options
 */
export async function framemd5(
  path: string,
  options: { output?: readonly string[]; autorotate?: boolean } = {},
): Promise<HashedFrame[]> {
  const { output = ['-autoscale', '0'], autorotate = false } = options;
  const text = await ffmpeg([
    ...(autorotate ? [] : ['-noautorotate']),
    ...['-copyts', '-i', path, ...EVERY_FRAME, ...output, '-f', 'framemd5', '-'],
  ]);
  return parseFramemd5(text.toString());
}

/** One frame as ffprobe lists it. Times are ticks of the stream's time base. */
export interface ProbedFrame {
  readonly pts: number;
  readonly duration: number;
  readonly keyFrame: boolean;
  readonly width: number;
  readonly height: number;
}

interface ProbeOutput {
  readonly frames: readonly Record<string, string | number | undefined>[];
  readonly streams: readonly { time_base: string }[];
}

/** Every frame of the (first) video stream in the order of decoding, and its time base. */
export async function ffprobeFrames(
  path: string,
): Promise<{ frames: ProbedFrame[]; timeBase: { num: number; den: number } }> {
  const { stdout } = await exec(
    'ffprobe',
    [
      ...['-v', 'error', '-select_streams', 'V:0', '-show_frames', '-of', 'json'],
      ...['-show_entries', `stream=time_base:frame=${FRAME_ENTRIES.join()}`, path],
    ],
    { maxBuffer: MAX_BUFFER },
  );
  const { frames, streams } = JSON.parse(stdout) as ProbeOutput;
  const [num = Number.NaN, den = Number.NaN] =
    streams[0]?.time_base.split('/').map(Number) ?? [];
  return {
    timeBase: { num, den },
    frames: frames.map((frame) => ({
      pts: Number(frame.best_effort_timestamp),
      duration: Number(frame.duration ?? frame.pkt_duration ?? 0),
      keyFrame: Number(frame.key_frame) === 1,
      width: Number(frame.width),
      height: Number(frame.height),
    })),
  };
}

const FRAME_ENTRIES = [
  'best_effort_timestamp',
  'pkt_duration', // until FFmpeg 6
  'duration',
  'key_frame',
  'width',
  'height',
];
