/** Uploads from their first byte until their results expire: what is known of each, and the one import that analyses them. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { PassThrough } from 'node:stream';
import { importVideos } from 'rushes';
import { describeError, Problem } from './problems.mjs';

/** @typedef {'receiving' | 'waiting' | 'analysing' | 'done' | 'failed'} Status */

/** One upload, with up to three files. */
export class Job {
  id = randomUUID();
  /** @type {Status} */
  status = 'receiving';
  /** 0–1 while it is analysed, where that is known. @type {number | null} */
  progress = null;
  /** False where the file is damaged; the analysis says what is missing. @type {boolean | null} */
  complete = null;
  /** Whether the same content had been analysed before. @type {boolean | null} */
  cached = null;
  hasThumbnail = false;
  /** Of a failed one. @type {import('./problems.mjs').ErrorDescription | null} */
  error = null;
  /** @type {Set<() => void>} */
  #watchers = new Set();

  /** @param {string} name what the client calls the video @param {string} folder where its files go */
  constructor(name, folder) {
    this.name = name;
    this.video = join(folder, this.id);
    this.analysis = `${this.video}.json`;
    this.thumbnail = `${this.video}.jpg`;
  }

  get isFinished() {
    return this.status === 'done' || this.status === 'failed';
  }

  /** @param {Partial<Pick<Job, 'status' | 'progress' | 'complete' | 'cached' | 'hasThumbnail' | 'error'>>} changes */
  update(changes) {
    Object.assign(this, changes);
    for (const wake of this.#watchers) wake();
  }

  /** Waits for the next change, `milliseconds` at most. @param {number} milliseconds @returns {Promise<void>} */
  changed(milliseconds) {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#watchers.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, milliseconds);
      this.#watchers.add(wake);
    });
  }

  /** The file's name as the client knows it, where an error or an analysis has the path on this machine. @param {string} text */
  withClientName(text) {
    return text.replaceAll(this.video, this.name);
  }

  toJSON() {
    const { id, name, status, progress, complete, cached, error } = this;
    const self = `/videos/${id}`;
    const links = {
      self,
      events: `${self}/events`,
      analysis: status === 'done' ? `${self}/analysis` : null,
      thumbnail: this.hasThumbnail ? `${self}/thumbnail` : null,
    };
    return { id, name, status, progress, complete, cached, error, links };
  }
}

/**
 * @typedef {object} JobsOptions
 * @property {import('rushes').MemoryMonitor} monitor
 * @property {import('rushes').AnalysisCache} cache
 * @property {number} maxJobs uploads that may be on their way, waiting or analysed at the same time
 * @property {number} timeout milliseconds that one file may take
 * @property {number} keep milliseconds for which results can be fetched
 */

/** Finished jobs that are kept at most; with more, the oldest goes before its time. */
const MOST_FINISHED = 10_000;

/**
 * All jobs. `importVideos` runs once, as long as the service: paths go in at one end (`#inbox`) and results come out at the other.
 * It decides how many files are analysed side by side, by cores and memory.
 */
export class Jobs {
  /** Aborts when the service is about to stop: uploads have to end. */
  stopping = new AbortController();
  /** @type {Map<string, Job>} */
  #jobs = new Map();
  /** In the order in which they finished. @type {Set<Job>} */
  #finished = new Set();
  #inbox = new PassThrough({ objectMode: true });
  #abort = new AbortController();
  #folder;
  #options;
  #running;

  /** @param {JobsOptions} options */
  static async create(options) {
    return new Jobs(await mkdtemp(join(tmpdir(), 'import-service-')), options);
  }

  /** @param {string} folder @param {JobsOptions} options */
  constructor(folder, options) {
    this.#folder = folder;
    this.#options = options;
    // Rejects only if something is badly wrong. Nobody catches that, so that the process ends.
    this.#running = this.#run();
  }

  /** @param {string} id */
  get(id) {
    return this.#jobs.get(id);
  }

