/**
 * The border: every export of the addon, and nothing else of it.
 * TypeScript checks arguments before they get here; see `native/addon.cc` for the other side.
 *
 * Note [Rows]: what a read tells about its frames comes as rows of doubles in an ArrayBuffer
 * that JavaScript allocated, so that handing over a batch costs one call however many frames it holds.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import nodeGypBuild from 'node-gyp-build';
import type { FramePlanes } from './change-meter.ts';
import { MediaError, type MediaErrorCode } from './errors.ts';
import type { PixelFormat } from './frame.ts';
import type { Geometry } from './geometry.ts';
import type { DecodePath, VideoInfo } from './info.ts';

/** Columns of a frame row (Note [Rows]); `kFrame…` in `native/decoder.h`. */
export const FRAME_ROW = {
  pts: 0,
  duration: 1,
  /** Bit 0: key frame. */
  flags: 2,
  width: 3,
  height: 4,
  /** Index into `NativeRead.formats`, of pixel format `native`. */
  format: 5,
  /** Bytes written to the buffer. */
  bytes: 6,
  /** How many targets (`every`, `times`) this frame answers; 1 without targets. */
  targets: 7,
  length: 8,
} as const;

/** Columns of a measure row; `kMeasure…` in `native/decoder.h`. */
export const MEASURE_ROW = {
  pts: 0,
  duration: 1,
  /** Bit 0: key frame; bit 1: sampled, so that the columns from `brightness` on are filled. */
  flags: 2,
  /** `FrameChange` of `measures.ts`, from here to `signature`. */
  difference: 3,
  mismatch: 4,
  residual: 5,
  recall: 6,
  recallAge: 7,
  chroma: 8,
  color: 9,
  shiftX: 10,
  shiftY: 11,
  dark: 12,
  variance: 13,
  /** 144 bytes, as many as 18 columns have. */
  signature: 14,
  brightness: 32,
  contrast: 33,
  saturation: 34,
  sharpness: 35,
  /** The 64-bit perceptual hash, as two unsigned halves. */
  hashHigh: 36,
  hashLow: 37,
  left: 38,
  top: 39,
  right: 40,
  bottom: 41,
  length: 42,
} as const;

/** Columns of an index row; `kIndex…` in `native/decoder.h`. */
export const INDEX_ROW = {
  pts: 0,
  duration: 1,
  /** Byte offset in the file; -1 if unknown. */
  position: 2,
  /** Place in decoding order. */
  order: 3,
  /** Bit 0: key frame. */
  flags: 4,
  length: 5,
} as const;

/** Bits of the flags columns. */
export const FLAG_KEY_FRAME = 1;
export const FLAG_SAMPLED = 2;

/** Which frames a pass yields. Times are seconds on the stream's own clock. */
export interface NativeSelection {
  start: number | null;
  end: number | null;
  /** Every nth frame of the range; 1 for all. */
  step: number;
  /** Distance of targets, or 0. A target is answered by the frame on screen then. */
  every: number;
  keyFrames: boolean;
  /** Every frame is looked at: none is skipped, also where no target needs it. */
  all: boolean;
  /** The frame before each that answers a target is needed, too. */
  previous: boolean;
}

/** How to make the pixels of one output frame. */
export interface NativeOutput extends Geometry {
  pixelFormat: PixelFormat;
  /** Whether high dynamic range is brought down in 8-bit RGB and grey. */
  toneMap: boolean;
  /** Whether a device on which frames are decoded may make them smaller. */
  scalesOnDevice: boolean;
}

/** What a read came to; a number in its place is the `count` of one that has nothing else to tell. */
export interface NativeRead {
  /** Rows, and with them buffers, that were filled. */
  count: number;
  /** Whether the pass is over. */
  done: boolean;
  /** If above 0: the next frame waits for buffers of this many bytes. */
  needed: number;
  /** Of pixel format `native`: those that the rows refer to. */
  formats?: string[];
  /** Packets that could not be decoded during this read (`onDecodeError: 'skip'`), if any: what and when. */
  errors?: NativeFailure[];
  /** The decode path, if it has changed: after a device failed, or has begun to make frames smaller. */
  path?: NativePath;
}

