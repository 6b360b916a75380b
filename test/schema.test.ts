import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { type Analysis, analyze } from '../src/index.ts';
import { madeAnalysis } from './helpers/analyses.ts';
import { type ClipName, clip, testOf } from './helpers/clips.ts';
import { mediaFile, mediaTest } from './helpers/media.ts';

const path = join(import.meta.dirname, '..', 'schemas', 'analysis.schema.json');
const schema = JSON.parse(readFileSync(path, 'utf8'));
const validate = new Ajv2020({
  strict: true,
  allowUnionTypes: true,
  allErrors: true,
}).compile(schema);

/** What is wrong with it; as it would be read back. */
function faults(analysis: unknown): string[] {
  validate(JSON.parse(JSON.stringify(analysis)));
  return (validate.errors ?? []).map(({ instancePath, message }) => {
    return `${instancePath} ${message}`;
  });
}

describe('schemas/analysis.schema.json', () => {
  const clips: ClipName[] = [
    ...(['cuts.mp4', 'vfr.mp4', 'rotate90.mp4', 'gray.mkv', 'size-change.h264'] as const),
    ...(['mpeg2.ts', 'damaged.mp4', 'truncated.mkv', 'vp9.webm', 'ten-bit.mp4'] as const),
  ];
  for (const name of clips) {
    testOf(name)(`holds for the analysis of ${name}`, async () => {
      const analysis = await analyze(clip(name));
      expect(analysis.samples.length).toBeGreaterThan(0);
      expect(faults(analysis)).toEqual([]);
    });
  }

  for (const name of ['sintel_trailer-720p.mp4', 'fall-hlg.mov', 'nasa_13013.mp4']) {
    mediaTest(`holds for the analysis of ${name}`, async () => {
      expect(faults(await analyze(mediaFile(`media/${name}`)))).toEqual([]);
    });
  }

  test('knows every field, and no other: at every depth', () => {
    const made = madeAnalysis({ lengths: [3, 4], info: { chapters: [CHAPTER] } });
    const whole = { ...made, errors: [{ code: 'ERR_DECODE', message: 'm', time: 1 }] };
    expect(faults(whole)).toEqual([]);
    for (const place of objectsIn(whole)) {
      if (place.at(-1) === 'metadata') continue; // tags are free
      const more = structuredClone(whole);
      Object.assign(at(more, place), { surprise: 1 });
      expect(faults(more).join(), place.join('.')).toMatch(/must NOT have additional/);
      for (const key of Object.keys(at(whole, place))) {
        const less = structuredClone(whole);
        delete at(less, place)[key];
        expect(faults(less).join(), [...place, key].join('.')).toMatch(
          /must have required/,
        );
      }
    }
  });

  test('has the fields of the types, as the compiler sees them', () => {
    // A field more or less in src/ fails `tsc` here; then the schema has to say the same.
    const fields = {
      sample: {
        ...{ time: 1, pts: 1, keyFrame: 1, brightness: 1, contrast: 1, saturation: 1 },
        ...{ sharpness: 1, motion: 1, sceneScore: 1, hash: 1, quality: 1 },
      } satisfies Fields<Analysis['samples'][number]>,
      shot: {
        ...{ index: 1, start: 1, end: 1, confidence: 1, transition: 1 },
        ...{ representative: 1, duplicateOf: 1, brightness: 1, contrast: 1 },
        ...{ sharpness: 1, motion: 1, quality: 1 },
      } satisfies Fields<Analysis['shots'][number]>,
      segment: {
        ...{ start: 1, end: 1, shot: 1, score: 1, quality: 1, motion: 1, samples: 1 },
      } satisfies Fields<Analysis['segments'][number]>,
      options: {
        ...{ fps: 1, width: 1, height: 1, start: 1, end: 1, cuts: 1 },
      } satisfies Fields<Analysis['options']>,
    };
    for (const [name, keys] of Object.entries(fields)) {
      expect(Object.keys(schema.$defs[name].properties)).toEqual(Object.keys(keys));
    }
    const top = {
      ...{
        schema: 1,
        source: 1,
        info: 1,
        options: 1,
        decodePath: 1,
        frames: 1,
        samples: 1,
      },
      ...{ shots: 1, segments: 1, events: 1, errors: 1, complete: 1 },
    } satisfies Fields<Analysis>;
    expect(Object.keys(schema.properties)).toEqual(Object.keys(top));
    expect(schema.$id).toBe(
      `urn:rushes:analysis:${madeAnalysis({ lengths: [1] }).schema}`,
    );
  });
});

type Fields<T> = Record<keyof T, 1>;
type Tree = Record<string, unknown>;

const CHAPTER = { start: 0, end: 1, title: null };

/** Where objects are, each kind once. */
function objectsIn(value: unknown, place: readonly string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) return objectsIn(value[0], [...place, '0']);
  const inner = Object.entries(value).flatMap(([key, item]) =>
    objectsIn(item, [...place, key]),
  );
  return [[...place], ...inner];
}

function at(value: unknown, place: readonly string[]): Tree {
  return place.reduce<unknown>((inner, key) => (inner as Tree)[key], value) as Tree;
}
