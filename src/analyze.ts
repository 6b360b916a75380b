/** Measures a video, finds its shots and its good segments. */
import {
  ANALYSIS_SCHEMA,
  type Analysis,
  type AnalysisError,
  type AnalysisEvent,
  type AnalysisOptionsUsed,
  type Sample,
} from './analysis.ts';
import { AnalysisCache } from './analysis-cache.ts';
import { type AnalysisRequest, resolveAnalysisRequest } from './analyze-options.ts';
import type { BackendChoice } from './backend/backend.ts';
import { type BorderedSample, bordersIn } from './detectors/borders.ts';
import type { DecidedFrame } from './detectors/cuts.ts';
import { EventDetector } from './detectors/events.ts';
import { segmentsFrom } from './detectors/segments.ts';
import { describeShots, shotsFrom } from './detectors/shots.ts';
import { byTime } from './detectors/transitions.ts';
import type { MediaError } from './errors.ts';
import { resolveGeometry } from './geometry.ts';
import type { VideoInfo } from './info.ts';
import { type FrameChange, formatHash, motion, quality, SIGNATURE } from './measures.ts';
import { FLAG_KEY_FRAME, FLAG_SAMPLED, MEASURE_ROW } from './native.ts';
import { checkSignal, type HardwareChoice, type VideoSource } from './options.ts';
import { openVideo, type Video } from './video.ts';

/** How far an analysis is. */
export interface AnalyzeProgress {
  /** Presentation time reached, in seconds. */
  readonly time: number;
  /** Seconds of video in all, if known. */
  readonly duration: number | null;
  /** Frames decoded so far. */
  readonly frames: number;
  /** Frames decoded per second of wall time so far. */
  readonly framesPerSecond: number;
  /** 0–1, if the duration is known. */
  readonly fraction: number | null;
}

/** How to analyse. */
export interface AnalyzeOptions extends AnalysisRequest {
  /** Decoder threads; 0, the default, is one per core. */
  threads?: number | undefined;
  /** What decodes, as in `openVideo`. Default `'auto'`. */
  backend?: BackendChoice | undefined;
  /** Where to decode, as for `openVideo`. Default `'auto'`. Measures are the same. */
  hardware?: HardwareChoice | undefined;
  /** Ends the analysis, which rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Called some times a second while frames are decoded; not at all for a result from the cache. */
  onProgress?: ((progress: AnalyzeProgress) => void) | undefined;
  /**
   * Takes the result from there if it is known, and puts it there if it is complete. Several callers that want the same at the same time cause
   * one analysis. The result is frozen then. Streams are always analysed. Default: none.
   */
  cache?: AnalysisCache | undefined;
}

/** Milliseconds between two calls of `onProgress`. */
const PROGRESS_INTERVAL = 100;

/**
 * Analyses a video: samples it `fps` times a second, finds hard cuts by looking at every frame, and from both the shots and the
 * segments worth keeping. Damage is stepped over and reported in `errors`; `complete` says whether anything is missing.
 *
 * @throws {TypeError | RangeError} for a mistake in `options`
 * @throws {MediaError} if the file cannot be opened or holds no frame that can be decoded, with the codes of `openVideo`,
 * `ERR_DECODE` or `ERR_TRUNCATED`
 */
export async function analyze(
  source: VideoSource,
  options: AnalyzeOptions = {},
): Promise<Analysis> {
  return (await analyzeThrough(source, options)).analysis;
}

/** For an import. @internal */
export interface AnalyzeHooks {
  /** Called when the video is open; decoding waits for it. */
  admit?: ((info: VideoInfo) => Promise<void>) | undefined;
}

/**
 * {@link analyze}, and whether the result was there already: from the cache, or from another caller who was making it.
 *
 * @internal
 */
export async function analyzeThrough(
  source: VideoSource,
  options: AnalyzeOptions & AnalyzeHooks = {},
): Promise<{ analysis: Analysis; cached: boolean }> {
  const used = resolveAnalyzeOptions(options);
  const signal = checkSignal(options.signal);
  const { cache } = options;
  if (cache === undefined) {
    return { analysis: await makeAnalysis(source, options, used), cached: false };
  }
  if (!(cache instanceof AnalysisCache)) {
    throw new TypeError(`cache must be an AnalysisCache, got ${String(cache)}`);
  }
  return cache.analysisOf(source, options, signal, (unchanging) =>
    makeAnalysis(unchanging, options, used),
  );
}

