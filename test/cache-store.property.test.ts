/** Laws of the cache's bookkeeping, against a model that keeps everything in a Map. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { packIndex, seal, unpackIndex, unseal } from '../src/cache/record.ts';
import { Store } from '../src/cache/store.ts';
import { checkStructure } from '../src/cache/structure.ts';
import type { FrameIndex } from '../src/frame-index.ts';
import { temporaryDirectory } from './helpers/temporary.ts';

const root = temporaryDirectory();
let count = 0;
const MAX_AGE = 1e12;

type Step =
  | { do: 'put'; key: string; length: number }
  | { do: 'get' | 'remove' | 'touch'; key: string }
  | { do: 'prune'; part: number }
  | { do: 'reopen' | 'clear' };

const key = fc.constantFrom(...'abcdefghijkl').map((letter) => `a:${letter}`);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('put' as const),
      key,
      length: fc.integer({ min: 0, max: 6000 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constantFrom('get', 'remove', 'touch'), key }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('prune' as const),
      part: fc.double({ min: 0.1, max: 1, noNaN: true }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('reopen', 'clear') }) },
);

/** Does not deflate to nothing. */
function value(length: number): number[] {
  let state = length + 1;
  return Array.from({ length }, () => {
    state = (state * 48271) % 2147483647;
    return state % 1000;
  });
}

describe('the store', () => {
  test('keeps to its cap, forgets the least recently used, and never miscounts', async () => {
    const steps = fc.array(step, { maxLength: 60 });
    const cap = fc.integer({ min: 20_000, max: 80_000 });
    await fc.assert(
      fc.asyncProperty(steps, cap, async (steps, maxBytes) => {
        const directory = join(root, String(count++));
        const limits = { maxBytes, maxAge: MAX_AGE };
        let store = await Store.open(directory, expect.fail);
        // Least recently used first, as a Map keeps its keys.
        const model = new Map<string, { length: number; bytes: number }>();
        const use = (key: string) => {
          const entry = model.get(key);
          if (entry === undefined) return;
          model.delete(key);
          model.set(key, entry);
        };
        const total = () =>
          [...model.values()].reduce((sum, { bytes }) => sum + bytes, 0);
        const evict = (most: number, except?: string) => {
          if (total() <= most) return;
          for (const [key] of [...model]) {
            if (total() <= most * 0.8) break;
            if (key !== except) model.delete(key);
          }
        };
        for (const step of steps) {
          if (step.do === 'put') {
            const kept = store.put(step.key, value(step.length), limits);
            if (kept) {
              const use = store.uses().find(([key]) => key === step.key);
              const bytes = (use as NonNullable<typeof use>)[1].bytes;
              expect(bytes).toBeGreaterThan(seal(step.key, value(step.length)).length);
              model.delete(step.key);
              model.set(step.key, { length: step.length, bytes });
              evict(maxBytes, step.key);
            }
          } else if (step.do === 'get') {
            const entry = model.get(step.key);
            const expected = entry === undefined ? undefined : value(entry.length);
            expect(store.get(step.key, MAX_AGE)).toEqual(expected);
            use(step.key);
          } else if (step.do === 'touch') {
            store.touch(step.key);
            use(step.key);
          } else if (step.do === 'remove') {
            expect(store.remove([step.key])).toBe(model.delete(step.key) ? 1 : 0);
          } else if (step.do === 'prune') {
            const most = Math.floor(total() * step.part);
            store.prune({ maxBytes: most, maxAge: MAX_AGE });
            evict(most);
          } else {
            if (step.do === 'clear') {
              store.clear();
              model.clear();
            }
            await store.close();
            store = await Store.open(directory, expect.fail);
          }
          expect(store.uses().map(([key]) => key)).toEqual([...model.keys()]);
          expect(store.bytes).toBe(total());
          expect(store.bytes).toBeLessThanOrEqual(maxBytes);
        }
        expect(await store.verify()).toEqual({ sound: model.size, damaged: 0 });
        await store.close();
        await checkStructure(join(directory, 'v1', 'data.mdb'));
      }),
      { numRuns: 60 },
    );
  });

  test('keeps the file on disk near the cap, however long it is written to', async () => {
    const directory = join(root, String(count++));
    const store = await Store.open(directory, expect.fail);
    const limits = { maxBytes: 4e6, maxAge: MAX_AGE };
    for (let i = 0; i < 1500; i++)
      store.put(`a:${i}`, value((i * 7919) % 20_000), limits);
    expect(store.bytes).toBeLessThanOrEqual(4e6);
    expect(store.bytes).toBeGreaterThan(4e6 * 0.6);
    const { size } = statSync(join(directory, 'v1', 'data.mdb'));
    // Pages that are free are used again; values of several pages do not fit every gap.
    expect(size).toBeLessThan(4e6 * 1.5);
    await store.close();
  });
});

describe('a record', () => {
  test('comes back as it went in, under its own key, and not at all once changed', () => {
    fc.assert(
      fc.property(
        fc.jsonValue(),
        fc.string(),
        fc.nat(),
        fc.integer({ min: 0, max: 7 }),
        (json, key, at, bit) => {
          const wanted = JSON.parse(JSON.stringify(json)) as unknown;
          const sealed = seal(key, json);
          expect(unseal(key, sealed)).toEqual(wanted);
          expect(unseal(`${key}x`, sealed)).toBeUndefined();
          const i = at % sealed.length;
          sealed[i] = (sealed[i] as number) ^ (1 << bit);
          expect(unseal(key, sealed)).toBeUndefined();
          expect(unseal(key, sealed.subarray(0, i))).toBeUndefined();
        },
      ),
    );
  });

  test('of a frame index holds every number', () => {
    const column = fc.array(fc.integer({ min: -(2 ** 50), max: 2 ** 50 }));
    fc.assert(
      fc.property(column, column, column, column, (pts, duration, position, order) => {
        const index: FrameIndex = {
          length: pts.length,
          timeBase: { num: 1, den: 90_000 },
          pts,
          duration,
          keyFrames: [0, 7],
          position,
          order,
          source: 'packets',
        };
        const packed = JSON.parse(JSON.stringify(packIndex(index))) as unknown;
        expect(unpackIndex(packed)).toEqual(index);
      }),
    );
  });
});
