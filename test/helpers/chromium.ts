/** A browser without a window, where there is one: what a page becomes when its script has run. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { testUnless } from './skip.ts';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];
const browser = NAMES.find((name) => spawnSync(name, ['--version']).status === 0);

/** `test`, but skipped by name where there is no Chromium. */
export const browserTest = testUnless(
  browser === undefined
    ? 'no Chromium, which is too heavy for set-up to install'
    : undefined,
);

/** The DOM of a page as HTML. `width`: of the window, in CSS pixels. */
export async function dumpDom(path: string, width = 1200): Promise<string> {
  const profile = await mkdtemp(join(tmpdir(), 'rushes-chromium-'));
  try {
    const { stdout } = await promisify(execFile)(
      browser as string,
      [
        ...['--headless=new', '--disable-gpu', '--no-first-run', '--mute-audio'],
        ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
        ...[`--user-data-dir=${profile}`, `--window-size=${width},900`],
        ...['--virtual-time-budget=5000', '--dump-dom', pathToFileURL(path).href],
      ],
      { maxBuffer: 256 * 1024 * 1024, timeout: 50_000, killSignal: 'SIGKILL' },
    );
    return stdout;
  } finally {
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