async function makeAnalysis(
  source: VideoSource,
  options: AnalyzeOptions & AnalyzeHooks,
  used: AnalysisOptionsUsed,
): Promise<Analysis> {
  const { streamIndex, threads, backend, hardware, signal } = options;
  await using video = await openVideo(source, {
    streamIndex,
    threads,
    backend,
    hardware,
    pixelFormat: 'gray8',
    onDecodeError: 'skip',
    signal,
  });
  await options.admit?.(video.info);
  const collector = new Collector(video, used);
  const report = progressReporter(video, used, options.onProgress);
  const selection = {
    start: used.start,
    end: used.end,
    every: 1 / used.fps,
    step: 1,
    keyFrames: false,
    times: null,
  };
  const geometry = resolveGeometry(video.info, {
    width: used.width,
    height: used.height,
    fit: 'inside',
    withoutEnlargement: true,
    autorotate: true,
    squarePixels: true,
  });
  const measuring = video.measures(selection, geometry, signal, used.cuts);
  for await (const batches of measuring) {
    for (const { rows, count } of batches) {
      for (let i = 0; i < count; i++) {
        const begin = i * MEASURE_ROW.length;
        collector.add(rows.subarray(begin, begin + MEASURE_ROW.length));
      }
    }
    report(collector.end, collector.frames);
  }
  return collector.finish();
}

/** @throws {TypeError | RangeError} naming the option @internal */
export function resolveAnalyzeOptions(options: AnalyzeOptions): AnalysisOptionsUsed {
  if (options.onProgress !== undefined && typeof options.onProgress !== 'function') {
    throw new TypeError(`onProgress must be a function, got ${options.onProgress}`);
  }
  return resolveAnalysisRequest(options);
}

/** A sample that still lacks its scene score. */
type OpenSample = Omit<Sample, 'sceneScore'> & { sceneScore: number; frame: number };

/** Takes measure rows one by one; what it holds grows with the samples only. */
class Collector {
  /** Frames taken. */
  frames = 0;
  /** Seconds: when the last frame's span on screen ends. */
  end = 0;
  readonly #video: Video;
  readonly #used: AnalysisOptionsUsed;
  readonly #detector: EventDetector | null;
  readonly #samples: Sample[] = [];
  /** Samples whose frame the detector has not decided on yet, oldest first. */
  readonly #open: OpenSample[] = [];
  readonly #borders: BorderedSample[] = [];
  #start: number | null = null;
  #lastTime = 0;

  constructor(video: Video, used: AnalysisOptionsUsed) {
    this.#video = video;
    this.#used = used;
    this.#detector = used.cuts ? new EventDetector() : null;
  }

