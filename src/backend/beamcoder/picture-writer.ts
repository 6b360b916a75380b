/** Makes output frames of decoded ones: `Scaler` of native/scaler.cc in TypeScript. */
import type { NativeOutput } from '../../native.ts';
import {
  averagesAreas,
  Converter,
  formatOf,
  type PictureFormat,
  scaleSteps,
} from './converter.ts';
import type { Tools } from './demuxer.ts';
import { placePlane } from './orientation.ts';
import type { BeamFrame } from './package.ts';
import { copyPlanes, type PixelFormats, subsampled } from './pixel-formats.ts';
import { ToneMap, type ToneMappedFormat } from './tone-map.ts';

/** The 4:4:4, 4:2:2 or 4:2:0 layout in which planes are scaled before colour is converted. */
function planarFormat(format: string, formats: PixelFormats, rgba: boolean): string {
  const { log2_chroma_w: w, log2_chroma_h: h, flags } = formats.get(format);
  const chroma = w === 0 && h === 0 ? '444' : w === 1 && h === 0 ? '422' : '420';
  return `${rgba && flags.ALPHA ? 'yuva' : 'yuv'}${chroma}p`;
}

/** The same with 16 bits; alpha is dropped. */
function planarFormat16(format: string, formats: PixelFormats): string {
  const { log2_chroma_w: w, log2_chroma_h: h } = formats.get(format);
  if (w === 0 && h === 0) return 'yuv444p16le';
  return h === 0 ? 'yuv422p16le' : 'yuv420p16le';
}

export class PictureWriter {
  readonly #output: NativeOutput;
  readonly #formats: PixelFormats;
  readonly #converter: Converter;
  readonly #site: string;
  #toneMap: ToneMap | undefined;

  /** @param site where subsampled chroma lies in the frames */
  constructor(tools: Tools, output: NativeOutput, formats: PixelFormats, site: string) {
    this.#output = output;
    this.#formats = formats;
    this.#site = site;
    this.#converter = new Converter(tools);
  }

  /** Bytes of the output frame. */
  bytes(frame: BeamFrame): number {
    const { pixelFormat, width, height } = this.#output;
    if (pixelFormat === 'native') {
      return this.#formats.bytes(frame.format, frame.width, frame.height);
    }
    return this.#formats.bytes(ffmpegName(pixelFormat), width, height);
  }

