#!/usr/bin/env node
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { analyzeCommand } from './analyze.ts';
import { benchCommand } from './bench.ts';
import { cacheCommand } from './cache.ts';
import { type Command, type Context, EXIT, Stopped, UsageError } from './command.ts';
import { doctorCommand } from './doctor.ts';
import { failureLine, toFailure } from './failure.ts';
import { table } from './format.ts';
import { framesCommand } from './frames.ts';
import { importCommand } from './import.ts';
import { Output } from './output.ts';
import { probeCommand } from './probe.ts';
import { reportCommand } from './report.ts';
import { sheetCommand } from './sheet.ts';
import { terminalOf } from './terminal.ts';

const COMMANDS: readonly Command[] = [
  probeCommand,
  framesCommand,
  analyzeCommand,
  importCommand,
  cacheCommand,
  sheetCommand,
  reportCommand,
  doctorCommand,
  benchCommand,
];

const HELP = `Usage: rushes COMMAND [options] FILE…

Commands:
${table(
  COMMANDS.map(({ name, summary }) => [name, summary]),
  { indent: '  ' },
)}
Options:
  -h, --help     this help, or with a command the help of that
  -V, --version  the version of rushes

Exit codes: 0 all went well, 1 an input failed (the others are still processed),
2 wrong usage, 130 or 143 interrupted.
`;

await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<void> {
  const stop = new AbortController();
  const context: Context = {
    signal: stop.signal,
    // What the reader of a pipe does not want any more is no failure.
    output: new Output(process.stdout, () =>
      stop.abort(new Stopped('not read', EXIT.ok)),
    ),
    terminal: terminalOf(process.stdout),
    warn: (message) => process.stderr.write(`rushes: ${message}\n`),
  };
  process.stderr.on('error', () => {}); // nobody listens: nothing to be done about it

  // The exit code of a program ended by a signal, as shells give it. Once: a second signal
  // ends the program at once.
  const signals = { SIGINT: 130, SIGTERM: 143 } as const;
  for (const [name, exitCode] of Object.entries(signals)) {
    process.once(name, () => stop.abort(new Stopped(name, exitCode)));
  }

  process.exitCode = await dispatch(args, context).catch((error: unknown) =>
    exitCodeOf(error, args[0], context),
  );
  // Left in place they would keep nothing alive, but a signal would go unheard.
  for (const name of Object.keys(signals)) process.removeAllListeners(name);
}

async function dispatch(args: readonly string[], context: Context): Promise<number> {
  const [first, ...rest] = args;
  if (first === '--help' || first === '-h') return print(context, HELP);
  if (first === '--version' || first === '-V') {
    return print(context, `rushes ${version()}\n`);
  }
  if (first === undefined) throw new UsageError('COMMAND is missing');
  if (first === 'help') {
    return print(context, rest[0] === undefined ? HELP : find(rest[0]).help);
  }

  const command = find(first);
  const optionsEnd = rest.indexOf('--');
  const options = optionsEnd < 0 ? rest : rest.slice(0, optionsEnd);
  if (options.includes('--help') || options.includes('-h')) {
    return print(context, command.help);
  }
  return command.run(rest, context);
}

function find(name: string): Command {
  const command = COMMANDS.find((candidate) => candidate.name === name);
  if (command) return command;
  const kind = name.startsWith('-') ? 'option' : 'command';
  throw new UsageError(`unknown ${kind} '${name}'`);
}

async function print(context: Context, text: string): Promise<number> {
  await context.output.write(text);
  return EXIT.ok;
}

function exitCodeOf(
  error: unknown,
  command: string | undefined,
  context: Context,
): number {
  if (error instanceof Stopped) return error.exitCode;
  if (error instanceof UsageError) {
    const known = COMMANDS.some(({ name }) => name === command);
    context.warn(known ? `${command}: ${error.message}` : error.message);
    context.warn(`try 'rushes ${known ? `${command} ` : ''}--help'`);
    return EXIT.usage;
  }
  context.warn(failureLine(toFailure(command ?? 'rushes', error)));
  return EXIT.failed;
}

/** From package.json, which lies one folder up in the package and two in a clone. */
function version(): string {
  let directory = import.meta.dirname;
  while (!existsSync(join(directory, 'package.json'))) directory = dirname(directory);
  const text = readFileSync(join(directory, 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
