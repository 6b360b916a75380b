/** examples/import-service as a process of its own, over HTTP. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Analysis } from '../src/index.ts';
import { clip, facts, type GoodClip } from './helpers/clips.ts';
import { ffmpeg } from './helpers/ffmpeg.ts';
import { temporaryDirectory } from './helpers/temporary.ts';

const TEMPORARY = temporaryDirectory();
const SERVER = join(import.meta.dirname, '../examples/import-service/server.mjs');
let folders = 0;

/** A video that takes about a second to analyse, 9200 frames, and one that takes far longer. */
const LONG = join(TEMPORARY, 'long.mp4');
const ENDLESS = join(TEMPORARY, 'endless.mp4');
beforeAll(async () => {
  const repeat = (times: number, out: string) =>
    ffmpeg(['-stream_loop', `${times - 1}`, '-i', clip('cuts.mp4'), '-c', 'copy', out]);
  await repeat(40, LONG);
  await repeat(400, ENDLESS);
});

interface Job {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly progress: number | null;
  readonly complete: boolean | null;
  readonly cached: boolean | null;
  readonly error: { readonly status: number; readonly code: string } | null;
  readonly links: Readonly<Record<'self' | 'events' | 'analysis' | 'thumbnail', string>>;
}

interface Health {
  readonly status: string;
  readonly jobs: Readonly<Record<string, number>>;
  readonly memory: { readonly level: string; readonly pressure: number };
}

/** A running service, with folders of its own for temporary files and the cache. */
class Service implements AsyncDisposable {
  readonly folder: string;
  readonly ended: Promise<unknown[]>;
  readonly #child: ChildProcess;
  #url = '';

  static async start(...args: string[]): Promise<Service> {
    const service = new Service(args);
    await service.#listening();
    return service;
  }

  private constructor(args: readonly string[]) {
    const root = join(TEMPORARY, String(folders++));
    this.folder = join(root, 'tmp');
    mkdirSync(this.folder, { recursive: true });
    const own = ['--port', '0', '--cache-dir', join(root, 'cache')];
    this.#child = spawn(process.execPath, [SERVER, ...own, ...args], {
      env: { ...process.env, TMPDIR: this.folder },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.ended = once(this.#child, 'exit');
  }

  /** Fastify's log has a line with the port. Reads it to the end. */
  #listening(): Promise<void> {
    const lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream });
    return new Promise((resolve, reject) => {
      lines.on('line', (line) => {
        const { msg } = JSON.parse(line) as { msg: string };
        const url = /^Server listening at (.*)/.exec(msg)?.[1];
        if (url !== undefined) this.#url = url;
        if (url !== undefined) resolve();
      });
      lines.on('close', () => reject(new Error('the service has ended')));
    });
  }

  fetch(path: string, init?: RequestInit): Promise<Response> {
    return fetch(this.#url + path, init);
  }

  async json<T>(path: string): Promise<T> {
    return (await this.fetch(path)).json() as Promise<T>;
  }

  post(bytes: Uint8Array, name: string): Promise<Response> {
    const body = new FormData();
    body.append('file', new Blob([new Uint8Array(bytes)]), name);
    return this.fetch('/videos', { method: 'POST', body });
  }

  /** Uploads what has to be taken. */
  async upload(bytes: Uint8Array, name = 'clip.mp4'): Promise<Job> {
    const response = await this.post(bytes, name);
    expect(response.status).toBe(202);
    const job = (await response.json()) as Job;
    expect(response.headers.get('location')).toBe(job.links.self);
    return job;
  }

  /** Begins an upload and leaves it there; `end` sends the rest. */
  hang(bytes: Uint8Array) {
    const boundary = 'boundary';
    const upload = request(`${this.#url}/videos`, {
      method: 'POST',
      headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
    });
    const answer = new Promise<number | undefined>((resolve) => {
      upload.on('response', ({ statusCode }) => resolve(statusCode));
      upload.on('error', () => resolve(undefined));
    });
    const disposition = 'Content-Disposition: form-data; name="file"; filename="a.mp4"';
    upload.write(`--${boundary}\r\n${disposition}\r\n\r\n`);
    upload.write(bytes.subarray(0, 1000));
    return {
      /** The status, once there is one. */
      answer,
      breakOff: () => upload.destroy(),
      end() {
        upload.write(bytes.subarray(1000));
        upload.end(`\r\n--${boundary}--\r\n`);
        return answer;
      },
    };
  }

  /** Events with the job in each, until the service ends them. */
  async *events({ links }: Job): AsyncGenerator<{ event: string; job: Job }> {
    const response = await this.fetch(links.events);
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    let text = '';
    const decoder = new TextDecoder();
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      text += decoder.decode(chunk, { stream: true });
      const parts = text.split('\n\n');
      text = parts.pop() as string;
      for (const part of parts) {
        const [, event = '', data = ''] = /^event: (.*)\ndata: (.*)$/.exec(part) ?? [];
        if (event !== '') yield { event, job: JSON.parse(data) as Job };
      }
    }
  }

  /** The job as its last event has it. */
  async finished(job: Job): Promise<Job> {
    let last = job;
    for await (const event of this.events(job)) last = event.job;
    return last;
  }

  /** Resolves when the job has a progress above 0. */
  async underWay(job: Job): Promise<void> {
    for await (const { job: now } of this.events(job)) if (now.progress) return;
  }

  /** Asks again and again until there are so many. */
  async counts(status: string, wanted: number): Promise<void> {
    for (;;) {
      const { jobs } = await this.json<Health>('/health');
      if (jobs[status] === wanted) return;
      await delay(10);
    }
  }

  /** Uploads and results on disk. */
  get files(): string[] {
    const entries = readdirSync(this.folder, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  }

  terminate(): void {
    this.#child.kill('SIGTERM');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.ended;
  }
}

