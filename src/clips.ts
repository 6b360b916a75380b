/** Light lists of what is worth loading, and the loading of one of them. */
import type { Analysis, Sample } from './analysis.ts';
import type { Frame } from './frame.ts';
import {
  checkPositive,
  type FrameSelection,
  type OpenOptions,
  type VideoSource,
} from './options.ts';
import { type Thumbnail, type ThumbnailsOptions, thumbnail } from './pictures.ts';
import { openVideo } from './video.ts';

/** A span to load or cut later. Plain data, JSON-safe. */
export interface Clip {
  /** The path, or a description of the source. */
  readonly source: string;
  /** Seconds on the stream's own clock, half-open. */
  readonly start: number;
  readonly end: number;
  /** Index of the shot it lies in. */
  readonly shot: number;
  /** Mean of quality + 0.1 · motion over its samples, as of segments. */
  readonly score: number;
  /** Time of the frame that stands for it: the sample of the highest quality. */
  readonly representative: number;
}

/** {@link clipsFrom} */
export interface ClipOptions {
  /** Least seconds of a clip. Default 1. */
  minimum?: number | undefined;
  /** Most seconds of a clip; longer segments are divided evenly. Default 8. */
  maximum?: number | undefined;
  /** Seconds wanted in all: the best clips until they come to that, the last one shortened to fit. Default: all clips. */
  target?: number | undefined;
}

/** {@link loadClip} */
export interface LoadClipOptions
  extends OpenOptions,
    Pick<FrameSelection, 'every' | 'fps' | 'step' | 'keyFrames'> {
  /** What to read instead of `clip.source`: for clips of bytes, or of a file that was moved. */
  source?: VideoSource | undefined;
}

/**
 * The segments worth keeping as clips of a handy length, best first. Nothing is opened or decoded.
 *
 * @throws {TypeError | RangeError} for a mistake in `options`
 */
export function clipsFrom(analysis: Analysis, options: ClipOptions = {}): Clip[] {
  const minimum = checkPositive('minimum', options.minimum) ?? 1;
  const maximum = checkPositive('maximum', options.maximum) ?? 8;
  const target = checkPositive('target', options.target) ?? Number.POSITIVE_INFINITY;
  if (maximum < minimum) {
    throw new RangeError(
      `maximum must not be below minimum, got ${maximum} < ${minimum}`,
    );
  }
  const clips = analysis.segments
    .flatMap(({ start, end, shot, score }) => {
      const parts = Math.max(1, Math.ceil((end - start) / maximum - 1e-9));
      const length = (end - start) / parts;
      return Array.from({ length: parts }, (_, i) => {
        const span = { start: start + i * length, end: start + (i + 1) * length };
        return describe(analysis, { ...span, shot, score });
      });
    })
    .filter(({ start, end }) => end - start >= minimum - 1e-9)
    .sort((a, b) => b.score - a.score || a.start - b.start);
  return untilTarget(clips, target, minimum);
}

/**
 * Yields the frames of one clip, `start ≤ time < end`. Opens the video when iteration begins and closes it when that ends, also where
 * it is left early.
 *
 * @throws as `openVideo` and `Video.frames`
 */
export async function* loadClip(
  clip: Pick<Clip, 'source' | 'start' | 'end'>,
  options: LoadClipOptions = {},
): AsyncGenerator<Frame, void, undefined> {
  const { source = clip.source, every, fps, step, keyFrames, ...open } = options;
  const { start, end } = clip;
  await using video = await openVideo(source, open);
  yield* video.frames({ start, end, every, fps, step, keyFrames });
}

/**
 * The picture that stands for a clip, made when asked for.
 *
 * @throws as `thumbnail`
 */
export function clipThumbnail(
  clip: Pick<Clip, 'source' | 'representative'>,
  options: ThumbnailsOptions & { source?: VideoSource | undefined } = {},
): Promise<Thumbnail> {
  const { source = clip.source, ...rest } = options;
  return thumbnail(source, { ...rest, time: clip.representative });
}

function describe(
  { source, samples }: Analysis,
  span: { start: number; end: number; shot: number; score: number },
): Clip {
  const inside = samples.filter(({ time }) => time >= span.start && time < span.end);
  const { start, end, shot } = span;
  const sum = inside.reduce(
    (total, { quality, motion }) => total + quality + 0.1 * motion,
    0,
  );
  const score = inside.length > 0 ? sum / inside.length : span.score;
  return {
    source,
    start,
    end,
    shot,
    score,
    representative: bestTime(inside, start, end),
  };
}

/** Of the sample of the highest quality, or the middle where there is none. @internal */
export function bestTime(inside: readonly Sample[], start: number, end: number): number {
  const best = inside.reduce<Sample | null>(
    (best, sample) => (best === null || sample.quality > best.quality ? sample : best),
    null,
  );
  return best?.time ?? (start + end) / 2;
}

function untilTarget(clips: readonly Clip[], target: number, minimum: number): Clip[] {
  const taken: Clip[] = [];
  let left = target;
  for (const clip of clips) {
    const length = Math.min(clip.end - clip.start, left);
    // What is left over is too short for any clip.
    if (left < minimum - 1e-9) break;
    taken.push(shortened(clip, length));
    left -= length;
  }
  return taken;
}

/** Keeps what lies around the representative frame. */
function shortened(clip: Clip, length: number): Clip {
  if (length >= clip.end - clip.start) return clip;
  const latest = clip.end - length;
  const start = Math.min(Math.max(clip.representative - length / 2, clip.start), latest);
  return { ...clip, start, end: start + length };
}

/**
 * The time of the frame that stands for each shot, in seconds: that of the sample of the highest quality, or the middle of a shot that
 * holds none.
 */
export function representativeTimes({ shots, samples }: Analysis): number[] {
  let at = 0;
  return shots.map((shot) => {
    // Of detectors that choose a frame themselves.
    const { representative } = shot as { representative?: unknown };
    const begin = at;
    while (at < samples.length && (samples[at] as Sample).time < shot.end) at++;
    if (typeof representative === 'number') return representative;
    return bestTime(samples.slice(begin, at), shot.start, shot.end);
  });
}
