/** What file a path means just now: its facts for a quick look, its content for certainty. */
import { createHash } from 'node:crypto';
import { type FileHandle, open, stat } from 'node:fs/promises';

/**
 * Note [A changed file is never taken for the old one]
 *
 * Results are kept under a file's **content**: the SHA-256 of all its bytes and its length. Nothing less is safe (files of one camera have the same
 * size and often the same head, middle and tail), it is what makes a moved or copied file recognised, and it costs about a second
 * of CPU per GB, where decoding costs minutes.
 *
 * So that a hit need not read the file, the content is remembered with the file's **facts**: device, inode, size, modification and
 * change time in nanoseconds. The change time (ctime) is what catches a write of the same length whose mtime was put back:
 * programs cannot set it. Beside them stands a **sample**, a hash of head, middle and tail, compared before facts found on disk are
 * believed: file systems that keep no change time (FAT, some network and FUSE ones) are the reason.
 *
 * Two clocks can be fooled:
 * - a file that is written to twice within one tick of the file system's clock has the same times after both writes. Facts are
 *   therefore **settled** only if the file's times lie more than 2 s (FAT's tick, the coarsest) before they were taken; until then
 *   each look reads the whole file. Git calls this problem "racily clean".
 * - a file that changes while it is being analysed. Facts are compared again afterwards, content too where they are not settled, and nothing
 *   is stored unless both are as before.
 */
export interface FileFacts {
  readonly device: string;
  readonly inode: string;
  readonly size: string;
  /** Nanoseconds since 1970. */
  readonly modified: string;
  readonly changed: string;
}

/** What {@link FileFacts} were found to stand for; as remembered. */
export interface KnownFile extends FileFacts {
  readonly content: string;
  readonly sample: string;
}

/** A file as it is now. */
export interface Identity {
  /** The name of the content: equal for copies, different for anything else. */
  readonly content: string;
  /** Whether the content is still that, so that what was found out in between belongs to it. */
  confirm(): Promise<boolean>;
}

/** Where known files are remembered. */
export interface KnownFiles {
  /** `checked`: from this process' memory, where the sample was compared before. */
  find(path: string): Promise<{ file: KnownFile; checked: boolean } | undefined>;
  /** `isNew`: not only to be kept in memory from now on. */
  remember(path: string, file: KnownFile, isNew: boolean): Promise<void>;
}

const READ_BYTES = 256 * 1024;
const SAMPLE_BYTES = 4096;
/** Milliseconds: the coarsest tick of a file system's clock. */
const TICK = 2000;
/** How often a file is read anew because it changed meanwhile. */
const ATTEMPTS = 3;

/**
 * Identifies the file at `path`, from memory if it is unchanged.
 *
 * @param expected facts from before; a file that has others by now is not identified
 * @returns `undefined` for what has no content to speak of: no file, not a regular one, unreadable, or changing all the time
 */
export async function identifyFile(
  path: string,
  known: KnownFiles,
  signal: AbortSignal | undefined,
  expected?: FileFacts,
): Promise<Identity | undefined> {
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const before = await look(path);
      if (before === undefined) return undefined;
      if (expected !== undefined && !isSame(before.facts, expected)) return undefined;
      const found = await recall(path, before, known);
      const content = found ?? (await read(path, before, known, signal));
      if (content === undefined) continue;
      return { content, confirm: () => isStill(path, content, before) };
    }
  } catch {
    signal?.throwIfAborted();
    // Whoever opens it finds out what is the matter, and says it better.
  }
  return undefined;
}

/** The facts of a file that may have to be identified later. */
export async function factsOf(path: string): Promise<FileFacts | undefined> {
  return (await look(path).catch(() => undefined))?.facts;
}

/** Identifies bytes in memory, which must not change. A slice at a time, so that others get their turn. */
export async function identifyBytes(
  bytes: Uint8Array,
  signal?: AbortSignal,
): Promise<Identity> {
  const hash = createHash('sha256');
  for (let at = 0; at < bytes.length; at += READ_BYTES) {
    hash.update(bytes.subarray(at, at + READ_BYTES));
    await new Promise((done) => setImmediate(done));
    signal?.throwIfAborted();
  }
  const content = contentName(hash.digest('hex'), bytes.length);
  return { content, confirm: async () => true };
}

