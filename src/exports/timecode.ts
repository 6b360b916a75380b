/** SMPTE timecode (ST 12-1): names of frames, counted at a whole number of frames a second. */
import type { Rational, VideoInfo } from '../info.ts';

/** How frames are counted. */
export interface Timebase {
  /** Frames per second, exactly. */
  readonly rate: Rational;
  /** Frames that a timecode counts as a second: 30 at 29.97. */
  readonly nominal: number;
  /** Leave out names so that the timecode keeps to the clock; at 29.97 and 59.94 only. */
  readonly drop: boolean;
  /** Number of the frame shown at `origin`, counted from 00:00:00:00. */
  readonly firstFrame: number;
  /** Seconds on the stream's clock of the first frame. */
  readonly origin: number;
}

/** `timebaseOf` */
export interface TimebaseOptions {
  /**
   * Frames per second of the timecode, up to 60. Default: the video's average rate, or where that varies the usual rate nearest to
   * it; rates above 60 are divided by a whole number.
   */
  frameRate?: Rational | undefined;
  /** Drop-frame timecode, at 29.97 and 59.94 only. Default: what the video's own timecode is; non-drop if it has none. */
  dropFrame?: boolean | undefined;
}

/** More than this does not go into two digits as people use them. */
const MAX_RATE = 60;
/** What a varying or odd rate is taken for: those of ST 12-1 and the film and PC rates. */
const USUAL: readonly Rational[] = [
  { num: 12, den: 1 },
  { num: 15, den: 1 },
  { num: 24_000, den: 1001 },
  { num: 24, den: 1 },
  { num: 25, den: 1 },
  { num: 30_000, den: 1001 },
  { num: 30, den: 1 },
  { num: 48_000, den: 1001 },
  { num: 48, den: 1 },
  { num: 50, den: 1 },
  { num: 60_000, den: 1001 },
  { num: 60, den: 1 },
];
/** Within this, relative to it, an average rate is meant to be a usual one: averages of short clips are off by a frame. */
const NEAR = 2e-4;

/** @throws {TypeError | RangeError} naming the option */
export function timebaseOf(info: VideoInfo, options: TimebaseOptions = {}): Timebase {
  const rate = checkRate(options.frameRate) ?? rateOf(info);
  const nominal = Math.round(rate.num / rate.den);
  const canDrop = rate.num * 1001 === nominal * 1000 * rate.den && nominal % 30 === 0;
  const { dropFrame } = options;
  if (dropFrame !== undefined && typeof dropFrame !== 'boolean') {
    throw new TypeError(`dropFrame must be true or false, got ${String(dropFrame)}`);
  }
  if (dropFrame && !canDrop) {
    const fps = `${rate.num}/${rate.den}`;
    throw new RangeError(
      `dropFrame goes with 29.97 and 59.94 frames a second, got ${fps}`,
    );
  }
  const own = info.timecode === null ? null : parseTimecode(info.timecode);
  const drop = dropFrame ?? (canDrop && own?.drop === true);
  const base = { rate, nominal, drop, origin: info.startTime ?? 0 };
  return { ...base, firstFrame: own === null ? 0 : firstFrame(own, info, base) };
}

/** Number of the frame on screen at a time in seconds: times of frames fall into the middle of what is rounded to it. */
export function frameNumber(time: number, base: Timebase): number {
  const { num, den } = base.rate;
  return base.firstFrame + Math.max(0, Math.round(((time - base.origin) * num) / den));
}

/** `HH:MM:SS:FF`, or `HH:MM:SS;FF` with drop frames; begins anew after 24 hours. */
export function formatTimecode(
  frame: number,
  { nominal, drop }: Pick<Timebase, 'nominal' | 'drop'>,
): string {
  const day = drop ? framesPerDayDropped(nominal) : nominal * 86_400;
  const name = drop ? withDropped(frame % day, nominal) : frame % day;
  const seconds = Math.floor(name / nominal);
  const parts = [
    Math.floor(seconds / 3600),
    Math.floor(seconds / 60) % 60,
    seconds % 60,
    name % nominal,
  ].map((part) => String(part).padStart(2, '0'));
  return `${parts.slice(0, 3).join(':')}${drop ? ';' : ':'}${parts[3]}`;
}

