/** Lets work begin only where the memory it will need is free. */
import type { VideoInfo } from './info.ts';
import type { MemoryMonitor } from './memory-monitor.ts';

/** What stays, at each level, of the most files at once: in the proportions of the batch sizes 10, 6, 3 and 1. */
const SHARES = { low: 1, moderate: 0.6, high: 0.3, critical: 0.1 } as const;

interface Waiting {
  readonly bytes: number;
  readonly enter: (leave: () => void) => void;
}

/**
 * Admits work in the order it comes while the bytes it asks for fit below the monitor's critical level, beside what is used
 * and promised already. Work that would be alone is always admitted: pressure slows an import down, it never stops it.
 */
export class MemoryGate {
  readonly #monitor: MemoryMonitor;
  readonly #queue: Waiting[] = [];
  #inside = 0;
  #admitting = false;

  constructor(monitor: MemoryMonitor) {
    this.#monitor = monitor;
    monitor.on('sample', this.#admit);
  }

  /** How many of `most` files may be in flight at the present level; at least one. */
  limit(most: number): number {
    return Math.max(1, Math.floor(most * SHARES[this.#monitor.level]));
  }

  /** Waits until `bytes` fit. @returns what gives them back, once @throws the signal's reason */
  async enter(bytes: number, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#queue.splice(this.#queue.indexOf(waiting), 1);
        reject(signal.reason);
        this.#admit();
      };
      const enter = (leave: () => void) => {
        signal.removeEventListener('abort', onAbort);
        resolve(leave);
      };
      const waiting: Waiting = { bytes, enter };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#queue.push(waiting);
      this.#admit();
    });
  }

  close(): void {
    this.#monitor.off('sample', this.#admit);
  }

  readonly #admit = (): void => {
    if (this.#admitting) return; // asking the monitor may make it take a sample, which calls back
    this.#admitting = true;
    for (;;) {
      const [first] = this.#queue;
      if (first === undefined) break;
      if (this.#inside > 0 && this.#monitor.capacityFor(first.bytes) < 1) break;
      this.#queue.shift();
      this.#inside += 1;
      first.enter(this.#promise(first.bytes));
    }
    this.#admitting = false;
  };

  #promise(bytes: number): () => void {
    const release = this.#monitor.reserve(bytes);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      release();
      this.#inside -= 1;
      this.#admit();
    };
  }
}

/** Codecs whose frames stand alone: nothing is kept for reference. FFmpeg's names, with AV_CODEC_PROP_INTRA_ONLY in codec_desc.c. */
const INTRA_ONLY =
  /^(prores|mjpeg|mjpegb|dnxhd|dvvideo|ffv1|ffvhuff|huffyuv|utvideo|magicyuv|cfhd|jpeg2000|jpegls|png|rawvideo|v210|v410|r210|hap|qtrle|hqx|hq_hqa|vc2|dirac)$/;
/** Demuxer, decoder tables, measuring and the samples of a file: opening one costs 3–8 MB of resident memory here. */
const BYTES_PER_FILE = 8 * 2 ** 20;

/**
 * Upper estimate of the native memory that decoding a video takes, in bytes: its reference frames, one frame for each thread,
 * and three on the way out of the decoder. The number of reference frames is that of H.264, Table A-1, for level 5.1
 * (MaxDpbMbs 184 320 macroblocks, at most 16 frames), which HEVC, VP9 and AV1 do not exceed beyond 6 or 8 frames.
 */
export function decodingBytes(info: VideoInfo, threads: number): number {
  const { codec, codedWidth, codedHeight } = info;
  const macroblocks = Math.ceil(codedWidth / 16) * Math.ceil(codedHeight / 16);
  const references = INTRA_ONLY.test(codec)
    ? 0
    : Math.min(16, Math.max(8, Math.floor(184_320 / Math.max(1, macroblocks))));
  const frame = macroblocks * 256 * bytesPerPixel(info);
  return BYTES_PER_FILE + frame * (references + threads + 3);
}

/** Of FFmpeg's planar formats, whose names say how chroma is subsampled; formats with other names count as 4:4:4. */
function bytesPerPixel({ pixelFormat, bitDepth }: VideoInfo): number {
  const components = /420|nv12|nv21|p01/.test(pixelFormat ?? '')
    ? 1.5
    : /422|nv16|p21|yuyv|uyvy/.test(pixelFormat ?? '')
      ? 2
      : /^gray/.test(pixelFormat ?? '')
        ? 1
        : 3;
  const alpha = /yuva|rgba|argb|gbrap|bgra|abgr/.test(pixelFormat ?? '') ? 1 : 0;
  return (components + alpha) * Math.ceil((bitDepth ?? 8) / 8);
}
