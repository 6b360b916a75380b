import { mkdir } from 'node:fs/promises';
import {
  type Frame,
  type FrameSelection,
  type OpenOptions,
  openVideo,
  probe,
  type Video,
} from '../index.ts';
import {
  atMostOne,
  COMMON_OPTIONS,
  checkRange,
  HARDWARE,
  INTERVAL,
  oneOf,
  parseCommand,
  RATE,
  readOption,
  THREADS,
  TIME,
  wholeNumber,
} from './arguments.ts';
import { type Command, type Context, UsageError } from './command.ts';
import { failureLine, toFailure } from './failure.ts';
import type { FrameConsumer } from './frame-consumer.ts';
import { FrameListing } from './frame-listing.ts';
import { Framemd5Printer } from './framemd5.ts';
import { label } from './probe.ts';
import { Progress } from './progress.ts';
import { eachSource, type Outcome, printValues } from './sources.ts';
import { STILL_FORMATS, type StillFormat, StillWriter, stillNames } from './stills.ts';

const HELP = `Usage: rushes frames [options] FILE…
       rushes frames --format framemd5 [options] FILE
       rushes frames --out DIR [--format jpg|png|webp] [options] FILE…

Decodes frames. Prints a table of them, or FFmpeg's framemd5 lines, or writes them as
pictures DIR/NAME-000001.jpg …, numbered in the order of time, where NAME is the name of
FILE without extension (with it, if two FILEs would have the same NAME). Pictures that are
there already are replaced.

Which frames (default: all; times are those of the file, which need not start at 0):
      --start TIME    first frame at or after TIME; seconds or [HH:]MM:SS
      --end TIME      no frame at or after TIME
      --every SECONDS the frame on screen at every multiple of SECONDS from the start
      --fps RATE      the same, RATE times a second
      --step N        every Nth frame
      --key-frames    key frames only; nothing else is decoded
      --limit N       no more than N frames of each file

Pictures (only with --out):
      --out DIR       where to write them; made if it is not there
      --format FORMAT jpg (default), png or webp
      --width W, --height H, --fit inside|contain|cover|fill
                      size, as in sharp; never enlarged. Default: the video's own
      --quality Q     1 to 100, for jpg and webp (default 80)

      --format framemd5
                      one line a frame: MD5 of the decoder's output as it is, neither
                      scaled nor turned, and pts in the time base of the stream
      --skip-errors   go on after damage, and say what was left out (default: stop there)
      --stream N      the video stream with this index (default: the best one;
                      the first one for framemd5)
      --threads N     decoder threads (default: one per core)
      --hardware H    where to decode, as for 'rushes analyze'
      --json          a list of the frames, or of the pictures written
  -h, --help          this help
`;

const OPTIONS = {
  ...COMMON_OPTIONS,
  start: { type: 'string' },
  end: { type: 'string' },
  every: { type: 'string' },
  fps: { type: 'string' },
  step: { type: 'string' },
  'key-frames': { type: 'boolean' },
  limit: { type: 'string' },
  out: { type: 'string' },
  format: { type: 'string' },
  width: { type: 'string' },
  height: { type: 'string' },
  fit: { type: 'string' },
  quality: { type: 'string' },
  'skip-errors': { type: 'boolean' },
  stream: { type: 'string' },
  threads: { type: 'string' },
  hardware: { type: 'string' },
} as const;

/** As far as the library takes it. */
const SIDE = wholeNumber(1, 16_384);
const FITS = oneOf('inside', 'contain', 'cover', 'fill');

interface FramesArguments {
  readonly files: string[];
  readonly json: boolean;
  /** What to make of the frames. */
  readonly target: Target;
  readonly open: OpenOptions;
  readonly selection: FrameSelection;
  readonly limit: number;
}

type Target =
  | { kind: 'list' }
  | { kind: 'framemd5' }
  | {
      kind: 'stills';
      directory: string;
      format: StillFormat;
      quality: number | undefined;
    };

export const framesCommand: Command = {
  name: 'frames',
  summary: 'list frames, print their MD5, or write them as pictures',
  help: HELP,
  async run(args, context) {
    const wanted = readArguments(args);
    const names = stillNames(wanted.files);
    if (wanted.target.kind === 'stills') {
      await mkdir(wanted.target.directory, { recursive: true });
    }
    const { values, exitCode } = await eachSource(
      context,
      wanted.files,
      async (source, index) => {
        const consumer = makeConsumer(wanted, context, source, names[index] ?? '', index);
        return decode(source, wanted, context, consumer);
      },
    );
    if (wanted.json) await printValues(context, values);
    return exitCode;
  },
};

