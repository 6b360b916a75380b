/** Opens a file, chooses its video stream and reads that stream's packets: `native/demuxer.cc` in TypeScript. */

import { accessSync, constants, statSync } from 'node:fs';
import { Failure, failureOf, systemFailure } from './failure.ts';
import type { Gate } from './gate.ts';
import type { Interrupt } from './interrupt.ts';
import type { FfmpegLog } from './log.ts';
import type { Beamcoder, BeamDemuxer, BeamPacket, BeamStream } from './package.ts';
import type { OpenRequest } from './protocol.ts';

/** What everything in the process works with. */
export interface Tools {
  readonly beamcoder: Beamcoder;
  readonly gate: Gate;
  readonly log: FfmpegLog;
  readonly interrupt: Interrupt;
}

/** Demuxers that take any text for a film of the text itself. */
const TEXT_ART = ['tty', 'bin', 'xbin', 'adf', 'idf'];
/** Demuxers of files that name other files. */
const PLAYLISTS = [
  'hls',
  'dash',
  'concat',
  'concatf',
  'imf',
  'image2',
  'webm_dash_manifest',
];

export function isPicture({ disposition }: BeamStream): boolean {
  return (disposition.ATTACHED_PIC ?? false) || (disposition.TIMED_THUMBNAILS ?? false);
}

function isVideo(stream: BeamStream): boolean {
  return stream.codecpar.codec_type === 'video' && !isPicture(stream);
}

export class Demuxer {
  readonly context: BeamDemuxer;
  readonly stream: BeamStream;
  readonly #tools: Tools;
  #order: number | undefined = 0;
  #unread: BeamPacket | undefined;
  #corruptPacket = false;

  private constructor(tools: Tools, context: BeamDemuxer, stream: BeamStream) {
    this.#tools = tools;
    this.context = context;
    this.stream = stream;
    for (const { index } of context.streams) {
      const each = context.streams[index] as BeamStream;
      if (index !== stream.index) each.discard = 'all';
    }
  }

  /** @throws {Failure} */
  static async open(tools: Tools, request: OpenRequest): Promise<Demuxer> {
    const { beamcoder, gate, log, interrupt } = tools;
    interrupt.check();
    checkFile(request.path);
    log.take();
    let context: BeamDemuxer;
    try {
      context = await gate.run(() =>
        beamcoder.demuxer({
          url: `file:${request.path}`,
          // Playlists and the like may refer to other files, never to the network.
          options: { protocol_whitelist: 'file,crypto,data' },
        }),
      );
    } catch (error) {
      throw failureOf(error, 'avformat_open_input', log.take().at(-1));
    }
    try {
      interrupt.check();
      const names = context.iformat.name.split(',');
      const words = 'avformat_open_input: Invalid data found when processing input';
      if (names.some((name) => TEXT_ART.includes(name))) {
        throw new Failure('ERR_INVALID_DATA', words);
      }
      if (request.alone && names.some((name) => PLAYLISTS.includes(name))) {
        throw new Failure(
          'ERR_INVALID_DATA',
          'avformat_open_input: A list of files is no video by itself',
        );
      }
      return new Demuxer(tools, context, chooseStream(context.streams, request));
    } catch (error) {
      context.forceClose();
      throw error;
    }
  }

  /** The place of the next packet in decoding order, from 0; `undefined` after a seek. */
  get order(): number | undefined {
    return this.#order;
  }
  set order(order: number) {
    this.#order = order;
  }

  /** Whether the stream says when its frames are shown; raw streams do not. */
  get hasTimestamps(): boolean {
    return !this.context.iformat.flags.NOTIMESTAMPS && this.stream.start_time !== null;
  }

  seconds(ticks: number): number {
    const [num, den] = this.stream.time_base;
    return (ticks * num) / den;
  }

