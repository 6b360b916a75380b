/** What all exports make of an analysis: spans of the video in the order of time, as whole frames. */
import { basename } from 'node:path';
import type { Analysis } from '../analysis.ts';
import { frameNumber, type Timebase } from './timecode.ts';

/** Which spans an export is of. */
export interface SpanOptions {
  /** All shots, or the segments worth keeping, in the order of time. Default `'shots'`. */
  of?: 'shots' | 'segments' | undefined;
}

/** A span of the video, half-open. Seconds. */
export interface Span {
  readonly start: number;
  readonly end: number;
  /** Index of the shot it is or lies in. */
  readonly shot: number;
  /** `Shot 1`, `Segment 1 of shot 3`. */
  readonly name: string;
  /** Of a segment. */
  readonly score: number | null;
}

/** @throws {TypeError} naming the option */
export function spansOf(analysis: Analysis, { of = 'shots' }: SpanOptions): Span[] {
  if (of === 'shots') {
    return analysis.shots.map(({ start, end, index }) => {
      return { start, end, shot: index, name: `Shot ${index + 1}`, score: null };
    });
  }
  if (of !== 'segments') {
    throw new TypeError(`of must be one of 'shots', 'segments', got ${String(of)}`);
  }
  return [...analysis.segments]
    .sort((a, b) => a.start - b.start)
    .map(({ start, end, shot, score }, i) => {
      return { start, end, shot, score, name: `Segment ${i + 1} of shot ${shot + 1}` };
    });
}

/** A span in frames, half-open, numbered as the timecode counts. */
export interface FrameSpan extends Span {
  readonly first: number;
  readonly last: number;
}

/** Those that are at least a frame long, which at a rate lower than the video's not all need be. */
export function inFrames(spans: readonly Span[], base: Timebase): FrameSpan[] {
  return spans
    .map((span) => ({
      ...span,
      first: frameNumber(span.start, base),
      last: frameNumber(span.end, base),
    }))
    .filter(({ first, last }) => last > first);
}

/** What happened, as far as exports show it: an instant has `end === start`. */
export interface Happening {
  readonly type: string;
  readonly start: number;
  readonly end: number;
}

/** Events of all kinds, also of kinds this version does not know: with a `time`, or a `start` and an `end`. */
export function happeningsOf(analysis: Analysis): Happening[] {
  return (analysis.events as readonly object[]).flatMap((event) => {
    const { type, time, start, end } = event as Record<string, unknown>;
    const from = typeof start === 'number' ? start : time;
    if (typeof type !== 'string' || typeof from !== 'number') return [];
    return [{ type, start: from, end: typeof end === 'number' ? end : from }];
  });
}

/** Name of the file without its folder, on one line. */
export function titleOf({ source }: Analysis): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to remove
  return basename(source).replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
}
