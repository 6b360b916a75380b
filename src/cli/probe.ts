import { basename } from 'node:path';
import { probe, type Rational, type VideoInfo } from '../index.ts';
import { COMMON_OPTIONS, parseCommand } from './arguments.ts';
import type { Command } from './command.ts';
import { clock, count, decimal, printable, quantity, table } from './format.ts';
import { eachSource, printValues } from './sources.ts';

const HELP = `Usage: rushes probe [--json] FILE…

Prints what a video is, from the container's tables and the first packets. Nothing is
decoded.

Options:
      --json  everything as JSON: one file gives an object, several give an array; a
              failed one is { source, error: { code, message } }
  -h, --help  this help
`;

export const probeCommand: Command = {
  name: 'probe',
  summary: 'print what videos are: streams, size, colour, frame rate, tags',
  help: HELP,
  async run(args, context) {
    const { values, files } = parseCommand(args, COMMON_OPTIONS);
    const { signal, output } = context;
    const { values: infos, exitCode } = await eachSource(
      context,
      files,
      async (source, index) => {
        const info = await probe(source, { signal });
        if (!values.json) {
          const gap = index > 0 ? '\n' : '';
          await output.write(`${gap}${printable(source)}\n${describe(info)}`);
        }
        return { value: info };
      },
    );
    if (values.json) await printValues(context, infos);
    return exitCode;
  },
};

/** All facts, one a line. */
export function describe(info: VideoInfo): string {
  const rows: [string, string | null][] = [
    ['container', info.container],
    ['file size', info.size === null ? null : sizeOf(info.size)],
    ['duration', info.duration === null ? 'unknown' : durationOf(info.duration)],
    ['starts at', info.startTime ? clock(info.startTime) : null],
    ['bit rate', info.bitRate === null ? null : quantity(info.bitRate, 'b/s')],
    ...info.streams.map((stream): [string, string] => [
      `stream ${stream.index}`,
      streamOf(stream, info.streamIndex),
    ]),
    ['codec', info.profile === null ? info.codec : `${info.codec}, ${info.profile}`],
    ['size', pictureOf(info)],
    ['orientation', orientationOf(info)],
    ['pixel shape', shapeOf(info.sampleAspectRatio)],
    ['pixels', pixelsOf(info)],
    ['colour', colorOf(info)],
    ['dynamic range', info.hdr === null ? 'standard' : info.hdr.toUpperCase()],
    ['frame rate', rateOf(info)],
    ['frames', framesOf(info)],
    ['time base', ratio(info.timeBase, '/')],
    ['timecode', info.timecode],
    ...info.chapters.map(({ start, title }, i): [string, string] => [
      `chapter ${i + 1}`,
      `${clock(start)}  ${title ?? ''}`,
    ]),
    ...Object.entries(info.metadata).map(([key, value]): [string, string] => [
      `tag ${key}`,
      value,
    ]),
  ];
  const known = rows.filter((row): row is [string, string] => row[1] !== null);
  return table(
    known.map((row) => row.map(printable)),
    { indent: '  ' },
  );
}

/** The same in one line, for the head of other reports. */
export function describeBriefly(info: VideoInfo): string {
  const parts = [
    info.codec,
    `${info.displayWidth}x${info.displayHeight}`,
    info.pixelFormat,
    info.hdr?.toUpperCase() ?? null,
    rateOf(info),
    info.duration === null ? null : clock(info.duration),
  ];
  return printable(parts.filter((part) => part !== null).join(', '));
}

/** The name of a file, short and printable. */
export function label(source: string): string {
  return printable(basename(source));
}

function sizeOf(bytes: number): string {
  return bytes < 1000
    ? count(bytes, 'byte')
    : `${quantity(bytes, 'B')} (${count(bytes, 'byte')})`;
}

function durationOf(seconds: number): string {
  return `${clock(seconds)} (${decimal(seconds, 6)} s)`;
}

function streamOf(stream: VideoInfo['streams'][number], chosen: number): string {
  const parts = [stream.type, stream.codec];
  if (stream.language !== null) parts.push(stream.language);
  if (stream.attachedPicture) parts.push('attached picture');
  if (stream.index === chosen) parts.push('← described below');
  return parts.join(' ');
}

function pictureOf(info: VideoInfo): string {
  const { width, height, displayWidth, displayHeight } = info;
  const stored = `${width}x${height}`;
  const shown = `${displayWidth}x${displayHeight}`;
  return stored === shown ? stored : `${stored} stored, shown as ${shown}`;
}

function orientationOf({ rotation, flipped }: VideoInfo): string {
  const turn = rotation === 0 ? null : `turn ${rotation}° clockwise`;
  const mirror = flipped ? 'mirror left to right' : null;
  return [turn, mirror].filter((part) => part !== null).join(', then ') || 'upright';
}

function shapeOf(ratioOfSides: Rational): string {
  return ratioOfSides.num === ratioOfSides.den ? 'square' : ratio(ratioOfSides, ':');
}

function pixelsOf({ pixelFormat, bitDepth }: VideoInfo): string {
  const depth = bitDepth === null ? [] : [`${bitDepth} bit`];
  return [pixelFormat ?? 'unknown', ...depth].join(', ');
}

function colorOf({ color }: VideoInfo): string {
  const parts = [
    color.primaries && `primaries ${color.primaries}`,
    color.transfer && `transfer ${color.transfer}`,
    color.matrix && `matrix ${color.matrix}`,
    color.range && `${color.range} range`,
    color.chromaLocation && `chroma ${color.chromaLocation}`,
  ];
  return parts.filter(Boolean).join(', ') || 'not tagged';
}

function rateOf({ averageFrameRate, variableFrameRate }: VideoInfo): string {
  if (averageFrameRate === null) return 'unknown frame rate';
  const { num, den } = averageFrameRate;
  const exact = den === 1 ? '' : ` (${num}/${den})`;
  const kind =
    variableFrameRate === null ? '' : variableFrameRate ? ', variable' : ', constant';
  return `${decimal(num / den)} fps${exact}${kind}`;
}

function framesOf({ frameCount, frameCountSource }: VideoInfo): string {
  if (frameCount === null) return 'unknown';
  return frameCountSource === 'estimated' ? `about ${frameCount}` : String(frameCount);
}

function ratio({ num, den }: Rational, separator: string): string {
  return `${num}${separator}${den}`;
}