/** A failure as it crosses the border; {@link toMediaError} makes an exception of it. */
export interface NativeFailure {
  code: MediaErrorCode | 'ERR_ABORTED';
  message: string;
  avCode?: number;
  time?: number;
}

/** `rushes::Decoder` behind its own thread. Calls are served in order; `close` and `cancel` overtake them. */
export interface NativeDecoder {
  /** Opens the source. Rejects with a {@link NativeFailure} as an Error with those fields. */
  open(): Promise<NativeInfo>;
  /** Before the first pass: decodes on a device of this type as long as it works. Does not reject where it does not. */
  useHardware(type: string): Promise<NativePath>;
  /** Begins a pass; what was not read of the one before is dropped. */
  start(selection: NativeSelection, output: NativeOutput): Promise<void>;
  /** Begins a pass over the frames with these numbers in the index, rising; makes the index if there is none. */
  startAt(frames: Float64Array, output: NativeOutput): Promise<void>;
  /** Finds where every frame is; ends a pass under way. */
  index(): Promise<{ frames: number; fromPackets: boolean }>;
  /** Fills `rows` with the index that `index` made, a row for each frame in presentation order. */
  indexRows(rows: ArrayBuffer): void;
  /** Takes such rows, of the same file, instead of making them. */
  setIndex(rows: ArrayBuffer, fromPackets: boolean): Promise<void>;
  /** Fills `buffers` in order and a row for each in `rows` (Note [Rows]). */
  read(buffers: ArrayBuffer[], rows: ArrayBuffer): Promise<NativeRead | number>;
  /** Measures the next frames of the range inside the output's `scaleWidth` × `scaleHeight`, one row each. */
  measure(rows: ArrayBuffer): Promise<NativeRead | number>;
  /** Stops what is under way with `ERR_ABORTED`; the next `start` works again. */
  cancel(): void;
  /** Frees file, codec and thread; what is under way ends with `ERR_CLOSED`. Settled when all is freed. */
  close(): Promise<void>;
}

/** What `open` answers: {@link VideoInfo} but for what TypeScript derives, and the decode path. */
export interface NativeInfo {
  info: Omit<VideoInfo, 'source' | 'displayWidth' | 'displayHeight' | 'hdr'>;
  /** Bytes of one frame in the stream's own format, going by the container. */
  frameBytes: number;
  path: NativePath;
}

/** A decode path as the addon tells it. */
export type NativePath = Omit<DecodePath, 'backend'>;

/** `SimulationPlan` in `native/simulated_device.h`; numbers of frames count from 0, −1 is never. */
export interface NativeSimulation {
  failsToOpen: boolean;
  failsAtFrame: number;
  failsAtTransfer: number;
  failsAtScaling: number;
  surfaces: number;
}

/** A copy of bytes that decoders share. They are freed when it and the last decoder on them are closed. */
export interface NativeMemory {
  close(): void;
}

/** Bytes on their way to the one decoder that reads them. */
export interface NativeStream {
  /** Takes a copy of `piece`, of at most 64 KiB. Another may be pushed when the promise is settled; at once if there is none. */
  push(piece: Uint8Array): Promise<void> | null;
  /** No more comes; `failed` if that is not the end of the file. */
  end(failed: boolean): void;
  /** Whether nobody reads any more, so that nothing more is wanted. */
  readonly closed: boolean;
  close(): void;
}

export interface NativeOpenOptions {
  /** An absolute path, bytes, or a stream. */
  source: string | NativeMemory | NativeStream;
  /** Below 0: by `language`. */
  streamIndex: number;
  /** The largest video stream tagged with it; empty: the best by FFmpeg's rules. */
  language: string;
  /** Decoder threads; 0 lets FFmpeg choose one per core. */
  threads: number;
  skipErrors: boolean;
}

/** A frame's planes, as `change-meter.ts` takes them. */
export interface NativePicture extends FramePlanes {
  /** Presentation time in seconds. */
  readonly time: number;
}

/** What decodes: the part of the addon that other backends have, too. */
export interface NativeClasses {
  readonly Decoder: new (options: NativeOpenOptions) => NativeDecoder;
  readonly Memory: new (bytes: Uint8Array) => NativeMemory;
  readonly Stream: new () => NativeStream;
}

