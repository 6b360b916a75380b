/** FFmpeg's log, which beamcoder lets go to stderr: here a file that nobody else reads. */
import { fstatSync, ftruncateSync, readSync } from 'node:fs';

const STDERR = 2;
/** A damaged file can log without end; the last lines tell the story. */
const MAX_BYTES = 16 * 1024;

export class FfmpegLog {
  /** What was logged since the last call. */
  take(): string[] {
    let size: number;
    try {
      ({ size } = fstatSync(STDERR));
    } catch {
      return [];
    }
    if (size === 0) return [];
    const text = Buffer.alloc(Math.min(size, MAX_BYTES));
    const bytes = readSync(STDERR, text, 0, text.length, size - text.length);
    ftruncateSync(STDERR, 0); // it is appended to
    return text
      .subarray(0, bytes)
      .toString()
      .split('\n')
      .map((line) => line.replace(/^\[[^\]]*\] /, '').trim())
      .filter((line) => line !== '');
  }
}
