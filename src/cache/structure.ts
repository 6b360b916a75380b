/** Whether a file is a sound LMDB database, found out by reading it: LMDB maps the file and trusts it, so that a damaged one ends the process. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

// Layout of the data format version 2 on 64-bit little-endian machines, by the structs in LMDB's `mdb.c`:
// MDB_page_header, MDB_meta, MDB_db, MDB_node, MDB_ovpage.
const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
const PAGE = {
  number: 0,
  transaction: 8,
  flags: 18,
  lower: 20,
  upper: 22,
  pages: 20,
  header: 24,
} as const;
const META = {
  magic: 24,
  version: 28,
  freeTree: 48,
  mainTree: 96,
  lastPage: 144,
  transaction: 152,
  end: 168,
} as const;
const TREE = {
  pageSize: 0,
  flags: 4,
  depth: 6,
  branchPages: 8,
  leafPages: 16,
  overflowPages: 24,
  entries: 32,
  root: 40,
  end: 48,
} as const;
/** `MDB_INTEGERKEY`, of the list of free pages alone; our own trees have no flags. */
const INTEGER_KEY = 0x08;
const NODE_HEADER = 8;
const BRANCH = 0x01;
const LEAF = 0x02;
const OVERFLOW = 0x04;
const META_PAGE = 0x08;
const BIG_DATA = 0x01;
const SUB_TREE = 0x02;
/** `P_INVALID`: the root of a tree that holds nothing. */
const NO_PAGE = 2n ** 64n - 1n;
/** `CURSOR_STACK`: LMDB itself cannot go deeper. */
const MOST_LEVELS = 32;
/** How often a check begins again because another process has written meanwhile. */
const ATTEMPTS = 20;
/** Milliseconds after which a finding has to be the same. */
const PAUSE = 20;
/** Pages read between two turns of the event loop. */
const SLICE = 256;

/** What is wrong with a database file. */
export class StructureError extends Error {
  override readonly name = 'StructureError';
}

/** Whether this machine lays a database out as this file knows it. */
const KNOWN_LAYOUT =
  new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 &&
  ['x64', 'arm64', 'riscv64', 'loong64'].includes(process.arch);

/**
 * Reads meta pages, trees and list of free pages of the database at `path`, not the values. A missing or empty file is sound.
 *
 * A writer may be at work meanwhile, and write over pages of the snapshot that is being read once it is no longer the newest: a finding counts
 * only if nothing was written from before it until a while after it, and it comes again.
 *
 * @throws {StructureError} if LMDB must not be let near the file
 * @throws the file system's error if it cannot be read
 */
export async function checkStructure(path: string): Promise<void> {
  if (!KNOWN_LAYOUT) return;
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  try {
    for (let attempt = 1; ; attempt++) {
      const before = stateOf(file);
      try {
        await Walk.begin(file)?.run();
        return;
      } catch (error) {
        if (!(error instanceof StructureError)) throw error;
        await new Promise((done) => setTimeout(done, PAUSE));
        const isSame = stateOf(file) === before;
        if (isSame && attempt > 1) throw error;
        // Whoever writes and writes to it has no trouble with it.
        if (!isSame && attempt >= ATTEMPTS) return;
      }
    }
  } finally {
    closeSync(file);
  }
}

/** Differs after a transaction. */
function stateOf(file: number): string {
  const { size, mtimeNs } = fstatSync(file, { bigint: true });
  const metas = Buffer.alloc(2 * 65536);
  const length = readSync(file, metas, 0, metas.length, 0);
  return `${size} ${mtimeNs} ${metas.toString('latin1', 0, length)}`;
}

/** What a tree was found to hold. */
interface Found {
  branchPages: number;
  leafPages: number;
  overflowPages: number;
  entries: number;
}

class Walk {
  readonly #transaction: bigint;
  readonly #file: number;
  readonly #meta: Buffer;
  readonly #pageSize: number;
  readonly #lastPage: number;
  /** Pages that the file holds whole. */
  readonly #wholePages: number;
  readonly #used: Uint8Array;
  #read = 0;

