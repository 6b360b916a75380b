/** A frame at the size at which it is measured: `native/small_picture.cc` in TypeScript. */
import type { FramePlanes } from '../../change-meter.ts';
import type { Plane } from '../../plane.ts';
import { Converter, formatOf, type PictureFormat, scaleSteps } from './converter.ts';
import type { Tools } from './demuxer.ts';
import type { BeamFrame, PixelLayout } from './package.ts';
import { type PixelFormats, subsampled } from './pixel-formats.ts';

/** Copies of the planes: 8 bits, luma as coded (neither stretched nor squeezed), 4:2:0. */
export interface SmallPicture {
  readonly luma: Plane;
  readonly u: Plane;
  readonly v: Plane;
  /** What frames are compared by: `SmallPicture::planes`. */
  readonly planes: FramePlanes;
}

/** Samples of a chroma plane that tell how its levels are distributed: as `SmallPicture::sparse` in native/small_picture.cc. */
const SPARSE_WIDTH = 160;
const SPARSE_HEIGHT = 90;

export class PictureShrinker {
  readonly #width: number;
  readonly #height: number;
  readonly #formats: PixelFormats;
  readonly #site: string;
  readonly #converter: Converter;

  /** @param site where subsampled chroma lies in the frames */
  constructor(
    tools: Tools,
    { width, height }: { width: number; height: number },
    formats: PixelFormats,
    site: string,
  ) {
    this.#width = width;
    this.#height = height;
    this.#formats = formats;
    this.#site = site;
    this.#converter = new Converter(tools);
  }

  async shrink(frame: BeamFrame): Promise<SmallPicture> {
    const from = formatOf(frame, this.#site);
    const grey = this.#formats.get(from.format).nb_components < 3;
    const format = grey ? 'gray' : 'yuv420p';
    const rgb = this.#formats.get(from.format).flags.RGB;
    const to: PictureFormat = {
      ...from,
      format,
      width: this.#width,
      height: this.#height,
      fullRange: grey || (from.fullRange && !rgb),
    };
    const source = grey ? { ...from, fullRange: true } : from; // values are kept
    const steps = scaleSteps(source, to, this.#formats);
    const small = await this.#converter.run(frame, steps, format);
    const { data, linesize } = small;
    const plane = (index: number, width: number, height: number): Plane => {
      const stride = linesize[index] as number;
      const bytes = data?.[index]?.subarray(0, stride * height) ?? [];
      return { data: Uint8Array.from(bytes), width, height, stride };
    };
    const chroma = [(to.width + 1) >> 1, (to.height + 1) >> 1] as const;
    const picture = {
      luma: plane(0, to.width, to.height),
      u: grey ? greyPlane(...chroma) : plane(1, ...chroma),
      v: grey ? greyPlane(...chroma) : plane(2, ...chroma),
    };
    small.data = null;
    const { u, v } = this.#sparse(frame) ?? picture;
    return {
      ...picture,
      planes: { luma: picture.luma, u, v, fullRange: from.fullRange },
    };
  }

  /** The frame's own chroma at regular places; `undefined` where it does not lie in planes of its own. */
  #sparse(frame: BeamFrame): { u: Plane; v: Plane } | undefined {
    const layout = this.#formats.get(formatOf(frame, this.#site).format);
    const depth = layout.comp[0]?.depth ?? 8;
    const readable = depth === 8 || !layout.flags.BE;
    if (layout.nb_components < 3 || !isPlanar(layout) || !readable) return undefined;
    const width = subsampled(frame.width, layout.log2_chroma_w);
    const height = subsampled(frame.height, layout.log2_chroma_h);
    const columns = Math.min(width, SPARSE_WIDTH);
    const rows = Math.min(height, SPARSE_HEIGHT);
    const { data: planes, linesize } = frame;
    const sample = (index: number): Plane => {
      const plane = planes?.[index] as Buffer;
      const data = new Uint8Array(columns * rows);
      for (let j = 0, to = 0; j < rows; j++) {
        const y = Math.floor(((2 * j + 1) * height) / (2 * rows));
        const row = y * (linesize[index] as number);
        for (let i = 0; i < columns; i++, to++) {
          const x = Math.floor(((2 * i + 1) * width) / (2 * columns));
          data[to] =
            depth === 8
              ? (plane[row + x] as number)
              : plane.readUInt16LE(row + 2 * x) >> (depth - 8);
        }
      }
      return { data, width: columns, height: rows, stride: columns };
    };
    return { u: sample(1), v: sample(2) };
  }
}

/** Whether each plane holds one component in whole bytes: `planeFormat` in native/small_picture.cc. */
function isPlanar({ flags, comp }: PixelLayout): boolean {
  if (flags.RGB || flags.BITSTREAM || flags.FLOAT || flags.PAL) return false;
  const depth = comp[0]?.depth ?? 0;
  if (![8, 10, 12, 16].includes(depth)) return false;
  const bytes = depth > 8 ? 2 : 1;
  return comp
    .slice(0, 3)
    .every(
      ({ plane, step, offset, shift }, i) =>
        plane === i && step === bytes && offset === 0 && shift === 0,
    );
}

function greyPlane(width: number, height: number): Plane {
  const data = new Uint8Array(width * height).fill(128);
  return { data, width, height, stride: width };
}
