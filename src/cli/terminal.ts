/** What standard output can show. */
export interface Terminal {
  /** Letters in a line. */
  readonly columns: number;
  readonly color: boolean;
  /** Whether it shows more than ASCII. */
  readonly unicode: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

const DEFAULT_COLUMNS = 80;
const FEWEST_COLUMNS = 40;

/**
 * Colour only on a terminal that is not `dumb`, and never with NO_COLOR (no-color.org); more than ASCII where the locale is UTF-8 (of
 * POSIX's variables the first that is set counts), as it always is on macOS and on Windows as Node writes to it.
 */
export function terminalOf(
  stream: { readonly isTTY?: boolean; readonly columns?: number },
  env: Environment = process.env,
  platform: string = process.platform,
): Terminal {
  const columns =
    (stream.isTTY && stream.columns) || Number(env.COLUMNS) || DEFAULT_COLUMNS;
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || '';
  return {
    columns: Math.max(FEWEST_COLUMNS, Math.floor(columns)),
    color: stream.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb',
    unicode: /utf-?8/i.test(locale) || (locale === '' && platform !== 'linux'),
  };
}