  private constructor(file: number, meta: Buffer, pageSize: number, bytes: number) {
    this.#file = file;
    this.#meta = meta;
    this.#pageSize = pageSize;
    this.#transaction = meta.readBigUInt64LE(META.transaction);
    this.#lastPage = Number(meta.readBigUInt64LE(META.lastPage));
    this.#wholePages = Math.floor(bytes / pageSize);
    // A file may end before its last pages if these are free. One of 1 TiB is no cache.
    ensure(this.#lastPage >= 1 && this.#lastPage < 2 ** 28, 'last page out of range');
    this.#used = new Uint8Array(Math.ceil((this.#lastPage + 1) / 8));
    this.#use(0, 2);
  }

  /** Of the newest snapshot; `null` for an empty file, which LMDB takes for a new one. */
  static begin(file: number): Walk | null {
    if (fstatSync(file).size === 0) return null;
    const first = readMeta(file, 0);
    const pageSize = first.readUInt32LE(META.freeTree + TREE.pageSize);
    const isPower = pageSize >= 512 && pageSize <= 65536 && !(pageSize & (pageSize - 1));
    ensure(isPower, 'no page size');
    const second = readMeta(file, pageSize);
    ensure(second.readUInt32LE(META.freeTree) === pageSize, 'two page sizes');
    const newer =
      first.readBigUInt64LE(META.transaction) >= second.readBigUInt64LE(META.transaction);
    // After the meta pages: the file only grows.
    return new Walk(file, newer ? first : second, pageSize, fstatSync(file).size);
  }

  async run(): Promise<void> {
    await this.#tree(this.#meta.subarray(META.mainTree), 0, () => {});
    const free = this.#meta.subarray(META.freeTree);
    await this.#tree(free, INTEGER_KEY, (key, value) => this.#freeList(key, value()));
  }

  async #tree(
    tree: Buffer,
    flags: number,
    onValue: (key: Buffer, value: () => Buffer) => void,
  ): Promise<void> {
    ensure(tree.readUInt16LE(TREE.flags) === flags, 'a tree of an unknown kind');
    const root = tree.readBigUInt64LE(TREE.root);
    const depth = tree.readUInt16LE(TREE.depth);
    const found: Found = { branchPages: 0, leafPages: 0, overflowPages: 0, entries: 0 };
    if (root === NO_PAGE) {
      ensure(depth === 0, 'a tree without its root');
    } else {
      ensure(depth >= 1 && depth <= MOST_LEVELS, 'a tree too deep');
      await this.#subtree(Number(root), depth, found, onValue);
    }
    for (const name of [
      'branchPages',
      'leafPages',
      'overflowPages',
      'entries',
    ] as const) {
      const count = Number(tree.readBigUInt64LE(TREE[name]));
      ensure(count === found[name], `a tree that miscounts its ${name}`);
    }
  }

