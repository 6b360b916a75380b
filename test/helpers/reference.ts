/** What decoding a file of the shared media from start to end gives, as tables of other tools tell it. */
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { mediaFile } from './media.ts';
import { expectedPts, readFramemd5, readFrameTable } from './oracle.ts';

/** One frame of a whole pass. */
export interface ReferenceFrame {
  readonly pts: number;
  /** Ticks. */
  readonly duration: number;
  readonly keyFrame: boolean;
  readonly width: number;
  readonly height: number;
  /** Of the pixels in the stream's own format and size. */
  readonly md5: string;
}

/** Table and hashes of a file joined. `streamIndex`: the stream that was opened. */
export function readReference(name: string, streamIndex: number): ReferenceFrame[] {
  if (name === 'nasa_13013.mp4' && streamIndex !== 0) {
    return readNasa(streamIndex);
  }
  const hashes = readFramemd5(mediaFile(`oracle/${name}.framemd5.gz`));
  const table = readFrameTable(mediaFile(`oracle/${name}.frames.csv.gz`));
  const times = expectedPts(table);
  expect(hashes.length).toBe(table.length);
  return table.map(({ duration, keyFrame, width, height }, i) => ({
    pts: times[i] ?? Number.NaN,
    duration,
    keyFrame,
    width,
    height,
    md5: hashes[i]?.md5 ?? '',
  }));
}

/** A row of torchcodec's tables of frames. */
export interface TorchcodecRow {
  readonly pts_time: string;
  readonly duration_time: string;
}

/** torchcodec's table of every frame of a stream. */
export function readTorchcodecTable(name: string, streamIndex: number): TorchcodecRow[] {
  const path = `oracle/torchcodec/${name}.stream${streamIndex}.all_frames_info.json`;
  return JSON.parse(readFileSync(mediaFile(path), 'utf8')) as TorchcodecRow[];
}

/** The table of the best stream of this one comes from torchcodec; it is in seconds. */
function readNasa(streamIndex: number): ReferenceFrame[] {
  expect(streamIndex).toBe(3);
  const name = 'nasa_13013.mp4';
  const ticks = (seconds: string | undefined) => Math.round(Number(seconds) * 30_000);
  const table = readTorchcodecTable(name, streamIndex);
  return readFramemd5(mediaFile(`oracle/${name}.v1.framemd5.gz`)).map(({ md5 }, i) => ({
    pts: ticks(table[i]?.pts_time),
    duration: ticks(table[i]?.duration_time),
    keyFrame: [0, 240].includes(i), // group 6 of the folder's README
    width: 480,
    height: 270,
    md5,
  }));
}