function readArguments(args: readonly string[]): FramesArguments {
  const { values, files } = parseCommand(args, OPTIONS);
  const { every, fps, step, width, height, fit, quality, json = false } = values;
  atMostOne({ every, fps, step });

  const target = readTarget(values.format, values.out, values.quality);
  if (target.kind === 'framemd5') {
    if (files.length > 1) {
      throw new UsageError(`--format framemd5 takes one FILE, got ${files.length}`);
    }
    atMostOne({ 'format framemd5': true, json: values.json });
  }
  if (target.kind !== 'stills') {
    for (const [option, value] of Object.entries({ width, height, fit, quality })) {
      if (value !== undefined) {
        throw new UsageError(`--${option} goes with --out only, got '${value}'`);
      }
    }
  }
  const start = readOption('start', values.start, TIME);
  const end = readOption('end', values.end, TIME);
  checkRange(start, end);

  return {
    files,
    json,
    target,
    open: {
      pixelFormat: target.kind === 'stills' ? 'rgb24' : 'native',
      width: readOption('width', width, SIDE),
      height: readOption('height', height, SIDE),
      fit: readOption('fit', fit, FITS),
      streamIndex: readOption('stream', values.stream, wholeNumber(0)),
      threads: readOption('threads', values.threads, THREADS),
      hardware: readOption('hardware', values.hardware, HARDWARE),
      onDecodeError: values['skip-errors'] ? 'skip' : 'throw',
    },
    selection: {
      start,
      end,
      every: readOption('every', every, INTERVAL),
      fps: readOption('fps', fps, RATE),
      step: readOption('step', step, wholeNumber(1)),
      keyFrames: values['key-frames'],
    },
    limit: readOption('limit', values.limit, wholeNumber(1)) ?? Number.POSITIVE_INFINITY,
  };
}

function readTarget(
  format: string | undefined,
  directory: string | undefined,
  qualityText: string | undefined,
): Target {
  const kind = readOption('format', format, oneOf(...STILL_FORMATS, 'framemd5'));
  if (kind === 'framemd5') {
    if (directory === undefined) return { kind: 'framemd5' };
    throw new UsageError('--format framemd5 prints and takes no --out');
  }
  if (directory === undefined) {
    if (kind === undefined) return { kind: 'list' };
    throw new UsageError(`--format ${kind} wants --out DIR`);
  }
  const quality = readOption('quality', qualityText, wholeNumber(1, 100));
  if (quality !== undefined && kind === 'png') {
    throw new UsageError('--quality does not go with --format png, which loses nothing');
  }
  return { kind: 'stills', directory, format: kind ?? 'jpg', quality };
}

function makeConsumer(
  { target, json }: FramesArguments,
  context: Context,
  source: string,
  name: string,
  index: number,
): FrameConsumer {
  switch (target.kind) {
    case 'list':
      return new FrameListing(context.output, source, { json, first: index === 0 });
    case 'framemd5':
      return new Framemd5Printer(context.output);
    case 'stills':
      return new StillWriter(target.directory, name, {
        ...target,
        announce: json ? undefined : context.output,
      });
  }
}

async function decode(
  source: string,
  { open, selection, limit, target }: FramesArguments,
  context: Context,
  consumer: FrameConsumer,
): Promise<Outcome> {
  const { signal } = context;
  const streamIndex =
    open.streamIndex ??
    (target.kind === 'framemd5' ? await firstVideoStream(source, signal) : undefined);
  const video = await openVideo(source, { ...open, streamIndex, signal });
  const progress = new Progress(process.stderr, label(source), {
    enabled: !(consumer.prints && process.stdout.isTTY),
  });
  try {
    await consumer.begin(video);
    const meter = new Meter(video, selection);
    let taken = 0;
    for await (const frame of video.frames({ ...selection, signal })) {
      await consumer.add(frame);
      progress.update(meter.advance(frame));
      if (++taken >= limit) break;
    }
    progress.clear();
    const result = await consumer.finish();
    const errors = video.errors.map((error) => ({
      ...toFailure(source, error).error,
      time: error.time ?? null,
    }));
    for (const error of errors) {
      context.warn(`left out: ${failureLine({ source, error })}`);
    }
    return { value: { source, ...result, errors } };
  } finally {
    progress.clear();
    await consumer.release();
    await video.close();
  }
}

/** What FFmpeg's `-map 0:V:0` takes: the first stream that is a video and no picture. */
async function firstVideoStream(source: string, signal: AbortSignal): Promise<number> {
  const { streams, streamIndex } = await probe(source, { signal });
  const first = streams.find(
    ({ type, attachedPicture }) => type === 'video' && !attachedPicture,
  );
  return first?.index ?? streamIndex;
}

/** Says how far a pass has come. */
class Meter {
  readonly #began = performance.now();
  readonly #start: number;
  readonly #duration: number | null;
  #frames = 0;

  constructor({ info }: Video, { start, end }: FrameSelection) {
    const from = info.startTime ?? 0;
    const until = info.duration === null ? null : from + info.duration;
    this.#start = start ?? from;
    const last = end !== undefined && (until === null || end < until) ? end : until;
    this.#duration = last === null ? null : Math.max(last - this.#start, 0);
  }

  advance(frame: Frame) {
    this.#frames++;
    const time = frame.time - this.#start;
    const elapsed = (performance.now() - this.#began) / 1000;
    return {
      time,
      duration: this.#duration,
      fraction: this.#duration ? time / this.#duration : null,
      framesPerSecond: elapsed > 0 ? this.#frames / elapsed : 0,
    };
  }
}
