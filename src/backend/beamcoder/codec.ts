/**
 * Decodes packets: `native/codec.cc` in TypeScript.
 *
 * Note [Lost frames]: beamcoder 0.7.1 drops the status of a decode that failed. What failed shows in what does not come out: frames come
 * in the order of their pts, so that a packet whose frame is not out when a later one is will never give it. That is damage where
 * FFmpeg has logged an error shortly before, and no fault of the file where it has not (second fields, packed B-frames).
 */
import type { Demuxer, Tools } from './demuxer.ts';
import { Failure, failureOf } from './failure.ts';
import type { BeamDecoder, BeamFrame, BeamPacket } from './package.ts';
import { PacketReader } from './packet-index.ts';

/** Decoders that know nothing of skip_frame. A key packet of these holds a whole key frame, and the container marks it. */
const IGNORE_SKIP_FRAME = ['vp8', 'vp9', 'av1'];

interface SentPacket {
  readonly pts: number;
  readonly key: boolean;
}

export class Codec {
  readonly #tools: Tools;
  readonly #demuxer: Demuxer;
  readonly #decoder: BeamDecoder;
  readonly #packets: PacketReader;
  readonly #keyPacketsOnly: boolean;
  readonly #keyFramesOnly: boolean;
  #ready: BeamFrame[] = [];
  #failures: Failure[] = [];
  #draining = false;
  /** Packets whose frames are not out yet (Note [Lost frames]). */
  #sent: SentPacket[] = [];
  #lastPts: number | undefined;
  /** How many more frames may come of packets sent before the last line was logged. */
  #suspicion = 0;
  #words = '';

  /** @throws {Failure} `ERR_UNSUPPORTED` */
  constructor(tools: Tools, demuxer: Demuxer, threads: number, keyFramesOnly: boolean) {
    this.#tools = tools;
    this.#demuxer = demuxer;
    this.#packets = new PacketReader(demuxer);
    const { name } = demuxer.stream.codecpar;
    this.#keyFramesOnly = keyFramesOnly;
    this.#keyPacketsOnly = keyFramesOnly && IGNORE_SKIP_FRAME.includes(name);
    try {
      this.#decoder = tools.beamcoder.decoder({
        demuxer: demuxer.context,
        stream_index: demuxer.stream.index,
        thread_count: keyFramesOnly ? 1 : threads,
        ...(keyFramesOnly ? { skip_frame: 'nonkey' } : {}),
      });
    } catch (error) {
      throw failureOf(error, 'avcodec_find_decoder');
    }
  }

  /** Opens a decoder like this one, which beamcoder does with the first packet only, and says what it is. */
  async describe(): Promise<BeamDecoder> {
    const { gate, log } = this.#tools;
    log.take();
    try {
      await gate.run(() => this.#decoder.flush());
    } catch (error) {
      throw failureOf(error, 'avcodec_open2', log.take().at(-1));
    }
    return this.#decoder;
  }

  /** Frames that the decoder may hold back. */
  get delay(): number {
    return this.#decoder.thread_count + this.#decoder.has_b_frames;
  }

  /**
   * The next frame; `null` after the last.
   *
   * @throws {Failure} for damage; another call goes on behind it
   */
  async receive(): Promise<BeamFrame | null> {
    for (;;) {
      const frame = this.#ready[0];
      if (frame !== undefined) this.#account(frame);
      const failure = this.#failures.shift();
      if (failure !== undefined) throw failure;
      if (frame !== undefined) {
        this.#ready.shift();
        return frame;
      }
      if (this.#draining) return null;
      await this.#send();
    }
  }

  async #send(): Promise<void> {
    let packet: BeamPacket | null;
    try {
      do packet = await this.#demuxer.read();
      while (packet !== null && this.#keyPacketsOnly && !packet.flags.KEY);
    } catch (error) {
      // Whatever ended the file, the frames already inside come out, too:
      // the caller gets the error now and may call again for them.
      if (error instanceof Failure && error.code === 'ERR_ABORTED') throw error;
      await this.#drain();
      this.#sent = []; // what else is lost is lost for the same reason
      throw error;
    }
    if (packet === null) {
      await this.#drain();
      return this.#countLost();
    }
    if (packet.size === 0) return;
    this.#remember(packet);
    const sent = packet;
    this.#take(await this.#tools.gate.run(() => this.#decoder.decode(sent)));
  }

  async #drain(): Promise<void> {
    this.#draining = true;
    const { gate } = this.#tools;
    try {
      this.#take(await gate.run(() => this.#decoder.flush()));
    } catch {
      this.#hear();
    }
    // Each frame that fails ends a call before those behind it are out; without packets a call takes up where it ended.
    for (let i = this.#suspicion; i > 0; i--) {
      this.#take(await gate.run(() => this.#decoder.decode([])));
    }
  }

  /** Nothing comes any more: what is not out is lost. */
  #countLost(): void {
    for (const frame of this.#ready) this.#account(frame);
    if (this.#suspicion === 0) return;
    this.#lose(this.#sent.splice(0), this.#lastPts === undefined);
  }

  #take({ frames }: { readonly frames: readonly BeamFrame[] }): void {
    // Beamcoder hands on frames without a picture, too.
    this.#ready.push(
      ...frames.filter(({ format, width }) => format !== null && width > 0),
    );
    this.#hear();
  }

  #hear(): void {
    const lines = this.#tools.log.take();
    if (lines.length === 0) return;
    this.#words = lines.at(-1) as string;
    this.#suspicion = this.delay + 2;
  }

  #remember(packet: BeamPacket): void {
    const { pts, flags } = packet;
    if (pts === null || this.#keyFramesOnly) return;
    if (this.#packets.shownBy(packet) > 0) this.#sent.push({ pts, key: flags.KEY });
  }

  /** Note [Lost frames] */
  #account({ pts }: BeamFrame): void {
    if (pts === null || pts === this.#lastPts) return;
    const begins = this.#lastPts === undefined;
    this.#lastPts = pts;
    const missing = this.#sent.filter((packet) => packet.pts < pts);
    this.#sent = this.#sent.filter((packet) => packet.pts > pts);
    if (this.#suspicion === 0) return;
    this.#suspicion--;
    // Leading pictures of the first key frame may be left out.
    this.#lose(begins ? missing.filter(({ key }) => key) : missing, false);
  }

  #lose(packets: readonly SentPacket[], all: boolean): void {
    const lost = [...packets].sort((a, b) => a.pts - b.pts);
    for (const { pts } of all ? lost.slice(0, 1) : lost) {
      const words = 'avcodec_send_packet: Invalid data found when processing input';
      const time = this.#demuxer.seconds(pts);
      this.#failures.push(new Failure('ERR_DECODE', `${words} (${this.#words})`, time));
    }
  }
}
