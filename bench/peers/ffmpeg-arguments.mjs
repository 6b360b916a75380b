// The ffmpeg tool's command lines. Each takes one file; frames keep their times, none is dropped or doubled.
import { wantedTimes } from './peer.mjs';

/**
 * How a frame is made small:
 * - `plain`: one step, the tool's own bicubic filter, as most people write it;
 * - `area`: planes first, by averaging areas, then colour on the small picture: the quickest way to the same quality.
 *   The outputs of all peers are compared with this one's.
 */
const scalers = {
  plain: (size, format) => `scale=${size},format=${format}`,
  area: (size, format) =>
    format === 'gray'
      ? `scale=${size}:flags=area,format=gray`
      : `scale=${size}:flags=area,format=yuv420p,scale,format=${format}`,
};

/** The filters that choose frames by time, before any is scaled. */
function choice({ kind, frameDuration, ...work }) {
  if (kind === 'frames') return [];
  const shown = (frameDuration - 1e-6).toFixed(7);
  // Rounding up gives each output time the last frame that is not after it.
  if (kind === 'rate') return [`fps=${work.fps}:round=up`];
  const terms = wantedTimes({ kind, ...work }).map(
    (time) => `gte(${time}-t,0)*lt(${time}-t,${shown})`,
  );
  return [`select='${terms.join('+')}'`];
}

const input = ({ threads }, file) => [
  ...['-v', 'error', '-nostdin', '-threads', String(threads)],
  ...['-i', file, '-map', '0:v:0', '-fps_mode', 'passthrough'],
];

/** Decodes and throws away: the floor of everything that uses the same libav. */
export function decodeOnly(work, file = work.files[0]) {
  return [...input(work, file), '-f', 'null', '-'];
}

/** Decodes, chooses and scales. `output` is what becomes of it. */
export function scale(work, scaler, output, file = work.files[0]) {
  const format = work.pixelFormat === 'gray8' ? 'gray' : work.pixelFormat;
  const filters = [
    ...choice(work),
    scalers[scaler](`${work.width}:${work.height}`, format),
  ];
  // Nothing after the last wanted frame has to be decoded.
  const limit =
    work.kind === 'times' ? ['-frames:v', String(new Set(work.times).size)] : [];
  return [...input(work, file), '-vf', filters.join(), ...limit, ...output];
}

/** Decodes from the key frame before a time on, and scales the frame on screen then. */
export function seekAndScale(work, time, scaler, output) {
  const { width, height, frameDuration } = work;
  const start = Math.max(0, time - frameDuration / 2);
  const file = work.files[0];
  const filter = scalers[scaler](`${width}:${height}`, work.pixelFormat);
  const seek = ['-ss', start.toFixed(6)];
  return [...seek, ...input(work, file), '-vf', filter, '-frames:v', '1', ...output];
}

/** Scores every frame's difference to the one before, and measures `fps` frames a second. */
export function detect(work, output) {
  const filters = [
    `scale=${work.width}:${work.height}:flags=area`,
    'scdet=threshold=10',
    `metadata=print:file=${output}.cuts:key=lavfi.scd.time`,
    `fps=${work.fps}:round=up`,
    'signalstats',
    `metadata=print:file=${output}.samples:key=lavfi.signalstats.YAVG`,
  ];
  return [...input(work, work.files[0]), '-vf', filters.join(), '-f', 'null', '-'];
}
