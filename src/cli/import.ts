import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, extname, resolve } from 'node:path';
import {
  type FindOptions,
  findVideos,
  type ImportOptions,
  type ImportProgress,
  type ImportResult,
  type ImportSuccess,
  importVideos,
  MemoryMonitor,
  type Picture,
} from '../index.ts';
import { openCache } from './analyze.ts';
import {
  BYTES,
  COMMON_OPTIONS,
  HARDWARE,
  INTERVAL,
  parseCommand,
  RATE,
  readOption,
  THREADS,
  wholeNumber,
} from './arguments.ts';
import { type Command, type Context, EXIT, UsageError } from './command.ts';
import { type Failure, failureLine, toFailure, withoutPrefix } from './failure.ts';
import { count, decimal } from './format.ts';
import { ImportProgressView } from './import-progress.ts';
import { replaceFile, writeJson } from './output.ts';
import { ResultLog } from './result-log.ts';

const HELP = `Usage: rushes import [options] PATH…

Analyses many videos at once: files, globs, and directories with all below them. Writes one
line of JSON for each, { source, analysis } or { source, error: { code, message } }.

Options:
      --out FILE     write the lines to FILE rather than to standard output, and to
                     FILE.journal what --resume needs
      --resume       go on with FILE: what has its line already is passed over
      --overwrite    begin FILE anew
      --jobs N       most files at once (default auto: one for each core)
      --ordered      lines in the order the files are found, not in which they are ready
      --timeout SEC  give up a file after so long
      --retries N    try a file again that could not be read or took too long (default 0)
      --ext LIST     endings that count in directories, as 'mp4,mov,mxf'
      --budget SIZE  memory the program may use, as '800MB', '2GB' or '50%' of what there is
      --cache        take results that are known from the cache, and put new ones into it
      --no-cache     decode in any case (default)
      --cache-dir D  where the cache is, with --cache (see rushes cache --help)
      --thumbnails DIR  a picture of each video's best moment
      --sheets DIR   a contact sheet of each video, one picture a shot
      --fps RATE, --width W, --height H, --no-cuts, --threads N, --hardware H
                     as for 'rushes analyze'; threads: of each file
      --json         with --out: the summary as JSON
  -h, --help         this help

Interrupted or killed, it is gone on with by the same command and --resume: files that were
under way are done again, no line is lost, doubled or torn. A failed file has its line, too,
and is not tried again.
`;

const OPTIONS = {
  ...COMMON_OPTIONS,
  out: { type: 'string' },
  resume: { type: 'boolean' },
  overwrite: { type: 'boolean' },
  jobs: { type: 'string' },
  ordered: { type: 'boolean' },
  timeout: { type: 'string' },
  retries: { type: 'string' },
  ext: { type: 'string' },
  budget: { type: 'string' },
  cache: { type: 'boolean' },
  'no-cache': { type: 'boolean' },
  'cache-dir': { type: 'string' },
  thumbnails: { type: 'string' },
  sheets: { type: 'string' },
  fps: { type: 'string' },
  width: { type: 'string' },
  height: { type: 'string' },
  'no-cuts': { type: 'boolean' },
  threads: { type: 'string' },
  hardware: { type: 'string' },
} as const;
type Values = ReturnType<typeof parseCommand<typeof OPTIONS>>['values'];

/** As far as the library takes it. */
const SIDE = wholeNumber(16, 4096);

const JOBS = {
  wanted: "'auto' or a whole number, 1 to 1024",
  read: (text: string) => (text === 'auto' ? 'auto' : wholeNumber(1, 1024).read(text)),
} as const;

/** Bytes, or a share of what there is. */
const BUDGET = {
  wanted: `${BYTES.wanted}, or a share ('50%')`,
  read(text: string): number | `${number}%` | undefined {
    const share = /^(\d+(?:\.\d+)?)%$/.exec(text)?.[1];
    if (share === undefined) return BYTES.read(text);
    return Number(share) > 0 && Number(share) <= 100 ? `${Number(share)}%` : undefined;
  },
};

/** What results of one file of lines must have in common. */
type Settings = Pick<ImportOptions, 'fps' | 'width' | 'height' | 'cuts'>;

