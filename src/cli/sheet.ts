import { writeFile } from 'node:fs/promises';
import { extname } from 'node:path';
import {
  analyze,
  type ContactSheet,
  type ContactSheetOptions,
  contactSheet,
  type PictureFormat,
  representativeTimes,
} from '../index.ts';
import {
  atMostOne,
  COMMON_OPTIONS,
  INTERVAL,
  parseCommand,
  readOption,
  THREADS,
  wholeNumber,
} from './arguments.ts';
import { type Command, type Context, UsageError } from './command.ts';
import { failureLine, toFailure } from './failure.ts';
import { count, printable } from './format.ts';
import { replaceFile } from './output.ts';
import { label } from './probe.ts';
import { Progress } from './progress.ts';
import { evenly } from './report.ts';
import { eachSource, printValues } from './sources.ts';

const HELP = `Usage: rushes sheet [options] -o OUT.jpg FILE

Lays pictures of a video out on a contact sheet: one of each shot, or one every so many
seconds. The ending of OUT says the format: jpg, png, webp or avif.

Options:
  -o, --output FILE    where to write it; what is there is replaced
      --every SECONDS  a picture every so many seconds (default: one of each shot)
      --count N        N pictures at equal distances; with shots, at most N (default 240)
      --shots          one of each shot, also with --count
      --columns N      pictures side by side, 1 to 100 (default 4)
      --width W        of the whole sheet, 16 to 16384 (default 1280; pictures are never
                       enlarged)
      --no-timecodes   do not write times on the pictures
      --background C   colour between the pictures, #rrggbb (default #111111)
      --quality Q      1 to 100, not for png (default 80, for avif 50)
      --threads N      decoder threads (default: one per core)
      --json           what was written, and the time and place of each picture
  -h, --help           this help
`;

const OPTIONS = {
  ...COMMON_OPTIONS,
  output: { type: 'string', short: 'o' },
  every: { type: 'string' },
  count: { type: 'string' },
  shots: { type: 'boolean' },
  columns: { type: 'string' },
  width: { type: 'string' },
  'no-timecodes': { type: 'boolean' },
  background: { type: 'string' },
  quality: { type: 'string' },
  threads: { type: 'string' },
} as const;

const FORMATS: Readonly<Record<string, PictureFormat>> = {
  '.jpg': 'jpeg',
  '.jpeg': 'jpeg',
  '.png': 'png',
  '.webp': 'webp',
  '.avif': 'avif',
};
/** Sixty rows of four: more is for scrolling, not for looking at. */
const MOST_SHOTS = 240;
const COLOR = {
  wanted: 'a colour (#rgb or #rrggbb)',
  read: (text: string) => (/^#([\da-f]{3}|[\da-f]{6})$/i.test(text) ? text : undefined),
};

export const sheetCommand: Command = {
  name: 'sheet',
  summary: 'lay pictures of a video out on a contact sheet',
  help: HELP,
  async run(args, context) {
    const { values, files } = parseCommand(args, OPTIONS);
    if (files.length > 1)
      throw new UsageError(`sheet takes one FILE, got ${files.length}`);
    const { output: path, json = false } = values;
    if (path === undefined) throw new UsageError('-o OUT.jpg is missing');
    const options = readSheetOptions(values, path);
    const perShot = values.shots || (values.every ?? values.count) === undefined;

    const { values: sheets, exitCode } = await eachSource(
      context,
      files,
      async (source) => {
        const choice = perShot ? await oneOfEachShot(source, options, context) : options;
        const sheet = await layOut(source, choice, context);
        const { data, cells, errors, width, height } = sheet;
        await replaceFile(path, (temporary) => writeFile(temporary, data));
        for (const error of errors) {
          context.warn(`left out: ${failureLine(toFailure(source, error))}`);
        }
        if (!json) {
          const size = `${count(cells.length, 'picture')}, ${width}x${height}`;
          await context.output.write(`${printable(path)}: ${size}\n`);
        }
        return { value: { source, path, width, height, cells } };
      },
    );
    if (json) await printValues(context, sheets);
    return exitCode;
  },
};

type Values = ReturnType<typeof parseCommand<typeof OPTIONS>>['values'];

/** @throws {UsageError} */
function readSheetOptions(values: Values, path: string): ContactSheetOptions {
  const format = FORMATS[extname(path).toLowerCase()];
  if (format === undefined) {
    const endings = Object.keys(FORMATS).join(', ');
    throw new UsageError(`-o wants a file that ends in ${endings}, got '${path}'`);
  }
  const { every, shots } = values;
  atMostOne({ every, count: values.count });
  atMostOne({ every, shots });
  const quality = readOption('quality', values.quality, wholeNumber(1, 100));
  if (quality !== undefined && format === 'png') {
    throw new UsageError('--quality does not go with png, which loses nothing');
  }
  return {
    format,
    quality,
    every: readOption('every', every, INTERVAL),
    count: readOption('count', values.count, wholeNumber(1, 10_000)),
    columns: readOption('columns', values.columns, wholeNumber(1, 100)),
    width: readOption('width', values.width, wholeNumber(16, 16_384)),
    background: readOption('background', values.background, COLOR),
    timecodes: values['no-timecodes'] ? false : undefined,
    threads: readOption('threads', values.threads, THREADS),
  };
}

async function layOut(
  source: string,
  options: ContactSheetOptions,
  { signal }: Context,
): Promise<ContactSheet> {
  const progress = new Progress(process.stderr, `${label(source)}: pictures`);
  const began = performance.now();
  const wanted = options.times?.length ?? options.count ?? null;
  try {
    return await contactSheet(source, {
      ...options,
      signal,
      onProgress: ({ time, frames }) =>
        progress.update({
          fraction: wanted === null ? null : frames / wanted,
          ...{ time, duration: null },
          framesPerSecond: (frames * 1000) / (performance.now() - began),
        }),
    });
  } finally {
    progress.clear();
  }
}

/** At most `count` of them, at equal distances. */
async function oneOfEachShot(
  source: string,
  { count: most = MOST_SHOTS, ...options }: ContactSheetOptions,
  { signal, warn }: Context,
): Promise<ContactSheetOptions> {
  const progress = new Progress(process.stderr, label(source));
  try {
    const analysis = await analyze(source, {
      threads: options.threads,
      signal,
      onProgress: (state) => progress.update(state),
    });
    const times = representativeTimes(analysis);
    const chosen = evenly(times.length, most);
    if (chosen.length < times.length) {
      progress.clear();
      warn(`${printable(source)}: ${chosen.length} of ${times.length} shots are shown`);
    }
    return { ...options, times: chosen.map((i) => times[i] as number) };
  } finally {
    progress.clear();
  }
}