/** The addon. */
export interface NativeAddon extends NativeClasses {
  /** Versions of the libraries that were loaded, and how FFmpeg was configured. */
  versions(): Record<string, string>;
  /** Bytes that the addon holds outside of V8, of all environments of the process: Note [Native bytes] in memory_account.h. */
  nativeBytes(): number;
  /** FFmpeg's names of the device types that it was built with. */
  hardwareDevices(): string[];
  /** Opens such a device and closes it: `null`, or why that fails. Blocks; drivers may crash or hang, so call it in a child process. */
  whyDeviceFails(type: string): string | null;
  /** For tests: every device from now on, of this environment, is simulated; `null` ends that. */
  simulateHardware(plan: NativeSimulation | null): void;
  /**
   * Measures a series of frames as a pass does, every one as if it were sampled: for tests
   * against `measures.ts` and `change-meter.ts`. Fills the columns from `difference` on of one measure row each.
   */
  measureFrames(rows: ArrayBuffer, frames: readonly NativePicture[]): void;
  /** Blocks until no other process, and no other descriptor, holds the file's lock; false where the file system has none. Not on Windows. */
  lockFile?(descriptor: number): boolean;
  unlockFile?(descriptor: number): void;
}

/** Makes a MediaError of a rejection of the addon, naming the source; anything else stays as it is. */
export function toMediaError(error: unknown, source: string): unknown {
  const failure = error as Partial<NativeFailure> & Error;
  if (!failure?.code?.startsWith('ERR_') || error instanceof MediaError) return error;
  return new MediaError(failure.code as MediaErrorCode, `${source}: ${failure.message}`, {
    source,
    avCode: failure.avCode,
    time: failure.time,
  });
}

let addon: NativeAddon | undefined;
let addonPath: string | undefined;

/**
 * Loads the addon once: this package's own where it was built here, else the platform's prebuilt one. One that is there and cannot be
 * loaded does not keep the next from being tried.
 *
 * @throws {MediaError} `ERR_ADDON` with what is wrong with each, and how to mend it
 */
export function loadAddon(): NativeAddon {
  if (addon !== undefined) return addon;
  const causes: unknown[] = [];
  for (const name of [undefined, ...platformPackages()]) {
    try {
      addon = nodeGypBuild(folderOf(name)) as NativeAddon;
      addonPath = nodeGypBuild.path(folderOf(name));
      return addon;
    } catch (cause) {
      causes.push(cause);
    }
  }
  const [own, ...prebuilt] = causes.map(
    (cause) => (cause as Error).message.trim().split('\n', 1)[0],
  );
  const packages = platformPackages().join(' or ');
  throw new MediaError(
    'ERR_ADDON',
    `the native addon could not be loaded. The prebuilt one: ${prebuilt[0]}; \`npm install\` without --omit=optional brings it \
(${packages}), where there is one for this platform. The one built here: ${own}; in a clone \`npm run build\` builds it, in an installed \
package \`npm rebuild rushes\`, which needs FFmpeg's development files, cmake, ninja, pkg-config and a C++ compiler.`,
    { cause: causes[0] },
  );
}

/** The addon, if anybody has loaded it. */
export function loadedAddon(): NativeAddon | undefined {
  return addon;
}

/** The file of the addon. @throws as {@link loadAddon} */
export function addonFile(): string {
  loadAddon();
  return addonPath as string;
}

/** Of a package that may hold an addon; this one without a name. @throws if it is not installed */
function folderOf(name: string | undefined): string {
  if (name === undefined) return join(import.meta.dirname, ROOT);
  const { resolve } = createRequire(join(import.meta.dirname, 'native.js'));
  try {
    return dirname(resolve(`${name}/package.json`));
  } catch {
    throw new Error(`${name} is not installed`);
  }
}

/** The packages that may hold a prebuilt addon for this machine. */
function platformPackages(): string[] {
  const name = `@rushes/${process.platform}-${process.arch}`;
  return process.platform === 'linux' ? [name, `${name}-musl`] : [name];
}

/** The package's root, seen from `src/` and, after bundling, from `dist/cjs/`. */
const ROOT = import.meta.dirname.endsWith('cjs') ? '../..' : '..';
