import {
  type Analysis,
  AnalysisCache,
  type AnalysisError,
  analyze,
  type DecodePath,
  toCsv,
  toEdl,
  toFfmetadata,
  toOtio,
} from '../index.ts';
import {
  atMostOne,
  COMMON_OPTIONS,
  checkRange,
  HARDWARE,
  oneOf,
  parseCommand,
  RATE,
  readOption,
  THREADS,
  TIME,
  wholeNumber,
} from './arguments.ts';
import { type Command, type Context, EXIT, UsageError } from './command.ts';
import { type Failure, failureLine, toFailure, withoutPrefix } from './failure.ts';
import { clock, count, decimal, printable, quantity, table } from './format.ts';
import { writeTextFile } from './output.ts';
import { describeBriefly, label } from './probe.ts';
import { Progress } from './progress.ts';
import { eachSource, type Outcome, oneOrAll, printValues } from './sources.ts';
import { sparklines } from './sparkline.ts';
import type { Terminal } from './terminal.ts';

const HELP = `Usage: rushes analyze [options] FILE…

Decodes videos, measures them, and prints their shots and best segments.

Options:
      --fps RATE     samples per second (default 2); cuts are looked for in all frames
      --width W      samples are measured inside this size, 16 to 4096
      --height H     (default 640 and 360; never enlarged)
      --start TIME   analyse from here; seconds or [HH:]MM:SS
      --end TIME     and up to here
      --no-cuts      do not look for cuts: everything is one shot
      --threads N    decoder threads (default: one per core)
      --hardware H   where to decode: none, a device type such as videotoolbox, cuda or vaapi, or auto:
                     on a device that 'rushes bench' found faster (default: auto)
      --cache        take results that are known from the cache, and put new ones into it
      --no-cache     decode in any case (default)
      --cache-dir D  where the cache is, with --cache (see rushes cache --help)
      --json         the whole result as JSON: one file gives an object, several give an
                     array; a failed one is { source, error: { code, message } }
      --output FILE  write that JSON to FILE as well (schema: schemas/analysis.schema.json
                     in the package)
      --csv FILE     write the samples to FILE as comma-separated values
      --edl FILE     write an edit decision list (CMX 3600)
      --otio FILE    write an OpenTimelineIO timeline
      --ffmetadata FILE  write chapters as FFmpeg reads them
      --of WHAT      what edl, otio and ffmetadata are of: shots (default) or segments
      --drop-frame   drop-frame timecode in edl and otio, for 29.97 and 59.94 frames a
                     second (default: what the file's own timecode is)
  -h, --help         this help

A file that is so damaged that its result is incomplete counts as failed, although what
there is of the result is printed. --csv, --edl, --otio and --ffmetadata take one FILE.
`;

const OPTIONS = {
  ...COMMON_OPTIONS,
  fps: { type: 'string' },
  width: { type: 'string' },
  height: { type: 'string' },
  start: { type: 'string' },
  end: { type: 'string' },
  'no-cuts': { type: 'boolean' },
  threads: { type: 'string' },
  hardware: { type: 'string' },
  cache: { type: 'boolean' },
  'no-cache': { type: 'boolean' },
  'cache-dir': { type: 'string' },
  output: { type: 'string' },
  csv: { type: 'string' },
  edl: { type: 'string' },
  otio: { type: 'string' },
  ffmetadata: { type: 'string' },
  of: { type: 'string' },
  'drop-frame': { type: 'boolean' },
} as const;

/** Makes the text of each option that names a file to write. */
const EXPORTS = {
  csv: toCsv,
  edl: toEdl,
  otio: toOtio,
  ffmetadata: toFfmetadata,
} as const;

/** As far as the library takes it. */
const SIDE = wholeNumber(16, 4096);
const SEGMENTS_SHOWN = 10;
const ERRORS_SHOWN = 5;

export const analyzeCommand: Command = {
  name: 'analyze',
  summary: 'measure videos, find shots and the segments worth keeping',
  help: HELP,
  async run(args, context) {
    const { values, files } = parseCommand(args, OPTIONS);
    const { json = false, output: outputFile } = values;
    const options = readAnalysisOptions(values);
    const exports = readExports(values, files);
    await using cache = openCache(values);

    const results = await eachSource(context, files, async (source, index) => {
      const run = await analyzeWithProgress(source, { ...options, cache }, context);
      if (!json) {
        const gap = index > 0 ? '\n' : '';
        await context.output.write(`${gap}${report(run, context.terminal)}`);
      }
      const failed = await writeExports(run.analysis, exports);
      return failed
        ? { value: run.analysis, failure: failed }
        : outcome(source, run.analysis);
    });

    if (json) await printValues(context, results.values);
    if (outputFile === undefined) return results.exitCode;
    const text = `${JSON.stringify(oneOrAll(results.values), null, 2)}\n`;
    try {
      await writeTextFile(outputFile, text);
    } catch (error) {
      context.warn(failureLine(toFailure(outputFile, error)));
      return EXIT.failed;
    }
    return results.exitCode;
  },
};