const bytesOf = (name: GoodClip) => readFileSync(clip(name));

/** The clip with a box that players skip, so that no two are the same file. */
function numbered(name: GoodClip, number: number): Buffer {
  const box = Buffer.alloc(12);
  box.writeUInt32BE(box.length);
  box.write('free', 4);
  box.writeUInt32BE(number, 8);
  return Buffer.concat([bytesOf(name), box]);
}

describe('the import service', () => {
  let service: Service;
  beforeAll(async () => {
    service = await Service.start('--max-upload', '3e6');
  });
  afterAll(() => service[Symbol.asyncDispose]());

  test('analyses fifty uploads that come at once, and mixes nothing up', async () => {
    const names = ['upright.mp4', 'vfr.mp4', 'keyframes.mp4', 'cuts.mp4'] as const;
    const nameOf = (i: number) => names[i % names.length] as GoodClip;
    const jobs = await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        service.upload(numbered(nameOf(i), i), `${i}.mp4`),
      ),
    );
    const finished = await Promise.all(jobs.map((job) => service.finished(job)));
    const done = { status: 'done', complete: true, cached: false, error: null };
    expect(finished).toMatchObject(jobs.map(({ id, name }) => ({ id, name, ...done })));
    for (const [i, { name, links }] of finished.entries()) {
      const { frames, width, height } = facts(nameOf(i));
      const analysis = await service.json<Analysis>(links.analysis);
      expect(analysis).toMatchObject({ source: name, frames, info: { source: name } });
      const thumbnail = await (await service.fetch(links.thumbnail)).arrayBuffer();
      const picture = await sharp(thumbnail).metadata();
      expect(picture).toMatchObject({ format: 'jpeg', width, height });
    }
    // Of the videos themselves nothing is left.
    expect(service.files.filter((file) => !/\.(json|jpg)$/.test(file))).toEqual([]);
  });

  test('knows a video that it has seen before', async () => {
    const first = await service.upload(numbered('upright.mp4', 1000));
    expect(await service.finished(first)).toMatchObject({ cached: false });
    const again = await service.upload(numbered('upright.mp4', 1000), 'other.mov');
    expect(await service.finished(again)).toMatchObject({
      name: 'other.mov',
      cached: true,
    });
  });

  test('tells progress as it goes, also when one listener hangs up', async () => {
    const job = await service.upload(readFileSync(LONG));
    const hangsUp = service.underWay(job);
    const events = [];
    for await (const { event, job: now } of service.events(job)) {
      if (events.length === 0) {
        const early = await service.fetch(`/videos/${job.id}/analysis`);
        expect(early.status).toBe(409);
      }
      events.push({ event, ...now });
    }
    await hangsUp;
    const last = events.pop();
    expect(last).toMatchObject({ event: 'done', status: 'done', progress: 1 });
    expect(new Set(events.map(({ event }) => event))).toEqual(new Set(['progress']));
    const progress = events.map((event) => event.progress ?? 0);
    expect(progress).toEqual(progress.toSorted((a, b) => a - b));
    // How many more depends on how busy the machine is.
    expect(new Set(progress).size).toBeGreaterThan(1);
    expect(Math.max(...progress)).toBeLessThanOrEqual(1);
  });

  const playlist = Buffer.from(
    `#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n${clip('mpeg2.ts')}\n#EXT-X-ENDLIST\n`,
  );
  test.each([
    ['garbage', 415, 'ERR_INVALID_DATA', readFileSync(clip('garbage.mp4'))],
    ['a text', 415, 'ERR_INVALID_DATA', readFileSync(clip('text.txt'))],
    // Since FFmpeg 7.1 a playlist must be named as one; then it is no video at all.
    ['a playlist of files on the server', 415, /CONTAINER|ERR_INVALID_DATA/, playlist],
    ['sound alone', 422, 'ERR_NO_VIDEO', readFileSync(clip('audio-only.m4a'))],
    ['an empty file', 422, 'ERR_EMPTY', new Uint8Array()],
    ['a file that is too large', 413, 'TOO_LARGE', new Uint8Array(3e6 + 1)],
    ['a request that is too large', 413, 'TOO_LARGE', new Uint8Array(4e6)],
  ])('answers %s with %i, %s, and keeps none of it', async (_, status, code, bytes) => {
    const before = service.files;
    const response = await service.post(bytes, 'video.mp4');
    const problem = await response.text();
    expect(JSON.parse(problem)).toMatchObject({
      status,
      code: expect.stringMatching(code),
    });
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(problem).not.toContain(service.folder);
    expect(service.files).toEqual(before);
  });

  test('tells of a video that cannot be analysed why, and keeps none of it', async () => {
    const before = service.files;
    const encrypted = await service.upload(readFileSync(clip('encrypted.mp4')));
    const { status, error, links } = await service.finished(encrypted);
    expect(status).toBe('failed');
    expect(error).toMatchObject({ status: 422, code: 'ERR_ENCRYPTED' });
    expect(links).toMatchObject({ analysis: null, thumbnail: null });
    const response = await service.fetch(`${links.self}/analysis`);
    expect(response.status).toBe(422);
    expect(await response.json()).toEqual(error);
    expect(service.files).toEqual(before);
  });

  test('says which part of a damaged video is missing', async () => {
    const job = await service.upload(readFileSync(clip('truncated.mp4')));
    const { status, complete, links } = await service.finished(job);
    expect({ status, complete }).toEqual({ status: 'done', complete: false });
    const { errors } = await service.json<Analysis>(links.analysis);
    expect(errors).toMatchObject([{ code: 'ERR_TRUNCATED' }]);
    expect(errors[0]?.message).toMatch(/^clip\.mp4: /);
  });

  test('answers requests that make no sense', async () => {
    const form = new FormData();
    form.append('file', 'no file');
    const empty = await service.fetch('/videos', { method: 'POST', body: form });
    expect(empty.status).toBe(400);
    const plain = await service.fetch('/videos', { method: 'POST', body: 'a=b' });
    expect(plain.status).toBe(415);
    expect((await service.fetch('/videos/no-such-video')).status).toBe(404);
    expect((await service.fetch('/videos/no-such-video/events')).status).toBe(404);
  });

  test('forgets an upload that is broken off', async () => {
    const before = service.files;
    const upload = service.hang(bytesOf('cuts.mp4'));
    await service.counts('receiving', 1);
    expect(service.files).toHaveLength(before.length + 1);
    upload.breakOff();
    await service.counts('receiving', 0);
    while (service.files.length > before.length) await delay(10); // removed after the entry
    expect(service.files).toEqual(before);
  });
});