  async write(frame: BeamFrame): Promise<Uint8Array> {
    const target = new Uint8Array(this.bytes(frame));
    const { pixelFormat, scaleWidth, scaleHeight, left, top } = this.#output;
    if (pixelFormat === 'native') {
      const shapes = this.#formats.planes(frame.format, frame.width, frame.height);
      copyPlanes(await this.#readable(frame), shapes, target);
      return target;
    }
    const format = ffmpegName(pixelFormat);
    const scaled = new Uint8Array(this.#formats.bytes(format, scaleWidth, scaleHeight));
    const toneMaps = this.#output.toneMap && isEightBit(pixelFormat);
    if (toneMaps && ToneMap.applies(frame.color_trc)) {
      // Note [Tone mapping] in native/tone_map.h
      this.#toneMap ??= new ToneMap(frame.color_trc, frame.color_primaries);
      const wide = new Uint8Array(
        this.#formats.bytes('rgb48le', scaleWidth, scaleHeight),
      );
      await this.#convert(frame, 'rgb48le', wide);
      const pixels = scaleWidth * scaleHeight;
      this.#toneMap.map(
        new DataView(wide.buffer),
        pixels,
        scaled,
        pixelFormat as ToneMappedFormat,
      );
    } else {
      await this.#convert(frame, format, scaled);
    }
    if (this.#isInPlace()) return scaled;
    if (left > 0 || top > 0) this.#paintBlack(frame, target);
    this.#place(scaled, target);
    return target;
  }

  /** Beamcoder hands on planes by their first byte only, and not those whose rows run upwards. */
  async #readable(frame: BeamFrame): Promise<BeamFrame> {
    const upwards = frame.linesize.some((stride) => stride < 0);
    return upwards ? this.#converter.run(frame, ['copy'], frame.format as string) : frame;
  }

  async #convert(frame: BeamFrame, format: string, target: Uint8Array): Promise<void> {
    const steps = this.#steps(formatOf(frame, this.#site), format);
    const converted = await this.#converter.run(frame, steps, format);
    const { scaleWidth, scaleHeight } = this.#output;
    copyPlanes(converted, this.#formats.planes(format, scaleWidth, scaleHeight), target);
    converted.data = null;
  }

  /** Planes are scaled first, then colour is converted on the small picture. */
  #steps(from: PictureFormat, format: string): string[] {
    const formats = this.#formats;
    const yuv = formats.isYuv(from.format);
    const toRgb = formats.get(format).flags.RGB;
    const { scaleWidth: width, scaleHeight: height } = this.#output;
    // Grey output is full range whatever the stream's: FFmpeg's rule.
    const fullRange = format === 'gray' || (from.fullRange && (yuv || toRgb));
    const to: PictureFormat = { ...from, format, width, height, fullRange };
    const scales = width !== from.width || height !== from.height;
    if (!scales || !toRgb || !yuv) return scaleSteps(from, to, formats);
    // Chroma goes straight to the grid of the output where the addon brings it there: native/area_scaler.h
    let small: PictureFormat = { ...from, format: 'yuv444p', width, height };
    if (format === 'rgb48le') {
      small = { ...small, format: planarFormat16(from.format, formats) };
    } else if (!averagesAreas(from, small)) {
      small = { ...small, format: planarFormat(from.format, formats, format === 'rgba') };
    }
    return [...scaleSteps(from, small, formats), ...scaleSteps(small, to, formats)];
  }

  #isInPlace(): boolean {
    const { quarterTurns, flip, left, top, width, height } = this.#output;
    const { scaleWidth, scaleHeight } = this.#output;
    const whole = width === scaleWidth && height === scaleHeight;
    return quarterTurns === 0 && !flip && left === 0 && top === 0 && whole;
  }

  #paintBlack(frame: BeamFrame, target: Uint8Array): void {
    const { pixelFormat, width, height } = this.#output;
    const yuv = pixelFormat === 'yuv420p';
    target.fill(yuv && !formatOf(frame, this.#site).fullRange ? 16 : 0);
    if (yuv) target.fill(128, width * height);
    if (pixelFormat === 'rgba') {
      for (let i = 3; i < target.length; i += 4) target[i] = 255;
    }
  }

  #place(source: Uint8Array, target: Uint8Array): void {
    const { pixelFormat, scaleWidth, scaleHeight, width, height } = this.#output;
    const { left, top } = this.#output;
    const bytes = this.#formats.get(ffmpegName(pixelFormat)).comp[0]?.step ?? 1;
    let from = 0;
    let to = 0;
    for (const shift of pixelFormat === 'yuv420p' ? [0, 1, 1] : [0]) {
      const plane = (data: Uint8Array, offset: number, w: number, h: number) => {
        const columns = subsampled(w, shift);
        const rows = subsampled(h, shift);
        return { data, offset, stride: columns * bytes, width: columns, height: rows };
      };
      const read = plane(source, from, scaleWidth, scaleHeight);
      const written = plane(target, to, width, height);
      const corner = { left: subsampled(left, shift), top: subsampled(top, shift) };
      placePlane(read, this.#output, written, corner, bytes);
      from += read.stride * read.height;
      to += written.stride * written.height;
    }
  }
}

function ffmpegName(format: NativeOutput['pixelFormat']): string {
  return format === 'gray8' ? 'gray' : format;
}

function isEightBit(format: NativeOutput['pixelFormat']): boolean {
  return ['rgb24', 'bgr24', 'rgba', 'gray8'].includes(format);
}
