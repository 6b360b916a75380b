/** Failures inside the process, as they cross the border, and what beamcoder's errors mean. */
import type { NativeFailure } from '../../native.ts';

export class Failure extends Error {
  readonly code: NativeFailure['code'];
  readonly time: number | undefined;

  constructor(code: NativeFailure['code'], message: string, time?: number) {
    super(message);
    this.code = code;
    this.time = time;
  }

  /** Whether a pass cannot go on behind it, whatever its options. */
  get isFatal(): boolean {
    return ['ERR_ABORTED', 'ERR_CLOSED', 'ERR_OUT_OF_MEMORY'].includes(this.code);
  }
}

/** FFmpeg's words for its error codes (libavutil/error.c, and libc's for errno), as far as they mean one of our codes; as `toErrorCode` in native/error.cc. */
const CODES: readonly (readonly [words: string, code: NativeFailure['code']])[] = [
  ['No such file or directory', 'ERR_NOT_FOUND'],
  ['Not a directory', 'ERR_NOT_FOUND'],
  ['Permission denied', 'ERR_ACCESS'],
  ['Operation not permitted', 'ERR_ACCESS'],
  ['Is a directory', 'ERR_IS_DIRECTORY'],
  ['Input/output error', 'ERR_IO'],
  ['Illegal seek', 'ERR_IO'],
  ['Cannot allocate memory', 'ERR_OUT_OF_MEMORY'],
  ['Failed to add packet to internal queue', 'ERR_OUT_OF_MEMORY'],
  ['Invalid data found when processing input', 'ERR_INVALID_DATA'],
  ['End of file', 'ERR_INVALID_DATA'],
  ['Decoder not found', 'ERR_UNSUPPORTED'],
  ['Failed to find a decoder', 'ERR_UNSUPPORTED'],
  ['Not yet implemented in FFmpeg', 'ERR_UNSUPPORTED'],
  ['Function not implemented', 'ERR_UNSUPPORTED'],
];

/** The system's words, as libc has them. */
const SYSTEM: Readonly<Record<string, string>> = {
  ENOENT: 'No such file or directory',
  ENOTDIR: 'Not a directory',
  EACCES: 'Permission denied',
  EPERM: 'Operation not permitted',
};

/** What the operating system refused. */
export function systemFailure(error: unknown, call: string): Failure {
  const { code = '', message } = error as NodeJS.ErrnoException;
  return failureOf(new Error(SYSTEM[code] ?? message), call);
}

/** What beamcoder threw in `call`, an FFmpeg function, with the last line that FFmpeg logged. */
export function failureOf(error: unknown, call: string, logged = ''): Failure {
  if (error instanceof Failure) return error;
  // In file ../src/demux.cc on line 76, found error: Problem opening input format: Invalid data …
  const words = String((error as Error).message)
    .replace(/^.*found error: /s, '')
    .replace(/^(Problem|Error) [a-z ]+: /, '');
  const code = CODES.find(([known]) => words.includes(known))?.[1] ?? 'ERR_FFMPEG';
  return new Failure(code, `${call}: ${words}${logged === '' ? '' : ` (${logged})`}`);
}
