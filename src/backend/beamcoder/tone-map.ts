/** High dynamic range on a standard screen: `native/tone_map.cc` in TypeScript, which see for the sources; in doubles where that has floats. */
import type { PixelFormat } from '../../frame.ts';

/** cd/m²: the peak of the source, and reference white, the peak of the output. */
const SOURCE_PEAK = 1000;
const TARGET_PEAK = 203;
const STEPS = 4096;

// Rec. ITU-R BT.2100-2, table 4.
const M1 = 2610 / 16384;
const M2 = (2523 / 4096) * 128;
const C1 = 3424 / 4096;
const C2 = (2413 / 4096) * 32;
const C3 = (2392 / 4096) * 32;

/** PQ signal 0–1 to cd/m². */
function pqToLight(signal: number): number {
  const power = signal ** (1 / M2);
  return 10000 * (Math.max(power - C1, 0) / (C2 - C3 * power)) ** (1 / M1);
}

/** cd/m² to PQ signal 0–1. */
function lightToPq(light: number): number {
  const power = (light / 10000) ** M1;
  return ((C1 + C2 * power) / (1 + C3 * power)) ** M2;
}

/** HLG signal 0–1 to scene light 0–1 (table 5, inverse OETF). */
function hlgToScene(signal: number): number {
  const a = 0.17883277;
  const b = 1 - 4 * a;
  const c = 0.5 - a * Math.log(4 * a);
  return signal <= 0.5 ? (signal * signal) / 3 : (Math.exp((signal - c) / a) + b) / 12;
}

/** Report ITU-R BT.2390-8, 5.4.1, for black at 0: cd/m² to cd/m². */
function eetf(light: number): number {
  const whole = lightToPq(SOURCE_PEAK);
  const most = lightToPq(TARGET_PEAK) / whole;
  const knee = 1.5 * most - 0.5;
  const e = Math.min(lightToPq(light) / whole, 1);
  if (e < knee) return light;
  const t = (e - knee) / (1 - knee);
  const bent =
    (2 * t ** 3 - 3 * t ** 2 + 1) * knee +
    (t ** 3 - 2 * t ** 2 + t) * (1 - knee) +
    (-2 * t ** 3 + 3 * t ** 2) * most;
  return pqToLight(bent * whole);
}

export type ToneMappedFormat = Extract<PixelFormat, 'rgb24' | 'bgr24' | 'rgba' | 'gray8'>;

/** Bytes of a pixel, and where its components lie. */
const LAYOUTS = {
  rgb24: { bytes: 3, red: 0, green: 1, blue: 2 },
  bgr24: { bytes: 3, red: 2, green: 1, blue: 0 },
  rgba: { bytes: 4, red: 0, green: 1, blue: 2 },
  gray8: { bytes: 1, red: 0, green: 0, blue: 0 },
} as const;

export class ToneMap {
  readonly #hlg: boolean;
  readonly #wideGamut: boolean;
  readonly #linear = new Float64Array(STEPS);
  readonly #factor = new Float64Array(STEPS);
  readonly #coded = new Uint8Array(STEPS);

  static applies(transfer: string): boolean {
    return transfer === 'smpte2084' || transfer === 'arib-std-b67';
  }

  constructor(transfer: string, primaries: string) {
    this.#hlg = transfer === 'arib-std-b67';
    this.#wideGamut = primaries === 'bt2020';
    for (let i = 0; i < STEPS; i++) {
      const part = i / (STEPS - 1);
      this.#linear[i] = this.#hlg ? hlgToScene(part) : pqToLight(part) / SOURCE_PEAK;
      // Relative to the source's peak before, to the target's after.
      const light = Math.max(part * part, 1e-8) * SOURCE_PEAK;
      this.#factor[i] = ((eetf(light) / light) * SOURCE_PEAK) / TARGET_PEAK;
      this.#coded[i] = Math.round(255 * part ** (2 / 2.4));
    }
  }

  /** Maps pixels of 16-bit little-endian RGB to `format`. */
  map(
    source: DataView,
    pixels: number,
    target: Uint8Array,
    format: ToneMappedFormat,
  ): void {
    const layout = LAYOUTS[format];
    const linear = (at: number) =>
      this.#linear[source.getUint16(at, true) >> 4] as number;
    for (let i = 0, to = 0; i < pixels; i++, to += layout.bytes) {
      const [red, green, blue] = this.#toDisplay(
        linear(6 * i),
        linear(6 * i + 2),
        linear(6 * i + 4),
      );
      if (layout.bytes === 1) {
        // BT.709 luma.
        target[to] = Math.floor(0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.5);
        continue;
      }
      if (layout.bytes === 4) target[to + 3] = 255;
      target[to + layout.red] = red;
      target[to + layout.green] = green;
      target[to + layout.blue] = blue;
    }
  }

  #toDisplay(r: number, g: number, b: number): [number, number, number] {
    // HLG's OOTF: scene light times its luminance to the power of gamma - 1.
    const luminance = 0.2627 * r + 0.678 * g + 0.0593 * b;
    const gain = this.#hlg ? Math.max(luminance, 1e-6) ** 0.2 : 1;
    const most = Math.max(r, g, b) * gain;
    const bent =
      most >= 1 ? 1 / most : (this.#factor[rounded(Math.sqrt(most))] as number);
    const [x, y, z] = [r, g, b].map((light) => light * gain * bent) as [
      number,
      number,
      number,
    ];
    if (!this.#wideGamut) return [this.#code(x), this.#code(y), this.#code(z)];
    return [
      this.#code(1.6605 * x - 0.5876 * y - 0.0728 * z),
      this.#code(-0.1246 * x + 1.1329 * y - 0.0083 * z),
      this.#code(-0.0182 * x - 0.1006 * y + 1.1187 * z),
    ];
  }

  #code(light: number): number {
    return this.#coded[rounded(Math.sqrt(Math.min(Math.max(light, 0), 1)))] as number;
  }
}

function rounded(part: number): number {
  return Math.floor(part * (STEPS - 1) + 0.5);
}