  /** How many there are in each state. */
  get counts() {
    const counts = { receiving: 0, waiting: 0, analysing: 0, done: 0, failed: 0 };
    for (const { status } of this.#jobs.values()) counts[status] += 1;
    return counts;
  }

  /** Why no upload may begin just now, if so. */
  get refusal() {
    const { monitor, maxJobs } = this.#options;
    if (this.stopping.signal.aborted) return shuttingDown();
    const busy = { 'retry-after': '5' };
    if (monitor.shouldPause()) {
      return new Problem(503, 'MEMORY', 'memory is short; try again later', busy);
    }
    if (this.#jobs.size - this.#finished.size >= maxJobs) {
      return new Problem(503, 'BUSY', `${maxJobs} videos are under way already`, busy);
    }
    return null;
  }

  /** Begins an upload. @param {string} name @throws {Problem} */
  open(name) {
    if (this.refusal !== null) throw this.refusal;
    const job = new Job(name, this.#folder);
    this.#jobs.set(job.id, job);
    return job;
  }

  /** Has an upload analysed that is on disk. @param {Job} job @throws {Problem} */
  submit(job) {
    if (this.stopping.signal.aborted) throw shuttingDown();
    job.update({ status: 'waiting' });
    this.#inbox.write(job.video); // holds `maxJobs` paths at most
  }

  /** Removes a job and all its files. @param {Job} job */
  async remove(job) {
    this.#jobs.delete(job.id);
    this.#finished.delete(job);
    const files = [job.video, job.analysis, job.thumbnail];
    await Promise.all(files.map((file) => rm(file, { force: true })));
  }

  /**
   * Takes no more uploads, ends those that are still being received, and gives the others `grace` milliseconds to finish; what is not
   * done then is ended, too.
   *
   * @param {number} grace
   */
  async finish(grace) {
    this.stopping.abort(shuttingDown());
    this.#inbox.end();
    const timer = setTimeout(() => this.abort(), grace);
    await this.#running;
    clearTimeout(timer);
    for (const job of this.#jobs.values()) {
      if (!job.isFinished) this.#fail(job, shuttingDown());
    }
  }

  /** Ends what is analysed. */
  abort() {
    this.#abort.abort(shuttingDown());
  }

  /** Leaves nothing behind. */
  async removeAll() {
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #run() {
    const { monitor, cache, timeout } = this.#options;
    const { signal } = this.#abort;
    const results = importVideos(this.#inbox, {
      monitor,
      cache,
      timeout,
      signal,
      thumbnail: { width: 480 },
      onProgress: ({ active }) => {
        for (const { source, progress } of active) {
          if (progress === null) continue; // waits for memory, or for the first frame
          const { fraction } = progress;
          this.#jobOf(source)?.update({ status: 'analysing', progress: fraction });
        }
      },
    });
    try {
      for await (const result of results) {
        const job = this.#jobOf(result.source);
        if (job !== undefined) await this.#take(job, result);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** Puts a result on disk, where it takes no memory while it waits to be fetched. @param {Job} job @param {import('rushes').ImportResult} result */
  async #take(job, result) {
    try {
      if (result.error !== undefined) throw result.error;
      const { analysis, thumbnail, cached } = result;
      const json = JSON.stringify(analysis, (_, value) =>
        typeof value === 'string' ? job.withClientName(value) : value,
      );
      await writeFile(job.analysis, json);
      if (thumbnail !== undefined) await writeFile(job.thumbnail, thumbnail.data);
      await rm(job.video);
      const { complete } = analysis;
      const hasThumbnail = thumbnail !== undefined;
      job.update({ status: 'done', progress: 1, complete, cached, hasThumbnail });
      this.#expire(job);
    } catch (error) {
      await rm(job.video, { force: true });
      this.#fail(job, error);
    }
  }

  /** @param {Job} job @param {unknown} error */
  #fail(job, error) {
    job.update({ status: 'failed', error: describeError(error, job) });
    this.#expire(job);
  }

  /** @param {Job} job */
  #expire(job) {
    this.#finished.add(job);
    setTimeout(() => this.remove(job), this.#options.keep).unref();
    const [oldest] = this.#finished;
    if (this.#finished.size > MOST_FINISHED && oldest) void this.remove(oldest);
  }

  /** The job whose video `importVideos` means. @param {import('rushes').VideoSource} source */
  #jobOf(source) {
    return this.#jobs.get(basename(String(source)));
  }
}

function shuttingDown() {
  const headers = { 'retry-after': '5', connection: 'close' };
  return new Problem(503, 'SHUTTING_DOWN', 'the service is about to stop', headers);
}
