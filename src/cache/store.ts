/** The part of the cache that lies on disk: records by key in LMDB, with when they were used and how much room they take. */
import { randomUUID } from 'node:crypto';
import {
  linkSync,
  mkdirSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Database, RootDatabase } from 'lmdb';
import { Gate, inodeOf } from './gate.ts';
import { RECORD_FORMAT, seal, unseal } from './record.ts';
import { checkStructure, StructureError } from './structure.ts';

/** When a record was made and last used (milliseconds since 1970), and the bytes that it takes. */
export interface Use {
  readonly used: number;
  readonly created: number;
  readonly bytes: number;
}

/** What clean-up has to keep to. */
export interface Limits {
  /** Bytes; over it, the least recently used go until {@link TARGET} of it is left. */
  readonly maxBytes: number;
  /** Milliseconds without use after which a record goes. */
  readonly maxAge: number;
}

/** What {@link Store.verify} found. */
export interface Verification {
  /** Records that are as they were written. */
  readonly sound: number;
  /** Records that were not, and have been removed. */
  readonly damaged: number;
}

/** How far an overfull cache is emptied, as a part of its cap; so that it is not emptied at every write. */
const TARGET = 0.8;
/** Uses noted before they are written, in one transaction. */
const MOST_TOUCHES = 256;
/** Milliseconds that a noted use waits at most. */
const TOUCH_DELAY = 5000;
/** LMDB makes of it room for a thousand readers, each a thread of a process. */
const LOCK_BYTES = 64 * 1024;
/** What has to be free on the disk for a database to be opened. */
const LEAST_FREE_BYTES = 1024 * 1024;
/** LMDB's usual page, and where a value no longer fits among others on one. */
const PAGE_BYTES = 4096;
const INLINE_BYTES = 2000;

/** Milliseconds since 1970, never the same twice in a process: uses have an order. */
export function now(): number {
  lastTime = Math.max(Date.now(), lastTime + 1 / 1024);
  return lastTime;
}
let lastTime = 0;

/**
 * One LMDB environment behind a {@link Gate}. All calls are synchronous and short; every one may throw LMDB's errors.
 *
 * Note [Nothing waits for the disk]: transactions are written without fsync. A killed process loses nothing by that, because
 * the system has the pages already. A power failure may leave a database that is not sound; `checkStructure` finds that before LMDB is let
 * near it, a checksum finds it in a record, and it is only a cache.
 */