describe('an import service under load', () => {
  test('sends uploads away while too many are under way, and takes them later', async () => {
    await using service = await Service.start('--max-jobs', '3');
    const bytes = bytesOf('upright.mp4');
    const uploads = [1, 2, 3].map(() => service.hang(bytes));
    await service.counts('receiving', 3);
    const refused = await service.post(bytes, 'fourth.mp4');
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('5');
    expect(await refused.json()).toMatchObject({ code: 'BUSY' });
    expect((await service.fetch('/health')).status).toBe(503);
    expect(await Promise.all(uploads.map((upload) => upload.end()))).toEqual([
      202, 202, 202,
    ]);
    await service.counts('done', 3);
    expect((await service.fetch('/health')).status).toBe(200);
    await service.upload(bytes);
  });

  test('sends uploads away while memory is short, and says so', async () => {
    // Node alone takes more than that.
    await using service = await Service.start('--budget', '1e6');
    const refused = await service.post(bytesOf('upright.mp4'), 'clip.mp4');
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('5');
    expect(await refused.json()).toMatchObject({ code: 'MEMORY' });
    const health = await service.fetch('/health');
    expect(health.status).toBe(503);
    expect(await health.json()).toMatchObject({
      status: 'MEMORY',
      memory: { level: 'critical', dominant: 'process' },
    });
    expect(service.files).toEqual([]);
  });

  test('forgets results after a while', async () => {
    await using service = await Service.start('--keep', '0.2');
    const job = await service.finished(await service.upload(bytesOf('upright.mp4')));
    while ((await service.fetch(job.links.self)).status !== 404) await delay(20);
    await service.counts('done', 0);
    while (service.files.length > 0) await delay(10); // removed after the entry
  });
});

describe('an import service that gets SIGTERM', () => {
  test('finishes what is analysed, ends uploads, and leaves nothing behind', async () => {
    await using service = await Service.start('--grace', '60');
    const job = await service.upload(readFileSync(LONG));
    const upload = service.hang(bytesOf('cuts.mp4'));
    await service.counts('receiving', 1);
    await service.underWay(job);
    const finished = service.finished(job);
    service.terminate();
    expect(await finished).toMatchObject({ status: 'done', complete: true });
    expect(await upload.answer).toBe(503);
    expect(await service.ended).toEqual([0, null]);
    expect(readdirSync(service.folder)).toEqual([]);
  });

  test('ends what would take longer than its grace, and leaves nothing behind', async () => {
    await using service = await Service.start('--grace', '0');
    const job = await service.upload(readFileSync(ENDLESS));
    await service.underWay(job);
    const finished = service.finished(job);
    service.terminate();
    const error = { status: 503, code: 'SHUTTING_DOWN' };
    expect(await finished).toMatchObject({ status: 'failed', error });
    expect(await service.ended).toEqual([0, null]);
    expect(readdirSync(service.folder)).toEqual([]);
  });
});
