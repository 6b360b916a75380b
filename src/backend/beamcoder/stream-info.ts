/** What a video is, as far as beamcoder's demuxer tells: `native/stream_info.cc` in TypeScript. */
import { statSync } from 'node:fs';
import type { Rational, StreamInfo } from '../../info.ts';
import type { NativeInfo } from '../../native.ts';
import { type Demuxer, isPicture } from './demuxer.ts';
import type { BeamStream, Ratio } from './package.ts';
import type { PixelFormats } from './pixel-formats.ts';

const STREAM_TYPES = ['video', 'audio', 'subtitle', 'data', 'attachment'];

function rational([num, den]: Ratio): Rational | null {
  return num > 0 && den > 0 ? { num, den } : null;
}

/** FFmpeg's name of a colour property, or nothing where it is unspecified. */
function known(name: string | undefined): string | null {
  const unknown = [undefined, 'unknown', 'unspecified', 'reserved'];
  return unknown.includes(name) ? null : (name as string);
}

export function rangeOf(name: string | undefined): 'limited' | 'full' | null {
  if (name === 'tv' || name === 'mpeg') return 'limited';
  return name === 'pc' || name === 'jpeg' ? 'full' : null;
}

function language({ metadata }: BeamStream): string | null {
  const code = metadata.language;
  return code === undefined || code === 'und' ? null : code; // "undetermined", ISO 639-2
}

function describeStream(stream: BeamStream): StreamInfo {
  const type = stream.codecpar.codec_type;
  return {
    index: stream.index,
    type: (STREAM_TYPES.includes(type) ? type : 'unknown') as StreamInfo['type'],
    codec: stream.codecpar.name,
    language: language(stream),
    attachedPicture: isPicture(stream),
    default: stream.disposition.DEFAULT ?? false,
  };
}

/** The stream's first frame, how long it lasts, how many frames it has. */
function describeTiming(demuxer: Demuxer) {
  const { context, stream } = demuxer;
  const averageFrameRate = rational(stream.avg_frame_rate);
  let duration: number | null = null;
  if ((stream.duration ?? 0) > 0) duration = demuxer.seconds(stream.duration as number);
  else if ((context.duration ?? 0) > 0) duration = (context.duration as number) / 1e6;
  let frameCount: number | null = null;
  let frameCountSource: 'container' | 'estimated' | null = null;
  if (stream.nb_frames > 0) {
    frameCount = stream.nb_frames;
    frameCountSource = 'container';
  } else if (duration !== null && averageFrameRate !== null) {
    frameCount = Math.round((duration * averageFrameRate.num) / averageFrameRate.den);
    frameCountSource = 'estimated';
  }
  const [num, den] = stream.time_base;
  return {
    duration,
    startTime: stream.start_time === null ? null : demuxer.seconds(stream.start_time),
    timeBase: { num, den },
    averageFrameRate,
    // The table of packets that would tell is not handed on.
    variableFrameRate: null,
    frameCount,
    frameCountSource,
  };
}

/** On the stream, which wins where both are known, or in the codec: `av_guess_sample_aspect_ratio`. */
function sampleAspectRatio(stream: BeamStream): Rational {
  return (
    rational(stream.sample_aspect_ratio) ??
    rational(stream.codecpar.sample_aspect_ratio) ?? { num: 1, den: 1 }
  );
}

/** @param coded pixels that the decoder works on */
export function describeVideo(
  demuxer: Demuxer,
  path: string,
  coded: { width: number; height: number },
  formats: PixelFormats,
): NativeInfo['info'] {
  const { context, stream } = demuxer;
  const codec = stream.codecpar;
  const size = statSync(path).size;
  const bitRate = codec.bit_rate > 0 ? codec.bit_rate : context.bit_rate;
  const layout = codec.format === null ? undefined : formats.find(codec.format);
  const timecode = [stream, ...context.streams, context].find(
    ({ metadata }) => metadata.timecode !== undefined,
  );
  return {
    container: context.iformat.name,
    size: size > 0 ? size : null,
    bitRate: bitRate > 0 ? bitRate : null,
    streams: context.streams.map(describeStream),
    streamIndex: stream.index,
    codec: codec.name,
    profile: typeof codec.profile === 'string' ? known(codec.profile) : null,
    width: codec.width,
    height: codec.height,
    codedWidth: Math.max(coded.width, codec.width),
    codedHeight: Math.max(coded.height, codec.height),
    ...orientationOf(stream.side_data?.displaymatrix),
    sampleAspectRatio: sampleAspectRatio(stream),
    pixelFormat: layout?.name ?? null,
    bitDepth: layout?.comp[0]?.depth ?? null,
    color: {
      primaries: known(codec.color_primaries),
      transfer: known(codec.color_trc),
      matrix: known(codec.color_space),
      range: rangeOf(codec.color_range),
      chromaLocation: known(codec.chroma_location),
    },
    ...describeTiming(demuxer),
    // Beamcoder does not hand chapters on.
    chapters: [],
    timecode: timecode?.metadata.timecode ?? null,
    metadata: { ...context.metadata, ...stream.metadata },
  };
}

type Orientation = Pick<NativeInfo['info'], 'rotation' | 'flipped'>;

/** Signs of the matrix's a, b, c, d, and the orientation that they name: as in native/orientation.cc. */
const ORIENTATIONS: Readonly<Record<string, Orientation>> = {
  '1,0,0,1': { rotation: 0, flipped: false },
  '0,1,-1,0': { rotation: 90, flipped: false },
  '-1,0,0,-1': { rotation: 180, flipped: false },
  '0,-1,1,0': { rotation: 270, flipped: false },
  '-1,0,0,1': { rotation: 0, flipped: true },
  '0,1,1,0': { rotation: 90, flipped: true },
  '1,0,0,-1': { rotation: 180, flipped: true },
  '0,-1,-1,0': { rotation: 270, flipped: true },
};

/** A display matrix is nine 32-bit numbers in the machine's byte order (libavutil/display.h). */
function orientationOf(matrix: unknown): Orientation {
  const upright: Orientation = { rotation: 0, flipped: false };
  if (!Buffer.isBuffer(matrix) || matrix.length < 36) return upright;
  const values = new DataView(matrix.buffer, matrix.byteOffset, matrix.length);
  const corners = [0, 1, 3, 4].map((i) => values.getInt32(4 * i, true));
  const scale = Math.max(...corners.map(Math.abs));
  if (scale === 0) return upright;
  const signs = corners.map((value) =>
    Math.abs(value) * 16 < scale ? 0 : Math.sign(value),
  );
  return ORIENTATIONS[signs.join()] ?? upright;
}