export class Store {
  readonly directory: string;
  readonly #inode: bigint;
  readonly #root: RootDatabase<Buffer, string>;
  readonly #gate: Gate;
  readonly #records: Database<Buffer, string>;
  readonly #uses: Database<Buffer, string>;
  readonly #leases: Database<Buffer, string>;
  /** `bytes`: the sum over all uses; `pruned`: when clean-up last went over everything. */
  readonly #state: Database<Buffer, string>;
  readonly #touched = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(
    directory: string,
    root: RootDatabase<Buffer, string>,
    gate: Gate,
    inode: bigint,
  ) {
    this.directory = directory;
    this.#inode = inode;
    this.#root = root;
    this.#gate = gate;
    const open = (name: string) => root.openDB<Buffer, string>(name, BINARY);
    this.#records = open('records');
    this.#uses = open('uses');
    this.#leases = open('leases');
    this.#state = open('state');
  }

  /**
   * Opens the database in `directory`, or makes it.
   *
   * @param onDamage told what was wrong with a database that was there, and is now replaced by an empty one
   * @throws if it cannot be opened, or LMDB cannot be loaded
   */
  static async open(
    directory: string,
    onDamage: (message: string) => void,
  ): Promise<Store> {
    const { open } = await import('lmdb');
    const path = join(directory, FOLDER);
    for (let attempt = 1; ; attempt++) {
      mkdirSync(path, { recursive: true, mode: 0o700 });
      const before = inodeOf(path);
      await checkOrDiscard(path, before, onDamage);
      const openAt = (folder: string) => {
        makeLockFile(folder);
        return open<Buffer, string>(folder, { ...ENVIRONMENT, ...BINARY });
      };
      const gatePath = join(path, GATE);
      mkdirSync(gatePath, { recursive: true, mode: 0o700 });
      if (inodeOf(path) !== before) continue;
      const gate = Gate.at(gatePath, openAt);
      const store = gate.pass(() => new Store(directory, openAt(path), gate, before));
      // Moved away by `clear` meanwhile: the lock may be the old database's and the data the new one's.
      if (inodeOf(path) === before) return store;
      await store.#closeAll();
      if (attempt === OPEN_ATTEMPTS) throw new Error('it keeps being replaced');
    }
  }

  /** Whether the folder is still the one that was opened; `clear`, or `rm -r`, takes it away. */
  isCurrent(): boolean {
    return !this.#closed && inodeOf(join(this.directory, FOLDER)) === this.#inode;
  }

  /** The value; `undefined` if there is none that is young enough, or none that is sound: then the record is removed. */
  get(key: string, maxAge: number, isUse = true): unknown {
    this.#root.resetReadTxn(); // another process may have written
    const bytes = this.#records.getBinary(key);
    if (bytes === undefined) return undefined;
    const time = now();
    if (time - Math.max(this.#touched.get(key) ?? 0, this.#use(key).used) > maxAge) {
      return undefined;
    }
    const value = unseal(key, bytes);
    if (value === undefined) this.remove([key]);
    else if (isUse) this.#touch(key, time);
    return value;
  }

  has(key: string): boolean {
    this.#root.resetReadTxn();
    return this.#records.doesExist(key);
  }

  /** Keys that begin with `prefix`. */
  keys(prefix = ''): string[] {
    this.#root.resetReadTxn();
    const range = prefix === '' ? {} : { start: prefix, end: `${prefix}\uffff` };
    return [...this.#records.getKeys(range)];
  }

  /** Notes a use of a record that was answered from memory. */
  touch(key: string): void {
    this.#touch(key, now());
  }

  /** Writes a record and, if that makes the cache too large, removes others. False if it is too large by itself. */
  put(key: string, value: unknown, { maxBytes }: Limits): boolean {
    const sealed = seal(key, value);
    const bytes = roomOf(key, sealed);
    if (bytes > maxBytes * TARGET) return false;
    this.#write(() => {
      const time = now();
      const old = this.#use(key);
      this.#records.putSync(key, sealed);
      this.#uses.putSync(key, packUse({ used: time, created: time, bytes }));
      const total = this.#add(bytes - old.bytes);
      if (total > maxBytes) this.#evict(total, maxBytes * TARGET, key);
    });
    return true;
  }

  /** Removes records; those that are not there do no harm. Gives how many were. */
  remove(keys: readonly string[]): number {
    if (keys.length === 0) return 0;
    return this.#write(() => keys.filter((key) => this.#remove(key)).length);
  }

  /** Goes over all records and removes those too old, then the least recently used of too many. */
  prune({ maxBytes, maxAge }: Limits): { removed: number; bytes: number } {
    return this.#write(() => {
      const time = now();
      const old = this.#sortedUses().filter(([, { used }]) => time - used > maxAge);
      for (const [key] of old) this.#remove(key);
      const total = this.#total();
      const more = total > maxBytes ? this.#evict(total, maxBytes * TARGET, '') : 0;
      this.#state.putSync('pruned', number(time));
      return { removed: old.length + more, bytes: this.#total() };
    });
  }

  /** Milliseconds since 1970; 0 for never. */
  get lastPruned(): number {
    return toNumber(this.#state.getBinary('pruned'));
  }

  /** Of every record. */
  uses(): [key: string, use: Use][] {
    this.flush();
    return this.#sortedUses();
  }

  /** Sum of the bytes that records take. */
  get bytes(): number {
    this.#root.resetReadTxn();
    return this.#total();
  }

  /** Bytes of the database on disk, free pages included. */
  get fileBytes(): number {
    return statSync(join(this.directory, FOLDER, 'data.mdb')).size;
  }

  /** Reads everything, removes what is damaged, and sets the sum of bytes right. */
  async verify(): Promise<Verification> {
    await checkStructure(join(this.directory, FOLDER, 'data.mdb'));
    let damaged = 0;
    let sound = 0;
    for (const key of new Set([...this.keys(), ...this.uses().map(([key]) => key)])) {
      const bytes = this.#records.getBinary(key);
      const isSound = bytes !== undefined && unseal(key, bytes) !== undefined;
      if (isSound && this.#use(key).bytes === roomOf(key, bytes)) {
        sound++;
        continue;
      }
      // Somebody may have removed or replaced it since its key was read.
      if (this.#write(() => this.#removeIfDamaged(key))) damaged++;
      else sound++;
      if ((sound + damaged) % 64 === 0) await new Promise((done) => setImmediate(done));
    }
    this.#write(() => {
      const sum = this.#sortedUses().reduce((bytes, [, use]) => bytes + use.bytes, 0);
      this.#state.putSync('bytes', number(sum));
    });
    return { sound, damaged };
  }

  /** Removes everything and gives the disk its room back, where files in use can be moved away. */
  clear(): number {
    const removed = this.#write(() => {
      const { length } = this.#sortedUses();
      for (const database of [this.#records, this.#uses, this.#leases, this.#state]) {
        database.clearSync();
      }
      return length;
    });
    try {
      moveAway(join(this.directory, FOLDER));
    } catch {
      // Then the file keeps its size, and its pages are used again.
    }
    return removed;
  }

  /** Reads and writes a lease in one transaction of all processes: `undefined` leaves it as it is, `null` removes it. */
  updateLease(
    key: string,
    update: (lease: string | undefined) => string | null | undefined,
  ): void {
    this.#write(() => {
      const lease = update(this.#leases.getBinary(key)?.toString());
      if (lease === null) this.#leases.removeSync(key);
      else if (lease !== undefined) this.#leases.putSync(key, Buffer.from(lease));
    });
  }

  lease(key: string): string | undefined {
    this.#root.resetReadTxn();
    return this.#leases.getBinary(key)?.toString();
  }

  /** Writes the uses noted. */
  flush(): void {
    if (this.#touched.size > 0) this.#write(() => {});
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    try {
      if (this.isCurrent()) this.flush();
    } finally {
      this.#closed = true;
      clearTimeout(this.#timer);
      await this.#closeAll();
    }
  }

  async #closeAll(): Promise<void> {
    await this.#gate.pass(() => this.#root.close());
    await this.#gate.closeIfMovedAway();
  }

  #touch(key: string, time: number): void {
    this.#touched.set(key, time);
    if (this.#touched.size >= MOST_TOUCHES) this.#tryToFlush();
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#tryToFlush(), TOUCH_DELAY);
    this.#timer.unref();
  }

  #tryToFlush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    try {
      if (this.isCurrent()) this.flush();
    } catch {
      // A full disk, perhaps: reading goes on, and whoever writes next reports it.
    }
  }

  /** One transaction, in which uses noted so far are written, too. */
  #write<T>(work: () => T): T {
    const touched = [...this.#touched];
    this.#touched.clear();
    const transaction = () => {
      for (const [key, used] of touched) {
        const use = this.#use(key);
        if (use.bytes > 0 && use.used < used) {
          this.#uses.putSync(key, packUse({ ...use, used }));
        }
      }
      return work();
    };
    return this.#gate.pass(() => this.#root.transactionSync(transaction));
  }

  #use(key: string): Use {
    return unpackUse(this.#uses.getBinary(key));
  }

  #remove(key: string): boolean {
    const existed = this.#records.removeSync(key);
    this.#add(-this.#use(key).bytes);
    this.#uses.removeSync(key);
    return existed;
  }

  #removeIfDamaged(key: string): boolean {
    const bytes = this.#records.getBinary(key);
    const use = this.#use(key);
    if (bytes === undefined && use.bytes === 0) return false;
    if (bytes !== undefined && unseal(key, bytes) !== undefined) {
      if (use.bytes === roomOf(key, bytes)) return false;
    }
    this.#remove(key);
    return true;
  }

  /** Removes the least recently used until `target` bytes are left. */
  #evict(total: number, target: number, except: string): number {
    let left = total;
    let removed = 0;
    for (const [key, { bytes }] of this.#sortedUses()) {
      if (left <= target) break;
      if (key === except) continue;
      this.#remove(key);
      left -= bytes;
      removed++;
    }
    return removed;
  }

  /** Least recently used first. */
  #sortedUses(): [string, Use][] {
    const uses: [string, Use][] = [];
    for (const { key, value } of this.#uses.getRange())
      uses.push([key, unpackUse(value)]);
    return uses.sort(([, a], [, b]) => a.used - b.used);
  }

  #total(): number {
    return toNumber(this.#state.getBinary('bytes'));
  }

  /** Inside the transaction that adds or removes the record, so that the sum cannot drift. */
  #add(bytes: number): number {
    const total = Math.max(0, this.#total() + bytes);
    this.#state.putSync('bytes', number(total));
    return total;
  }
}

