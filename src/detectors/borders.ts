import type { Crop, Sample, SpanEvent } from '../analysis.ts';
import type { Borders } from '../measures.ts';
import type { TimeRange } from './shots.ts';

/** A sample's borders, as shares of the picture's size. */
export interface BorderedSample extends Borders {
  readonly time: number;
  /** Mean luma: what is black all over says nothing of borders. */
  readonly brightness: Sample['brightness'];
}

export interface BorderOptions {
  /** Borders of less than this share of the width or height are none. Default 0.02. */
  readonly minimum?: number | undefined;
}

/** Sides of a picture whose borders differ by less are the same. */
const SAME = 0.012;
/** Mean luma below which borders cannot be told from the picture. */
const TOO_DARK = 28;

/**
 * Finds letterbox and pillarbox bars. In each shot a side's border is the smallest that any sample has there, because bars stay while dark
 * corners of the picture change; as FFmpeg's vf_cropdetect.c, which keeps the largest picture seen. Shots that follow each other with
 * the same borders are one event.
 *
 * @param samples in order of time
 * @param shots in order of time
 * @param size of the upright picture in pixels, which `crop` is in
 */
export function bordersIn(
  samples: readonly BorderedSample[],
  shots: readonly TimeRange[],
  size: { readonly width: number; readonly height: number },
  { minimum = 0.02 }: BorderOptions = {},
): SpanEvent[] {
  const found: (TimeRange & { borders: Borders; count: number })[] = [];
  let next = 0;
  for (const { start, end } of shots) {
    let borders: Borders | undefined;
    let count = 0;
    for (; (samples[next]?.time ?? Infinity) < end; next++) {
      const sample = samples[next] as BorderedSample;
      if (sample.time < start || sample.brightness < TOO_DARK) continue;
      borders = borders === undefined ? sample : smaller(borders, sample);
      count += 1;
    }
    if (borders === undefined || !hasBorders(borders, minimum)) continue;
    const last = found.at(-1);
    if (last !== undefined && last.end === start && isSame(last.borders, borders)) {
      found[found.length - 1] = {
        ...{ start: last.start, end, count: last.count + count },
        borders: smaller(last.borders, borders),
      };
    } else found.push({ start, end, borders, count });
  }
  return found.map(({ start, end, borders, count }) => ({
    ...{ type: 'border', start, end },
    // One sample may be a dark corner; several hardly are.
    confidence: count / (count + 1),
    crop: cropOf(borders, size, minimum),
  }));
}

function smaller(a: Borders, b: Borders): Borders {
  return {
    left: Math.min(a.left, b.left),
    top: Math.min(a.top, b.top),
    right: Math.min(a.right, b.right),
    bottom: Math.min(a.bottom, b.bottom),
  };
}

/** Bars come in pairs: something dark at one side is part of the picture. */
function hasBorders({ left, top, right, bottom }: Borders, minimum: number): boolean {
  return Math.min(left, right) >= minimum || Math.min(top, bottom) >= minimum;
}

function isSame(a: Borders, b: Borders): boolean {
  return (['left', 'top', 'right', 'bottom'] as const).every(
    (side) => Math.abs(a[side] - b[side]) < SAME,
  );
}

function cropOf(
  { left, top, right, bottom }: Borders,
  { width, height }: { readonly width: number; readonly height: number },
  minimum: number,
): Crop {
  const [x, y] = [
    Math.min(left, right) >= minimum ? [left, right] : [0, 0],
    Math.min(top, bottom) >= minimum ? [top, bottom] : [0, 0],
  ] as [[number, number], [number, number]];
  return {
    left: Math.round(x[0] * width),
    top: Math.round(y[0] * height),
    width: width - Math.round(x[0] * width) - Math.round(x[1] * width),
    height: height - Math.round(y[0] * height) - Math.round(y[1] * height),
  };
}
