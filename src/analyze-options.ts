/** Which analysis is wanted: the options that shape its result, as `analyze` and the cache read them. */
import type { AnalysisOptionsUsed } from './analysis.ts';
import { checkBoolean, checkInteger, checkPositive, checkTime } from './options.ts';

/** The part of {@link AnalyzeOptions} that decides what comes out: two analyses of a file differ only if one of these does. */
export interface AnalysisRequest {
  /** Samples per second. Default 2. */
  fps?: number | undefined;
  /** Samples are measured inside `width` × `height` pixels, never enlarged. Default 640 × 360. */
  width?: number | undefined;
  height?: number | undefined;
  /** Range in seconds on the stream's own clock, half-open. Default: the whole file. */
  start?: number | undefined;
  end?: number | undefined;
  /**
   * Look for cuts and other events, for which every frame is compared with the one before. Without, samples are the same (but for
   * `sceneScore`, 0) and take less time: of other frames only those are decoded that samples need. Default true.
   */
  cuts?: boolean | undefined;
  /** Which video stream of the container, by index. Default: the best by FFmpeg's rules. */
  streamIndex?: number | undefined;
}

/** Fills in the defaults. @throws {TypeError | RangeError} naming the option */
export function resolveAnalysisRequest(options: AnalysisRequest): AnalysisOptionsUsed {
  const start = checkTime('start', options.start) ?? null;
  const end = checkTime('end', options.end) ?? null;
  if (start !== null && end !== null && end <= start) {
    throw new RangeError(`end must be after start, got ${start} to ${end}`);
  }
  return {
    fps: checkPositive('fps', options.fps) ?? 2,
    width: checkInteger('width', options.width, 16, 4096) ?? 640,
    height: checkInteger('height', options.height, 16, 4096) ?? 360,
    start,
    end,
    cuts: checkBoolean('cuts', options.cuts) ?? true,
  };
}

/** All that decides what comes out, for a key: equal requests give equal JSON. */
export function requestKey(options: AnalysisRequest): object {
  const { fps, width, height, start, end, cuts } = resolveAnalysisRequest(options);
  const streamIndex = checkInteger('streamIndex', options.streamIndex, 0, 2 ** 31 - 1);
  return { fps, width, height, start, end, cuts, streamIndex: streamIndex ?? null };
}