/** The layout of the database is in the name of its folder. */
const FOLDER = `v${RECORD_FORMAT}`;
const OPEN_ATTEMPTS = 20;
/** In {@link FOLDER}. */
const GATE = 'gate';
const BINARY = { encoding: 'binary' } as const;
const ENVIRONMENT = {
  noSubdir: false,
  // Note [Nothing waits for the disk]
  noSync: true,
  overlappingSync: false,
  maxDbs: 8,
  maxReaders: 512,
  compression: false,
} as const;

/** Puts a database aside that LMDB must not be let near. */
async function checkOrDiscard(
  path: string,
  inode: bigint,
  onDamage: (message: string) => void,
): Promise<void> {
  try {
    await checkStructure(join(path, 'data.mdb'));
    await checkStructure(join(path, GATE, 'data.mdb'));
  } catch (error) {
    if (!(error instanceof StructureError)) throw error;
    // Somebody else may have done it already.
    if (inodeOf(path) !== inode) return;
    moveAway(path);
    onDamage(`its database is damaged (${error.message})`);
    mkdirSync(path, { recursive: true, mode: 0o700 });
  }
}

/** In one step, so that nobody opens half of it. Who has it open goes on with what has no name any more. */
function moveAway(path: string): void {
  const aside = `${path}.${randomUUID()}`;
  renameSync(path, aside);
  rmSync(aside, { recursive: true, force: true });
}

