import type { Analysis } from '../analysis.ts';
import { type SpanOptions, spansOf, titleOf } from './spans.ts';

/** {@link toFfmetadata} */
export interface FfmetadataOptions extends SpanOptions {
  /** Title of the file. Default: its own, or else its name. */
  title?: string | undefined;
}

/** Ticks a second: FFmpeg's AV_TIME_BASE. */
const TICKS = 1_000_000;

/**
 * Chapters in FFmpeg's ffmetadata format, one for each shot or segment worth keeping. Chapter times count from the beginning of the
 * video, as `ffmpeg -i FILE -i CHAPTERS -map_metadata 1 -map_chapters 1 -codec copy OUT` wants them.
 *
 * @throws {TypeError} for a mistake in `options`
 */
export function toFfmetadata(
  analysis: Analysis,
  options: FfmetadataOptions = {},
): string {
  const origin = analysis.info.startTime ?? 0;
  const ticks = (time: number) => Math.max(0, Math.round((time - origin) * TICKS));
  const title = options.title ?? analysis.info.metadata.title ?? titleOf(analysis);
  const chapters = spansOf(analysis, options).map(({ start, end, name, score }) => [
    '[CHAPTER]',
    `TIMEBASE=1/${TICKS}`,
    `START=${ticks(start)}`,
    `END=${ticks(end)}`,
    `title=${escaped(score === null ? name : `${name}, score ${score.toFixed(1)}`)}`,
  ]);
  return [';FFMETADATA1', `title=${escaped(title)}`, ...chapters.flat(), ''].join('\n');
}

/**
 * `=`, `;`, `#`, `\` and line ends are special (FFmpeg's formats documentation, "Metadata"). FFmpeg takes a backslash before a line
 * end for an escape even if it is escaped itself, so that the next line would be lost.
 */
function escaped(text: string): string {
  const plain = text.replaceAll('\0', '').replace(/\\$/, '\\ ');
  return plain.replace(/[=;#\\\n]/g, '\\$&');
}
