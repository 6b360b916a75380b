import { type ParseArgsConfig, parseArgs } from 'node:util';
import { HARDWARE_DEVICES } from '../index.ts';
import { UsageError } from './command.ts';

type OptionsConfig = NonNullable<ParseArgsConfig['options']>;
type Parsed<T extends OptionsConfig> = ReturnType<
  typeof parseArgs<{ options: T; allowPositionals: true; strict: true }>
>;

/** Options that every command has. */
export const COMMON_OPTIONS = {
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const satisfies OptionsConfig;

/**
 * Takes the arguments of a command apart.
 *
 * @param operand what the help calls the first argument that is no option; `null` where there is none
 * @throws {UsageError} for an unknown option, one without its value, or no operand
 */
export function parseCommand<const T extends OptionsConfig>(
  args: readonly string[],
  options: T,
  operand: string | null = 'FILE',
): { values: Parsed<T>['values']; files: string[] } {
  let parsed: Parsed<T>;
  try {
    parsed = parseArgs({
      args: [...args],
      options,
      allowPositionals: true,
      strict: true,
    });
  } catch (error) {
    // Node's words name the option; what follows them is advice of several lines.
    const [message] = (error as Error).message.split(/\. |\n/);
    throw new UsageError(message);
  }
  const { values, positionals } = parsed;
  const { help } = values as { help?: boolean };
  if (operand !== null && positionals.length === 0 && !help) {
    throw new UsageError(`${operand} is missing`);
  }
  return { values, files: positionals };
}

/** How to read the value of an option, and what to ask for if it cannot be read. */
interface Kind<T> {
  readonly wanted: string;
  /** `undefined` if the text is none. */
  read(text: string): T | undefined;
}

/** A number of decoder threads, as far as the library takes it. */
export const THREADS = wholeNumber(1, 64);

/** Where to decode. */
export const HARDWARE = oneOf('auto', 'none', ...HARDWARE_DEVICES);

/** Reads the value of an option. @throws {UsageError} naming the option and the value got */
export function readOption<T>(
  option: string,
  text: string | undefined,
  kind: Kind<T>,
): T | undefined {
  if (text === undefined) return undefined;
  const value = kind.read(text);
  if (value === undefined) {
    throw new UsageError(`--${option} wants ${kind.wanted}, got '${text}'`);
  }
  return value;
}

const DECIMAL = /^-?(\d+\.?\d*|\.\d+)$/;

/** Seconds, or `[HH:]MM:SS` as FFmpeg has it; may be negative, as timestamps may. */
export const TIME: Kind<number> = {
  wanted: "seconds (12.5) or a time ('1:02:03.5')",
  read(text) {
    const match = /^(-?)(?:(?:(\d+):)?(\d+):)?(\d+\.?\d*|\.\d+)$/.exec(text);
    if (!match) return undefined;
    const [, sign, hours = '0', minutes = '0', seconds] = match;
    const time = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
    return sign === '-' ? -time : time;
  },
};

/** Seconds above 0. */
export const INTERVAL: Kind<number> = {
  wanted: 'seconds above 0',
  read: (text) => (DECIMAL.test(text) ? positive(Number(text)) : undefined),
};

/** Frames per second, as `25` or `30000/1001`. */
export const RATE: Kind<number> = {
  wanted: "frames per second above 0 (25, 29.97, '30000/1001')",
  read(text) {
    const [numerator = '', denominator = '1', ...rest] = text.split('/');
    const readable = DECIMAL.test(numerator) && DECIMAL.test(denominator);
    if (!readable || rest.length > 0) return undefined;
    return positive(Number(numerator) / Number(denominator));
  },
};

/** A whole number from `least` to `most`. */
export function wholeNumber(least: number, most = Number.MAX_SAFE_INTEGER): Kind<number> {
  const upTo = most === Number.MAX_SAFE_INTEGER ? ' or more' : ` to ${most}`;
  return {
    wanted: `a whole number, ${least}${upTo}`,
    read(text) {
      const value = Number(text);
      return /^\d+$/.test(text) && value >= least && value <= most ? value : undefined;
    },
  };
}

/** One of a few words. */
export function oneOf<const T extends string>(...words: T[]): Kind<T> {
  return {
    wanted: `one of ${words.join(', ')}`,
    read: (text) => words.find((word) => word === text),
  };
}

function positive(value: number): number | undefined {
  return Number.isFinite(value) && value > 0 ? value : undefined;
}

/** Bytes, with a unit of 1000 or, with an i, 1024. */
export const BYTES: Kind<number> = {
  wanted: "bytes above 0 (500000000, '500MB', '1GiB')",
  read(text) {
    const match = /^(\d+\.?\d*)([kMGT]?)(i?)B?$/i.exec(text);
    if (!match) return undefined;
    const [, value, unit = '', binary] = match;
    const step = binary ? 1024 : 1000;
    const power = ['', 'k', 'm', 'g', 't'].indexOf(unit.toLowerCase());
    const bytes = Math.round(Number(value) * step ** power);
    return Number.isSafeInteger(bytes) ? positive(bytes) : undefined;
  },
};

/** Seconds, from a number with a unit; a bare number is days. */
export const AGE: Kind<number> = {
  wanted: "an age above 0 ('30d', '12h', '90m', '60s'; days without a unit)",
  read(text) {
    const match = /^(\d+\.?\d*)([dhms]?)$/.exec(text);
    if (!match) return undefined;
    const seconds = { d: 86_400, h: 3600, m: 60, s: 1 };
    return positive(
      Number(match[1]) * seconds[(match[2] || 'd') as keyof typeof seconds],
    );
  },
};

/** @throws {UsageError} if more than one of these options was given */
export function atMostOne(values: Readonly<Record<string, unknown>>): void {
  const given = Object.keys(values).filter((option) => values[option] !== undefined);
  if (given.length > 1) {
    throw new UsageError(`--${given.join(' and --')} exclude each other`);
  }
}

/** @throws {UsageError} if nothing lies between `--start` and `--end` */
export function checkRange(start: number | undefined, end: number | undefined): void {
  if (start !== undefined && end !== undefined && end <= start) {
    throw new UsageError(`--end (${end} s) is not after --start (${start} s)`);
  }
}
