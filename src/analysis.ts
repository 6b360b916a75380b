import type { MediaErrorCode } from './errors.ts';
import type { DecodePath, VideoInfo } from './info.ts';

/** Version of the shape of {@link Analysis}. */
export const ANALYSIS_SCHEMA = 2;

/** One measured frame. Luma is meant as coded in the stream, scaled to 8 bits (as FFmpeg's signalstats has it): not stretched from limited range. */
export interface Sample {
  /** Presentation time in seconds. */
  readonly time: number;
  /** Presentation timestamp in ticks of the stream's time base. */
  readonly pts: number;
  readonly keyFrame: boolean;
  /** Mean luma, 0–255. */
  readonly brightness: number;
  /** Standard deviation of luma, 0–127.5. */
  readonly contrast: number;
  /** Mean distance of chroma from grey, 0–181. */
  readonly saturation: number;
  /** Variance of the Laplacian of luma, 0 and up. */
  readonly sharpness: number;
  /** Mean |ΔY| to the previous decoded frame, per 1/25 s, 0–255 and up. */
  readonly motion: number;
  /** How likely a new shot begins here, 0–100. */
  readonly sceneScore: number;
  /** 64-bit perceptual hash, 16 hexadecimal digits. */
  readonly hash: string;
  /** 0–100. */
  readonly quality: number;
}

/** The span between two cuts or gradual changes, half-open. Seconds. A gradual change is divided in its middle. Means are of the samples inside, `null` where there are none. */
export interface Shot {
  readonly index: number;
  readonly start: number;
  readonly end: number;
  /** How sure the detector is of the cut or the gradual change at `start`, 0–1; `null` for the first shot, which begins with the file. */
  readonly confidence: number | null;
  /** How it begins; `null` for the first shot. */
  readonly transition: 'cut' | 'dissolve' | 'fade' | null;
  /** Time of the frame that stands for it: the sample of the highest quality that lies in no transition, or the middle. */
  readonly representative: number;
  /** Index of the first shot that shows the same (going by perceptual hashes), or `null`. */
  readonly duplicateOf: number | null;
  readonly brightness: number | null;
  readonly contrast: number | null;
  readonly sharpness: number | null;
  readonly motion: number | null;
  readonly quality: number | null;
}

/** A span worth keeping, inside one shot, half-open. Seconds. */
export interface Segment {
  readonly start: number;
  readonly end: number;
  /** Index of the shot it lies in. */
  readonly shot: number;
  /** Mean of quality + 0.1 · motion over its samples. */
  readonly score: number;
  readonly quality: number;
  readonly motion: number;
  /** How many samples it holds. */
  readonly samples: number;
}

/** The first frame of a new shot is shown at `time`. */
export interface CutEvent {
  readonly type: 'cut';
  /** Seconds. */
  readonly time: number;
  readonly pts: number;
  /** Index of the frame among all decoded ones, from 0. */
  readonly frame: number;
  /** 0–1. */
  readonly confidence: number;
}

/**
 * What lasts for a while:
 *
 * - `dissolve`: one shot turns into the next; `fade-in`, `fade-out`: one turns out of or into a single `color`
 * - `black`: nearly all of the picture is black; `freeze`: it stands still
 * - `flash`: it is lit up for a moment, after which it comes back
 * - `shake`: the camera is shaken
 * - `border`: there are bars at its sides, and `crop` is what lies between them
 */
export interface SpanEvent {
  readonly type:
    | 'dissolve'
    | 'fade-in'
    | 'fade-out'
    | 'black'
    | 'freeze'
    | 'flash'
    | 'shake'
    | 'border';
  /** Seconds, half-open. */
  readonly start: number;
  readonly end: number;
  /** 0–1. */
  readonly confidence: number;
  /** Of a fade. */
  readonly color?: 'black' | 'white';
  /** Of borders: the picture between them, in pixels of the upright picture as stored, `info.width` × `info.height` (or its transpose, where it is turned by 90°). */
  readonly crop?: Crop;
}

/** A part of a picture, in pixels. */
export interface Crop {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Something that happened, in order of time. */
export type AnalysisEvent = CutEvent | SpanEvent;

/** A part of the file that could not be decoded. */
export interface AnalysisError {
  readonly code: MediaErrorCode;
  readonly message: string;
  /** Seconds, where known. */
  readonly time: number | null;
}

/** What {@link analyze} gives. JSON-safe; `schema` counts up when its shape changes. */
export interface Analysis {
  readonly schema: typeof ANALYSIS_SCHEMA;
  readonly source: string;
  readonly info: VideoInfo;
  /** The options as they were used, defaults filled in. */
  readonly options: AnalysisOptionsUsed;
  readonly decodePath: DecodePath;
  /** How many frames were looked at: all of the range, or, with `cuts: false`, those that samples need. */
  readonly frames: number;
  readonly samples: readonly Sample[];
  readonly shots: readonly Shot[];
  /** Best first. */
  readonly segments: readonly Segment[];
  readonly events: readonly AnalysisEvent[];
  readonly errors: readonly AnalysisError[];
  /** False if damage cut the result short. */
  readonly complete: boolean;
}

/** Options that shape a result. */
export interface AnalysisOptionsUsed {
  /** Samples per second. */
  readonly fps: number;
  /** Samples are measured inside this size, in pixels. */
  readonly width: number;
  readonly height: number;
  /** Seconds of the range analysed; `null`: from the first, or to the last frame. */
  readonly start: number | null;
  readonly end: number | null;
  /** Whether cuts and other events were looked for; without, the whole range is one shot. */
  readonly cuts: boolean;
}