  async #subtree(
    number: number,
    depth: number,
    found: Found,
    onValue: (key: Buffer, value: () => Buffer) => void,
  ): Promise<void> {
    const page = this.#page(number);
    if (++this.#read % SLICE === 0) await new Promise((done) => setImmediate(done));
    const flags = page.readUInt16LE(PAGE.flags);
    ensure(flags === (depth === 1 ? LEAF : BRANCH), `page ${number} of the wrong kind`);
    const nodes = nodesOf(page, number);
    ensure(nodes.length > (depth === 1 ? 0 : 1), `page ${number} is empty`);
    found[depth === 1 ? 'leafPages' : 'branchPages']++;
    for (const [i, at] of nodes.entries()) {
      const low = page.readUInt32LE(at);
      const flags = page.readUInt16LE(at + 4);
      const keyLength = page.readUInt16LE(at + 6);
      const data = at + NODE_HEADER + keyLength;
      ensure(data <= page.length, `a key leaves page ${number}`);
      if (depth > 1) {
        await this.#subtree(low + flags * 2 ** 32, depth - 1, found, onValue);
        continue;
      }
      ensure(keyLength > 0, `page ${number} has an empty key at ${i}`);
      found.entries++;
      const key = page.subarray(at + NODE_HEADER, data);
      if (flags === BIG_DATA) {
        ensure(data + 24 <= page.length, `a value leaves page ${number}`);
        onValue(key, this.#overflow(page.subarray(data, data + 24), low, found));
        continue;
      }
      ensure(data + low <= page.length, `a value leaves page ${number}`);
      const value = page.subarray(data, data + low);
      if (flags === SUB_TREE) {
        ensure(low === TREE.end, `page ${number} names no tree`);
        await this.#tree(value, 0, () => {});
        continue;
      }
      ensure(flags === 0, `page ${number} has unknown nodes`);
      onValue(key, () => value);
    }
  }

  /** A value of `length` bytes on pages of its own. */
  #overflow(node: Buffer, length: number, found: Found): () => Buffer {
    const first = Number(node.readBigUInt64LE(0));
    const pages = Number(node.readBigUInt64LE(16));
    const needed = Math.ceil((PAGE.header + length) / this.#pageSize);
    ensure(pages >= needed, 'a value longer than its pages');
    this.#use(first, pages);
    found.overflowPages += pages;
    ensure(first + needed <= this.#wholePages, 'the file ends inside a value');
    const header = this.#header(first, PAGE.header);
    const isValue = header.readUInt16LE(PAGE.flags) === OVERFLOW;
    ensure(isValue && header.readUInt32LE(PAGE.pages) === pages, 'a value is damaged');
    return () => this.#bytes(first, PAGE.header + length).subarray(PAGE.header);
  }

  /** A list of pages that nobody uses: a count, then numbers; a negative one is the length of a run that begins at the next. */
  #freeList(key: Buffer, list: Buffer): void {
    const isPast = key.length === 8 && key.readBigUInt64LE(0) <= this.#transaction;
    const count = list.length >= 8 ? Number(list.readBigUInt64LE(0)) : -1;
    const isWhole = isPast && count >= 0 && (count + 1) * 8 <= list.length;
    ensure(isWhole, 'a damaged list of free pages');
    for (let i = 1, run = 1; i <= count; i++) {
      const number = Number(list.readBigInt64LE(i * 8));
      if (number < 0) {
        run = -number;
        continue;
      }
      // Room that was kept for numbers and not needed.
      if (number !== 0) this.#use(number, run);
      run = 1;
    }
  }

  #page(number: number): Buffer {
    this.#use(number, 1);
    ensure(number < this.#wholePages, 'the file is cut short');
    return this.#header(number, this.#pageSize);
  }

  /** The beginning of a page. One that claims to be of a transaction to come would be written to where it is mapped. */
  #header(number: number, length: number): Buffer {
    const page = this.#bytes(number, length);
    const isThere = page.readBigUInt64LE(PAGE.number) === BigInt(number);
    const isPast = page.readBigUInt64LE(PAGE.transaction) <= this.#transaction;
    ensure(isThere && isPast, `page ${number} is damaged`);
    return page;
  }

  #bytes(page: number, length: number): Buffer {
    return readExactly(this.#file, page * this.#pageSize, length);
  }

  /** Each page has one use. */
  #use(first: number, count: number): void {
    ensure(first + count - 1 <= this.#lastPage, `page ${first} is past the last`);
    for (let page = first; page < first + count; page++) {
      const bit = 1 << (page & 7);
      const byte = this.#used[page >> 3] as number;
      ensure((byte & bit) === 0, `page ${page} is used twice`);
      this.#used[page >> 3] = byte | bit;
    }
  }
}

/** Offsets of the nodes of a page. */
function nodesOf(page: Buffer, number: number): number[] {
  const lower = PAGE.header + page.readUInt16LE(PAGE.lower);
  const upper = PAGE.header + page.readUInt16LE(PAGE.upper);
  const whole = lower <= upper && upper <= page.length && lower % 2 === 0;
  ensure(whole, `page ${number} is damaged`);
  const nodes: number[] = [];
  for (let at: number = PAGE.header; at < lower; at += 2) {
    const node = PAGE.header + page.readUInt16LE(at);
    const inside = node >= upper && node + NODE_HEADER <= page.length;
    ensure(inside, `page ${number} is damaged`);
    nodes.push(node);
  }
  return nodes;
}

function readMeta(file: number, position: number): Buffer {
  const meta = readExactly(file, position, META.end);
  ensure(meta.readUInt16LE(PAGE.flags) === META_PAGE, 'not a database');
  ensure(meta.readUInt32LE(META.magic) === MAGIC, 'not a database');
  const version = meta.readUInt32LE(META.version) & 0xffff;
  ensure(version === DATA_VERSION, `a database of format version ${version}`);
  const flags = meta.readUInt16LE(META.freeTree + TREE.flags);
  ensure(flags === INTEGER_KEY, 'a database opened otherwise');
  return meta;
}

function readExactly(file: number, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  const read = readSync(file, bytes, 0, length, position);
  ensure(read === length, 'the file is cut short');
  return bytes;
}

function ensure(isSound: boolean, otherwise: string): void {
  if (!isSound) throw new StructureError(otherwise);
}
