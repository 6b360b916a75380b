/** Control groups with a memory limit, made for one child process and removed after it. Root, on Linux. */
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const V1 = '/sys/fs/cgroup/memory';
const V2 = '/sys/fs/cgroup';
let made = 0;

/** Where groups can be made here, and the name of the limit; `null` where they cannot. */
function hierarchy(): { top: string; limit: string } | null {
  for (const [top, limit] of [
    [V1, 'memory.limit_in_bytes'],
    [V2, 'memory.max'],
  ] as const) {
    const group = join(top, `rushes-test-${process.pid}-probe`);
    try {
      mkdirSync(group);
    } catch {
      continue;
    }
    const works = existsSync(join(group, limit));
    rmdirSync(group);
    if (works) return { top, limit };
  }
  return null;
}

const HIERARCHY = process.platform === 'linux' ? hierarchy() : null;
/** Whether {@link withMemoryLimit} works here. */
export const CAN_LIMIT_MEMORY = HIERARCHY !== null;

/**
 * Makes a group that may use `bytes` and a group without a limit inside it, runs `work`, and removes both when the processes in them
 * have ended. `work` puts a process into the inner one by calling `enter` with its pid.
 */
export async function withMemoryLimit<T>(
  bytes: number,
  work: (enter: (pid: number) => void, path: string) => Promise<T>,
): Promise<T> {
  if (HIERARCHY === null) throw new Error('no control group can be made here');
  const outer = join(HIERARCHY.top, `rushes-test-${process.pid}-${made++}`);
  const inner = join(outer, 'inner');
  mkdirSync(outer);
  try {
    writeFileSync(join(outer, HIERARCHY.limit), String(bytes));
    mkdirSync(inner);
    return await work(
      (pid) => writeFileSync(join(inner, 'cgroup.procs'), String(pid)),
      outer,
    );
  } finally {
    for (const group of [inner, outer]) await remove(group);
  }
}

/** A group can be removed a moment after its last process has ended. */
async function remove(group: string): Promise<void> {
  for (let attempt = 0; existsSync(group); attempt++) {
    try {
      rmdirSync(group);
    } catch (error) {
      if (attempt > 100) throw error;
      await delay(20);
    }
  }
}
