/** Where every frame is, by one scan of all packets: `native/frame_index.cc` in TypeScript. */
import { FLAG_KEY_FRAME, INDEX_ROW } from '../../native.ts';
import type { Demuxer } from './demuxer.ts';
import type { BeamPacket } from './package.ts';

export interface IndexEntry {
  readonly pts: number;
  readonly duration: number;
  /** Byte offset in the file; -1 if unknown. */
  readonly position: number;
  /** Place in decoding order. */
  readonly order: number;
  readonly key: boolean;
}

/** Bytes that FFmpeg allocates behind a packet: AV_INPUT_BUFFER_PADDING_SIZE. */
const PADDING = 64;

/** The packet's own bytes. Beamcoder gives the buffer that holds them: Matroska's begins with the block's header. */
function bytesOf({ data, size }: BeamPacket, matroska: boolean): Uint8Array {
  if (data === null) return new Uint8Array();
  const begin = matroska ? Math.max(0, data.length - PADDING - size) : 0;
  return data.subarray(begin, begin + size);
}

/** How many pictures a VP8 frame shows (RFC 6386, 9.1: show_frame is bit 4 of the first byte). */
function shownByVp8(data: Uint8Array): number {
  return data.length === 0 || ((data[0] as number) & 0x10) !== 0 ? 1 : 0;
}

/** VP9 bitstream specification 0.6, 6.2: frame_marker, profile bits, show_existing_frame, frame_type, show_frame. */
function isShownVp9(data: Uint8Array): boolean {
  const bits = data[0];
  if (bits === undefined) return false;
  const showExisting = (bits & 0x30) === 0x30 ? 2 : 3; // profile 3 has one reserved bit more
  return ((bits >> showExisting) & 1) !== 0 || ((bits >> (showExisting - 2)) & 1) !== 0;
}

/** Pictures that a VP9 packet shows: the frames of a superframe (Annex B) are looked at one by one. */
function shownByVp9(data: Uint8Array): number {
  const marker = data.at(-1);
  if (marker === undefined) return 0;
  if ((marker & 0xe0) !== 0xc0) return isShownVp9(data) ? 1 : 0;
  const frames = (marker & 7) + 1;
  const bytes = ((marker >> 3) & 3) + 1;
  const begin = data.length - 2 - bytes * frames;
  if (begin < 0 || data[begin] !== marker) return isShownVp9(data) ? 1 : 0;
  const sizes = Buffer.from(data.buffer, data.byteOffset + begin + 1, bytes * frames);
  let shown = 0;
  let at = 0;
  for (let i = 0; i < frames; i++) {
    const length = sizes.readUIntLE(i * bytes, bytes);
    if (at + length > data.length) return 1;
    if (isShownVp9(data.subarray(at, at + length))) shown++;
    at += length;
  }
  return shown;
}

/**
 * Whether an HEVC packet is a leading picture that is skipped if decoding began at the key frame before it: NAL unit types RASL_N and
 * RASL_R (ITU-T H.265, table 7-1).
 */
function isRasl(data: Uint8Array, annexB: boolean, lengthBytes: number): boolean {
  let at = 0;
  while (at < data.length) {
    let end = data.length;
    if (annexB) {
      while (at + 3 < end && (data[at] !== 0 || data[at + 1] !== 0 || data[at + 2] !== 1))
        at++;
      at += 3;
      end = at + 1; // the search goes on behind the NAL unit's first byte
    } else {
      if (end - at <= lengthBytes) return false;
      let length = 0;
      for (let i = 0; i < lengthBytes; i++)
        length = length * 256 + (data[at++] as number);
      end = at + length;
    }
    if (at >= data.length) return false;
    const type = ((data[at] as number) >> 1) & 0x3f;
    if (type < 32) return type === 8 || type === 9;
    at = end;
  }
  return false;
}

/** Tells what comes of a stream's packets. */
export class PacketReader {
  readonly #codec: string;
  readonly #matroska: boolean;
  readonly #annexB: boolean;
  readonly #lengthBytes: number;

  constructor(demuxer: Demuxer) {
    const { name, extradata } = demuxer.stream.codecpar;
    this.#codec = name;
    this.#matroska = demuxer.context.iformat.name.startsWith('matroska');
    // ISO/IEC 14496-15: hvcC begins with a 1, Annex B streams with a start code.
    this.#annexB = (extradata?.length ?? 0) < 23 || extradata?.[0] !== 1;
    this.#lengthBytes = this.#annexB ? 4 : ((extradata?.[21] as number) & 3) + 1;
  }

