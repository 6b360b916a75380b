import { isAbsolute } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Analysis } from '../analysis.ts';
import { endOfAnalysis } from './range.ts';
import { happeningsOf, inFrames, type SpanOptions, spansOf, titleOf } from './spans.ts';
import {
  frameNumber,
  type Timebase,
  type TimebaseOptions,
  timebaseOf,
} from './timecode.ts';

/** {@link toOtio} */
export interface OtioOptions extends SpanOptions, TimebaseOptions {
  /** Name of the timeline. Default: the file's name. */
  title?: string | undefined;
}

/**
 * An OpenTimelineIO timeline (its JSON) of the shots, or of the segments worth keeping: one video track of clips that refer to the
 * file, one after the other. Times count in frames from the file's own timecode. Segments and events other than cuts are markers on
 * the clips; what was found out about each is in `metadata.rushes`. Schema versions are those of OpenTimelineIO 0.12 (Clip.1), which
 * every later one reads.
 *
 * @throws {TypeError | RangeError} for a mistake in `options`
 */
export function toOtio(analysis: Analysis, options: OtioOptions = {}): string {
  const base = timebaseOf(analysis.info, options);
  const spans = inFrames(spansOf(analysis, options), base);
  const media = mediaReference(analysis, base);
  const marks = marksOf(analysis);
  const clips = spans.map((span) => {
    const shot = analysis.shots[span.shot];
    const found = span.score === null ? shot : { ...span, name: undefined };
    return item('Clip.1', span.name, {
      source_range: range(span.first, span.last, base),
      markers: marks
        .filter(
          ({ start, end }) =>
            start < span.end && Math.max(end, start + 1e-9) > span.start,
        )
        .map(({ name, color, start, end, metadata }) => ({
          OTIO_SCHEMA: 'Marker.2',
          ...{ name, color, metadata: { rushes: metadata } },
          marked_range: range(
            frameNumber(Math.max(start, span.start), base),
            frameNumber(Math.min(end, span.end), base),
            base,
          ),
        })),
      media_reference: media,
      metadata: { rushes: found },
    });
  });
  const track = item('Track.1', options.of ?? 'shots', {
    kind: 'Video',
    children: clips,
  });
  const timeline = {
    OTIO_SCHEMA: 'Timeline.1',
    name: options.title ?? titleOf(analysis),
    global_start_time: time(spans[0]?.first ?? base.firstFrame, base),
    tracks: item('Stack.1', 'tracks', { children: [track] }),
    metadata: {
      rushes: {
        ...{ schema: analysis.schema, source: analysis.source },
        ...{ complete: analysis.complete, dropFrame: base.drop },
      },
    },
  };
  return `${JSON.stringify(timeline, null, 2)}\n`;
}

/** Fields that everything on a timeline has. */
function item(schema: string, name: string, fields: object): object {
  return {
    OTIO_SCHEMA: schema,
    ...{
      name,
      source_range: null,
      effects: [],
      markers: [],
      enabled: true,
      metadata: {},
    },
    ...fields,
  };
}

function time(frame: number, { rate }: Timebase): object {
  return { OTIO_SCHEMA: 'RationalTime.1', rate: rate.num / rate.den, value: frame };
}

function range(first: number, last: number, base: Timebase): object {
  return {
    OTIO_SCHEMA: 'TimeRange.1',
    start_time: time(first, base),
    duration: time(last - first, base),
  };
}

function mediaReference(analysis: Analysis, base: Timebase): object {
  const { source } = analysis;
  const common = { name: titleOf(analysis), metadata: {} };
  // Bytes and streams have no address.
  if (!isAbsolute(source)) {
    return { OTIO_SCHEMA: 'MissingReference.1', ...common, available_range: null };
  }
  const last = frameNumber(endOfAnalysis(analysis), base);
  return {
    OTIO_SCHEMA: 'ExternalReference.1',
    ...common,
    target_url: pathToFileURL(source).href,
    available_range: range(base.firstFrame, last, base),
  };
}

function marksOf(analysis: Analysis) {
  const segments = analysis.segments.map((segment, i) => {
    const { start, end } = segment;
    return {
      name: `Segment ${i + 1}`,
      color: 'GREEN',
      start,
      end,
      metadata: segment as object,
    };
  });
  const events = happeningsOf(analysis)
    .filter(({ type }) => type !== 'cut')
    .map((event) => {
      const { type, start, end } = event;
      return { name: type, color: 'RED', start, end, metadata: event as object };
    });
  return [...segments, ...events];
}
