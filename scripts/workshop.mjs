import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isRunning } from './lock.mjs';

/**
 * Gives `work` a fresh folder in `parent`, and takes away what is left in it afterwards. The folder's name says whose it is,
 * so that the next one takes away what a killed process has left, too.
 *
 * @template Result
 * @param {string} parent a folder that exists
 * @param {string} prefix what such folders, and nothing else there, begin with
 * @param {(workshop: string) => Promise<Result>} work
 */
export async function inWorkshop(parent, prefix, work) {
  for (const name of await readdir(parent)) {
    if (!name.startsWith(prefix)) continue;
    const pid = Number.parseInt(name.slice(prefix.length), 10);
    if (pid > 0 && isRunning({ pid })) continue;
    await rm(join(parent, name), { recursive: true, force: true });
  }
  const workshop = await mkdtemp(join(parent, `${prefix}${process.pid}-`));
  try {
    return await work(workshop);
  } finally {
    await rm(workshop, { recursive: true, force: true });
  }
}
