/** The right to analyse a file, held by one process of many; a holder that dies loses it. */
import { randomUUID } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { onAbort } from '../abort.ts';
import type { Store } from './store.ts';

/**
 * What stands in the database.
 *
 * Note [Who holds a lease]: on the machine of the holder, the holder's process decides: as long as it runs, the lease is good, even if its event loop is
 * blocked and it gives no sign of life; as soon as it has ended, the lease is not. A process is known by pid and start time, because pids are used
 * again. Elsewhere (another host or container with the same directory), and for threads of one process, signs of life decide.
 */
interface Lease {
  readonly token: string;
  /** Host name, boot and pid namespace: where pids mean the same. */
  readonly host: string;
  readonly pid: number;
  /** When the process started, in the system's own terms; `null` where it does not tell. */
  readonly started: string | null;
  /** Milliseconds since 1970 of the last sign of life. */
  readonly alive: number;
}

/** Milliseconds between two signs of life. */
const SIGN_EVERY = 10_000;
/** Milliseconds without one after which a holder that cannot be looked up counts as dead. */
const SILENCE_ELSEWHERE = 60_000;
/** And one whose process runs: it has been stopped, or has lost its lease somehow. Analyses end by then, or give signs. */
const SILENCE_HERE = 15 * 60_000;
/** Milliseconds between two looks of one who waits: from, to. */
const LOOK_EVERY = [10, 200] as const;

/** A lease held. */
export interface HeldLease {
  release(): void;
}

/**
 * Waits until `key` may be worked on.
 *
 * @param isDone whether waiting has become pointless, because the work was done by the holder
 * @returns `undefined` if `isDone` said so, or the store is no longer the one in use
 * @throws the signal's reason; LMDB's errors
 */
export async function acquireLease(
  store: Store,
  key: string,
  isDone: () => boolean,
  signal: AbortSignal | undefined,
): Promise<HeldLease | undefined> {
  const token = randomUUID();
  for (let wait: number = LOOK_EVERY[0]; ; wait = Math.min(wait * 1.5, LOOK_EVERY[1])) {
    signal?.throwIfAborted();
    // What was taken away, by a `clear` for instance, has another in its place.
    if (!store.isCurrent() || isDone()) return undefined;
    // Looked at before a transaction is begun, which would make all others wait.
    if (!isHeld(store.lease(key))) {
      let isOurs = false;
      store.updateLease(key, (text) => {
        isOurs = !isHeld(text) && !isDone();
        return isOurs ? write(token) : undefined;
      });
      if (isOurs) return hold(store, key, token);
    }
    await sleep(wait * (0.5 + Math.random()), signal); // not all at once
  }
}

/** Ends early when the signal aborts. */
async function sleep(time: number, signal: AbortSignal | undefined): Promise<void> {
  let stopListening = () => {};
  await new Promise<void>((done) => {
    const timer = setTimeout(done, time);
    stopListening = onAbort(signal, () => {
      clearTimeout(timer);
      done();
    });
  });
  stopListening();
}

function hold(store: Store, key: string, token: string): HeldLease {
  const change = (next: string | null) => {
    try {
      if (!store.isCurrent()) return;
      store.updateLease(key, (text) => (read(text)?.token === token ? next : undefined));
    } catch {
      // The database is of no use any more: whoever waits there meets the same trouble.
    }
  };
  const timer = setInterval(() => change(write(token)), SIGN_EVERY);
  timer.unref();
  return {
    release() {
      clearInterval(timer);
      change(null);
    },
  };
}

function write(token: string): string {
  const { pid } = process;
  const lease: Lease = { token, host: HOST, pid, started: STARTED, alive: Date.now() };
  return JSON.stringify(lease);
}

function read(text: string | undefined): Lease | undefined {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as Lease;
  } catch {
    return undefined; // damaged: nobody's
  }
}

/** Note [Who holds a lease] */
function isHeld(text: string | undefined): boolean {
  const lease = read(text);
  if (lease === undefined) return false;
  // Either way: a clock may be set back.
  const silence = Math.abs(Date.now() - lease.alive);
  if (lease.host !== HOST) return silence < SILENCE_ELSEWHERE;
  if (lease.pid === process.pid) {
    return lease.started === STARTED && silence < SILENCE_ELSEWHERE;
  }
  if (!isRunning(lease.pid)) return false;
  if (lease.started === null) return silence < SILENCE_ELSEWHERE;
  return startOf(lease.pid) === lease.started && silence < SILENCE_HERE;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // somebody else's
  }
}

/** Clock ticks from boot to the start of a process, field 22 of `/proc/PID/stat` (proc(5)); `null` where there is none. */
function startOf(pid: number): string | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is a name in brackets, which may hold anything.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? 'ended' : (fields[19] ?? null);
  } catch {
    return null;
  }
}

function tryToRead(read: () => string): string {
  try {
    return read().trim();
  } catch {
    return '';
  }
}

const STARTED = startOf(process.pid);
const HOST = [
  hostname(),
  tryToRead(() => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1')),
  tryToRead(() => readlinkSync('/proc/self/ns/pid')),
].join(' ');