  add(row: Float64Array): void {
    const column = (name: keyof typeof MEASURE_ROW) => row[MEASURE_ROW[name]] as number;
    const { num, den } = this.#video.info.timeBase;
    const pts = column('pts');
    const time = (pts * num) / den;
    const flags = column('flags');
    const dt = this.#start === null ? 0 : time - this.#lastTime;
    this.#start ??= time;
    if ((flags & FLAG_SAMPLED) !== 0) {
      const measures = {
        brightness: column('brightness'),
        contrast: column('contrast'),
        saturation: column('saturation'),
        sharpness: column('sharpness'),
      };
      this.#open.push({
        frame: this.frames,
        time,
        pts,
        keyFrame: (flags & FLAG_KEY_FRAME) !== 0,
        ...measures,
        motion: motion(column('difference'), dt),
        sceneScore: 0,
        hash: formatHash(column('hashHigh'), column('hashLow')),
        quality: quality(measures),
      });
      if (this.#detector !== null) {
        const [left, top] = [column('left'), column('top')];
        const [right, bottom] = [column('right'), column('bottom')];
        const { brightness } = measures;
        this.#borders.push({ time, brightness, left, top, right, bottom });
      }
    }
    this.frames += 1;
    this.#lastTime = time;
    this.end = ((pts + column('duration')) * num) / den;
    if (this.#detector === null) {
      this.#closeSamples(this.frames, 0);
      return;
    }
    this.#decided(this.#detector.push({ time, pts, ...changeOf(row) }));
  }

  #decided(frames: readonly DecidedFrame[]): void {
    for (const { frame, sceneScore } of frames) this.#closeSamples(frame, sceneScore);
  }

  /** Samples up to `frame` are complete; the score is that of the frame itself. */
  #closeSamples(frame: number, sceneScore: number): void {
    while (this.#open[0] !== undefined && this.#open[0].frame <= frame) {
      const { frame: _, ...sample } = this.#open.shift() as OpenSample;
      this.#samples.push({ ...sample, sceneScore });
    }
  }

  finish(): Analysis {
    const { info, decodePath, errors } = this.#video;
    if (this.#start === null) throw nothingInRange(info.source, this.#used);
    const range = { start: this.#start, end: Math.max(this.end, this.#start) };
    const { frames = [], events: seen = [] } = this.#detector?.finish(range.end) ?? {};
    this.#decided(frames);
    const bare = shotsFrom(seen, range);
    const upright = uprightSize(info);
    const borders = bordersIn(this.#borders, bare, upright);
    const events: AnalysisEvent[] = [...seen, ...borders].sort(byTime);
    const shots = describeShots(bare, this.#samples, events);
    return {
      schema: ANALYSIS_SCHEMA,
      source: info.source,
      info,
      options: this.#used,
      decodePath,
      frames: this.frames,
      samples: this.#samples,
      shots,
      segments: segmentsFrom(this.#samples, shots, {
        interval: 1 / this.#used.fps,
        without: events,
      }),
      events,
      errors: errors.map(toAnalysisError),
      complete: errors.length === 0,
    };
  }
}

/** As it is shown, without stretching: where it is turned by 90°, height and width change places. */
function uprightSize({ width, height, rotation }: VideoInfo) {
  return rotation % 180 === 0 ? { width, height } : { width: height, height: width };
}

/** @internal */
export function changeOf(row: Float64Array): FrameChange {
  const column = (name: keyof typeof MEASURE_ROW) => row[MEASURE_ROW[name]] as number;
  const signatureAt = row.byteOffset + 8 * MEASURE_ROW.signature;
  return {
    difference: column('difference'),
    mismatch: column('mismatch'),
    residual: column('residual'),
    recall: column('recall'),
    recallAge: column('recallAge'),
    chroma: column('chroma'),
    color: column('color'),
    shiftX: column('shiftX'),
    shiftY: column('shiftY'),
    dark: column('dark'),
    variance: column('variance'),
    signature: new Uint8Array(row.buffer, signatureAt, SIGNATURE).slice(),
  };
}

function nothingInRange(source: string, used: AnalysisOptionsUsed): Error {
  const { start, end } = used;
  return new RangeError(
    `${source}: no frame is shown from ${start ?? 'the start'} to ${end ?? 'the end'}`,
  );
}

function toAnalysisError({ code, message, time }: MediaError): AnalysisError {
  return { code, message, time: time ?? null };
}

function progressReporter(
  video: Video,
  used: AnalysisOptionsUsed,
  onProgress: AnalyzeOptions['onProgress'],
): (time: number, frames: number) => void {
  if (onProgress === undefined) return () => {};
  const { startTime, duration: whole } = video.info;
  const start = used.start ?? startTime ?? 0;
  const end = used.end ?? (whole === null ? null : (startTime ?? 0) + whole);
  const duration = end === null ? null : Math.max(0, end - start);
  const began = performance.now();
  let last = 0;
  return (time, frames) => {
    const now = performance.now();
    if (now - last < PROGRESS_INTERVAL) return;
    last = now;
    const fraction = duration
      ? Math.min(1, Math.max(0, (time - start) / duration))
      : null;
    const framesPerSecond = frames / Math.max(1e-3, (now - began) / 1000);
    onProgress({ time, duration, frames, framesPerSecond, fraction });
  };
}
