import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Analysis, analyze, representativeTimes, thumbnails } from '../index.ts';
import { COMMON_OPTIONS, parseCommand, RATE, readOption, THREADS } from './arguments.ts';
import { type Command, type Context, EXIT, UsageError } from './command.ts';
import { failureLine, toFailure } from './failure.ts';
import { count, printable, quantity } from './format.ts';
import { replaceFile } from './output.ts';
import { label } from './probe.ts';
import { Progress } from './progress.ts';
import {
  failureSection,
  fileSection,
  type PageAssets,
  pageEnd,
  pageHead,
  type ShotPicture,
} from './report-html.ts';
import { eachSource, printValues } from './sources.ts';

const HELP = `Usage: rushes report [options] -o OUT.html FILE…

Analyses videos and writes one page about them: facts, a timeline of motion, brightness,
sharpness and cut score, the best segments and a picture of every shot. The page is one
file that loads nothing else.

Options:
  -o, --output FILE  where to write it; what is there is replaced
      --fps RATE     samples per second (default 2)
      --threads N    decoder threads (default: one per core)
      --json         what was analysed as JSON: one file gives an object, several give an
                     array; a failed one is { source, error: { code, message } }
  -h, --help         this help
`;

const OPTIONS = {
  ...COMMON_OPTIONS,
  output: { type: 'string', short: 'o' },
  fps: { type: 'string' },
  threads: { type: 'string' },
} as const;

/** The more shots, the smaller their pictures, so that a page stays below about 10 MB a film. */
const PICTURE_SIZES = [
  { shots: 200, width: 320, quality: 60 },
  { shots: 1000, width: 192, quality: 50 },
  { shots: Number.POSITIVE_INFINITY, width: 144, quality: 40 },
];
/** More shots than that do not all get a picture. */
const MAX_PICTURES = 4000;

export const reportCommand: Command = {
  name: 'report',
  summary: 'write a page about videos: timeline, segments, a picture of every shot',
  help: HELP,
  async run(args, context) {
    const { values, files } = parseCommand(args, OPTIONS);
    const { output: path, json = false } = values;
    if (path === undefined) throw new UsageError('-o OUT.html is missing');
    const options = {
      fps: readOption('fps', values.fps, RATE),
      threads: readOption('threads', values.threads, THREADS),
    };
    const assets = await readAssets();
    let results: Awaited<ReturnType<typeof eachSource>> | undefined;
    let bytes = 0;
    try {
      await replaceFile(path, async (temporary) => {
        await using page = await open(temporary, 'w');
        const write = async (text: string) => {
          bytes += (await page.write(text)).bytesWritten;
        };
        await write(pageHead(files, assets));
        results = await eachSource(context, files, async (source, index) => {
          try {
            const analysis = await analyzeForReport(source, options, context);
            const pictures = await picturesOf(source, analysis, context);
            await write(fileSection(analysis, pictures, index + 1));
            return { value: json ? analysis : null };
          } catch (error) {
            context.signal.throwIfAborted();
            await write(failureSection(toFailure(source, error), index + 1));
            throw error;
          }
        });
        await write(pageEnd(assets));
      });
    } catch (error) {
      context.signal.throwIfAborted();
      context.warn(failureLine(toFailure(path, error)));
      return EXIT.failed;
    }
    if (results === undefined) return EXIT.failed;
    if (json) await printValues(context, results.values);
    else {
      const about = `${count(files.length, 'file')}, ${quantity(bytes, 'B')}`;
      await context.output.write(`${printable(path)}: ${about}\n`);
    }
    return results.exitCode;
  },
};

async function readAssets(): Promise<PageAssets> {
  const [script, style] = await Promise.all(
    ['page.js', 'page.css'].map((name) =>
      readFile(join(import.meta.dirname, 'report', name), 'utf8'),
    ),
  );
  return { script: script as string, style: style as string };
}

async function analyzeForReport(
  source: string,
  options: { fps: number | undefined; threads: number | undefined },
  { signal }: Context,
): Promise<Analysis> {
  const progress = new Progress(process.stderr, label(source));
  try {
    return await analyze(source, {
      ...options,
      signal,
      onProgress: (state) => progress.update(state),
    });
  } finally {
    progress.clear();
  }
}

/** A picture for each shot, as far as there can be one. */
async function picturesOf(
  source: string,
  analysis: Analysis,
  { signal, warn }: Context,
): Promise<ShotPicture[]> {
  const times = representativeTimes(analysis);
  const pictures: ShotPicture[] = times.map(() => null);
  const chosen = evenly(times.length, MAX_PICTURES);
  const size = PICTURE_SIZES.find(({ shots }) => times.length <= shots);
  const progress = new Progress(process.stderr, `${label(source)}: pictures`);
  const began = performance.now();
  let made = 0;
  try {
    const wanted = chosen.map((i) => times[i] as number);
    const options = {
      width: size?.width,
      quality: size?.quality,
      format: 'webp',
      signal,
    };
    for await (const picture of thumbnails(
      source,
      wanted,
      options as { format: 'webp' },
    )) {
      // Frames lost to damage are left out.
      while ((wanted[made] ?? picture.time) < picture.time - 1e-6) made++;
      pictures[chosen[made] as number] = picture;
      made++;
      progress.update({
        fraction: made / chosen.length,
        time: picture.time,
        duration: analysis.info.duration,
        framesPerSecond: (made * 1000) / (performance.now() - began),
      });
    }
  } catch (error) {
    signal.throwIfAborted();
    // The page is worth having without them.
    progress.clear();
    warn(`pictures: ${failureLine(toFailure(source, error))}`);
  } finally {
    progress.clear();
  }
  return pictures;
}

/** At most `most` of the numbers below `length`, at equal distances. */
export function evenly(length: number, most: number): number[] {
  const count = Math.min(length, most);
  return Array.from({ length: count }, (_, i) => Math.floor((i * length) / count));
}