  /** Gives the last packet back: the next `read` returns it. */
  unread(packet: BeamPacket): void {
    this.#unread = packet;
    if (this.#order !== undefined) this.#order--;
  }

  /**
   * The stream's next packet; `null` at the end of the file.
   *
   * @throws {Failure} `ERR_TRUNCATED` where the file ends before its own tables say it does, `ERR_ENCRYPTED`
   */
  async read(): Promise<BeamPacket | null> {
    const packet = this.#unread ?? (await this.#readNext());
    this.#unread = undefined;
    if (packet !== null && this.#order !== undefined) this.#order++;
    return packet;
  }

  async #readNext(): Promise<BeamPacket | null> {
    const { gate, log, interrupt } = this.#tools;
    for (;;) {
      interrupt.check();
      let packet: BeamPacket | null;
      try {
        packet = await gate.run(() => this.context.read());
      } catch (error) {
        const failure = failureOf(error, 'av_read_frame', log.take().at(-1));
        throw this.#corruptPacket ? truncated() : failure;
      }
      if (packet === null) {
        // Matroska says so only in the log.
        const heard = log.take().some((line) => line.includes('File ended prematurely'));
        if (this.#corruptPacket || heard) throw truncated();
        return null;
      }
      if (packet.stream_index !== this.stream.index) continue;
      if (this.#isEncrypted(packet)) {
        throw new Failure('ERR_ENCRYPTED', 'av_read_frame: The stream is encrypted');
      }
      this.#corruptPacket = packet.flags.CORRUPT;
      return packet;
    }
  }

  /**
   * Whether nobody has decrypted the packet. The mov demuxer then hands on how it was done (ISO/IEC 23001-7; the name is beamcoder's),
   * Matroska's tells the name of the key.
   */
  #isEncrypted(packet: BeamPacket): boolean {
    const { name } = this.context.iformat;
    if (name.startsWith('matroska')) return 'enc_key_id' in this.stream.metadata;
    return name.startsWith('mov') && packet.side_data?.encyption_info !== undefined;
  }

  /** Continues at a key frame at or before `pts`, for the caller to verify. False if the container could not. */
  async seek(pts: number): Promise<boolean> {
    this.#corruptPacket = false;
    this.#unread = undefined;
    this.#order = undefined;
    const { gate, log, interrupt } = this.#tools;
    interrupt.check();
    const where = { stream_index: this.stream.index, timestamp: pts, backward: true };
    try {
      await gate.run(() => this.context.seek(where));
      return true;
    } catch {
      return false;
    } finally {
      log.take();
    }
  }

  /** Frees the file and all that belongs to it. */
  close(): void {
    this.context.forceClose();
  }
}

/** What the operating system says of the file, which beamcoder tells in words only. @throws {Failure} */
function checkFile(path: string): void {
  try {
    const stats = statSync(path);
    if (stats.isDirectory()) {
      throw new Failure('ERR_IS_DIRECTORY', 'open: Is a directory');
    }
    if (!stats.isFile()) {
      throw new Failure('ERR_UNSUPPORTED', 'open: Only regular files can be read here');
    }
    if (stats.size === 0) throw new Failure('ERR_EMPTY', 'open: The file is empty');
    accessSync(path, constants.R_OK);
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw systemFailure(error, 'open');
  }
}

function truncated(): Failure {
  const words = 'av_read_frame: The file ends before its tables say it does';
  return new Failure('ERR_TRUNCATED', words);
}

/** The largest video stream that passes. */
function largest(
  streams: readonly BeamStream[],
  passes: (stream: BeamStream) => boolean,
): BeamStream | undefined {
  let found: BeamStream | undefined;
  const area = ({ codecpar }: BeamStream) => codecpar.width * codecpar.height;
  for (const stream of streams) {
    if (!isVideo(stream) || !passes(stream)) continue;
    if (found === undefined || area(stream) > area(found)) found = stream;
  }
  return found;
}

/**
 * The stream asked for, the largest in the language asked for, or the best by the rules of `av_find_best_stream` (libavformat/avformat.c)
 * as far as beamcoder knows what they need: disposition, then bit rate, then the first.
 *
 * @throws {Failure} `ERR_NO_VIDEO`
 */
function chooseStream(streams: readonly BeamStream[], request: OpenRequest): BeamStream {
  const { streamIndex, language } = request;
  if (streamIndex >= 0) {
    const stream = streams[streamIndex];
    if (stream !== undefined && isVideo(stream)) return stream;
    throw new Failure('ERR_NO_VIDEO', `stream ${streamIndex} is not a video stream`);
  }
  if (language !== '') {
    const stream = largest(streams, ({ metadata }) => metadata.language === language);
    if (stream !== undefined) return stream;
    throw new Failure(
      'ERR_NO_VIDEO',
      `the file has no video stream in the language ${language}`,
    );
  }
  const rank = ({ disposition }: BeamStream) =>
    (disposition.HEARING_IMPAIRED || disposition.VISUAL_IMPAIRED ? 0 : 1) +
    (disposition.DEFAULT ? 1 : 0);
  const [best] = streams
    .filter(isVideo)
    .sort((a, b) => rank(b) - rank(a) || rate(b) - rate(a) || a.index - b.index);
  if (best !== undefined) return best;
  throw new Failure('ERR_NO_VIDEO', 'the file has no video stream');
}

function rate({ codecpar }: BeamStream): number {
  return codecpar.bit_rate ?? 0;
}
