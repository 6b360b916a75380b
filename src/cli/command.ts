import type { Output } from './output.ts';
import type { Terminal } from './terminal.ts';

/** What a command works with beside its arguments. */
export interface Context {
  /** Aborted by Ctrl-C, or when nobody reads standard output any more. */
  readonly signal: AbortSignal;
  readonly output: Output;
  /** What standard output can show. */
  readonly terminal: Terminal;
  /** Prints one line on standard error. */
  warn(message: string): void;
}

/** One of `rushes probe`, `rushes frames` … */
export interface Command {
  readonly name: string;
  /** One line for the general help. */
  readonly summary: string;
  /** The whole text of `rushes NAME --help`. */
  readonly help: string;
  /** @returns the exit code @throws {UsageError} before any work */
  run(args: readonly string[], context: Context): Promise<number>;
}

/** Wrong arguments; the message names the one and what was got. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Why work stopped although nothing failed; `exitCode` is the program's. */
export class Stopped extends Error {
  override readonly name = 'Stopped';
  readonly exitCode: number;

  constructor(message: string, exitCode: number) {
    super(message);
    this.exitCode = exitCode;
  }
}

export const EXIT = {
  ok: 0,
  /** At least one input failed. */
  failed: 1,
  /** The arguments are wrong; nothing was done. */
  usage: 2,
} as const;
