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
  /** Where subsampled chroma lies: FFmpeg's name of a chroma location. */
  readonly site: string;
}

/** Formats that say with their name that they are full range, and what they are otherwise. */
const PLAIN: Readonly<Record<string, string>> = {
  yuvj420p: 'yuv420p',
  yuvj422p: 'yuv422p',
  yuvj444p: 'yuv444p',
  yuvj440p: 'yuv440p',
  yuvj411p: 'yuv411p',
};

/** Of a decoded frame, with the name of a plain format. Beamcoder tells the chroma location of streams only, not of frames. */
export function formatOf(frame: BeamFrame, site: string): PictureFormat {
  const format = frame.format ?? '';
  const plain = PLAIN[format];
  const fullRange = plain !== undefined || frame.color_range === 'pc';
  const { width, height } = frame;
  return { format: plain ?? format, width, height, fullRange, site };
}

/** Of 8-bit 4:2:0: see `isCommon` in native/scaler.cc. */
const COMMON = ['yuv420p', 'nv12', 'nv21'];

/** Formats that `AreaScaler` (native/area_scaler.h) makes smaller, and what it makes of them: colour goes by yuv444p. */
const AREA_SOURCES = [
  ...['yuv420p', 'yuv422p', 'yuv444p', 'nv12'],
  ...['yuv420p10le', 'yuv422p10le', 'yuv444p10le', 'p010le'],
];
const AREA_TARGETS = ['yuv420p', 'yuv444p', 'gray'];

function shrinks(from: PictureFormat, to: PictureFormat): boolean {
  const fits = to.width <= from.width && to.height <= from.height;
  return fits && (to.width !== from.width || to.height !== from.height);
}

/** Whether the addon averages areas with code of its own, and so minds where chroma lies: `AreaScaler::supports`. */
export function averagesAreas(from: PictureFormat, to: PictureFormat): boolean {
  const isIn = AREA_SOURCES.includes(from.format) && AREA_TARGETS.includes(to.format);
  const within = from.height <= 32 * to.height && from.width <= 128 * to.width;
  return isIn && within && shrinks(from, to);
}

/** swscale's flags, chosen as in native/scaler.cc. */
function flagsFor(from: PictureFormat, to: PictureFormat, formats: PixelFormats): string {
  if (shrinks(from, to)) return 'area+accurate_rnd';
  const deep = (formats.get(to.format).comp[0]?.depth ?? 8) > 8;
  if (COMMON.includes(from.format) || deep) return 'bicubic';
  return 'bicubic+accurate_rnd+full_chroma_int+full_chroma_inp';
}

/** Where chroma lies along both axes: in 256ths of the way from the first luma sample to the second, as swscale has it. */
const SITES: Readonly<Record<string, readonly [x: number, y: number]>> = {
  center: [128, 128],
  topleft: [0, 0],
  top: [128, 0],
  bottomleft: [0, 256],
  bottom: [128, 256],
};
/** Also where nothing is specified. */
const LEFT: readonly [number, number] = [0, 128];

/** Options of the scale filter that say where chroma lies, before (`in`) or after (`out`). */
function siteOptions(
  side: 'in' | 'out',
  { format, site }: PictureFormat,
  formats: PixelFormats,
  exactly: boolean,
): string[] {
  const { log2_chroma_w, log2_chroma_h } = formats.get(format);
  const [x, y] = exactly ? (SITES[site] ?? LEFT) : LEFT;
  // 4:2:0 chroma lies between two rows, as the filter has it by itself in some formats only.
  const options = log2_chroma_h === 1 ? [`${side}_v_chr_pos=${y}`] : [];
  if (exactly && log2_chroma_w === 1) options.push(`${side}_h_chr_pos=${x}`);
  return options;
}

/** Whether chroma samples at the right or at the bottom stand for fewer samples of luma than the others. */
function isUneven(
  { format, width, height }: PictureFormat,
  formats: PixelFormats,
): boolean {
  const { log2_chroma_w, log2_chroma_h } = formats.get(format);
  return width % (1 << log2_chroma_w) !== 0 || height % (1 << log2_chroma_h) !== 0;
}

/**
 * The filters that scale and convert. The matrix is the frame's own, and BT.601 where it has none.
 *
 * Note [Odd sizes]: swscale stretches one chroma plane over the other. Where a size is odd, their last samples stand for one column of luma in the one
 * and for two in the other, and the ratio is not that of luma. So the picture is made twice as large before, by repeating its last
 * column and row: then all sizes are even, and the ratio is the same. What was added is cut off in the end.
 */
export function scaleSteps(
  from: PictureFormat,
  to: PictureFormat,
  formats: PixelFormats,
): string[] {
  const exactly = averagesAreas(from, to);
  const uneven = isUneven(from, formats) || isUneven(to, formats);
  const doubles = exactly && to.format !== 'gray' && uneven;
  const factor = doubles ? 2 : 1;
  const range = ({ fullRange }: PictureFormat) => (fullRange ? 'full' : 'limited');
  const options = [
    `w=${factor * to.width}:h=${factor * to.height}`,
    `flags=${flagsFor(from, to, formats)}`,
    `in_range=${range(from)}:out_range=${range(to)}`,
    ...siteOptions('in', from, formats, exactly),
    ...siteOptions('out', to, formats, exactly),
  ];
  const steps = [`scale=${options.join(':')}`, `format=${to.format}`];
  if (!doubles) return steps;
  return [
    'tile=2x2:nb_frames=1', // as pad, which cuts odd sizes off
    `fillborders=right=${from.width}:bottom=${from.height}:mode=smear`,
    ...steps,
    `crop=${to.width}:${to.height}:0:0:exact=1`,
  ];
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