export const importCommand: Command = {
  name: 'import',
  summary: 'analyse many videos at once, and go on after an interruption',
  help: HELP,
  async run(args, context) {
    const { values, files } = parseCommand(args, OPTIONS);
    checkOut(values);
    const settings = readSettings(values);
    const options = readImportOptions(values);
    const budget = readOption('budget', values.budget, BUDGET);
    const { out, thumbnails, sheets, resume = false, overwrite = false } = values;
    for (const directory of [thumbnails, sheets]) {
      if (directory !== undefined) await mkdir(directory, { recursive: true });
    }
    await using cache = openCache(values);
    using monitor = new MemoryMonitor(budget === undefined ? {} : { budget });
    monitor.start();
    const log =
      out === undefined
        ? null
        : await ResultLog.open(out, settings, { resume, overwrite });
    const run = new Run(context, log, { thumbnails, sheets });
    try {
      return await run.finish(
        files,
        { ...options, ...settings, cache, monitor },
        values.json,
      );
    } finally {
      await log?.close();
    }
  },
};

function checkOut({ out, resume, overwrite, json }: Values): void {
  if (out === undefined && (resume || overwrite)) {
    throw new UsageError(`--${resume ? 'resume' : 'overwrite'} needs --out FILE`);
  }
  if (out === undefined && json) {
    throw new UsageError('--json is for the summary, which only --out leaves room for');
  }
  if (resume && overwrite) {
    throw new UsageError('--resume and --overwrite exclude each other');
  }
}

function readSettings(values: Values): Settings {
  return {
    fps: readOption('fps', values.fps, RATE),
    width: readOption('width', values.width, SIDE),
    height: readOption('height', values.height, SIDE),
    cuts: values['no-cuts'] ? false : undefined,
  };
}

function readImportOptions(values: Values): ImportOptions {
  const seconds = readOption('timeout', values.timeout, INTERVAL);
  return {
    concurrency: readOption('jobs', values.jobs, JOBS),
    ordered: values.ordered,
    timeout: seconds === undefined ? undefined : seconds * 1000,
    retries: readOption('retries', values.retries, wholeNumber(0, 100)),
    extensions: values.ext?.split(',').map((ending) => ending.trim()),
    threads: readOption('threads', values.threads, THREADS),
    hardware: readOption('hardware', values.hardware, HARDWARE),
    thumbnail: values.thumbnails !== undefined,
    contactSheet: values.sheets !== undefined,
  };
}

/** Where pictures go. */
interface Folders {
  readonly thumbnails: string | undefined;
  readonly sheets: string | undefined;
}

/** One `rushes import`. */
class Run {
  readonly #context: Context;
  readonly #log: ResultLog | null;
  readonly #folders: Folders;
  readonly #view = new ImportProgressView(process.stderr);
  #total: number | null = null;
  #passedOver = 0;
  readonly #counts = { analysed: 0, cached: 0, incomplete: 0, failed: 0 };

  constructor(context: Context, log: ResultLog | null, folders: Folders) {
    this.#context = context;
    this.#log = log;
    this.#folders = folders;
  }

