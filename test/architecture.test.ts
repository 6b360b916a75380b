import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { describe, expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '..');
const SRC = join(ROOT, 'src');

/** Lowest first: a file imports from its own layer and from those before it. */
const LAYERS: readonly (readonly string[])[] = [
  [
    'errors',
    'rational',
    'frame',
    'info',
    'analysis',
    'plane',
    'profiles',
    'chroma-histogram',
    'thumbnail',
    'block-matching',
    'measures',
    'change-meter',
    'abort',
    'cache/directory',
    'wire',
    'node-gyp-build.d',
  ],
  ['geometry', 'detectors/'],
  ['native', 'backend/'],
  ['frame-index'],
  ['ffmpeg-tool', 'machine', 'hardware-samples'],
  ['options', 'analyze-options', 'hardware-verdicts'],
  ['sources'],
  ['decoder-pool', 'frame-pool'],
  ['video'],
  ['probe'],
  ['pictures'],
  ['contact-sheet'],
  ['memory-monitor', 'memory-sources', 'analysis-cache', 'cache/'],
  ['analyze'],
  ['hardware', 'hardware-probe', 'parameters', 'exports/', 'clips'],
  ['benchmark/job', 'benchmark/result', 'benchmark/spread-sample', 'diagnosis'],
  ['benchmark/decode-paths'],
  ['benchmark/comparison'],
  ['benchmark/summary'],
  ['benchmark/path-runner'],
  ['benchmark/decode-benchmark'],
  ['find-videos', 'memory-gate', 'import-options'],
  ['import-job'],
  ['importer'],
  ['index'],
  ['benchmark/process'],
  ['cli/'],
];

function files(directory: string, ending: RegExp): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => ending.test(name))
    .map((name) => name.split(sep).join('/'))
    .sort();
}

/** The layer of `video.ts` or `cli/main.ts`; −1 if none names it. */
function layerOf(file: string): number {
  const name = file.replace(/\.ts$/, '');
  return LAYERS.findIndex((layer) =>
    layer.some((entry) =>
      entry.endsWith('/') ? name.startsWith(entry) : name === entry,
    ),
  );
}

const SOURCES = files(SRC, /\.ts$/);

/** What each file of src/ imports from there, types included. */
const IMPORTS = new Map(
  SOURCES.map((file) => {
    const text = withoutComments(readFileSync(join(SRC, file), 'utf8'));
    const specifiers = text.matchAll(/\b(?:from|import)\s*\(?\s*['"](\.[^'"]+)['"]/g);
    const targets = [...specifiers].map(([, specifier = '']) => {
      const path = relative(SRC, resolve(SRC, dirname(file), specifier));
      return path.split(sep).join('/');
    });
    return [file, targets];
  }),
);

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
}

describe('src/', () => {
  test('has a layer for every file', () => {
    expect(SOURCES.length).toBeGreaterThan(10);
    expect(SOURCES.filter((file) => layerOf(file) < 0)).toEqual([]);
  });

  test('imports downwards only', () => {
    const upwards = [...IMPORTS].flatMap(([file, targets]) =>
      targets
        .filter((target) => layerOf(target) < 0 || layerOf(target) > layerOf(file))
        .map((target) => `${file} → ${target}`),
    );
    expect(upwards).toEqual([]);
  });

  test('has no circles', () => {
    const circles: string[] = [];
    const walk = (file: string, path: string[]): void => {
      if (path.includes(file)) {
        circles.push([...path.slice(path.indexOf(file)), file].join(' → '));
        return;
      }
      for (const target of IMPORTS.get(file) ?? []) walk(target, [...path, file]);
    };
    for (const file of SOURCES) walk(file, []);
    expect(circles).toEqual([]);
  });

  test('has detectors that know types and measures, no decoder', () => {
    const targets = [...IMPORTS]
      .filter(([file]) => file.startsWith('detectors/'))
      .flatMap(([, targets]) => targets);
    const lowest = (target: string) => layerOf(target) === 0;
    const foreign = targets.filter(
      (target) => !target.startsWith('detectors/') && !lowest(target),
    );
    expect(foreign).toEqual([]);
  });

  test('has a command line that uses the library as everyone does', () => {
    const targets = [...IMPORTS]
      .filter(([file]) => file.startsWith('cli/'))
      .flatMap(([, targets]) => targets)
      .filter((target) => !target.startsWith('cli/'));
    expect(new Set(targets)).toEqual(new Set(['index.ts']));
  });

  test('prints only in the command line', () => {
    const printing = SOURCES.filter((file) => !file.startsWith('cli/')).filter((file) =>
      /\bconsole\s*\.|process\s*\.\s*(stdout|stderr)/.test(
        withoutComments(readFileSync(join(SRC, file), 'utf8')),
      ),
    );
    expect(printing).toEqual([]);
  });
});

describe('native/', () => {
  const NATIVE = join(ROOT, 'native');
  const library = files(NATIVE, /\.(cc|h)$/).filter((file) => !file.includes('/'));
  const containing = (pattern: RegExp) =>
    library.filter((file) =>
      pattern.test(withoutComments(readFileSync(join(NATIVE, file), 'utf8'))),
    );

  test('knows Node in two files only', () => {
    expect(containing(/#\s*include\s*[<"](napi|node_api|node|uv|v8)\.h[>"]/)).toEqual([
      'addon.cc',
      'promise_worker.h',
    ]);
  });

  test('tells versions of FFmpeg apart in one file only', () => {
    const conditions = containing(/^\s*#\s*(el)?if[^\n]*LIB(AV|SW)\w*_VERSION/m);
    expect(conditions.filter((file) => file !== 'compat.h')).toEqual([]);
  });

  test('never prints', () => {
    expect(containing(/\b(f?printf|puts|std::(cout|cerr|clog))\b/)).toEqual([]);
  });

  test('makes no external buffers, which Electron forbids', () => {
    const addon = readFileSync(join(ROOT, 'build', 'Release', 'rushes.node'));
    expect(addon.includes('napi_create_object')).toBe(true);
    // napi_create_external_arraybuffer, _buffer; napi_create_external has no bytes.
    expect(addon.includes('napi_create_external_')).toBe(false);
  });
});
