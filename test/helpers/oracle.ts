/** Readers of the tables that the ffmpeg tools print. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

/** One line of a framemd5 file. */
export interface HashedFrame {
  readonly pts: number;
  readonly size: number;
  readonly md5: string;
}

/** Takes the lines of FFmpeg's framemd5 apart: `stream, dts, pts, duration, size, hash`. */
export function parseFramemd5(text: string): HashedFrame[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [, , pts, , size, md5 = ''] = line.split(',').map((cell) => cell.trim());
      return { pts: Number(pts), size: Number(size), md5 };
    });
}

/** One row of a `NAME.frames.csv.gz`. */
export interface TabledFrame {
  /** Ticks; `null` where the stream has none (raw H.264). */
  readonly pts: number | null;
  readonly duration: number;
  readonly keyFrame: boolean;
  readonly width: number;
  readonly height: number;
  readonly pixelFormat: string;
}

function unzip(path: string): string {
  return gunzipSync(readFileSync(path)).toString();
}

export function readFramemd5(path: string): HashedFrame[] {
  return parseFramemd5(path.endsWith('.gz') ? unzip(path) : readFileSync(path, 'utf8'));
}

export function readFrameTable(path: string): TabledFrame[] {
  const [head = '', ...lines] = unzip(path).trim().split('\n');
  const columns = head.split(',');
  return lines.map((line) => {
    const cells = line.split(',');
    const cell = (name: string) => cells[columns.indexOf(name)] ?? '';
    const number = (name: string) => Number(cell(name));
    return {
      pts: cell('best_effort_timestamp') === '' ? null : number('best_effort_timestamp'),
      duration: number('pkt_duration'),
      keyFrame: number('key_frame') === 1,
      width: number('width'),
      height: number('height'),
      pixelFormat: cell('pix_fmt'),
    };
  });
}

/**
 * Timestamps that a player gives the frames: those of the table and, where it has none, the
 * end of the frame before.
 */
export function expectedPts(table: readonly TabledFrame[]): number[] {
  let next = 0;
  return table.map(({ pts, duration }) => {
    const own = pts ?? next;
    next = own + duration;
    return own;
  });
}
