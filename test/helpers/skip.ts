/** Tests that need something which not everyone has; global-setup.ts counts them by reason at the end. */
import { appendFileSync } from 'node:fs';
import { inject, test } from 'vitest';

declare module 'vitest' {
  interface ProvidedContext {
    /** A file that gets a line with the reason for each test skipped. */
    skipLog: string;
  }
}

/** `test`; where there is a reason against it, skips by name, and has it counted. */
export function testUnless(reason: string | undefined) {
  return (name: string, run: () => Promise<void>, timeout?: number): void => {
    if (reason === undefined) test(name, run, timeout);
    else skipTest(name, reason);
  };
}

/** Skips a test by its name, and has it counted. */
export function skipTest(name: string, reason: string): void {
  appendFileSync(inject('skipLog'), `${reason}\n`);
  test.skip(name);
}
