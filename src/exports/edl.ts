import { basename, extname } from 'node:path';
import type { Analysis } from '../analysis.ts';
import { inFrames, type SpanOptions, spansOf, titleOf } from './spans.ts';
import { formatTimecode, type TimebaseOptions, timebaseOf } from './timecode.ts';

/** {@link toEdl} */
export interface EdlOptions extends SpanOptions, TimebaseOptions {
  /** Title of the list. Default: the file's name. */
  title?: string | undefined;
  /** Reel, letters and digits, of which 8 are kept. Default: the tag `reel_name`, or made of the file's name. */
  reel?: string | undefined;
}

/** Events are numbered with three digits. */
const MAX_EVENTS = 999;
/** Where programmes begin, by custom. */
const RECORD_START_HOUR = 1;

/**
 * An edit decision list (CMX 3600) of the shots, or of the segments worth keeping: video cuts only.
 *
 * Source times are the file's own timecode, or count from 00:00:00:00 where it has none. Shots keep their times on the record side,
 * so that the list cuts up the file where it lies; segments follow each other from 01:00:00:00. Video of a varying frame rate gets
 * the usual rate nearest to its average, and each time the nearest frame of that. More than 999 events go on in four digits, which
 * newer systems read.
 *
 * @throws {TypeError | RangeError} for a mistake in `options`
 */
export function toEdl(analysis: Analysis, options: EdlOptions = {}): string {
  const base = timebaseOf(analysis.info, options);
  const spans = inFrames(spansOf(analysis, options), base);
  const reel = reelOf(analysis, options.reel).padEnd(8);
  const digits = spans.length > MAX_EVENTS ? 4 : 3;
  const packed = options.of === 'segments';
  let record = startOfHour(RECORD_START_HOUR, base.nominal, base.drop);
  const events = spans.map((span, i) => {
    const recordIn = packed ? record : span.first;
    record = recordIn + span.last - span.first;
    const times = [span.first, span.last, recordIn, record].map((frame) =>
      formatTimecode(frame, base),
    );
    const number = String(i + 1).padStart(digits, '0');
    const score = span.score === null ? '' : `, score ${span.score.toFixed(1)}`;
    return [
      `${number}  ${reel} V     C        ${times.join(' ')}`,
      `* FROM CLIP NAME: ${plain(titleOf(analysis))}`,
      `* COMMENT: ${span.name}${score}`,
    ];
  });
  const head = [
    `TITLE: ${plain(options.title ?? titleOf(analysis)).slice(0, 70)}`,
    `FCM: ${base.drop ? 'DROP FRAME' : 'NON-DROP FRAME'}`,
  ];
  return [head, ...events].map((lines) => `${lines.join('\r\n')}\r\n`).join('\r\n');
}

function startOfHour(hour: number, nominal: number, drop: boolean): number {
  return hour * (nominal * 3600 - (drop ? (nominal / 15) * 54 : 0));
}

function reelOf({ source, info }: Analysis, reel: string | undefined): string {
  const name = reel ?? info.metadata.reel_name ?? basename(source, extname(source));
  const letters = name.toUpperCase().replace(/[^A-Z0-9_]/g, '');
  return letters.slice(0, 8) || 'AX'; // auxiliary source, in CMX's words
}

/** On one line: what follows a line end would be read as an event. */
function plain(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to remove
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ').trim();
}
