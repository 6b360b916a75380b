/** Runs the ffmpeg tool and reads what it says of itself. */
import { execFile } from 'node:child_process';

/** How a tool ended and what it printed. */
export interface ToolRun {
  /** `null` if it did not end by itself, or could not be started. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** What kept it from running to its end: not installed, a signal, too slow. */
  readonly failure: string | null;
}

export interface ToolOptions {
  /** Milliseconds after which it is killed. Default 20 s. */
  readonly timeout?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** For its standard input. */
  readonly input?: string;
}

const TIMEOUT = 20_000;
const MAX_OUTPUT = 16 * 1024 * 1024;

/** Runs a program to its end; never rejects. */
export function runTool(
  file: string,
  args: readonly string[],
  { timeout = TIMEOUT, env, input }: ToolOptions = {},
): Promise<ToolRun> {
  return new Promise((done) => {
    const child = execFile(
      file,
      args,
      {
        timeout,
        killSignal: 'SIGKILL',
        maxBuffer: MAX_OUTPUT,
        env: { ...process.env, ...env },
        windowsHide: true,
      },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : error.code;
        const exit = typeof code === 'number' ? code : null;
        done({
          code: exit,
          stdout,
          stderr,
          failure: exit === null ? why(error, timeout) : null,
        });
      },
    );
    child.stdin?.on('error', () => {}); // it has ended: how is told above
    child.stdin?.end(input ?? '');
  });
}

function why(
  error: Parameters<NonNullable<Parameters<typeof execFile>[3]>>[0],
  timeout: number,
): string {
  if (error?.code === 'ENOENT') return 'it is not installed';
  if (error?.killed) return `it took more than ${timeout / 1000} s`;
  return error?.signal ? `it crashed (${error.signal})` : (error?.message ?? 'unknown');
}

/** The first line of a program's complaint, without FFmpeg's `[context @ 0x…]`; the fallback where it has none. */
export function firstComplaint(stderr: string, fallback: string): string {
  const line = stderr.split('\n').find((each) => each.trim() !== '');
  return line?.replace(/^(\[[^\]]*\] *)+/, '').trim() || fallback;
}

/** Names of the video encoders in the text of `ffmpeg -encoders`. */
export function parseEncoders(text: string): string[] {
  return [...text.matchAll(/^ V[.A-Z]{5} (\S+)/gm)].map(([, name]) => name as string);
}
