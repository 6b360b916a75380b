// The measure rows of whole films: what detectors see, decoded once and kept.
import {
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Parts of the library that it does not export, bundled from its sources. */
export async function loadInternals() {
  // One folder below the root, as src/ is; of this process alone, since runs may go side by side.
  const file = join(root, 'build', `accuracy-internals-${process.pid}.mjs`);
  await build({
    stdin: {
      contents: [
        "export { openVideo } from './src/video.ts';",
        "export { resolveGeometry } from './src/geometry.ts';",
        "export { FLAG_SAMPLED, MEASURE_ROW } from './src/native.ts';",
        "export { MEASURE_VERSION } from './src/measures.ts';",
        "export { changeOf } from './src/analyze.ts';",
        "import { bordersIn } from './src/detectors/borders.ts';",
        "import { CutDetector } from './src/detectors/cuts.ts';",
        "import { shotsFrom } from './src/detectors/shots.ts';",
        "import { BlackDetector, FreezeDetector } from './src/detectors/spans.ts';",
        "import { byTime, distinct, TransitionDetector, withoutCuts, withoutTransitions } from './src/detectors/transitions.ts';",
        'const all = (detector, changes, end) => [',
        '  ...changes.flatMap((change) => detector.push(change)),',
        '  ...detector.finish(end),',
        '];',
        // As EventDetector does, but with other weights.
        'export function transitionsIn(changes, options) {',
        '  return distinct(all(new TransitionDetector(options), changes));',
        '}',
        'export function spansIn(changes, options) {',
        '  const end = changes.at(-1)?.time;',
        '  return {',
        '    transitions: withoutCuts(transitionsIn(changes, options), coloredCutsIn(changes)),',
        '    black: all(new BlackDetector(), changes, end),',
        '    freezes: all(new FreezeDetector(), changes, end),',
        '  };',
        '}',
        'export function cutsIn(changes, { transitions }, options) {',
        '  const cuts = coloredCutsIn(changes, options);',
        '  return withoutTransitions(cuts, transitions).map(({ frame }) => frame);',
        '}',
        'function coloredCutsIn(changes, options) {',
        '  return all(new CutDetector(options), changes).filter(({ cut }) => cut);',
        '}',
        'export function bordersOf(samples, changes, frames, { transitions }, size) {',
        "  const cuts = frames.map((frame) => ({ type: 'cut', time: changes[frame].time }));",
        '  const events = [...cuts, ...transitions].sort(byTime);',
        '  const range = { start: changes[0].time, end: changes.at(-1).time };',
        '  return bordersIn(samples, shotsFrom(events, range), size);',
        '}',
      ].join('\n'),
      resolveDir: root,
      loader: 'ts',
    },
    ...{ bundle: true, packages: 'external', platform: 'node', format: 'esm' },
    ...{ outfile: file, logLevel: 'error' },
  });
  try {
    return await import(pathToFileURL(file).href);
  } finally {
    rmSync(file);
  }
}

/** One Float64Array of `MEASURE_ROW.length` columns a frame, what `pts` counts (`{ num, den }` of a second), and the picture's `size`. */
export async function measureFilm(file, folder, internals, streamIndex) {
  const { MEASURE_VERSION, openVideo } = internals;
  const { mtimeMs, size } = statSync(file);
  const kept = join(
    folder,
    `${basename(file)}-${size}-${Math.floor(mtimeMs)}-${MEASURE_VERSION}.rows`,
  );
  const options = { pixelFormat: 'gray8', onDecodeError: 'skip', streamIndex };
  const video = await openVideo(file, options);
  try {
    return await rowsOf(video, kept, internals);
  } finally {
    await video.close();
  }
}

async function rowsOf(video, kept, { MEASURE_ROW, resolveGeometry }) {
  const { timeBase, width, height } = video.info;
  const size = { width, height };
  if (existsSync(kept)) {
    const { buffer, byteOffset, length } = readFileSync(kept);
    const rows = new Float64Array(buffer.slice(byteOffset, byteOffset + length));
    return { rows, timeBase, size, frames: rows.length / MEASURE_ROW.length };
  }
  const selection = {
    start: null,
    end: null,
    every: 0.5,
    step: 1,
    keyFrames: false,
    times: null,
  };
  const geometry = resolveGeometry(video.info, {
    ...{ width: 640, height: 360, fit: 'inside', withoutEnlargement: true },
    ...{ autorotate: true, squarePixels: true },
  });
  const parts = [];
  for await (const batches of video.measures(selection, geometry)) {
    for (const { rows, count } of batches)
      parts.push(rows.slice(0, count * MEASURE_ROW.length));
  }
  const rows = Float64Array.from({
    length: parts.reduce((sum, part) => sum + part.length, 0),
  });
  let at = 0;
  for (const part of parts) {
    // Bytes, because those of a signature are no numbers.
    new Uint8Array(rows.buffer, at).set(
      new Uint8Array(part.buffer, part.byteOffset, part.byteLength),
    );
    at += part.byteLength;
  }
  writeFileSync(`${kept}.part`, new Uint8Array(rows.buffer));
  renameSync(`${kept}.part`, kept);
  return { rows, timeBase, size, frames: rows.length / MEASURE_ROW.length };
}
