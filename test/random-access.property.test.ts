import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { type FrameAddress, openVideo, type Video } from '../src/index.ts';
import { clip, type GoodClip, testOf } from './helpers/clips.ts';
import { batchDigests, type Digest, digest, digests } from './helpers/frames.ts';

const CLIPS: GoodClip[] = [
  'cuts.mp4',
  'h264-bframes-audio.mp4',
  'keyframes.mp4',
  'mpeg2.ts',
  'rotate90.mp4',
  'size-change.h264', // has no timestamps
  'start-offset.mp4',
  'start-offset.ts',
  'vfr.mp4',
  'vp9.webm',
];
/** Small frames: these tests are about which frames come, and of those many. */
const OPTIONS = { width: 32, pixelFormat: 'gray8' } as const;

type Call =
  | { readonly kind: 'frameAt'; readonly at: Place }
  | { readonly kind: 'framesAt' | 'times'; readonly list: readonly Place[] }
  | { readonly kind: 'frames'; readonly from: Place; readonly to: Place }
  | { readonly kind: 'batches'; readonly from: Place; readonly size: number }
  | { readonly kind: 'break'; readonly from: Place; readonly after: number };

/** A frame as a part of the whole, a moment inside it, and how to name it. */
interface Place {
  readonly part: number;
  readonly inside: number;
  readonly way: 'index' | 'negative' | 'pts' | 'time';
}

const place: fc.Arbitrary<Place> = fc.record({
  part: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  inside: fc.constantFrom(0, 0.001, 0.5, 0.999),
  way: fc.constantFrom('index', 'negative', 'pts', 'time'),
});
const list = fc.array(place, { maxLength: 12 });
const call: fc.Arbitrary<Call> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('frameAt'), at: place }) },
  fc.record({ kind: fc.constantFrom('framesAt', 'times'), list }),
  fc.record({ kind: fc.constant('frames'), from: place, to: place }),
  fc.record({
    kind: fc.constant('batches'),
    from: place,
    size: fc.integer({ min: 1, max: 300 }),
  }),
  fc.record({ kind: fc.constant('break'), from: place, after: fc.nat(20) }),
);

/** The whole pass that everything else has to agree with. */
class Table {
  readonly frames: readonly Digest[];

  constructor(frames: readonly Digest[]) {
    this.frames = frames;
  }

  number({ part }: Place): number {
    return Math.floor(part * this.frames.length);
  }

  /** A moment when that frame is on screen. */
  time(at: Place): number {
    const number = this.number(at);
    const { time, duration } = this.frames[number] as Digest;
    const end = this.frames[number + 1]?.time ?? time + duration;
    return time + at.inside * (end - time);
  }

  address(at: Place): FrameAddress {
    const number = this.number(at);
    switch (at.way) {
      case 'index':
        return { index: number };
      case 'negative':
        return { index: number - this.frames.length };
      case 'pts':
        return { pts: (this.frames[number] as Digest).pts };
      case 'time':
        return this.time(at);
    }
  }

  at(list: readonly Place[]): Digest[] {
    return list.map((at) => this.frames[this.number(at)] as Digest);
  }

  range(start: number, end = Number.POSITIVE_INFINITY): Digest[] {
    const within = (time: number) => time >= start - 1e-9 && time < end - 1e-9;
    return this.frames.filter(({ time }) => within(time));
  }

  /** Makes a call; what it gives, and what it has to give. */
  async make(video: Video, made: Call, signal?: AbortSignal): Promise<Digest[][]> {
    switch (made.kind) {
      case 'frameAt':
        return [
          [digest(await video.frameAt(this.address(made.at), { signal }))],
          this.at([made.at]),
        ];
      case 'framesAt': {
        const addresses = made.list.map((at) => this.address(at));
        const got = await video.framesAt(addresses, { signal });
        return [got.map(digest), this.at(made.list)];
      }
      case 'times': {
        const rising = [...made.list].sort((a, b) => this.time(a) - this.time(b));
        const times = rising.map((at) => this.time(at));
        return [await digests(video.frames({ times, signal })), this.at(rising)];
      }
      case 'frames': {
        const ends = [this.time(made.from), this.time(made.to)];
        const [start, end] = [Math.min(...ends), Math.max(...ends)];
        const got = await digests(video.frames({ start, end, signal }));
        return [got, this.range(start, end)];
      }
      case 'batches': {
        const start = this.time(made.from);
        const got = await batchDigests(video, { start, size: made.size, signal });
        return [got, this.range(start)];
      }
      case 'break': {
        const start = this.time(made.from);
        const limit = made.after + 1;
        const got = await digests(video.frames({ start, signal }), limit);
        return [got, this.range(start).slice(0, limit)];
      }
    }
  }

  async expectCall(video: Video, made: Call): Promise<void> {
    const [got = [], wanted = []] = await this.make(video, made);
    expect(got.map(essence)).toEqual(wanted.map(essence));
  }
}

function essence({ pts, md5, keyFrame, width, height }: Digest) {
  return { pts, md5, keyFrame, width, height };
}

const tables = new Map<GoodClip, Promise<Table>>();

function tableOf(name: GoodClip): Promise<Table> {
  const made =
    tables.get(name) ??
    (async () => {
      await using video = await openVideo(clip(name), OPTIONS);
      return new Table(await digests(video.frames()));
    })();
  tables.set(name, made);
  return made;
}

