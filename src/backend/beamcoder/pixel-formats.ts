/** FFmpeg's pixel formats: how their planes lie in memory (libavutil/imgutils.c, pixdesc.h). */
import { Failure } from './failure.ts';
import type { BeamFrame, PixelLayout } from './package.ts';

/** One plane without padding. */
export interface PlaneShape {
  /** Bytes of a row. */
  readonly width: number;
  readonly rows: number;
}

/** A palette: 256 entries of four bytes. */
const PALETTE_BYTES = 1024;

/** As many samples as cover `size`, where each stands for 2^shift. */
export function subsampled(size: number, shift: number): number {
  return -(-size >> shift);
}

export class PixelFormats {
  readonly #all: Readonly<Record<string, PixelLayout>>;

  constructor(all: Readonly<Record<string, PixelLayout>>) {
    this.#all = all;
  }

  find(name: string): PixelLayout | undefined {
    return this.#all[name];
  }

  /** @throws {Failure} `ERR_UNSUPPORTED` */
  get(name: string | null): PixelLayout {
    const layout = name === null ? undefined : this.#all[name];
    if (layout !== undefined && !layout.flags.HWACCEL) return layout;
    throw new Failure('ERR_UNSUPPORTED', `no way to read pixels in the format ${name}`);
  }

  /** The planes of a picture, in order; as `av_image_get_linesize` reckons. */
  planes(format: string | null, width: number, height: number): PlaneShape[] {
    const layout = this.get(format);
    const shapes: PlaneShape[] = [];
    for (const [index, component] of layout.comp.entries()) {
      const chroma = index === 1 || index === 2;
      const pixels = subsampled(width, chroma ? layout.log2_chroma_w : 0);
      const bytes = layout.flags.BITSTREAM
        ? (component.step * pixels + 7) >> 3
        : component.step * pixels;
      const { plane } = component;
      const shift = plane === 1 || plane === 2 ? layout.log2_chroma_h : 0;
      const rows = subsampled(height, shift);
      shapes[plane] = { width: Math.max(bytes, shapes[plane]?.width ?? 0), rows };
    }
    if (layout.flags.PAL) shapes[1] = { width: PALETTE_BYTES, rows: 1 };
    return shapes;
  }

  /** Bytes of a picture whose rows are not padded. */
  bytes(format: string | null, width: number, height: number): number {
    return this.planes(format, width, height).reduce(
      (sum, shape) => sum + shape.width * shape.rows,
      0,
    );
  }

  /** Whether colour comes as luma and chroma. */
  isYuv(format: string | null): boolean {
    const layout = this.get(format);
    return !layout.flags.RGB && layout.nb_components >= 3;
  }
}

/** Copies a frame's planes into `target`, one after another, rows without padding. */
export function copyPlanes(
  frame: BeamFrame,
  shapes: readonly PlaneShape[],
  target: Uint8Array,
): void {
  const data = frame.data ?? [];
  let to = 0;
  for (const [i, { width, rows }] of shapes.entries()) {
    const plane = data[i] as Buffer;
    const stride = rows === 1 ? width : (frame.linesize[i] as number);
    if (stride === width) {
      target.set(plane.subarray(0, width * rows), to);
      to += width * rows;
      continue;
    }
    for (let y = 0; y < rows; y++, to += width) {
      target.set(plane.subarray(y * stride, y * stride + width), to);
    }
  }
}