type Values = ReturnType<typeof parseCommand<typeof OPTIONS>>['values'];
type AnalyzeOptions = NonNullable<Parameters<typeof analyze>[1]>;

function readAnalysisOptions(values: Values): AnalyzeOptions {
  const start = readOption('start', values.start, TIME);
  const end = readOption('end', values.end, TIME);
  checkRange(start, end);
  return {
    start,
    end,
    fps: readOption('fps', values.fps, RATE),
    width: readOption('width', values.width, SIDE),
    height: readOption('height', values.height, SIDE),
    threads: readOption('threads', values.threads, THREADS),
    hardware: readOption('hardware', values.hardware, HARDWARE),
    cuts: values['no-cuts'] ? false : undefined,
  };
}

interface Exports {
  readonly paths: readonly (readonly [kind: keyof typeof EXPORTS, path: string])[];
  readonly options: { of: 'shots' | 'segments' | undefined; dropFrame: true | undefined };
}

function readExports(values: Values, files: readonly string[]): Exports {
  const kinds = Object.keys(EXPORTS) as (keyof typeof EXPORTS)[];
  const paths = kinds.flatMap((kind) => {
    const path = values[kind];
    return path === undefined ? [] : [[kind, path] as const];
  });
  if (paths.length > 0 && files.length > 1) {
    throw new UsageError(`--${paths[0]?.[0]} takes one FILE, got ${files.length}`);
  }
  const options = {
    of: readOption('of', values.of, oneOf('shots', 'segments')),
    dropFrame: values['drop-frame'] || undefined,
  } as const;
  return { paths, options };
}

/** @returns why one could not be written */
async function writeExports(
  analysis: Analysis,
  { paths, options }: Exports,
): Promise<Failure | undefined> {
  for (const [kind, path] of paths) {
    try {
      await writeTextFile(path, EXPORTS[kind](analysis, options));
    } catch (error) {
      return toFailure(path, error);
    }
  }
  return undefined;
}

/** The cache, if it was asked for. @throws {UsageError} */
export function openCache(
  values: Pick<Values, 'cache' | 'no-cache' | 'cache-dir'>,
): AnalysisCache | undefined {
  const directory = values['cache-dir'];
  atMostOne({ cache: values.cache, 'no-cache': values['no-cache'] });
  atMostOne({ 'cache-dir': directory, 'no-cache': values['no-cache'] });
  if (directory === '') throw new UsageError("--cache-dir wants a folder, got ''");
  const isWanted = values.cache || directory !== undefined;
  return isWanted ? new AnalysisCache({ directory }) : undefined;
}

/** A result and what it cost. */
interface Run {
  readonly analysis: Analysis;
  /** Whether it came from the cache. */
  readonly cached: boolean;
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** The highest so far of the whole process, other files included. */
  readonly peakBytes: number;
}

async function analyzeWithProgress(
  source: string,
  options: AnalyzeOptions,
  { signal }: Context,
): Promise<Run> {
  const progress = new Progress(process.stderr, label(source));
  const began = performance.now();
  const cpu = process.cpuUsage();
  try {
    const known = await options.cache?.get(source, options);
    const analysis =
      known ??
      (await analyze(source, {
        ...options,
        signal,
        onProgress: (state) => progress.update(state),
      }));
    const { user, system } = process.cpuUsage(cpu); // microseconds
    return {
      analysis,
      cached: known !== undefined,
      seconds: (performance.now() - began) / 1000,
      cpuSeconds: (user + system) / 1e6,
      peakBytes: process.resourceUsage().maxRSS * 1024, // libuv gives kilobytes everywhere
    };
  } finally {
    progress.clear();
  }
}

function outcome(source: string, analysis: Analysis): Outcome {
  if (analysis.complete) return { value: analysis };
  const last = analysis.errors.at(-1);
  const reason = last ? withoutSource(last, analysis) : 'the file ends early';
  const message = `the result is incomplete: ${reason}`;
  return {
    value: analysis,
    failure: { source, error: { code: last?.code ?? 'ERR_TRUNCATED', message } },
  };
}

function withoutSource({ message }: AnalysisError, { source }: Analysis): string {
  return withoutPrefix(message, `${source}: `);
}

