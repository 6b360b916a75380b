import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CommandError, run } from './run.mjs';

// Note [Killed set-ups]
// A script that is killed leaves its command (npm, a compiler) running, which writes on.
// So each command gets a process group of its own, the lock names the script and that
// group, and the lock is free only when neither has a process left.

/** Longer than compiling FFmpeg takes on a slow machine. */
const patience = 60 * 60_000;

/** Whether a process still runs, or anything of its group, where one is named. */
export function isRunning({ pid, group }) {
  if (!existsSync('/proc/self/stat')) {
    return [pid, group && -group].some((id) => {
      try {
        return id !== undefined && process.kill(id, 0);
      } catch (error) {
        return error.code === 'EPERM';
      }
    });
  }
  // Linux: kill(2) counts zombies too, which stay for good where nobody reaps them.
  return readdirSync('/proc').some((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const [state, , processGroup] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return state !== 'Z' && (Number(name) === pid || Number(processGroup) === group);
    } catch {
      return false; // it has just ended
    }
  });
}

/** The script that the file names; undefined if there is no such file. */
function readHolder(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Puts `file` in the lock's place, in one step and with its content, if that is free. */
function tryLink(file, lockFile) {
  try {
    linkSync(file, lockFile);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

/** Waits until the lock is free, and makes `mine` the lock. */
async function takeLock(mine, lockFile, title) {
  const deadline = Date.now() + patience;
  let told = false;
  while (!tryLink(mine, lockFile)) {
    const other = readHolder(lockFile);
    if (other && isRunning(other)) {
      if (!told) console.log(`${title}: waiting for another one (${other.pid}) …`);
      told = true;
      if (Date.now() > deadline) {
        throw new CommandError(
          `${title}: gave up waiting; is ${lockFile} left over?`,
          '',
        );
      }
      await sleep(100);
    } else if (other) {
      discardStaleLock(`${mine}.stale`, lockFile);
    }
  }
  rmSync(mine);
}

/** Takes the lock away under a name of its own, in case somebody else is doing the same. */
function discardStaleLock(aside, lockFile) {
  try {
    renameSync(lockFile, aside);
  } catch (error) {
    if (error.code === 'ENOENT') return;
    throw error;
  }
  // Somebody else was quicker and has taken it since: it goes back.
  if (isRunning(readHolder(aside))) tryLink(aside, lockFile);
  rmSync(aside);
}

/**
 * Runs `body` while nobody else who asks for the same lock runs, nor anything one left behind.
 *
 * @param {string} lockFile
 * @param {string} title what waits, for the one who waits with it
 * @param {(runLocked: typeof run) => Promise<void>} body
 *   is given a `run` whose commands the lock knows of
 */
export async function withLock(lockFile, title, body) {
  const mine = `${lockFile}.${process.pid}`;
  let group; // of the command that runs, if any
  const writeMine = () =>
    writeFileSync(mine, JSON.stringify({ pid: process.pid, group }));

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.once(signal, () => {
      rmSync(mine, { force: true });
      try {
        if (group) process.kill(-group, signal);
      } catch {
        // It has ended by itself.
      }
      process.exit(1); // leaving the lock, since the group may need a moment to end
    });
  }

  mkdirSync(dirname(lockFile), { recursive: true });
  writeMine();
  try {
    await takeLock(mine, lockFile, title);
  } finally {
    rmSync(mine, { force: true });
  }
  try {
    await body(async (command, args, options) => {
      const onGroup = (id) => {
        group = id;
        writeMine();
        renameSync(mine, lockFile);
      };
      try {
        return await run(command, args, { onGroup, ...options });
      } finally {
        group = undefined;
      }
    });
  } finally {
    rmSync(lockFile);
  }
}
