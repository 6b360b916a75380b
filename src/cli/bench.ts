import {
  type BenchmarkOptions,
  benchmarkDecodePaths,
  type DecodeBenchmark,
  type DecodePathResult,
} from '../index.ts';
import {
  atMostOne,
  COMMON_OPTIONS,
  INTERVAL,
  oneOf,
  parseCommand,
  readOption,
  wholeNumber,
} from './arguments.ts';
import { type Command, type Context, UsageError } from './command.ts';
import { decimal, printable, quantity, table } from './format.ts';
import { eachSource, printValues } from './sources.ts';

const HELP = `Usage: rushes bench [options] FILE

Decodes the beginning of a video in every way that works here, and says what each costs:
software with one thread and more, hardware devices, beamcoder and the ffmpeg tool if they
are installed. Frames are compared with software's before anything is measured; then the
ways take turns, each run in a process of its own. Leave the machine alone meanwhile.

Options:
      --frames N        frames of each run (default 300)
      --seconds SECONDS seconds of video of each run, in place of --frames
      --rounds N        runs of each way, of which the medians count (default 3)
      --width W         frames are made as large as fits inside W x H (default 640 x 360)
      --height H
      --pixels FORMAT   rgb24 (default), rgba, bgr24, gray8, yuv420p or rgb48le
      --stream N        which video stream, by index
      --no-store        do not keep what is faster for hardware: 'auto'
      --json            the same as JSON
  -h, --help            this help
`;

const OPTIONS = {
  ...COMMON_OPTIONS,
  frames: { type: 'string' },
  seconds: { type: 'string' },
  rounds: { type: 'string' },
  width: { type: 'string' },
  height: { type: 'string' },
  pixels: { type: 'string' },
  stream: { type: 'string' },
  'no-store': { type: 'boolean' },
} as const;

export const benchCommand: Command = {
  name: 'bench',
  summary: 'measure every way of decoding a video on this machine',
  help: HELP,
  async run(args, context) {
    const { values, files } = parseCommand(args, OPTIONS);
    if (files.length > 1)
      throw new UsageError(`bench takes one FILE, got ${files.length}`);
    const options = readBenchOptions(values);
    const { values: results, exitCode } = await eachSource(
      context,
      files,
      async (source) => {
        const result = await measure(source, options, context);
        if (!values.json) await context.output.write(describe(result));
        return { value: result };
      },
    );
    if (values.json) await printValues(context, results);
    return exitCode;
  },
};

type Values = ReturnType<typeof parseCommand<typeof OPTIONS>>['values'];

/** @throws {UsageError} */
function readBenchOptions(values: Values): BenchmarkOptions {
  const { frames, seconds } = values;
  atMostOne({ frames, seconds });
  const side = wholeNumber(1, 16_384);
  return {
    frames: readOption('frames', frames, wholeNumber(1, 1_000_000)),
    seconds: readOption('seconds', seconds, INTERVAL),
    rounds: readOption('rounds', values.rounds, wholeNumber(1, 100)),
    width: readOption('width', values.width, side),
    height: readOption('height', values.height, side),
    pixelFormat: readOption(
      'pixels',
      values.pixels,
      oneOf('rgb24', 'rgba', 'bgr24', 'gray8', 'yuv420p', 'rgb48le'),
    ),
    store: !values['no-store'],
    streamIndex: readOption('stream', values.stream, wholeNumber(0, 2 ** 31 - 1)),
  };
}

/** Says on a terminal which run is under way. */
async function measure(
  source: string,
  options: BenchmarkOptions,
  { signal }: Context,
): Promise<DecodeBenchmark> {
  const { stderr } = process;
  const line = (text: string) => {
    if (stderr.isTTY) stderr.write(`\r${text}\x1b[K`);
  };
  try {
    return await benchmarkDecodePaths(source, {
      ...{ ...options, signal },
      onProgress: ({ path, stage, fraction }) =>
        line(`${Math.floor(fraction * 100)} %  ${stage}: ${path}`),
    });
  } finally {
    line('');
  }
}

const HEAD = [
  '',
  'frames/s',
  'x',
  'CPU ms/frame',
  'peak memory',
  'first frame',
  'frames',
];

/** For people. Every figure was measured just now. */
function describe(result: DecodeBenchmark): string {
  const { video, output, machine, frames, rounds, paths, fastest } = result;
  const rows = paths
    .filter(({ unusable }) => unusable === null)
    .map((path) => [path.name, ...figures(path)]);
  const unusable = paths.flatMap(({ name, unusable }) =>
    unusable === null ? [] : [[name, printable(unusable)]],
  );
  const others =
    unusable.length > 0 ? `\nNot measured:\n${table(unusable, { indent: '  ' })}` : '';
  const size = `${video.width}x${video.height}`;
  return [
    `${printable(result.source)}: ${video.codec}, ${video.pixelFormat}, ${size}\n`,
    `${frames} frames as ${output.pixelFormat} ${output.width}x${output.height}, medians of ${rounds}\n`,
    `${machine.cpu}, ${machine.cores} cores, ${machine.platform}, FFmpeg ${machine.ffmpeg}, Node ${machine.node}\n\n`,
    table([HEAD, ...rows], { right: [1, 2, 3, 4, 5] }),
    `\nx: times as fast as software with one thread, here and now. Fastest: ${fastest}.\n`,
    verdict(result),
    others,
  ].join('');
}

function verdict({ hardware, stored, video }: DecodeBenchmark): string {
  const where = hardware ?? 'software';
  const kept = stored ? 'from now on' : 'if that were kept';
  return `hardware: 'auto' decodes ${video.codec} of about this size on: ${where} (${kept}).\n`;
}

function figures(path: DecodePathResult): string[] {
  const { framesPerSecond, speed, cpuPerFrame, peakMemory, firstFrame } = path;
  const or = (value: number | null, show: (value: number) => string) =>
    value === null ? '-' : show(value);
  return [
    or(framesPerSecond, (value) => value.toFixed(value < 100 ? 1 : 0)),
    or(speed, (value) => value.toFixed(2)),
    or(cpuPerFrame, (value) => decimal(value * 1000, 2)),
    or(peakMemory, (value) => quantity(value, 'B')),
    or(firstFrame, (value) => `${Math.round(value * 1000)} ms`),
    path.identical ? 'equal' : `${path.psnr?.toFixed(1)} dB`,
  ];
}
