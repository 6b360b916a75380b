import { AnalysisCache, type CacheStats } from '../index.ts';
import { AGE, BYTES, COMMON_OPTIONS, parseCommand, readOption } from './arguments.ts';
import { type Command, type Context, EXIT, UsageError } from './command.ts';
import { count, decimal, quantity, table } from './format.ts';
import { writeJson } from './output.ts';

const HELP = `Usage: rushes cache ACTION [options]

The cache of analyses and frame indexes, which all processes of a user share.

Actions:
  stats            what is in it
  verify           read everything, and remove what is damaged
  prune            remove what nobody used for long, and what is too much
  clear            remove everything
  path             print where it is

Options:
      --cache-dir DIR    where it is (default: RUSHES_CACHE_DIR, or the folder that the
                         system has for caches)
      --max-bytes BYTES  with prune: keep no more than this, 500MB by default
      --max-age AGE      with prune: keep nothing unused for longer, 30d by default
      --json             the same as JSON
  -h, --help             this help

verify exits with 1 if anything was damaged, all actions if the cache does not work.
`;

const OPTIONS = {
  ...COMMON_OPTIONS,
  'cache-dir': { type: 'string' },
  'max-bytes': { type: 'string' },
  'max-age': { type: 'string' },
} as const;

/** What an action prints, for programs and for people, and whether all is well. */
interface Result {
  readonly value: object;
  readonly text: string;
  readonly failed?: boolean;
}

type Values = ReturnType<typeof parseCommand<typeof OPTIONS>>['values'];
type Action = (cache: AnalysisCache, values: Values) => Promise<Result>;

const ACTIONS: Readonly<Record<string, Action>> = {
  async stats(cache) {
    const stats = await cache.stats();
    return { value: stats, text: describe(stats) };
  },
  async verify(cache) {
    const value = await cache.verify();
    const { sound, damaged } = value;
    const text = `${count(sound, 'record')} sound, ${damaged} damaged and removed\n`;
    return { value, text, failed: damaged > 0 };
  },
  async prune(cache, values) {
    const value = await cache.prune({
      maxBytes: readOption('max-bytes', values['max-bytes'], BYTES),
      maxAge: readOption('max-age', values['max-age'], AGE),
    });
    const left = quantity(value.bytes, 'B');
    return { value, text: `${count(value.removed, 'record')} removed, ${left} left\n` };
  },
  async clear(cache) {
    const removed = await cache.clear();
    return { value: { removed }, text: `${removed} removed\n` };
  },
  async path({ directory }) {
    return { value: { directory }, text: `${directory}\n` };
  },
};

export const cacheCommand: Command = {
  name: 'cache',
  summary: 'look after the cache of analyses',
  help: HELP,
  async run(args, context) {
    const { values, files } = parseCommand(args, OPTIONS, 'ACTION');
    const [name = '', ...rest] = files;
    const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
    if (action === undefined) {
      const names = Object.keys(ACTIONS).join(', ');
      throw new UsageError(`ACTION is one of ${names}, got '${name}'`);
    }
    if (rest.length > 0) throw new UsageError(`'${rest[0]}' is too much`);
    for (const option of ['max-bytes', 'max-age'] as const) {
      if (name !== 'prune' && values[option] !== undefined) {
        throw new UsageError(`--${option} goes with prune`);
      }
    }
    readOption('max-bytes', values['max-bytes'], BYTES);
    readOption('max-age', values['max-age'], AGE);
    const directory = values['cache-dir'];
    if (directory === '') throw new UsageError("--cache-dir wants a folder, got ''");
    await using cache = new AnalysisCache({ directory });
    const result = await action(cache, values);
    return await print(context, result, values.json ?? false, cache, name);
  },
};

async function print(
  { output }: Context,
  { value, text, failed = false }: Result,
  json: boolean,
  cache: AnalysisCache,
  name: string,
): Promise<number> {
  if (json) await writeJson(output, value);
  else await output.write(text);
  // A warning has said what is the matter.
  const works = name === 'path' || (await cache.stats()).persistent;
  return failed || !works ? EXIT.failed : EXIT.ok;
}

function describe(stats: CacheStats): string {
  const age = (seconds: number | null) =>
    seconds === null ? '-' : `${decimal(seconds / 86_400, 1)} days`;
  const { analyses, indexes, files, bytes, maxBytes, fileBytes } = stats;
  const rows = [
    ['analyses', String(analyses)],
    ['frame indexes', String(indexes)],
    ['known files', String(files)],
    ['size', `${quantity(bytes, 'B')} of ${quantity(maxBytes, 'B')}`],
    ['on disk', quantity(fileBytes, 'B')],
    ['oldest', age(stats.oldestAge)],
    ['newest', age(stats.newestAge)],
    ['longest unused', age(stats.longestUnused)],
  ];
  return `${stats.directory}\n${table(rows, { indent: '  ' })}`;
}
