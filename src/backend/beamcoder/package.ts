/** The beamcoder package (0.7): where it is, and the part of its addon that is used here. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/**
 * Finds the package's own addon, or says why there is none.
 *
 * Not the package's index, which prints five lines to stdout, writes a crash.log and needs segfault-handler, another addon that is
 * tied to one version of Node.
 */
export function findBeamcoder(): { file: string } | { why: string } {
  const require = createRequire(join(import.meta.dirname, 'beamcoder.js'));
  let folder: string;
  try {
    folder = dirname(require.resolve('beamcoder/package.json'));
  } catch {
    return { why: 'the package beamcoder is not installed' };
  }
  const file = join(folder, 'build', 'Release', 'beamcoder.node');
  return existsSync(file) ? { file } : { why: `${file} was not built` };
}

/** FFmpeg's AVRational. */
export type Ratio = readonly [num: number, den: number];

/** A pixel format, as `av_pix_fmt_desc_get` describes it. */
export interface PixelLayout {
  readonly name: string;
  readonly nb_components: number;
  readonly log2_chroma_w: number;
  readonly log2_chroma_h: number;
  readonly flags: Readonly<
    Record<'BE' | 'PAL' | 'BITSTREAM' | 'HWACCEL' | 'RGB' | 'ALPHA' | 'FLOAT', boolean>
  >;
  readonly comp: readonly {
    readonly plane: number;
    readonly step: number;
    readonly offset: number;
    readonly shift: number;
    readonly depth: number;
  }[];
}

export interface BeamPacket {
  readonly pts: number | null;
  readonly dts: number | null;
  readonly duration: number;
  readonly size: number;
  /** The whole buffer: it may be longer than `size`. */
  readonly data: Buffer | null;
  readonly pos: number;
  readonly stream_index: number;
  readonly flags: { readonly KEY: boolean; readonly CORRUPT: boolean; DISCARD: boolean };
  readonly side_data: Readonly<Record<string, unknown>> | null;
}

export interface BeamFrame {
  readonly width: number;
  readonly height: number;
  /** FFmpeg's name of the pixel format; `null` for a frame without a picture. */
  readonly format: string | null;
  readonly key_frame: boolean;
  /** Of the packet. */
  readonly pts: number | null;
  readonly best_effort_timestamp: number | null;
  readonly pkt_duration: number;
  readonly linesize: readonly number[];
  /** A buffer for each plane, each call new ones. Set to null to let go of them before the garbage collector does. */
  data: readonly Buffer[] | null;
  readonly colorspace: string;
  readonly color_range: string;
  readonly color_trc: string;
  readonly color_primaries: string;
}

export interface BeamCodecParameters {
  readonly codec_type: string;
  readonly codec_id: number;
  readonly name: string;
  readonly profile: string | number | null;
  readonly format: string | null;
  readonly width: number;
  readonly height: number;
  readonly bit_rate: number;
  readonly sample_aspect_ratio: Ratio;
  readonly extradata: Buffer | null;
  readonly color_primaries: string;
  readonly color_trc: string;
  readonly color_space: string;
  readonly color_range: string;
  readonly chroma_location: string;
}

export interface BeamStream {
  readonly index: number;
  readonly time_base: Ratio;
  readonly start_time: number | null;
  readonly duration: number | null;
  readonly nb_frames: number;
  readonly disposition: Readonly<Record<string, boolean>>;
  discard: string;
  readonly sample_aspect_ratio: Ratio;
  readonly avg_frame_rate: Ratio;
  readonly metadata: Readonly<Record<string, string>>;
  readonly side_data: Readonly<Record<string, unknown>> | null;
  readonly codecpar: BeamCodecParameters;
}

export interface BeamDemuxer {
  readonly iformat: {
    readonly name: string;
    readonly flags: Readonly<Record<string, boolean>>;
  };
  /** Microseconds. */
  readonly duration: number | null;
  readonly bit_rate: number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly streams: readonly BeamStream[];
  read(): Promise<BeamPacket | null>;
  seek(options: {
    stream_index: number;
    timestamp: number;
    backward: boolean;
  }): Promise<null>;
  /** Frees the AVFormatContext; not while a call is under way. */
  forceClose(): void;
}

export interface BeamDecoder {
  readonly name: string;
  readonly thread_count: number;
  readonly active_thread_type: { readonly FRAME: boolean; readonly SLICE: boolean };
  readonly coded_width: number;
  readonly coded_height: number;
  readonly has_b_frames: number;
  decode(
    packets: BeamPacket | readonly BeamPacket[],
  ): Promise<{ readonly frames: readonly BeamFrame[] }>;
  flush(): Promise<{ readonly frames: readonly BeamFrame[] }>;
}

export interface BeamFilterer {
  filter(
    frames: readonly BeamFrame[],
  ): Promise<readonly { readonly frames: readonly BeamFrame[] }[]>;
}

/** The addon. Calls that return promises run on libuv's pool. */
export interface Beamcoder {
  logging(level: string): void;
  avVersionInfo(): string;
  pix_fmts(): Readonly<Record<string, PixelLayout>>;
  demuxer(options: {
    url: string;
    options: Readonly<Record<string, string>>;
  }): Promise<BeamDemuxer>;
  decoder(options: {
    demuxer: BeamDemuxer;
    stream_index: number;
    thread_count: number;
    skip_frame?: string;
  }): BeamDecoder;
  filterer(options: {
    filterType: 'video';
    inputParams: readonly {
      width: number;
      height: number;
      pixelFormat: string;
      timeBase: Ratio;
      pixelAspect: Ratio;
    }[];
    outputParams: readonly { pixelFormat: string }[];
    filterSpec: string;
  }): Promise<BeamFilterer>;
}