  /** How many pictures come of a packet; almost always one. */
  shownBy(packet: BeamPacket): number {
    if (packet.size === 0 || packet.flags.DISCARD) return 0;
    if (this.#codec === 'vp8') return shownByVp8(bytesOf(packet, this.#matroska));
    if (this.#codec === 'vp9') return shownByVp9(bytesOf(packet, this.#matroska));
    return 1;
  }

  isRasl(packet: BeamPacket): boolean {
    if (this.#codec !== 'hevc') return false;
    return isRasl(bytesOf(packet, this.#matroska), this.#annexB, this.#lengthBytes);
  }
}

export class PacketIndex {
  readonly entries: readonly IndexEntry[];
  /** Read from packets, without decoding. */
  readonly fromPackets: boolean;
  readonly #keys: number[] = [];

  /** @param entries in presentation order */
  constructor(entries: readonly IndexEntry[], fromPackets: boolean) {
    this.entries = entries;
    this.fromPackets = fromPackets;
    for (const [i, { key }] of entries.entries()) {
      if (fromPackets && key) this.#keys.push(i);
    }
  }

  /** Reads all packets; `undefined` where they do not say when their frames are shown. */
  static async scan(demuxer: Demuxer): Promise<PacketIndex | undefined> {
    if (!demuxer.hasTimestamps) return undefined;
    const reader = new PacketReader(demuxer);
    const entries: IndexEntry[] = [];
    let firstKeyPts: number | undefined;
    for (let order = 0; ; order++) {
      const packet = await demuxer.read();
      if (packet === null) break;
      const shown = reader.shownBy(packet);
      if (shown === 0) continue;
      const { pts, duration, pos: position } = packet;
      if (shown > 1 || pts === null) return undefined;
      const key = packet.flags.KEY;
      if (key) firstKeyPts ??= pts;
      const leads = firstKeyPts !== undefined && pts < firstKeyPts;
      if (leads && reader.isRasl(packet)) continue;
      entries.push({ pts, duration, position, order, key });
    }
    entries.sort((a, b) => a.pts - b.pts); // stable
    return new PacketIndex(entries, true);
  }

  static fromRows(rows: Float64Array, fromPackets: boolean): PacketIndex {
    const entries: IndexEntry[] = [];
    for (let at = 0; at < rows.length; at += INDEX_ROW.length) {
      const column = (name: keyof typeof INDEX_ROW) =>
        rows[at + INDEX_ROW[name]] as number;
      entries.push({
        pts: column('pts'),
        duration: column('duration'),
        position: column('position'),
        order: column('order'),
        key: column('flags') !== 0,
      });
    }
    return new PacketIndex(entries, fromPackets);
  }

  toRows(): Float64Array<ArrayBuffer> {
    const rows = new Float64Array(this.entries.length * INDEX_ROW.length);
    for (const [i, entry] of this.entries.entries()) {
      const at = i * INDEX_ROW.length;
      rows[at + INDEX_ROW.pts] = entry.pts;
      rows[at + INDEX_ROW.duration] = entry.duration;
      rows[at + INDEX_ROW.position] = entry.position;
      rows[at + INDEX_ROW.order] = entry.order;
      rows[at + INDEX_ROW.flags] = entry.key ? FLAG_KEY_FRAME : 0;
    }
    return rows;
  }

  /** The key frame from which frame `frame` is decoded, or the one `back` key frames earlier. */
  keyFrameFor(frame: number, back: number): IndexEntry | undefined {
    // The last key frame shown no later. It is decoded earlier, too, but for
    // leading pictures, which need the key frame before: their pts is smaller.
    const { order } = this.entries[frame] as IndexEntry;
    const candidates = this.#keys.filter(
      (key) => key <= frame && (this.entries[key] as IndexEntry).order <= order,
    );
    const key = candidates.at(-1 - back);
    return key === undefined ? undefined : this.entries[key];
  }

  /** The place in decoding order of the packet with this pts and byte position. */
  orderOf(pts: number | null, position: number): number | undefined {
    let low = 0;
    let high = this.entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.entries[middle] as IndexEntry).pts < (pts ?? -Infinity)) low = middle + 1;
      else high = middle;
    }
    for (let i = low; this.entries[i]?.pts === pts; i++) {
      const entry = this.entries[i] as IndexEntry;
      const unknown = position < 0 || entry.position < 0;
      if (unknown || entry.position === position) return entry.order;
    }
    return undefined;
  }
}
