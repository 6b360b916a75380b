/** Scales and converts pictures with FFmpeg's scale filter: `Converter` of native/scaler.cc in TypeScript. */
import type { Tools } from './demuxer.ts';
import { Failure, failureOf } from './failure.ts';
import type { BeamFilterer, BeamFrame, Ratio } from './package.ts';
import type { PixelFormats } from './pixel-formats.ts';

/** What a picture is made of. */
export interface PictureFormat {
  readonly format: string;
  readonly width: number;
  readonly height: number;
  readonly fullRange: boolean;
}

/** Formats that say with their name that they are full range, and what they are otherwise. */
const PLAIN: Readonly<Record<string, string>> = {
  yuvj420p: 'yuv420p',
  yuvj422p: 'yuv422p',
  yuvj444p: 'yuv444p',
  yuvj440p: 'yuv440p',
  yuvj411p: 'yuv411p',
};

/** Of a decoded frame, with the name of a plain format. */
export function formatOf(frame: BeamFrame): PictureFormat {
  const format = frame.format ?? '';
  const plain = PLAIN[format];
  const fullRange = plain !== undefined || frame.color_range === 'pc';
  return { format: plain ?? format, width: frame.width, height: frame.height, fullRange };
}

/** Of 8-bit 4:2:0: see `isCommon` in native/scaler.cc. */
const COMMON = ['yuv420p', 'nv12', 'nv21'];

/** swscale's flags, chosen as in native/scaler.cc. */
function flagsFor(from: PictureFormat, to: PictureFormat, formats: PixelFormats): string {
  const shrinks = to.width <= from.width && to.height <= from.height;
  const scales = to.width !== from.width || to.height !== from.height;
  if (shrinks && scales) return 'area+accurate_rnd';
  const deep = (formats.get(to.format).comp[0]?.depth ?? 8) > 8;
  if (COMMON.includes(from.format) || deep) return 'bicubic';
  return 'bicubic+accurate_rnd+full_chroma_int+full_chroma_inp';
}

/** One step for the filter graph. The matrix is the frame's own, and BT.601 where it has none. */
export function scaleStep(
  from: PictureFormat,
  to: PictureFormat,
  formats: PixelFormats,
): string {
  const range = ({ fullRange }: PictureFormat) => (fullRange ? 'full' : 'limited');
  // 4:2:0 chroma lies between two rows, as the filter has it by itself in some formats only.
  const halvesRows = ({ format }: PictureFormat) =>
    formats.get(format).log2_chroma_h === 1;
  const options = [
    `w=${to.width}:h=${to.height}`,
    `flags=${flagsFor(from, to, formats)}`,
    `in_range=${range(from)}:out_range=${range(to)}`,
    ...(halvesRows(from) ? ['in_v_chr_pos=128'] : []),
    ...(halvesRows(to) ? ['out_v_chr_pos=128'] : []),
    // Where chroma goes to the grid of the output, from where it lies: beside the left luma sample.
    ...(halvesRows(from) && to.format === 'yuv444p' ? ['in_h_chr_pos=0'] : []),
  ];
  return `scale=${options.join(':')},format=${to.format}`;
}

/** Runs frames through filter graphs and keeps the last one of each kind. */
export class Converter {
  readonly #tools: Tools;
  #key = '';
  #filterer: BeamFilterer | undefined;

  constructor(tools: Tools) {
    this.#tools = tools;
  }

  /**
   * @param steps filters, in order
   * @param format of what comes out
   * @throws {Failure} `ERR_UNSUPPORTED`
   */
  async run(
    frame: BeamFrame,
    steps: readonly string[],
    format: string,
  ): Promise<BeamFrame> {
    const { beamcoder, gate, log } = this.#tools;
    const { width, height } = frame;
    const pixelFormat = frame.format as string;
    const filterSpec = steps.join(',');
    const key = [pixelFormat, width, height, filterSpec, format].join();
    if (this.#filterer === undefined || key !== this.#key) {
      this.#filterer = undefined;
      const square: Ratio = [1, 1];
      const options = {
        filterType: 'video' as const,
        inputParams: [
          { width, height, pixelFormat, timeBase: square, pixelAspect: square },
        ],
        outputParams: [{ pixelFormat: format }],
        filterSpec,
      };
      log.take();
      try {
        this.#filterer = await gate.run(() => beamcoder.filterer(options));
      } catch (error) {
        const failure = failureOf(error, 'avfilter_graph_config', log.take().at(-1));
        throw new Failure('ERR_UNSUPPORTED', failure.message);
      }
      this.#key = key;
    }
    const filterer = this.#filterer;
    // A failure comes as no frame: beamcoder loses its status.
    const [output] = await gate.run(() => filterer.filter([frame]));
    const converted = output?.frames[0];
    if (converted === undefined) {
      const words = log.take().at(-1) ?? 'no picture came out';
      throw new Failure('ERR_UNSUPPORTED', `av_buffersink_get_frame: ${words}`);
    }
    return converted;
  }
}