/** The result for people. */
function report(run: Run, terminal: Terminal): string {
  const { analysis } = run;
  return [
    `${printable(analysis.source)}\n`,
    table([...facts(run)], { indent: '  ' }),
    sparklines(analysis, terminal),
    `  ${count(analysis.shots.length, 'shot')}\n`,
    shots(analysis),
    segmentsHead(analysis),
    segments(analysis),
    damage(analysis),
  ].join('');
}

function* facts(run: Run): Generator<string[]> {
  const { analysis, cached, seconds, cpuSeconds, peakBytes } = run;
  const { info, options, samples, frames } = analysis;
  yield ['video', describeBriefly(info)];
  yield ['decoded by', decoderOf(analysis.decodePath)];
  const size = `${options.width}x${options.height}`;
  yield [
    'measured',
    `${count(frames, 'frame')}${options.cuts ? '' : ' looked at'}, ${count(samples.length, 'sample')} (${decimal(options.fps)} a second, inside ${size})`,
  ];
  yield ['found', eventsOf(analysis)];
  if (cached) {
    yield ['took', `${decimal(seconds * 1000, 1)} ms, from the cache`];
    return;
  }
  yield [
    'took',
    `${decimal(seconds, 2)} s, ${decimal(frames / seconds, 0)} frames a second`,
  ];
  yield [
    'used',
    `${decimal(cpuSeconds, 2)} s CPU, ${quantity(peakBytes, 'B')} memory at most`,
  ];
}

function decoderOf(path: DecodePath): string {
  const where = path.hardware ?? 'software';
  const threads =
    path.threads > 1
      ? `${path.threads} ${path.threadType === 'slice' ? 'slice' : 'frame'} threads`
      : '1 thread';
  const reason = path.fallbackReason === null ? '' : ` (${path.fallbackReason})`;
  return printable(
    `${path.backend} backend: ${path.decoder}, ${where}, ${threads}${reason}`,
  );
}

function eventsOf({ events, options }: Analysis): string {
  if (!options.cuts) return 'cuts were not looked for';
  const counts = new Map<string, number>([['cut', 0]]);
  for (const { type } of events) counts.set(type, (counts.get(type) ?? 0) + 1);
  return [...counts]
    .map(([type, number]) => count(number, NAMES[type] ?? type))
    .join(', ');
}

/** What events are called in a summary, one of them. */
const NAMES: Readonly<Record<string, string>> = {
  ...{ black: 'black span', freeze: 'frozen span', flash: 'lit-up span' },
  ...{ shake: 'shaken span', border: 'span with borders' },
};

function shots(analysis: Analysis): string {
  const rows = analysis.shots.map(({ index, start, end, confidence }) => [
    String(index + 1),
    clock(start),
    clock(end),
    clock(end - start),
    confidence === null ? '-' : `${Math.round(confidence * 100)} %`,
  ]);
  const head = ['#', 'start', 'end', 'length', 'confidence'];
  return table([head, ...rows], { indent: '    ', right: [0, 1, 2, 3, 4] });
}

function segmentsHead({ segments: { length } }: Analysis): string {
  if (length === 0) return '  no segment worth keeping\n';
  const shown = length > SEGMENTS_SHOWN ? `, the best ${SEGMENTS_SHOWN}` : ', best first';
  return `  ${count(length, 'segment')} worth keeping${shown}\n`;
}

function segments(analysis: Analysis): string {
  if (analysis.segments.length === 0) return '';
  const rows = analysis.segments
    .slice(0, SEGMENTS_SHOWN)
    .map((segment, index) => [
      String(index + 1),
      clock(segment.start),
      clock(segment.end),
      clock(segment.end - segment.start),
      String(segment.shot + 1),
      decimal(segment.score, 1),
      decimal(segment.quality, 1),
      decimal(segment.motion, 1),
    ]);
  const head = ['#', 'start', 'end', 'length', 'shot', 'score', 'quality', 'motion'];
  return table([head, ...rows], { indent: '    ', right: [0, 1, 2, 3, 4, 5, 6, 7] });
}

function damage(analysis: Analysis): string {
  const { errors, complete } = analysis;
  if (errors.length === 0 && complete) return '';
  const head = `  ${count(errors.length, 'error')}${complete ? '' : ', the result is incomplete'}\n`;
  const lines = errors.slice(0, ERRORS_SHOWN).map((error) => {
    const where = error.time === null ? '' : `${clock(error.time)}  `;
    return `    ${where}${printable(withoutSource(error, analysis))} (${error.code})\n`;
  });
  const more = errors.length - ERRORS_SHOWN;
  if (more > 0) lines.push(`    and ${more} more\n`);
  return head + lines.join('');
}