  /** @returns the exit code */
  async finish(
    patterns: readonly string[],
    options: ImportOptions & { readonly monitor: MemoryMonitor },
    json = false,
  ): Promise<number> {
    const { signal } = this.#context;
    const { extensions, monitor } = options;
    const began = performance.now();
    void this.#countFiles(patterns, { extensions, signal });
    const onProgress = (progress: ImportProgress) =>
      this.#view.update(progress, {
        total: this.#total,
        resumed: this.#passedOver,
        level: monitor.level,
      });
    try {
      // One result may go to the disk while the next is waited for.
      let written = Promise.resolve();
      const sources = this.#remaining(patterns, { extensions, signal });
      for await (const result of importVideos(sources, {
        ...options,
        signal,
        onProgress,
      })) {
        await written;
        written = this.#write(result);
        written.catch(() => {}); // seen above or below
      }
      await written;
    } catch (error) {
      this.#view.clear();
      if (signal.aborted && this.#log !== null) this.#sayHowToGoOn();
      throw error;
    }
    this.#view.clear();
    await this.#summarize((performance.now() - began) / 1000, json);
    return this.#counts.failed + this.#counts.incomplete > 0 ? EXIT.failed : EXIT.ok;
  }

  /** Files without a line yet. What cannot be searched gets its line at once. */
  async *#remaining(patterns: readonly string[], options: FindOptions) {
    const seen = new Set<string>(); // of what was named twice
    for (const pattern of patterns) {
      for await (const { path, error } of findVideos(pattern, options)) {
        if (this.#log?.has(path)) {
          this.#passedOver += 1;
        } else if (patterns.length > 1 && seen.has(path)) {
          continue;
        } else if (error === undefined) {
          yield path;
        } else {
          await this.#write({ source: path, index: 0, attempts: 0, error });
        }
        if (patterns.length > 1) seen.add(path);
      }
    }
  }

  /** For the display only; holds nothing but a number. */
  async #countFiles(patterns: readonly string[], options: FindOptions): Promise<void> {
    if (process.stderr.isTTY !== true) return;
    let total = 0;
    try {
      for (const pattern of patterns) {
        for await (const _ of findVideos(pattern, options)) total += 1;
      }
      this.#total = total;
    } catch {
      // Interrupted, as the import itself is.
    }
  }

  async #write(result: ImportResult): Promise<void> {
    const source = String(result.source);
    let line: string;
    if (result.error === undefined) {
      const pictures = await this.#writePictures(source, result);
      line = JSON.stringify({ source, analysis: result.analysis, ...pictures });
      this.#counts.analysed += 1;
      this.#counts.cached += result.cached ? 1 : 0;
      if (!result.analysis.complete) {
        this.#counts.incomplete += 1;
        const last = result.analysis.errors.at(-1);
        const reason = withoutPrefix(
          last?.message ?? 'the file ends early',
          `${source}: `,
        );
        const message = `the result is incomplete: ${reason}`;
        this.#warn({ source, error: { code: last?.code ?? 'ERR_TRUNCATED', message } });
      }
    } else {
      const failure = toFailure(source, result.error);
      line = JSON.stringify(failure);
      this.#counts.failed += 1;
      this.#warn(failure);
    }
    if (this.#log === null) await this.#context.output.write(`${line}\n`);
    else await this.#log.append(source, line);
  }

  #warn(failure: Failure): void {
    this.#view.clear();
    this.#context.warn(failureLine(failure));
  }

  /** @returns the members of the line that say where they are */
  async #writePictures(source: string, result: ImportSuccess) {
    const { thumbnails, sheets } = this.#folders;
    if (result.pictureError !== undefined) {
      this.#warn(toFailure(source, result.pictureError));
    }
    return {
      thumbnail: await writePicture(thumbnails, source, result.thumbnail),
      contactSheet: await writePicture(sheets, source, result.contactSheet),
    };
  }

  #sayHowToGoOn(): void {
    const { analysed, failed } = this.#counts;
    const done = count(analysed + failed, 'file');
    this.#context.warn(`import: stopped after ${done}; --resume goes on`);
  }

  async #summarize(seconds: number, json: boolean): Promise<void> {
    if (this.#log === null) return;
    const { output } = this.#context;
    const { analysed, cached, incomplete, failed } = this.#counts;
    const resumed = this.#passedOver;
    if (json) {
      await writeJson(output, { ...this.#counts, resumed, seconds });
      return;
    }
    if (analysed + failed + resumed === 0) {
      await output.write('no videos found\n');
      return;
    }
    const parts = [`${count(analysed, 'file')} analysed in ${decimal(seconds, 1)} s`];
    if (cached > 0) parts.push(`${cached} from the cache`);
    if (incomplete > 0) parts.push(`${incomplete} incomplete`);
    if (failed > 0) parts.push(`${failed} failed`);
    if (resumed > 0) parts.push(`${resumed} done before`);
    await output.write(`${parts.join(', ')}\n`);
  }
}

/**
 * `DIR/NAME-1a2b3c4d.jpg`: the name of the video, and a part of the SHA-256 of its path, since many folders may hold the same
 * name; the same in every run.
 */
async function writePicture(
  directory: string | undefined,
  source: string,
  picture: Picture | undefined,
): Promise<string | undefined> {
  if (directory === undefined || picture === undefined) return undefined;
  const stem = basename(source, extname(source));
  const digest = createHash('sha256').update(source).digest('hex').slice(0, 8);
  const ending = picture.format === 'jpeg' ? 'jpg' : picture.format;
  const path = resolve(directory, `${stem}-${digest}.${ending}`);
  await replaceFile(path, (temporary) => writeFile(temporary, picture.data));
  return path;
}
