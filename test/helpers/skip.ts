/** Tests that need something which not everyone has; global-setup.ts counts them by reason at the end. */
import { appendFileSync } from 'node:fs';
import { inject, test } from 'vitest';

declare module 'vitest' {
  interface ProvidedContext {
    /** A file that gets a line with the reason for each test skipped. */
    skipLog: string;
  }
}

/** Skips a test by its name, and has it counted. */
export function skipTest(name: string, reason: string): void {
  appendFileSync(inject('skipLog'), `${reason}\n`);
  test.skip(name);
}
