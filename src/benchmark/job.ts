/** What a benchmark asks of the process that runs one decode path, and what that answers. */
import type { BackendChoice } from '../backend/backend.ts';
import type { PixelFormat } from '../frame.ts';
import type { HardwareChoice, HardwareDeviceType } from '../options.ts';

/** How frames are brought to JavaScript. */
export type PathChoice =
  | {
      kind: 'library';
      threads: number;
      hardware: HardwareChoice;
      /** Whether frames are made smaller on that, too. */
      scalesOnDevice: boolean;
      backend: BackendChoice;
    }
  | { kind: 'ffmpeg' };

export interface BenchmarkJob {
  readonly source: string;
  readonly streamIndex: number;
  readonly choice: PathChoice;
  /** What comes out; the sizes are those of the frames, after turning. */
  readonly width: number;
  readonly height: number;
  readonly pixelFormat: PixelFormat;
  /** Of the video as decoded: the planes in which the ffmpeg tool scales. */
  readonly planar: string;
  /** Stops after so many frames, or at this time; the first that is not `null`. */
  readonly frames: number | null;
  readonly end: number | null;
  /** Whether frames are kept to be compared; not while measuring. */
  readonly compared: boolean;
}

/** What one run came to. */
export interface BenchmarkRun {
  readonly frames: number;
  /** Seconds of wall time, from before opening until the last frame was there. */
  readonly seconds: number;
  /** Seconds until the first frame was there. */
  readonly firstFrame: number;
  /** Seconds of processor time, user and system, of the process and those that it began; `null` where that cannot be told. */
  readonly cpu: number | null;
  /** Bytes that were resident at most, of the process and those that it began; `null` where that cannot be told. */
  readonly peak: number | null;
  /** Type of the device that decoded; `null` for software. */
  readonly hardware: string | null;
  readonly backend: string;
  readonly fallbackReason: string | null;
  /** FFmpeg's filter that made frames smaller on the device, if one did. */
  readonly scaleFilter: string | null;
  /** Why none did. */
  readonly scaleFallbackReason: string | null;
  /** SHA-256 of all frames, one after the other; `null` while measuring. */
  readonly digest: string | null;
}

/** How a run ended; frames to compare follow as parts. */
export type BenchmarkAnswer = { run: BenchmarkRun } | { failure: string };

/** Asks on which devices a video's first frame can be decoded. */
export interface DevicesJob {
  readonly source: string;
  readonly streamIndex: number;
  readonly devices: readonly HardwareDeviceType[];
}

/** What came of each device: `null` if it works, else why not. */
export interface DevicesAnswer {
  readonly devices: readonly (readonly [HardwareDeviceType, string | null])[];
}
