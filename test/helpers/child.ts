/** Runs the built library and command line in processes of their own, so that a crash is seen. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const DIST = resolve(import.meta.dirname, '..', '..', 'dist');

/** What to write after `from` or in `import()` in a script to get the built library. */
export const LIBRARY = JSON.stringify(pathToFileURL(join(DIST, 'index.mjs')).href);

const CLI = join(DIST, 'cli.mjs');

/**
 * For processes that need no certificates: where `NODE_EXTRA_CA_CERTS` is set, Node 20 reads them whenever it starts, which takes
 * longer than all else that it does then.
 */
export const ENVIRONMENT = { ...process.env, NODE_EXTRA_CA_CERTS: undefined };

/** How a process ended and what it printed. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ChildOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  readonly nodeOptions?: readonly string[];
  /** Milliseconds after which the process is killed; `signal` is SIGKILL then. */
  readonly timeout?: number;
  /** Whether the process gets `process.send`. */
  readonly ipc?: boolean;
  /** Called with the running process. */
  readonly onStart?: (child: ChildProcess) => void;
}

async function run(args: readonly string[], options: ChildOptions): Promise<Ended> {
  const { cwd, env, nodeOptions = [], timeout = 50_000, ipc, onStart } = options;
  const child = spawn(process.execPath, [...nodeOptions, ...args], {
    cwd,
    env: { ...ENVIRONMENT, ...env },
    stdio: ['ignore', 'pipe', 'pipe', ...(ipc ? (['ipc'] as const) : [])],
    timeout,
    killSignal: 'SIGKILL',
  });
  const text = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream]?.setEncoding('utf8');
    child[stream]?.on('data', (chunk: string) => {
      text[stream] += chunk;
    });
  }
  onStart?.(child);
  return new Promise((done, fail) => {
    child.on('error', fail);
    child.on('close', (code, signal) => done({ code, signal, ...text }));
  });
}

/** Runs an ES module given as text; `process.argv.slice(1)` are its arguments. */
export function runScript(
  script: string,
  args: readonly string[] = [],
  options: ChildOptions = {},
): Promise<Ended> {
  return run(['--input-type=module', '--eval', script, '--', ...args], options);
}

/** Runs the `rushes` command. */
export function rushes(
  args: readonly string[],
  options: ChildOptions = {},
): Promise<Ended> {
  return run([CLI, ...args], options);
}

/** Expected of a script that went well. */
export const CLEAN = { code: 0, signal: null, stderr: '' };
