import { type FileHandle, open, readFile, rm } from 'node:fs/promises';
import { UsageError } from './command.ts';

/** What is written to a log. */
interface Entry {
  readonly source: string;
  readonly line: string;
}

interface Pending extends Entry {
  readonly written: () => void;
  readonly failed: (error: unknown) => void;
}

/** A line of the journal: this source's result ends at this byte of the results. */
interface Record {
  readonly source: string;
  readonly end: number;
}

const VERSION = 1;

/**
 * Results as lines of JSON, and beside them, in `FILE.journal`, which of them are whole.
 *
 * Note [Journal]: a result is written and flushed to the disk first, then its record, which says where the result ends. So the last record
 * is the truth at any moment: what lies behind it in the results is a line that was cut off, or one whose record was; both are cut away
 * before more is written, and those files are done again. Nothing is lost, doubled or torn, whenever the program or the machine stops.
 */
export class ResultLog {
  readonly #results: FileHandle;
  readonly #journal: FileHandle;
  readonly #done: Set<string>;
  /** Bytes of the results that are whole. */
  #end: number;
  #pending: Pending[] = [];
  #flushing: Promise<void> | undefined;

  private constructor(
    files: { readonly results: FileHandle; readonly journal: FileHandle },
    done: Set<string>,
    end: number,
  ) {
    this.#results = files.results;
    this.#journal = files.journal;
    this.#done = done;
    this.#end = end;
  }

  /**
   * Begins a log, or goes on with one.
   *
   * @param settings what must be the same for results to belong together; compared as JSON
   * @throws {UsageError} if there are results already and neither `resume` nor `overwrite` is set, or those are of other settings
   */
  static async open(
    path: string,
    settings: unknown,
    { resume, overwrite }: { resume: boolean; overwrite: boolean },
  ): Promise<ResultLog> {
    const journalPath = `${path}.journal`;
    const header = JSON.stringify({
      journal: 'rushes import',
      version: VERSION,
      settings,
    });
    const results = await open(path, resume || overwrite ? 'a+' : 'ax+').catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error;
        throw new UsageError(
          `${path} exists: --resume goes on with it, --overwrite begins anew`,
        );
      },
    );
    try {
      const { size } = await results.stat();
      const known = resume ? await readJournal(journalPath, header, size) : null;
      if (resume && known === null && size > 0) {
        throw new UsageError(
          `${path} has no journal to go on with (${journalPath}): --overwrite begins anew`,
        );
      }
      await results.truncate(known?.end ?? 0);
      if (known === null) await rm(journalPath, { force: true });
      const journal = await open(journalPath, 'a+');
      await journal.truncate(known?.journalEnd ?? 0);
      if (known === null) await journal.appendFile(`${header}\n`);
      await Promise.all([results.sync(), journal.sync()]);
      return new ResultLog(
        { results, journal },
        known?.done ?? new Set(),
        known?.end ?? 0,
      );
    } catch (error) {
      await results.close();
      throw error;
    }
  }

  /** Sources with a result. */
  get size(): number {
    return this.#done.size;
  }

  has(source: string): boolean {
    return this.#done.has(source);
  }

  /** Adds a result, which must hold no line break. Resolves when it is on the disk; what comes meanwhile goes there together. */
  append(source: string, line: string): Promise<void> {
    return new Promise((written, failed) => {
      this.#pending.push({ source, line, written, failed });
      this.#flushing ??= this.#flush().finally(() => {
        this.#flushing = undefined;
      });
    });
  }

  /** Waits for what was added. */
  async close(): Promise<void> {
    await this.#flushing;
    await Promise.all([this.#results.close(), this.#journal.close()]);
  }

  async #flush(): Promise<void> {
    while (this.#pending.length > 0) {
      const batch = this.#pending;
      this.#pending = [];
      try {
        await this.#write(batch);
        for (const { written } of batch) written();
      } catch (error) {
        for (const { failed } of batch) failed(error);
      }
    }
  }

  async #write(batch: readonly Pending[]): Promise<void> {
    let end = this.#end;
    const lines = batch.map(({ line }) => Buffer.from(`${line}\n`));
    const records = batch.map(({ source }, index) => {
      end += (lines[index] as Buffer).length;
      return `${JSON.stringify({ source, end } satisfies Record)}\n`;
    });
    try {
      await this.#results.appendFile(Buffer.concat(lines));
      await this.#results.datasync();
      await this.#journal.appendFile(records.join(''));
      await this.#journal.datasync();
    } catch (error) {
      // A full disk: leave only whole lines behind, as far as that is still possible.
      await this.#results.truncate(this.#end).catch(() => {});
      throw error;
    }
    this.#end = end;
    for (const { source } of batch) this.#done.add(source);
  }
}

/** What a journal vouches for; `null` if there is none. @throws {UsageError} if it is of another import */
async function readJournal(
  path: string,
  header: string,
  size: number,
): Promise<{ done: Set<string>; end: number; journalEnd: number } | null> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  const [first, ...lines] = text.split('\n');
  lines.pop(); // what follows the last line break was cut off, or is empty
  if (!text.includes('\n')) return null;
  if (first !== header) {
    throw new UsageError(
      `${path} was made with other options: use the same, or --overwrite`,
    );
  }
  const known = {
    done: new Set<string>(),
    end: 0,
    journalEnd: Buffer.byteLength(header) + 1,
  };
  for (const line of lines) {
    const record = parseRecord(line);
    // Results that were shortened by someone else: what they lack is done again.
    if (record === null || record.end > size) break;
    known.done.add(record.source);
    known.end = record.end;
    known.journalEnd += Buffer.byteLength(line) + 1;
  }
  return known;
}

function parseRecord(line: string): Record | null {
  try {
    const { source, end } = JSON.parse(line) as Partial<Record>;
    return typeof source === 'string' && Number.isSafeInteger(end)
      ? { source, end: end as number }
      : null;
  } catch {
    return null;
  }
}
