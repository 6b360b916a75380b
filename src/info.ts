/** A fraction, as FFmpeg's AVRational. */
export interface Rational {
  readonly num: number;
  readonly den: number;
}

/** How colours are coded, in FFmpeg's names (`bt709`, `smpte170m`, `bt2020nc` …); `null` where the stream does not say. */
export interface ColorInfo {
  readonly primaries: string | null;
  readonly transfer: string | null;
  readonly matrix: string | null;
  /** `'limited'`: luma 16–235 (8 bit); `'full'`: 0–255. */
  readonly range: 'limited' | 'full' | null;
  /** Where chroma samples lie between luma samples: `left`, `center`, `topleft` … */
  readonly chromaLocation: string | null;
}

/** One stream of the container. */
export interface StreamInfo {
  readonly index: number;
  readonly type: 'video' | 'audio' | 'subtitle' | 'data' | 'attachment' | 'unknown';
  readonly codec: string;
  /** ISO 639 code, where tagged. */
  readonly language: string | null;
  /** A still picture attached to the file (cover art); never chosen as the video. */
  readonly attachedPicture: boolean;
  readonly default: boolean;
}

/** A chapter mark; seconds. */
export interface Chapter {
  readonly start: number;
  readonly end: number;
  readonly title: string | null;
}

/** What a video is, read from the container and the first packets. JSON-safe. */
export interface VideoInfo {
  /** The path, or a description of the source. */
  readonly source: string;
  /** FFmpeg's name of the container format, e.g. `mov,mp4,m4a,3gp,3g2,mj2`. */
  readonly container: string;
  /** Seconds from the first to the end of the last frame, of the video stream or else of the file; `null` if unknown. */
  readonly duration: number | null;
  /** Presentation time of the stream's first frame in seconds; `null` if unknown. */
  readonly startTime: number | null;
  /** Bytes of the file; `null` if unknown (pipe). */
  readonly size: number | null;
  /** Bits per second of the video stream, or else of the file; `null` if unknown. */
  readonly bitRate: number | null;
  readonly streams: readonly StreamInfo[];
  /** Which of `streams` is the video described below. */
  readonly streamIndex: number;
  /** FFmpeg's codec name: `h264`, `hevc`, `vp9`, `av1` … */
  readonly codec: string;
  readonly profile: string | null;
  /** Pixels stored per row and column, before rotation and sample aspect ratio. */
  readonly width: number;
  readonly height: number;
  /** Pixels the decoder works on, whole blocks, before cropping. */
  readonly codedWidth: number;
  readonly codedHeight: number;
  /** Pixels as shown: after rotation, with square pixels. */
  readonly displayWidth: number;
  readonly displayHeight: number;
  /** Degrees clockwise, 0, 90, 180 or 270, by which the picture has to be turned to be upright. */
  readonly rotation: 0 | 90 | 180 | 270;
  /** Whether the picture has to be mirrored left to right after that turn. */
  readonly flipped: boolean;
  /** Width to height of one pixel; 1:1 where the stream does not say. */
  readonly sampleAspectRatio: Rational;
  /** FFmpeg's name: `yuv420p`, `yuv420p10le` … */
  readonly pixelFormat: string | null;
  /** Bits per component. */
  readonly bitDepth: number | null;
  readonly color: ColorInfo;
  /** `hdr10` (PQ), `hlg`, or `null` for standard dynamic range. */
  readonly hdr: 'hdr10' | 'hlg' | null;
  /** Seconds per tick of every `pts`. */
  readonly timeBase: Rational;
  /** Frames per second on average; `null` if unknown. */
  readonly averageFrameRate: Rational | null;
  /** Whether frames come at a varying rate; `null` if the container's tables do not tell. */
  readonly variableFrameRate: boolean | null;
  /** Number of frames; `null` if unknown. */
  readonly frameCount: number | null;
  /** How far `frameCount` can be trusted: written in the container, duration × average frame rate, or counted by `video.index()`. */
  readonly frameCountSource: 'container' | 'estimated' | 'counted' | null;
  readonly chapters: readonly Chapter[];
  /** SMPTE timecode of the first frame, `HH:MM:SS:FF` (`;` before FF: drop frame), where there is one. */
  readonly timecode: string | null;
  /** Tags of the container and, over them, of the stream. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** How frames are really being decoded. */
export interface DecodePath {
  /** `native`: the addon; `beamcoder`: the package of that name, in a process of its own. */
  readonly backend: 'native' | 'beamcoder';
  /** FFmpeg's name of the decoder: `h264`, `libdav1d` … */
  readonly decoder: string;
  /** Hardware device type, or `null` for software. */
  readonly hardware: string | null;
  /** Decoder threads. */
  readonly threads: number;
  /** How the decoder spreads work over them. */
  readonly threadType: 'frame' | 'slice' | 'none';
  /** Why the device that was asked for is not used, or not any more; `null` if none was asked for, or it works. */
  readonly fallbackReason: string | null;
  /**
   * FFmpeg's filter that makes frames smaller on the device, so that only small ones are brought to memory; `null` where they are made smaller in memory, as
   * for every analysis, and with `hardware: 'auto'`. Known from the first frame on.
   */
  readonly scaleFilter: string | null;
  /** Why frames are not made smaller on the device that decodes them, or not any more; `null` where that is not tried, or works. */
  readonly scaleFallbackReason: string | null;
}
