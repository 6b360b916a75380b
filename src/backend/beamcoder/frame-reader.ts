/** Demuxer and codec as one row of frames, from any place of the file: `native/frame_reader.cc` in TypeScript. */
import { Codec } from './codec.ts';
import { Demuxer, type Tools } from './demuxer.ts';
import { Failure } from './failure.ts';
import type { BeamDecoder, BeamFrame } from './package.ts';
import type { IndexEntry, PacketIndex } from './packet-index.ts';
import type { OpenRequest } from './protocol.ts';
import { slack } from './selector.ts';

/** One decoded frame with its time sorted out. */
export interface TimedFrame {
  readonly frame: BeamFrame;
  readonly pts: number;
  readonly duration: number;
  readonly key: boolean;
  readonly time: number;
  readonly end: number;
}

/** A seek that lands too late is tried again from this much earlier, in seconds; then the file is read from its beginning. */
const STEPS_BACK = [0, 1, 5, 25];
/** How many frames may come before the key frame that a seek promised. */
const MAX_FRAMES_BEFORE_KEY_FRAME = 64;

export class FrameReader {
  /** How often `approach` may be tried for one frame. */
  static readonly ATTEMPTS = 3;

  readonly request: OpenRequest;
  readonly #tools: Tools;
  #demuxer: Demuxer | undefined;
  #codec: Codec | undefined;
  #keyFramesOnly = false;
  /** Nothing was read since the file was opened. */
  #fresh = false;
  #fromStart = true;
  /** The key frame at which a seek landed. */
  #landed: TimedFrame | undefined;
  #nextPts: number | undefined;
  #lastPts: number | undefined;
  #decoded = 0;
  #errors: Failure[] = [];
  /** Ended the file; thrown when the frames before it are out. */
  #fileError: Failure | undefined;

  constructor(tools: Tools, request: OpenRequest) {
    this.#tools = tools;
    this.request = request;
  }

