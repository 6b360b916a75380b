/** The routes: how uploads come in, and how results, progress and health go out. */

import { setMaxListeners } from 'node:events';
import { createReadStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { addAbortSignal, Readable } from 'node:stream';
import multipart from '@fastify/multipart';
import fastify from 'fastify';
import { AnalysisCache, MemoryMonitor, probe } from 'rushes';
import { Jobs } from './jobs.mjs';
import { describeError, Problem } from './problems.mjs';

/**
 * @typedef {object} ServiceOptions
 * @property {number} maxUpload bytes of one file
 * @property {number} maxJobs uploads that may be on their way, waiting or analysed at the same time
 * @property {number} timeout seconds that one file may take
 * @property {number} keep seconds for which results can be fetched
 * @property {number | `${number}%`} budget of memory: see MemoryMonitor
 * @property {string | undefined} cacheDirectory see AnalysisCache
 */

/** What an upload may take besides its file: boundaries and headers of the form. */
const FORM_OVERHEAD = 16_384;
/** Milliseconds without a byte after which a connection is cut; event streams have a heartbeat more often. */
const IDLE = 60_000;
const HEARTBEAT = 15_000;
/** Milliseconds for answers under way when all jobs have ended. */
const LINGER = 1000;
/** Milliseconds to find out what a file is. */
const PROBE_TIMEOUT = 10_000;

/**
 * FFmpeg's names of the containers that are taken. Others, playlists above all, may name further files, which on a server would be
 * files that are none of the client's.
 */
const CONTAINERS = new Set([
  'mov',
  'matroska',
  'webm',
  'avi',
  'mpegts',
  'mpeg',
  'flv',
  'ogg',
  'asf',
  'mxf',
]);

/** @param {ServiceOptions} options */
export async function createService(options) {
  const { maxUpload, maxJobs, budget, cacheDirectory } = options;
  const monitor = new MemoryMonitor({ budget }).start();
  const cache = new AnalysisCache({ directory: cacheDirectory });
  const jobs = await Jobs.create({
    monitor,
    cache,
    maxJobs,
    timeout: options.timeout * 1000,
    keep: options.keep * 1000,
  });
  setMaxListeners(0, jobs.stopping.signal); // one for each upload

  const app = fastify({ logger: true, connectionTimeout: IDLE });
  app.setErrorHandler((error, request, reply) => {
    const { status, ...rest } = describeError(error);
    if (status >= 500 && !(error instanceof Problem)) request.log.error(error);
    if (error instanceof Problem) reply.headers(error.headers);
    reply.code(status).type('application/problem+json');
    return reply.send({ status, ...rest });
  });
  await takeUploads(app, jobs, maxUpload);
  giveResults(app, jobs);
  giveHealth(app, jobs, monitor);

  return {
    app,
    /**
     * Ends the service: uploads at once, analyses when they are done, or after `grace` seconds.
     *
     * @param {number} grace
     */
    async close(grace) {
      await jobs.finish(grace * 1000);
      // Event streams have ended with their jobs. Whoever still fetches something has a moment for it; connections that were opened and
      // never used would stay for ever.
      const impatience = setTimeout(() => app.server.closeAllConnections(), LINGER);
      await app.close();
      clearTimeout(impatience);
      monitor.close();
      await cache.close();
      await jobs.removeAll();
    },
    /** Ends the analyses that `close` waits for. */
    abort: () => jobs.abort(),
  };
}

/** @param {import('fastify').FastifyInstance} app @param {Jobs} jobs @param {number} maxUpload */
async function takeUploads(app, jobs, maxUpload) {
  app.removeAllContentTypeParsers(); // anything but a form is 415
  const limits = { files: 1, fields: 10, fileSize: maxUpload };
  await app.register(multipart, { limits });

  app.post('/videos', async (request, reply) => {
    if (Number(request.headers['content-length']) > maxUpload + FORM_OVERHEAD) {
      throw tooLarge(maxUpload);
    }
    if (jobs.refusal !== null) throw jobs.refusal; // before anything is read
    const file = await request.file();
    if (file === undefined) {
      throw new Problem(400, 'NO_FILE', 'the form holds no file');
    }
    const job = jobs.open(file.filename);
    const { signal } = jobs.stopping;
    try {
      // As fast as the disk takes it. Rejects as well if the client goes away; the file is closed then.
      await writeFile(job.video, addAbortSignal(signal, file.file));
      if (file.file.truncated) throw tooLarge(maxUpload);
      await lookAt(job);
      jobs.submit(job);
    } catch (error) {
      await jobs.remove(job);
      throw signal.aborted ? signal.reason : error;
    }
    return reply.code(202).header('location', `/videos/${job.id}`).send(job);
  });
}

/** @param {number} maxUpload */
function tooLarge(maxUpload) {
  return new Problem(413, 'TOO_LARGE', `a file may have ${maxUpload} bytes at most`);
}

/**
 * Whether it is a video at all is worth knowing while the client still listens. One file after the other: a crowd of uploads takes no
 * more memory than one.
 *
 * @param {import('./jobs.mjs').Job} job @returns {Promise<void>} @throws {Problem}
 */
function lookAt(job) {
  const turn = lastLook.then(async () => {
    const signal = AbortSignal.timeout(PROBE_TIMEOUT);
    const { container } = await probe(job.video, { signal });
    if (container.split(',').some((name) => CONTAINERS.has(name))) return;
    throw new Problem(415, 'CONTAINER', `files of format ${container} are not taken`);
  });
  lastLook = turn.catch(() => {});
  return turn.catch((error) => {
    const { status, code, detail } = describeError(error, job);
    throw status < 500 ? new Problem(status, code, detail) : error;
  });
}
/** @type {Promise<void>} */
let lastLook = Promise.resolve();

/** @param {import('fastify').FastifyInstance} app @param {Jobs} jobs */
function giveResults(app, jobs) {
  app.get('/videos/:id', async (request) => find(request));

  app.get('/videos/:id/events', async (request, reply) => {
    const job = find(request);
    reply.type('text/event-stream').header('cache-control', 'no-store');
    reply.header('connection', 'close'); // or it would be kept open after the end
    return reply.send(Readable.from(eventsOf(job)));
  });

  app.get('/videos/:id/analysis', async (request, reply) => {
    const job = find(request);
    checkDone(job);
    return reply.type('application/json').send(createReadStream(job.analysis));
  });

  app.get('/videos/:id/thumbnail', async (request, reply) => {
    const job = find(request);
    checkDone(job);
    if (!job.hasThumbnail) {
      throw new Problem(404, 'NO_THUMBNAIL', 'no picture could be made of this video');
    }
    return reply.type('image/jpeg').send(createReadStream(job.thumbnail));
  });

  /** @param {import('fastify').FastifyRequest} request */
  function find(request) {
    const { id } = /** @type {{ id: string }} */ (request.params);
    const job = jobs.get(id);
    if (job !== undefined) return job;
    throw new Problem(404, 'UNKNOWN', 'no such video, or its results have expired');
  }
}

/**
 * 503 whenever an upload would be refused, so that a load balancer sends it elsewhere.
 *
 * @param {import('fastify').FastifyInstance} app @param {Jobs} jobs @param {MemoryMonitor} monitor
 */
function giveHealth(app, jobs, monitor) {
  app.get('/health', async (_, reply) => {
    const { refusal } = jobs;
    if (refusal !== null) reply.code(refusal.status).headers(refusal.headers);
    const { level, pressure, dominant, figures } = monitor.sample();
    const recommendations = monitor.recommendations();
    return {
      status: refusal?.code ?? 'OK',
      jobs: jobs.counts,
      memory: { level, pressure, dominant, process: figures.process, recommendations },
    };
  });
}
/** @param {import('./jobs.mjs').Job} job @throws {Problem} */
function checkDone(job) {
  if (job.error !== null) {
    const { status, code, detail } = job.error;
    throw new Problem(status, code, detail);
  }
  if (job.status !== 'done') {
    throw new Problem(409, 'NOT_READY', 'the analysis is under way', {
      'retry-after': '1',
    });
  }
}

/**
 * Server-sent events: the job as it is now, and again whenever it changes, until it is done. Each event is asked for when the
 * connection has room for it, so a slow client misses some, and nothing piles up.
 *
 * @param {import('./jobs.mjs').Job} job
 */
async function* eventsOf(job) {
  let last = '';
  for (;;) {
    const { isFinished, status } = job;
    const data = JSON.stringify(job);
    const name = isFinished ? status : 'progress';
    yield data === last ? ': still here\n\n' : `event: ${name}\ndata: ${data}\n\n`;
    if (isFinished) return;
    last = data;
    if (JSON.stringify(job) === data) await job.changed(HEARTBEAT);
  }
}