describe('on one video', () => {
  for (const name of CLIPS) {
    testOf(name)(
      `any order of calls on ${name} gives the frames of a whole pass`,
      async () => {
        const table = await tableOf(name);
        await fc.assert(
          fc.asyncProperty(
            fc.array(call, { minLength: 1, maxLength: 8 }),
            async (calls) => {
              await using video = await openVideo(clip(name), OPTIONS);
              for (const made of calls) await table.expectCall(video, made);
            },
          ),
          { numRuns: 12 },
        );
      },
    );

    testOf(name)(`calls at once on ${name} give the frames of a whole pass`, async () => {
      const table = await tableOf(name);
      await fc.assert(
        fc.asyncProperty(
          fc.array(call, { minLength: 2, maxLength: 4 }),
          async (calls) => {
            await using video = await openVideo(clip(name), OPTIONS);
            await Promise.all(calls.map((made) => table.expectCall(video, made)));
          },
        ),
        { numRuns: 8 },
      );
    });

    testOf(name)(`frames({ times }) of ${name} equals framesAt(times)`, async () => {
      const table = await tableOf(name);
      await using video = await openVideo(clip(name), OPTIONS);
      const { frames } = table;
      const [first, last] = [frames[0] as Digest, frames.at(-1) as Digest];
      const anywhere = fc.double({
        min: first.time - 1,
        max: last.time + 1,
        noNaN: true,
      });
      await fc.assert(
        fc.asyncProperty(
          fc.array(anywhere, { maxLength: 30 }),
          fc.constantFrom('clamp', 'skip', 'throw'),
          async (unsorted, outOfRange) => {
            const times = unsorted.sort((a, b) => a - b);
            const settle = (call: Promise<Digest[]>) => call.catch(String);
            const one = digests(video.frames({ times, outOfRange }));
            const got = await settle(one);
            const other = video.framesAt(times, { outOfRange });
            expect(got).toEqual(await settle(other.then((all) => all.map(digest))));
          },
        ),
        { numRuns: 15 },
      );
    });
  }
});

describe('ended at any moment', () => {
  /** Until the event loop has turned this often, or a while of milliseconds has passed. */
  const moment = fc.oneof(
    fc.record({ turns: fc.nat(12) }),
    fc.record({ milliseconds: fc.nat(12) }),
  );
  type Moment = { turns: number } | { milliseconds: number };
  const unhandled: unknown[] = [];
  const keep = (reason: unknown) => unhandled.push(reason);
  process.on('unhandledRejection', keep);
  afterAll(() => void process.off('unhandledRejection', keep));

  async function until(when: Moment): Promise<void> {
    if ('milliseconds' in when) {
      await new Promise((done) => setTimeout(done, when.milliseconds));
      return;
    }
    for (let i = 0; i < when.turns; i++) await new Promise((done) => setImmediate(done));
  }

  const clips: GoodClip[] = ['h264-bframes-audio.mp4', 'size-change.h264', 'mpeg2.ts'];
  for (const name of clips) {
    testOf(name)(
      `close settles every call on ${name}: frames or ERR_CLOSED`,
      async () => {
        const table = await tableOf(name);
        await fc.assert(
          fc.asyncProperty(
            fc.array(call, { minLength: 1, maxLength: 3 }),
            moment,
            async (calls, when) => {
              const video = await openVideo(clip(name), OPTIONS);
              const results = Promise.allSettled(
                calls.map((made) => table.make(video, made)),
              );
              await until(when);
              await video.close();
              for (const result of await results) {
                if (result.status === 'fulfilled') expectRight(result.value);
                else expect(result.reason).toMatchObject({ code: 'ERR_CLOSED' });
              }
              await expect(video.frameAt({ index: 0 })).rejects.toMatchObject({
                code: 'ERR_CLOSED',
              });
            },
          ),
          { numRuns: 40 },
        );
      },
    );

    testOf(name)(
      `abort settles every call on ${name}: frames or the reason`,
      async () => {
        const table = await tableOf(name);
        await using video = await openVideo(clip(name), OPTIONS);
        await fc.assert(
          fc.asyncProperty(
            fc.array(call, { minLength: 1, maxLength: 3 }),
            moment,
            async (calls, when) => {
              const controller = new AbortController();
              const reason = new Error('enough');
              const results = Promise.allSettled(
                calls.map((made) => table.make(video, made, controller.signal)),
              );
              await until(when);
              controller.abort(reason);
              for (const result of await results) {
                if (result.status === 'fulfilled') expectRight(result.value);
                else expect(result.reason).toBe(reason);
              }
              const again: Call = {
                kind: 'frameAt',
                at: { part: 0.9, inside: 0, way: 'pts' },
              };
              await table.expectCall(video, again); // it still works
            },
          ),
          { numRuns: 40 },
        );
      },
    );
  }

  testOf('size-change.h264')(
    'a search right after an abort misses no packet that was read in between',
    async () => {
      const table = await tableOf('size-change.h264');
      await using video = await openVideo(clip('size-change.h264'), OPTIONS);
      for (let round = 0; round < 60; round++) {
        const controller = new AbortController();
        const { signal } = controller;
        const pass = digests(video.frames({ start: 0.03, signal })).catch(() => []);
        await until({ milliseconds: round % 6 });
        controller.abort();
        await pass;
        const at: Place = { part: (round % 9) / 10, inside: 0, way: 'pts' };
        await table.expectCall(video, { kind: 'frameAt', at });
      }
    },
  );

  test('leaves no rejection unhandled', () => {
    expect(unhandled).toEqual([]);
  });

  function expectRight([got = [], wanted = []]: Digest[][]): void {
    expect(got.map(essence)).toEqual(wanted.map(essence));
  }
});
