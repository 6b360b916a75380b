import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

/** A folder that is removed after the tests of the calling file. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'rushes-test-'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }), 300_000);
  return directory;
}