/** Facts, and whether two writes could hide behind them. */
interface Look {
  readonly facts: FileFacts;
  readonly settled: boolean;
}

async function look(path: string): Promise<Look | undefined> {
  const now = Date.now();
  const found = await stat(path, { bigint: true });
  if (!found.isFile()) return undefined;
  const latest = Math.max(Number(found.mtimeMs), Number(found.ctimeMs));
  // Without inode or change time a file could be replaced unseen.
  const telling = found.ino !== 0n && found.ctimeNs !== 0n;
  return {
    facts: {
      device: String(found.dev),
      inode: String(found.ino),
      size: String(found.size),
      modified: String(found.mtimeNs),
      changed: String(found.ctimeNs),
    },
    settled: telling && now - latest > TICK,
  };
}

function isSame(a: FileFacts, b: FileFacts): boolean {
  const names = ['device', 'inode', 'size', 'modified', 'changed'] as const;
  return names.every((name) => a[name] === b[name]);
}

/** The content of a file that has not changed since it was last read. */
async function recall(
  path: string,
  { facts, settled }: Look,
  known: KnownFiles,
): Promise<string | undefined> {
  if (!settled) return undefined;
  const found = await known.find(path);
  if (found === undefined || !isSame(facts, found.file)) return undefined;
  if (found.checked) return found.file.content;
  await using file = await openFile(path);
  if ((await sample(file.handle, Number(facts.size))) !== found.file.sample) {
    return undefined;
  }
  await known.remember(path, found.file, false);
  return found.file.content;
}

/** Reads the whole file; `undefined` if it changed meanwhile. */
async function read(
  path: string,
  { facts, settled }: Look,
  known: KnownFiles,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  await using file = await openFile(path);
  const size = Number(facts.size);
  const content = await hashFile(file.handle, size, signal);
  const sampled = settled ? await sample(file.handle, size) : '';
  const after = await look(path);
  if (content === undefined || !after || !isSame(after.facts, facts)) return undefined;
  if (settled) await known.remember(path, { ...facts, content, sample: sampled }, true);
  return content;
}

async function isStill(path: string, content: string, before: Look): Promise<boolean> {
  try {
    const after = await look(path);
    if (!after || !isSame(after.facts, before.facts)) return false;
    if (before.settled) return true;
    await using file = await openFile(path);
    const again = await hashFile(file.handle, Number(after.facts.size), undefined);
    return again === content;
  } catch {
    return false;
  }
}

async function openFile(path: string) {
  const handle = await open(path, 'r');
  return { handle, [Symbol.asyncDispose]: () => handle.close() };
}

/** `undefined` if the file does not end where it should. */
async function hashFile(
  handle: FileHandle,
  size: number,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const hash = createHash('sha256');
  // Two, so that one is filled while the other is hashed.
  const buffers = [Buffer.allocUnsafe(READ_BYTES), Buffer.allocUnsafe(READ_BYTES)];
  const next = (position: number, turn: number) => {
    const reading = handle.read(buffers[turn] as Buffer, 0, READ_BYTES, position);
    reading.catch(() => {}); // awaited below, but perhaps not before it fails
    return reading;
  };
  let length = 0;
  let reading = next(0, 0);
  for (let turn = 0; ; turn = 1 - turn) {
    const { bytesRead } = await reading;
    signal?.throwIfAborted();
    if (bytesRead === 0) break;
    length += bytesRead;
    reading = next(length, 1 - turn);
    hash.update((buffers[turn] as Buffer).subarray(0, bytesRead));
  }
  return length === size ? contentName(hash.digest('hex'), length) : undefined;
}

function contentName(hash: string, length: number): string {
  return `${hash}-${length.toString(36)}`;
}

/** A hash of head, middle and tail. */
async function sample(handle: FileHandle, size: number): Promise<string> {
  const hash = createHash('sha256');
  const last = Math.max(0, size - SAMPLE_BYTES);
  for (const position of [0, Math.floor(last / 2), last]) {
    const buffer = Buffer.alloc(SAMPLE_BYTES);
    const { bytesRead } = await handle.read(buffer, 0, SAMPLE_BYTES, position);
    hash.update(buffer.subarray(0, bytesRead));
  }
  return hash.digest('hex').slice(0, 32);
}
