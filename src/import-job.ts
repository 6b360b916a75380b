/** One file of an import: its tries, its time, its place in memory, its pictures. */
import type { Analysis, Sample, Shot } from './analysis.ts';
import { type AnalyzeProgress, analyzeThrough } from './analyze.ts';
import { contactSheet } from './contact-sheet.ts';
import { MediaError } from './errors.ts';
import type {
  ImportActivity,
  ImportResult,
  ImportSuccess,
  Listed,
  ResolvedImportOptions,
} from './import-options.ts';
import type { VideoInfo } from './info.ts';
import { decodingBytes, type MemoryGate } from './memory-gate.ts';
import { resolveSource, type VideoSource } from './options.ts';
import { thumbnail } from './pictures.ts';

/** Failures that may not happen again. */
const PASSING: ReadonlySet<string> = new Set([
  'ERR_IO',
  'ERR_OUT_OF_MEMORY',
  'ERR_TIMEOUT',
]);
/** Milliseconds that a file has to end after its time is up, before it is left behind. */
const GRACE = 1000;

/** Frames on a contact sheet when nothing was asked for: eight rows of six. */
const MOST_ON_SHEET = 48;

/** Runs once. */
export class ImportJob {
  /** Resolves when nothing of the file is under way any more. */
  ended: Promise<void> = Promise.resolve();
  readonly #source: VideoSource;
  readonly #index: number;
  readonly #listFailure: Error | undefined;
  readonly #options: ResolvedImportOptions;
  readonly #gate: MemoryGate;
  readonly #stop = new AbortController();
  #progress: AnalyzeProgress | null = null;

  constructor(
    listed: Listed,
    index: number,
    options: ResolvedImportOptions,
    gate: MemoryGate,
  ) {
    this.#source = listed.source;
    this.#listFailure = listed.error;
    this.#index = index;
    this.#options = options;
    this.#gate = gate;
  }

  /** Frames decoded so far. */
  get frames(): number {
    return this.#progress?.frames ?? 0;
  }