/**
 * LMDB maps its lock file and makes it by `ftruncate`, without blocks: on a full disk the first write to it would end the process with
 * SIGBUS. Zeros that are really written have blocks, and LMDB takes a file that is long enough as it is.
 */
function makeLockFile(path: string): void {
  const { bavail, bsize } = statfsSync(path);
  if (bavail * bsize < LEAST_FREE_BYTES) throw new Error('no space left on the disk');
  const file = join(path, 'lock.mdb');
  const found = statSync(file, { throwIfNoEntry: false });
  if (found !== undefined && found.size > 0) return;
  const temporary = `${file}.${randomUUID()}`;
  try {
    writeFileSync(temporary, Buffer.alloc(LOCK_BYTES), { mode: 0o600 });
    linkSync(temporary, file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // EEXIST: another process was faster. Others: no hard links here, and LMDB makes it.
    if (code === 'ENOSPC' || code === 'EROFS' || code === 'EACCES') throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** Bytes of the database that a record takes: whole pages if it is large. */
function roomOf(key: string, bytes: Uint8Array): number {
  const header = 24;
  const pages = Math.ceil((bytes.length + header) / PAGE_BYTES);
  const value = bytes.length > INLINE_BYTES ? pages * PAGE_BYTES : bytes.length;
  // Its key in two trees, nodes and use.
  return value + 2 * key.length + 64;
}

function packUse({ used, created, bytes }: Use): Buffer {
  return Buffer.from(Float64Array.of(used, created, bytes).buffer);
}

/** Zeros for a record that is not there. */
function unpackUse(packed: Uint8Array | undefined): Use {
  if (packed?.length !== 24) return { used: 0, created: 0, bytes: 0 };
  const view = new DataView(packed.buffer, packed.byteOffset, packed.length);
  return {
    used: view.getFloat64(0, true),
    created: view.getFloat64(8, true),
    bytes: view.getFloat64(16, true),
  };
}

function number(value: number): Buffer {
  return Buffer.from(String(value));
}

function toNumber(bytes: Uint8Array | undefined): number {
  return bytes === undefined ? 0 : Number(Buffer.from(bytes).toString()) || 0;
}
