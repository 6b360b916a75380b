/** From paths, globs and directories to the files they mean, one at a time: what is held is never more than one folder's names. */
import type { Dirent } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { extname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MediaError } from './errors.ts';

/**
 * Endings of the files that a directory is searched for: those of the containers with video that FFmpeg's demuxers name, as far as
 * they are in use for footage. A file named outright or by a glob may have any.
 */
export const VIDEO_EXTENSIONS: readonly string[] =
  '3g2 3gp asf avi braw divx dv f4v flv gxf h264 h265 hevc ivf m2t m2ts m2v m4v mkv mov mp4 mpeg mpg mts mxf nut obu ogm ogv qt rm rmvb ts vob webm wmv y4m'.split(
    ' ',
  );

/** How {@link findVideos} looks. */
export interface FindOptions {
  /** Endings that count in directories, without the dot, in any case. Default {@link VIDEO_EXTENSIONS}. */
  extensions?: readonly string[] | undefined;
  /** Ends the search, which rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** A file found, or why one could not be looked for: a path that does not exist, a folder that may not be read. */
export type Found =
  | { readonly path: string; readonly error?: undefined }
  | { readonly path: string; readonly error: MediaError };

/**
 * Finds the files that a path, `file:` URL or glob means. A directory is searched with all those below it for files with a video's
 * ending, in the order of their names (by code units, a folder's files before its folders); hidden ones (`.name`) and, so that the
 * search ends, links to directories are passed over. A glob is what holds `*`, `?`, `[…]`, `{…}` or `!(…)` and does not exist as a path:
 * `**` crosses directories. It gives regular files only, too, and `ERR_NOT_FOUND` if there is none.
 */
export async function* findVideos(
  pattern: string | URL,
  options: FindOptions = {},
): AsyncGenerator<Found, void, undefined> {
  const { signal, extensions = VIDEO_EXTENSIONS } = options;
  const text = pathOf(pattern);
  const path = resolve(text);
  const kind = await kindOf(path);
  signal?.throwIfAborted();
  if (kind === 'directory') {
    const endings = new Set(extensions.map(normalEnding));
    yield* walk(path, {
      levels: Number.POSITIVE_INFINITY,
      wanted: async (file) => {
        const ending = normalEnding(extname(file));
        if (!endings.has(ending)) return false;
        return !TYPESCRIPT_TOO.has(ending) || (await isTransportStream(file));
      },
      signal,
    });
    return;
  }
  const { default: picomatch } = await import('picomatch'); // only where it is needed
  const { isGlob, base, glob } = picomatch.scan(withSlashes(text));
  if (kind === null && isGlob) {
    const root = resolve(base);
    const isMatch = picomatch(glob);
    let found = false;
    const wanted = async (file: string) => isMatch(withSlashes(relative(root, file)));
    for await (const file of walk(root, { levels: levelsOf(glob), wanted, signal })) {
      found = true;
      yield file;
    }
    if (!found) yield { path, error: nothingMatches(path) };
    return;
  }
  yield { path };
}

/** Endings of MPEG transport streams that are those of source code, too. */
const TYPESCRIPT_TOO = new Set(['ts', 'mts']);

/** Whether packets begin as ISO/IEC 13818-1, 2.4.3.2 says; in an .mts file after a time stamp of four bytes. */
async function isTransportStream(path: string): Promise<boolean> {
  const file = await open(path).catch(() => null);
  if (file === null) return true; // whoever opens it next says why
  try {
    const { buffer } = await file.read(Buffer.alloc(5), 0, 5, 0);
    return buffer[0] === 0x47 || buffer[4] === 0x47;
  } catch {
    return true;
  } finally {
    await file.close();
  }
}

function pathOf(pattern: string | URL): string {
  return /^file:/i.test(String(pattern)) ? fileURLToPath(pattern) : String(pattern);
}

/** picomatch takes forward slashes on every platform. */
function withSlashes(path: string): string {
  return sep === '\\' ? path.replaceAll('\\', '/') : path;
}

function normalEnding(ending: string): string {
  return ending.replace(/^\./, '').toLowerCase();
}

async function kindOf(path: string): Promise<'directory' | 'other' | null> {
  try {
    return (await stat(path)).isDirectory() ? 'directory' : 'other';
  } catch {
    return null; // whoever opens it says why
  }
}

/** How many folders deep a glob can reach. */
function levelsOf(glob: string): number {
  return /\*\*|[{(]/.test(glob) ? Number.POSITIVE_INFINITY : glob.split('/').length;
}

interface WalkOptions {
  /** Folders are entered this deep, the first one included. */
  readonly levels: number;
  readonly wanted: (file: string) => Promise<boolean>;
  readonly signal: AbortSignal | undefined;
}

async function* walk(
  directory: string,
  options: WalkOptions,
): AsyncGenerator<Found, void, undefined> {
  const { levels, wanted, signal } = options;
  let entries: Dirent[];
  try {
    entries = await readdir(directory, { withFileTypes: true });
  } catch (error) {
    yield { path: directory, error: unreadable(directory, error) };
    return;
  }
  signal?.throwIfAborted();
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  const folders: string[] = [];
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    const path = join(directory, entry.name);
    if (entry.isDirectory()) folders.push(path);
    else if ((await isFile(entry, path)) && (await wanted(path))) yield { path };
  }
  if (levels <= 1) return;
  for (const folder of folders) yield* walk(folder, { ...options, levels: levels - 1 });
}

/** Whether it is a regular file, or a link to one. */
async function isFile(entry: Dirent, path: string): Promise<boolean> {
  if (entry.isFile() || !entry.isSymbolicLink()) return entry.isFile();
  const target = await stat(path).catch(() => null);
  return target?.isFile() ?? false;
}

function nothingMatches(pattern: string): MediaError {
  const source = pattern;
  return new MediaError('ERR_NOT_FOUND', `${source}: no file matches`, { source });
}

function unreadable(path: string, error: unknown): MediaError {
  const { code: name, message } = error as NodeJS.ErrnoException;
  const code =
    name === 'ENOENT' ? 'ERR_NOT_FOUND' : name === 'EACCES' ? 'ERR_ACCESS' : 'ERR_IO';
  return new MediaError(code, `${path}: readdir: ${message}`, {
    source: path,
    cause: error,
  });
}