  get activity(): ImportActivity {
    return { source: this.#source, index: this.#index, progress: this.#progress };
  }

  /** Ends the job; what `run` then gives is not to be used. */
  abort(reason: unknown): void {
    this.#stop.abort(reason);
  }

  /** Never rejects. */
  async run(threads: number, onProgress: () => void): Promise<ImportResult> {
    const base = { source: this.#source, index: this.#index };
    if (this.#listFailure !== undefined) {
      return { ...base, attempts: 0, error: this.#listFailure };
    }
    for (let attempts = 1; ; attempts++) {
      try {
        return { ...base, attempts, ...(await this.#try(threads, onProgress)) };
      } catch (thrown) {
        const error = thrown instanceof Error ? thrown : new Error(String(thrown));
        const again = attempts <= this.#options.retries && this.#mayPass(error);
        if (!again) return { ...base, attempts, error };
      }
    }
  }

  #mayPass(error: Error): boolean {
    const { code } = error as { code?: string };
    return !this.#stop.signal.aborted && PASSING.has(code ?? '') && !this.#isStream();
  }

  #isStream(): boolean {
    const resolved = resolveSource(this.#source);
    return typeof resolved !== 'string' && !ArrayBuffer.isView(resolved);
  }

  async #try(threads: number, onProgress: () => void): Promise<Outcome> {
    const attempt = new AbortController();
    const onStop = () => attempt.abort(this.#stop.signal.reason);
    this.#stop.signal.addEventListener('abort', onStop, { once: true });
    if (this.#stop.signal.aborted) onStop();

    let giveUp: (error: Error) => void = () => {};
    const givenUp = new Promise<never>((_, reject) => {
      giveUp = reject;
    });
    let grace: NodeJS.Timeout | undefined;
    const clock = new Clock(this.#options.timeout, () => {
      const error = tookTooLong(this.#source, this.#options.timeout);
      attempt.abort(error);
      grace = setTimeout(giveUp, GRACE, error);
    });
    let leave = () => {};
    const admit = async (info: VideoInfo) => {
      clock.pause();
      leave = await this.#gate.enter(decodingBytes(info, threads), attempt.signal);
      clock.resume();
    };
    const work = this.#work({ threads, signal: attempt.signal, admit, onProgress });
    const cleanUp = () => {
      this.#stop.signal.removeEventListener('abort', onStop);
      clock.stop();
      clearTimeout(grace);
      leave();
    };
    const ended = work.then(cleanUp, cleanUp);
    this.ended = Promise.all([this.ended, ended]).then(() => {});
    givenUp.catch(() => {}); // nobody listens once the work has ended
    return Promise.race([work, givenUp]);
  }

  async #work({ threads, signal, admit, onProgress }: Work): Promise<Outcome> {
    this.#progress = null;
    const { analysis, cached } = await analyzeThrough(this.#source, {
      ...this.#options.analyze,
      threads,
      signal,
      admit,
      onProgress: (progress) => {
        this.#progress = progress;
        onProgress();
      },
    });
    return { analysis, cached, ...(await this.#pictures(analysis, signal, threads)) };
  }

  /** An analysis is worth more than its pictures: without them, it still counts. */
  async #pictures(analysis: Analysis, signal: AbortSignal, threads: number) {
    const { thumbnail: small, contactSheet: sheet } = this.#options;
    const pictures: { -readonly [K in keyof Pictures]: Pictures[K] } = {};
    const { backend } = this.#options.analyze;
    const common = { threads, backend, signal };
    if (small === null && sheet === null) return pictures;
    try {
      if (this.#isStream()) throw readAlready();
      if (small !== null) {
        const time = small.time ?? bestMoment(analysis);
        pictures.thumbnail = await thumbnail(this.#source, { ...common, ...small, time });
      }
      if (sheet !== null) {
        const chosen = sheet.times ?? sheet.every ?? sheet.count;
        const times = chosen === undefined ? shotMoments(analysis) : sheet.times;
        pictures.contactSheet = await contactSheet(this.#source, {
          ...common,
          ...sheet,
          times,
        });
      }
    } catch (error) {
      signal.throwIfAborted();
      pictures.pictureError = error as Error;
    }
    return pictures;
  }
}

type Pictures = Pick<ImportSuccess, 'thumbnail' | 'contactSheet' | 'pictureError'>;
type Outcome = Pictures & Pick<ImportSuccess, 'analysis' | 'cached'>;

interface Work {
  readonly threads: number;
  readonly signal: AbortSignal;
  readonly admit: (info: VideoInfo) => Promise<void>;
  readonly onProgress: () => void;
}

/** Runs out once, unless stopped before; time spent paused does not count. */
class Clock {
  readonly #onUp: () => void;
  readonly #total: number | undefined;
  #left: number;
  #since = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param total milliseconds; without them it never runs out */
  constructor(total: number | undefined, onUp: () => void) {
    this.#total = total;
    this.#left = total ?? 0;
    this.#onUp = onUp;
    this.resume();
  }

  pause(): void {
    clearTimeout(this.#timer);
    this.#left -= performance.now() - this.#since;
  }

  resume(): void {
    if (this.#total === undefined) return;
    this.#since = performance.now();
    this.#timer = setTimeout(this.#onUp, Math.max(0, this.#left));
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

function tookTooLong(source: VideoSource, timeout: number | undefined): MediaError {
  const resolved = resolveSource(source);
  const name = typeof resolved === 'string' ? resolved : '<source>';
  const message = `${name}: no result within ${timeout} ms`;
  return new MediaError('ERR_TIMEOUT', message, { source: name });
}

function readAlready(): MediaError {
  const source = '<stream>';
  const message = `${source}: a stream can be read once, and pictures need it again`;
  return new MediaError('ERR_NOT_SEEKABLE', message, { source });
}

/** Seconds: the best sample of the best segment, or of the whole. */
function bestMoment({ samples, segments: [best] }: Analysis): number | undefined {
  const inside =
    best && samples.filter(({ time }) => time >= best.start && time < best.end);
  return bestOf(inside?.length ? inside : samples)?.time;
}

/** Seconds: the best sample of each shot; of more shots than fit on a sheet, of as many spread evenly. */
function shotMoments({ samples, shots }: Analysis): number[] {
  const step = Math.max(1, shots.length / MOST_ON_SHEET);
  const times: number[] = [];
  for (let i = 0; i < shots.length; i += step) {
    const { start, end } = shots[Math.floor(i)] as Shot;
    const best = bestOf(samples.filter(({ time }) => time >= start && time < end));
    times.push(best?.time ?? start);
  }
  return times;
}

function bestOf(samples: readonly Sample[]): Sample | undefined {
  return samples.reduce<Sample | undefined>(
    (best, sample) => (best && best.quality >= sample.quality ? best : sample),
    undefined,
  );
}
