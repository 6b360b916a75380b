/** Where the cache lies unless somebody says otherwise, and small files beside it. */
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

/**
 * `RUSHES_CACHE_DIR`, or where the system keeps caches: `$XDG_CACHE_HOME/rushes` (by default `~/.cache/rushes`), `~/Library/Caches/rushes`,
 * `%LOCALAPPDATA%\rushes\Cache`.
 *
 * Source: XDG Base Directory Specification 0.8, which has relative paths ignored; Apple's File System Programming Guide; Microsoft's KNOWNFOLDERID.
 */
export function defaultDirectory(
  env: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
): string {
  const { RUSHES_CACHE_DIR, LOCALAPPDATA, XDG_CACHE_HOME } = env;
  if (RUSHES_CACHE_DIR) return resolve(RUSHES_CACHE_DIR);
  if (platform === 'win32') {
    return join(LOCALAPPDATA || join(homedir(), 'AppData', 'Local'), 'rushes', 'Cache');
  }
  if (platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'rushes');
  const base = XDG_CACHE_HOME?.startsWith('/') ? XDG_CACHE_HOME : undefined;
  return join(base ?? join(homedir(), '.cache'), 'rushes');
}

/** Writes a small file beside the cache. Whoever reads sees the old one or the new one, never a half. */
export async function writeJson(path: string, value: unknown): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(temporary, `${JSON.stringify(value, null, 2)}\n`);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
