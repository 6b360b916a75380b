import { spawn } from 'node:child_process';
import { resolve } from 'node:path';

if (!import.meta.dirname) {
  console.error(`rushes needs Node 20.11 or newer; this is ${process.version}`);
  process.exit(1);
}

/** The repository, or the installed package: all paths in these scripts start from it. */
export const root = resolve(import.meta.dirname, '..');

/** A command could not be started or failed; `output` is what it printed, unless shown. */
export class CommandError extends Error {
  constructor(message, output) {
    super(message);
    this.output = output;
  }
}

/**
 * Runs a command in the repository, without a shell and without standard input.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, cwd?: string, show?: boolean,
 *   onGroup?: (id: number) => void }} options
 *   `show` lets it print; else its output is held back and returned.
 *   `onGroup` asks for a process group of its own and is told which.
 * @returns {Promise<string>} what it printed on stdout and stderr, together
 * @throws {CommandError} if it does not exit with 0
 */
export async function run(
  command,
  args,
  { env, cwd = root, show = false, onGroup } = {},
) {
  const out = show ? 'inherit' : 'pipe';
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', out, out],
    detached: onGroup !== undefined,
  });
  if (child.pid !== undefined) onGroup?.(child.pid);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  }
  const ended = await new Promise((done) => {
    child.on('error', (error) => done(error.message));
    child.on('close', (code, signal) => done(signal ?? code));
  });
  if (ended === 0) return output;
  const reason = typeof ended === 'number' ? `exit code ${ended}` : ended;
  throw new CommandError(`${[command, ...args].join(' ')}: ${reason}`, output);
}

/** Says what a failed command printed, and its name. */
export function report({ output, message }) {
  process.stderr.write(`${output}\n${message}\n`);
}

/** Runs the body of a script: a failed command ends it with its output, not a stack trace. */
export async function main(body) {
  try {
    await body();
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    report(error);
    process.exitCode = 1;
  }
}
