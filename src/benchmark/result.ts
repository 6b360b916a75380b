/** What a benchmark of decode paths is asked for, and what it gives. */
import type { PixelFormat } from '../frame.ts';
import type { VideoInfo } from '../info.ts';

/** How to measure. */
export interface BenchmarkOptions {
  /** Frames of each run, from the first on. Default 300, unless `seconds` is given. */
  frames?: number | undefined;
  /** Seconds of video of each run, in place of `frames`. */
  seconds?: number | undefined;
  /** Runs of each path; the paths take turns. Default 3. */
  rounds?: number | undefined;
  /** Frames are made as large as fits inside, as in `openVideo`. Default 640 × 360. */
  width?: number | undefined;
  height?: number | undefined;
  /** Layout of the frames. Default `'rgb24'`. */
  pixelFormat?: Exclude<PixelFormat, 'native'> | undefined;
  /** Which video stream, by index. Default: the best by FFmpeg's rules. */
  streamIndex?: number | undefined;
  /** Keep the verdict for `hardware: 'auto'`. Default true. */
  store?: boolean | undefined;
  /** Ends the benchmark, which rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Called before each run. */
  onProgress?: ((progress: BenchmarkProgress) => void) | undefined;
}

/** How far a benchmark is. */
export interface BenchmarkProgress {
  /** The path that runs now. */
  readonly path: string;
  /** Whether its frames are being compared, or the path measured. */
  readonly stage: 'check' | 'measure';
  /** 0–1 */
  readonly fraction: number;
}

/** What a path came to: medians over all runs; `null` where it could not be run or told. */
export interface DecodePathResult {
  /** `software, 2 threads`, `cuda`, `cuda, scaled there`, `beamcoder`, `ffmpeg over a pipe` … */
  readonly name: string;
  /** `hardware` is what `hardware: 'auto'` may choose; `hardware-scaled` what the device's name gives: it makes frames smaller, too. */
  readonly kind: 'software' | 'hardware' | 'hardware-scaled' | 'beamcoder' | 'ffmpeg';
  /** Decoder threads that were asked for; `null` for all but software. */
  readonly threads: number | null;
  /** Why it does not count: it does not work here, or its frames are not those of software. */
  readonly unusable: string | null;
  /** Whether all its frames were equal byte for byte. */
  readonly identical: boolean | null;
  /** Lowest peak signal-to-noise ratio to software's, in dB, of up to 12 frames, spread over all; `null` if these were equal. */
  readonly psnr: number | null;
  readonly framesPerSecond: number | null;
  /** Seconds of processor time a frame, user and system, child processes included. */
  readonly cpuPerFrame: number | null;
  /** Most bytes resident, child processes and Node itself (some 50 MB) included. */
  readonly peakMemory: number | null;
  /** Seconds from before opening until the first frame was there. */
  readonly firstFrame: number | null;
  /** How many times as fast as software with one thread: the median of the ratios of runs of one round. */
  readonly speed: number | null;
}

/** What {@link benchmarkDecodePaths} gives. JSON-safe. */
export interface DecodeBenchmark {
  readonly source: string;
  readonly video: Pick<
    VideoInfo,
    'codec' | 'profile' | 'pixelFormat' | 'width' | 'height' | 'streamIndex'
  >;
  readonly output: {
    readonly width: number;
    readonly height: number;
    readonly pixelFormat: PixelFormat;
  };
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly platform: string;
    readonly node: string;
    readonly ffmpeg: string;
  };
  /** Frames of each run. */
  readonly frames: number;
  readonly rounds: number;
  readonly paths: readonly DecodePathResult[];
  /** Name of the path with the most frames a second. */
  readonly fastest: string;
  /**
   * What `hardware: 'auto'` takes from now on for such videos (the same codec and pixel format, half to twice as many pixels) on this machine: the device that was
   * faster than software with any number of threads, or `null` for software.
   */
  readonly hardware: string | null;
  /** Whether that was kept; false where it was not to be, or the cache directory cannot be written to. */
  readonly stored: boolean;
  /** ISO 8601. */
  readonly measuredAt: string;
}