  /** @throws {Failure} */
  async open(): Promise<{ demuxer: Demuxer; decoder: BeamDecoder }> {
    await this.#rewind();
    const decoder = await (this.#codec as Codec).describe();
    this.#restartCodec();
    return { demuxer: this.demuxer, decoder };
  }

  /** @throws {Failure} where opening again has failed */
  get demuxer(): Demuxer {
    if (this.#demuxer !== undefined) return this.#demuxer;
    throw new Failure('ERR_IO', 'open: The source could not be opened again');
  }

  get #openCodec(): Codec {
    if (this.#codec !== undefined) return this.#codec;
    throw new Failure('ERR_IO', 'open: The source could not be opened again');
  }

  close(): void {
    this.#codec = undefined;
    this.#demuxer?.close();
    this.#demuxer = undefined;
  }

  addError(error: Failure): void {
    this.#errors.push(error);
  }

  /** Damage gone past since the last call. */
  takeErrors(): Failure[] {
    return this.#errors.splice(0);
  }

  // ---------------------------------------------------------- where to begin

  /** Continues at the beginning, or so that no frame from `start` (seconds) on is missed; frames before it may come first. */
  async begin(start: number | null, keyFramesOnly: boolean): Promise<void> {
    const sameCodec = this.#keyFramesOnly === keyFramesOnly;
    this.#keyFramesOnly = keyFramesOnly;
    this.#forget();
    if (this.#demuxer === undefined) await this.#rewind();
    const { stream } = this.demuxer;
    const first =
      stream.start_time === null ? 0 : this.demuxer.seconds(stream.start_time);
    if (start !== null && start > first) await this.#seekTo(start);
    else if (!this.#fresh) await this.#rewind();
    if (!sameCodec) this.#restartCodec();
  }

  /** Nothing of what was read counts any more. */
  #forget(): void {
    this.#landed = undefined;
    this.#nextPts = undefined;
    this.#lastPts = undefined;
    this.#decoded = 0;
    this.#errors = [];
    this.#fileError = undefined;
  }

  async #rewind(): Promise<void> {
    this.close(); // first, so that no two files are open
    this.#demuxer = await Demuxer.open(this.#tools, this.request);
    this.#restartCodec();
    this.#fresh = true;
    this.#fromStart = true;
    this.#landed = undefined;
    this.#nextPts = undefined;
    this.#lastPts = undefined;
  }

  /** Beamcoder cannot flush a decoder: each seek takes a new one, and the garbage collector the one before. */
  #restartCodec(): void {
    // Without timestamps, time is known by counting every frame.
    const keyFramesOnly = this.#keyFramesOnly && this.demuxer.hasTimestamps;
    const { threads } = this.request;
    this.#codec = new Codec(this.#tools, this.demuxer, threads, keyFramesOnly);
  }

  async #seekTo(time: number): Promise<void> {
    if (this.demuxer.hasTimestamps) {
      const [num, den] = this.demuxer.stream.time_base;
      for (const back of STEPS_BACK) {
        const ticks = Math.floor(((time - back + slack(time)) * den) / num);
        this.#fresh = false;
        if (!Number.isSafeInteger(ticks) || !(await this.demuxer.seek(ticks))) break;
        this.#restartCodec();
        this.#fromStart = false;
        if (await this.#landsBefore(time)) return;
      }
    }
    if (!this.#fresh) await this.#rewind();
  }

  async #landsBefore(time: number): Promise<boolean> {
    try {
      for (let i = 0; i < MAX_FRAMES_BEFORE_KEY_FRAME; i++) {
        const frame = await this.#openCodec.receive();
        if (frame === null) break;
        const landed = this.#stamp(frame);
        if (!landed.key) continue;
        if (landed.time > time + slack(time)) break;
        this.#landed = landed;
        return true;
      }
    } catch (error) {
      if (!(error instanceof Failure) || error.isFatal) throw error;
    }
    this.#nextPts = undefined;
    return false;
  }

  /** Continues so that frame `frame` of `index` comes, unless it will come before long; frames before it may come first. */
  async approach(index: PacketIndex, frame: number, attempt: number): Promise<void> {
    // A pass over key frames leaves a codec that decodes nothing else.
    if (this.#keyFramesOnly) this.#codec = undefined;
    this.#keyFramesOnly = false;
    if (this.#demuxer === undefined || this.#codec === undefined) await this.#rewind();
    const target = index.entries[frame] as IndexEntry;
    const key = index.keyFrameFor(frame, attempt);
    if (attempt === 0) {
      const at = this.demuxer.order;
      const ahead = this.#lastPts === undefined || target.pts > this.#lastPts;
      // Frames on their way through the decoder cost more than a few to come.
      const near = this.#openCodec.delay;
      if (at !== undefined && ahead && (key === undefined || key.order <= at + near))
        return;
    }
    const last = attempt === FrameReader.ATTEMPTS - 1;
    if (key !== undefined && !last && (await this.#jumpTo(index, key))) return;
    if (!this.#fresh) await this.#rewind();
  }

  /** Continues at the packet of `key`; false if the container did not get there. */
  async #jumpTo(index: PacketIndex, key: IndexEntry): Promise<boolean> {
    if (!this.demuxer.hasTimestamps) return false;
    this.#fresh = false;
    try {
      if (!(await this.demuxer.seek(key.pts))) return false;
      for (;;) {
        const packet = await this.demuxer.read();
        if (packet === null) return false;
        const order = index.orderOf(packet.pts, packet.pos);
        if (order !== undefined && order > key.order) return false;
        if (order !== key.order) continue;
        this.demuxer.unread(packet);
        this.demuxer.order = key.order;
        this.#restartCodec();
        this.#forget();
        this.#fromStart = false;
        return true;
      }
    } catch (error) {
      if (!(error instanceof Failure) || error.isFatal) throw error;
      return false;
    }
  }

  // ------------------------------------------------------ frames one by one

  /**
   * The next frame in presentation order; `null` after the last.
   *
   * @throws {Failure} for damage (unless it is skipped), and if the whole file holds no frame
   */
  async next(): Promise<TimedFrame | null> {
    const landed = this.#landed;
    if (landed !== undefined) {
      this.#landed = undefined;
      this.#decoded++;
      return landed;
    }
    this.#fresh = false;
    for (;;) {
      this.#tools.interrupt.check();
      const frame = await this.#receive();
      if (frame === null) {
        this.#finish();
        return null;
      }
      const timed = this.#stamp(frame);
      this.#decoded++;
      if (!this.#keyFramesOnly || timed.key) return timed;
    }
  }

  async #receive(): Promise<BeamFrame | null> {
    for (;;) {
      try {
        return await this.#openCodec.receive();
      } catch (error) {
        if (!(error instanceof Failure) || error.isFatal) throw error;
        const encrypted = error.code === 'ERR_ENCRYPTED';
        if (this.request.skipErrors && !encrypted) this.#errors.push(error);
        else if (error.code === 'ERR_DECODE') throw error;
        else this.#fileError = error; // the codec still holds frames
      }
      this.#tools.interrupt.check();
    }
  }

  /** Called at the end of the file. */
  #finish(): void {
    const error = this.#fileError;
    this.#fileError = undefined;
    if (error !== undefined) throw error;
    if (this.#decoded > 0 || !this.#fromStart) return;
    throw (
      this.#errors[0] ??
      new Failure('ERR_INVALID_DATA', 'the stream holds no frame that can be decoded')
    );
  }

  #stamp(frame: BeamFrame): TimedFrame {
    const { demuxer } = this;
    const { stream } = demuxer;
    // Streams without timestamps play at their frame rate.
    const pts = frame.best_effort_timestamp ?? this.#nextPts ?? stream.start_time ?? 0;
    let duration = frame.pkt_duration;
    const [rate, per] = stream.avg_frame_rate;
    if (duration <= 0 && rate > 0 && per > 0) {
      const [num, den] = stream.time_base;
      duration = Math.round((per * den) / (rate * num)); // av_rescale_q
    }
    duration = Math.max(0, duration);
    this.#nextPts = pts + duration;
    this.#lastPts = pts;
    return {
      ...{ frame, pts, duration },
      key: frame.key_frame,
      time: demuxer.seconds(pts),
      end: demuxer.seconds(pts + duration),
    };
  }
}