/** Names left out in each minute but every tenth: 2 at 29.97, 4 at 59.94 (ST 12-1, 5.2.2). */
function droppedPerMinute(nominal: number): number {
  return nominal / 15;
}

function framesPerDayDropped(nominal: number): number {
  return nominal * 86_400 - droppedPerMinute(nominal) * 54 * 24;
}

/** The name of a frame, as a count that includes the names left out. */
function withDropped(frame: number, nominal: number): number {
  const dropped = droppedPerMinute(nominal);
  const perMinute = nominal * 60 - dropped;
  const perTenMinutes = nominal * 600 - dropped * 9;
  const tens = Math.floor(frame / perTenMinutes);
  const rest = frame % perTenMinutes;
  // The first minute of ten is whole.
  const minutes =
    rest < nominal * 60 ? 0 : 1 + Math.floor((rest - nominal * 60) / perMinute);
  return frame + dropped * (9 * tens + minutes);
}

interface ParsedTimecode {
  readonly seconds: number;
  readonly minutes: number;
  readonly frames: number;
  readonly drop: boolean;
}

function parseTimecode(text: string): ParsedTimecode | null {
  const match = /^(\d\d):(\d\d):(\d\d)([:;.])(\d\d+)$/.exec(text);
  if (match === null) return null;
  const [hours, minutes, seconds] = match.slice(1, 4).map(Number) as [
    number,
    number,
    number,
  ];
  return {
    minutes: hours * 60 + minutes,
    seconds: hours * 3600 + minutes * 60 + seconds,
    frames: Number(match[5]),
    drop: match[4] !== ':',
  };
}

/** How many frames lie before the one with this name. Its frames count at the video's own rate, which may be another. */
function firstFrame(
  own: ParsedTimecode,
  info: VideoInfo,
  base: Pick<Timebase, 'nominal' | 'drop'>,
): number {
  const average = info.averageFrameRate;
  const counted = average === null ? base.nominal : Math.round(average.num / average.den);
  const frames = Math.floor((own.frames * base.nominal) / Math.max(counted, 1));
  const name = own.seconds * base.nominal + Math.min(frames, base.nominal - 1);
  if (!base.drop) return name;
  const minutes = own.minutes;
  return name - droppedPerMinute(base.nominal) * (minutes - Math.floor(minutes / 10));
}

function checkRate(rate: Rational | undefined): Rational | undefined {
  if (rate === undefined) return undefined;
  const { num, den } = (rate ?? {}) as Partial<Rational>;
  if (!Number.isSafeInteger(num) || !Number.isSafeInteger(den)) {
    throw new TypeError('frameRate must be { num, den } of whole numbers');
  }
  const value = (num as number) / (den as number);
  if (!(value >= 1 && value <= MAX_RATE)) {
    throw new RangeError(`frameRate must be 1 to ${MAX_RATE}, got ${num}/${den}`);
  }
  return rate;
}

function rateOf({ averageFrameRate, variableFrameRate }: VideoInfo): Rational {
  const { num, den } = averageFrameRate ?? { num: 25, den: 1 };
  const parts = Math.max(1, Math.ceil(num / den / MAX_RATE - 0.02));
  const value = num / den / parts;
  const distance = (rate: Rational) => Math.abs(Math.log(rate.num / rate.den / value));
  const nearest = USUAL.reduce((a, b) => (distance(b) < distance(a) ? b : a));
  const isUsual = variableFrameRate || distance(nearest) < NEAR || value < 1;
  return isUsual ? nearest : { num, den: den * parts };
}
