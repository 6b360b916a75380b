import { resolve } from 'node:path';
import { MediaError } from '../index.ts';
import { printable } from './format.ts';

/** A failure as `--json` shows it. */
export interface Failure {
  readonly source: string;
  readonly error: { readonly code: string; readonly message: string };
}

/** Describes what went wrong with `source`, without a stack. */
export function toFailure(source: string, error: unknown): Failure {
  if (error instanceof MediaError) {
    // The absolute path comes first in its message; `source` is shown as it was given.
    const message = withoutPrefix(error.message, `${error.source}: `);
    return { source, error: { code: error.code, message } };
  }
  if (!(error instanceof Error)) {
    return { source, error: { code: 'ERR_UNEXPECTED', message: String(error) } };
  }
  // What was asked for is no mistake as such, but this file does not have it.
  if (error instanceof RangeError) {
    const message = withoutPrefix(error.message, `${resolve(source)}: `);
    return { source, error: { code: 'ERR_OUT_OF_RANGE', message } };
  }
  // Of the file system: ENOSPC, EACCES … with the path in the message.
  const { code = 'ERR_UNEXPECTED' } = error as NodeJS.ErrnoException;
  return { source, error: { code, message: withoutPrefix(error.message, `${code}: `) } };
}

/** `FILE: message (CODE)` */
export function failureLine({ source, error }: Failure): string {
  return printable(`${source}: ${error.message} (${error.code})`);
}

/** Text without a beginning that is said elsewhere already. */
export function withoutPrefix(text: string, prefix: string): string {
  return text.startsWith(prefix) ? text.slice(prefix.length) : text;
}
