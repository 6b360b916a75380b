/** What this process, its containers and its host use and may use of memory: every source, read for real. */
import { execFile } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, readSync } from 'node:fs';
import { freemem, totalmem } from 'node:os';
import { join } from 'node:path';
import { getHeapStatistics } from 'node:v8';
import { loadAddon } from './native.ts';

/** All in bytes. `null` where the platform does not tell. */
export interface MemoryFigures {
  readonly process: ProcessMemory;
  readonly heap: HeapMemory;
  /** The control groups with a limit below the host's memory, from the process's own up to the top. Linux only. */
  readonly containers: readonly ContainerMemory[];
  readonly host: HostMemory;
  /** What the process may use: the smallest of the host's memory, `containers`, and what Node calls constrained. */
  readonly mayUse: number;
  /** How long tasks waited for memory of late. Linux only. */
  readonly stall: MemoryStall | null;
}

export interface ProcessMemory {
  /** Resident set: what is really in memory, of every thread. */
  readonly rss: number;
  /** What V8 knows of outside its heap, in this thread; `arrayBuffers`, where frames are, is part of it. */
  readonly external: number;
  readonly arrayBuffers: number;
  /** What the addon holds for decoded frames, scaling and sources in memory, in all threads. `null` before it is loaded. */
  readonly native: number | null;
  /** `process.constrainedMemory()`, if that is below the host's memory. Read once a second, as is `available`. */
  readonly constrained: number | null;
  /** `process.availableMemory()`. Counts reclaimable file cache as used inside a container. */
  readonly available: number | null;
}

/** V8's heap of this thread. */
export interface HeapMemory {
  readonly used: number;
  readonly total: number;
  /** Beyond it V8 ends the process: `--max-old-space-size`. */
  readonly limit: number;
}

/** A control group. */
export interface ContainerMemory {
  /** Its folder. */
  readonly path: string;
  /** The lower of its hard limit and, in cgroup v2, `memory.high`. */
  readonly limit: number;
  /** Without the file cache that the kernel can drop (Note [Reclaimable cache]). */
  readonly used: number;
}

export interface HostMemory {
  readonly total: number;
  /** What can be had without swapping: Linux's `MemAvailable`; macOS and Windows: file cache counts as available. */
  readonly available: number | null;
}

/**
 * Linux's pressure stall information (kernel documentation, accounting/psi), in % of the last 10 s: how long `some` tasks, and `full`:
 * all of them at once, waited for memory.
 */
export interface MemoryStall {
  /** Whose tasks: those of the process's own control group (v2), or all of the host's. */
  readonly scope: 'container' | 'host';
  readonly some: number;
  readonly full: number;
}

/** Reads everything once. Must neither throw nor block. */
export type MemoryReader = () => MemoryFigures;

/** Where a reader looks; tests give texts recorded elsewhere. @internal */
export interface MemoryEnvironment {
  readonly platform: NodeJS.Platform;
  /** The text of a file, or `null`. */
  readText(path: string): string | null;
  exists(path: string): boolean;
  totalMemory(): number;
  freeMemory(): number;
  /** The output of macOS's `vm_stat`, or `null`. */
  vmStat(): Promise<string | null>;
}

/** Milliseconds after which `vm_stat`, which takes about ten, is given up. */
const VM_STAT_TIMEOUT = 1000;
/** Milliseconds for which an answer of `vm_stat` is good. */
const VM_STAT_INTERVAL = 1000;

/** Longer than any of them but a list of many mounts. */
const page = Buffer.alloc(16 * 1024);

/** The one we run in. Only files that the kernel makes on the spot are read: these do not wait for a disk or a network. */
const HERE: MemoryEnvironment = {
  platform: process.platform,
  readText(path) {
    let file: number | undefined;
    try {
      file = openSync(path, 'r');
      // Less work than readFileSync, which asks for a size that these files do not have. They come in pieces.
      for (let length = 0; length < page.length; ) {
        const bytes = readSync(file, page, length, page.length - length, null);
        if (bytes === 0) return page.toString('utf8', 0, length);
        length += bytes;
      }
      return readFileSync(path, 'utf8');
    } catch {
      return null;
    } finally {
      if (file !== undefined) closeSync(file);
    }
  },
  exists: existsSync,
  totalMemory: totalmem,
  freeMemory: freemem,
  vmStat: () =>
    new Promise((resolve) => {
      const options = { timeout: VM_STAT_TIMEOUT, encoding: 'utf8' } as const;
      const child = execFile('/usr/bin/vm_stat', options, (error, stdout) =>
        resolve(error === null ? stdout : null),
      );
      child.unref();
      for (const stream of [child.stdout, child.stderr]) {
        (stream as unknown as { unref?(): void } | null)?.unref?.();
      }
    }),
};

/** A reader of this process, its containers and its host. @internal */
export function createMemoryReader(environment = HERE): MemoryReader {
  const readHost = hostReader(environment);
  const readContainers =
    environment.platform === 'linux' ? containerReader(environment) : () => NO_CONTAINERS;
  const readConstraints = constraintsReader();
  return () => {
    const host = readHost();
    const { containers, stall } = readContainers(host.total);
    const process = { ...readProcess(), ...readConstraints(host.total) };
    const limits = containers.map(({ limit }) => limit);
    const mayUse = Math.min(host.total, process.constrained ?? host.total, ...limits);
    return { process, heap: readHeap(), containers, host, mayUse, stall };
  };
}

// ------------------------------------------------------------ the process

type Constraints = Pick<ProcessMemory, 'constrained' | 'available'>;

function readProcess(): Omit<ProcessMemory, keyof Constraints> {
  const { rss, external, arrayBuffers } = process.memoryUsage();
  return { rss, external, arrayBuffers, native: nativeBytes() };
}

/** Milliseconds for which Node's answers are good: they cost more than all else together, and on Linux repeat it. */
const CONSTRAINTS_INTERVAL = 1000;

function constraintsReader(): (hostTotal: number) => Constraints {
  let constraints: Constraints = { constrained: null, available: null };
  let asked = Number.NEGATIVE_INFINITY;
  return (hostTotal) => {
    const now = performance.now();
    if (now - asked < CONSTRAINTS_INTERVAL) return constraints;
    asked = now;
    constraints = {
      // Without a limit: 2^64 in Node 20, 0 or undefined in others.
      constrained: within(process.constrainedMemory(), hostTotal - 1),
      // Not before Node 20.13.
      available: within(process.availableMemory?.(), hostTotal),
    };
    return constraints;
  };
}

function within(bytes: number | undefined, most: number): number | null {
  return bytes !== undefined && bytes > 0 && bytes <= most ? bytes : null;
}

/** A monitor without videos, or where the addon cannot be loaded, works all the same. */
function nativeBytes(): number | null {
  try {
    return loadAddon().nativeBytes();
  } catch {
    return null;
  }
}

function readHeap(): HeapMemory {
  const statistics = getHeapStatistics();
  return {
    used: statistics.used_heap_size,
    total: statistics.total_heap_size,
    limit: statistics.heap_size_limit,
  };
}

// --------------------------------------------------------------- the host

function hostReader(environment: MemoryEnvironment): () => HostMemory {
  const { platform } = environment;
  if (platform === 'linux') return () => linuxHost(environment);
  if (platform === 'darwin') return macHost(environment);
  return () => {
    // Windows counts its standby list, which is file cache, as free.
    return { total: environment.totalMemory(), available: environment.freeMemory() };
  };
}

function linuxHost(environment: MemoryEnvironment): HostMemory {
  const text = environment.readText('/proc/meminfo') ?? '';
  const kibibytes = (name: string) => {
    const found = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text);
    return found === null ? null : Number(found[1]) * 1024;
  };
  return {
    total: kibibytes('MemTotal') ?? environment.totalMemory(),
    // Since Linux 3.14.
    available: kibibytes('MemAvailable') ?? environment.freeMemory(),
  };
}

/** `vm_stat` answers later: until then, and where it fails, what is available is not known. */
function macHost(environment: MemoryEnvironment): () => HostMemory {
  let available: number | null = null;
  let asked = Number.NEGATIVE_INFINITY;
  const ask = async () => {
    const text = await environment.vmStat();
    available = text === null ? null : availableOfVmStat(text, environment.totalMemory());
  };
  const read = () => {
    const now = performance.now();
    if (now - asked >= VM_STAT_INTERVAL) {
      asked = now;
      void ask();
    }
    return { total: environment.totalMemory(), available };
  };
  read();
  return read;
}

/**
 * What Activity Monitor does not count as "Memory Used": all but app memory (anonymous pages that cannot be purged), wired memory and
 * the compressor's. (`os.freemem()` knows free pages only, of which macOS keeps few.) `null` for other texts. @internal
 */
export function availableOfVmStat(text: string, total: number): number | null {
  const pageSize = Number(/page size of (\d+) bytes/.exec(text)?.[1]);
  const pages = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+)\\.?$`, 'm').exec(text)?.[1]);
  const app = pages('Anonymous pages') - pages('Pages purgeable');
  const used = app + pages('Pages wired down') + pages('Pages occupied by compressor');
  const available = total - used * pageSize;
  return Number.isFinite(available) ? Math.min(Math.max(available, 0), total) : null;
}

// --------------------------------------------------------- control groups

interface Containers {
  readonly containers: readonly ContainerMemory[];
  readonly stall: MemoryStall | null;
}
const NO_CONTAINERS: Containers = { containers: [], stall: null };

/** A control group's folder, and the words of its version. */
interface Group {
  readonly path: string;
  readonly files: GroupFiles;
}
interface GroupFiles {
  readonly limits: readonly string[];
  readonly usage: string;
  /** Of the names in memory.stat that count the group's children, too. */
  readonly prefix: string;
}
const V1: GroupFiles = {
  limits: ['memory.limit_in_bytes'],
  usage: 'memory.usage_in_bytes',
  prefix: 'total_',
};
/** Above `memory.high` a group is not killed but slowed down until it is below again: a limit as well. */
const V2: GroupFiles = {
  limits: ['memory.max', 'memory.high'],
  usage: 'memory.current',
  prefix: '',
};

function containerReader(
  environment: MemoryEnvironment,
): (hostTotal: number) => Containers {
  let membership: string | null | undefined;
  let groups: readonly Group[] = [];
  let stallFile: string | null = null;
  return (hostTotal) => {
    const now = environment.readText('/proc/self/cgroup');
    // Where the groups are mounted is looked up only when the process was moved.
    if (now !== membership) {
      membership = now;
      const found = findGroups(environment, now ?? '');
      groups = found.groups;
      stallFile = found.stallFile;
    }
    const containers = groups.flatMap((group, i) =>
      readGroup(environment, group, hostTotal, i === 0),
    );
    return { containers, stall: readStall(environment, stallFile) };
  };
}

/** @internal exported for tests of layouts that this machine does not have */
export function findGroups(
  environment: Pick<MemoryEnvironment, 'readText' | 'exists'>,
  membership: string,
): { groups: readonly Group[]; stallFile: string | null } {
  const mounts = cgroupMounts(environment.readText('/proc/self/mountinfo') ?? '');
  const groups: Group[] = [];
  let stallFile: string | null = null;
  // Lines are "number:controllers:path" (cgroups(7)); v2 has no controllers. Both may be there.
  for (const [, controllers = '', path = ''] of membership.matchAll(
    /^\d+:([^:]*):(.*)$/gm,
  )) {
    const unified = controllers === '';
    if (!unified && !controllers.split(',').includes('memory')) continue;
    const folders = foldersOf(
      mounts.filter((mount) => mount.unified === unified),
      path,
    );
    const files = unified ? V2 : V1;
    for (const folder of folders) {
      if (environment.exists(join(folder, files.usage))) {
        groups.push({ path: folder, files });
      }
    }
    if (!unified || folders[0] === undefined) continue;
    const file = join(folders[0], 'memory.pressure');
    // Only the top of the hierarchy, which is the host, has no cgroup.events.
    const top = !environment.exists(join(folders[0], 'cgroup.events'));
    if (!top && environment.readText(file) !== null) stallFile = file;
  }
  return { groups, stallFile };
}

interface Mount {
  /** Which part of the hierarchy is mounted, and where. */
  readonly root: string;
  readonly point: string;
  readonly unified: boolean;
}

/** The hierarchies that may limit memory (proc_pid_mountinfo(5)). */
function cgroupMounts(mountinfo: string): Mount[] {
  const mounts: Mount[] = [];
  for (const line of mountinfo.split('\n')) {
    const [left = '', right = ''] = line.split(' - ');
    const [, , , root = '', point = ''] = left.split(' ').map(unescapeOctal);
    const [type, , options = ''] = right.split(' ');
    const unified = type === 'cgroup2';
    const memory = type === 'cgroup' && options.split(',').includes('memory');
    if (unified || memory) mounts.push({ root, point, unified });
  }
  return mounts;
}

/** Blanks and backslashes are octal there. */
function unescapeOctal(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, code) =>
    String.fromCharCode(Number.parseInt(code, 8)),
  );
}

/**
 * The folders of the group with this path and of its parents, as far as they are mounted. Inside a container the path may be the
 * host's, of which nothing but the mounted part can be seen: then that is the group.
 */
function foldersOf(mounts: readonly Mount[], path: string): string[] {
  const inside = ({ root }: Mount) =>
    root === '/' || path === root || path.startsWith(`${root}/`);
  const mount = mounts.find(inside) ?? mounts[0];
  if (mount === undefined) return [];
  const rest = inside(mount)
    ? path.slice(mount.root === '/' ? 0 : mount.root.length)
    : '';
  const names = rest.split('/').filter((name) => name !== '');
  if (names.includes('..')) return [mount.point]; // beyond what the namespace shows
  return names
    .map((_, i) => join(mount.point, ...names.slice(0, names.length - i)))
    .concat(mount.point);
}

/**
 * Note [Reclaimable cache]: a group's usage includes the cache of files that it read, which the kernel drops before it kills anybody.
 * Reading a hundred clips fills any limit with it. So pages of files do not count as used, whether read once (inactive) or more often
 * (active), except those that are mapped, which are mostly code that runs, or wait to be written. (Kubernetes' "working set" leaves out
 * inactive pages only, and is known to mistake files read twice for pressure.)
 */
function readGroup(
  environment: MemoryEnvironment,
  { path, files }: Group,
  hostTotal: number,
  own: boolean,
): ContainerMemory[] {
  const text = (name: string) => environment.readText(join(path, name)) ?? '';
  const limits = files.limits.map((name) => bytesOf(text(name)));
  const v1 = files === V1;
  // Groups above all that can be seen limit the own one as well; v1 tells.
  const hierarchical = v1 && own;
  if (!hierarchical && Math.min(...limits) >= hostTotal) return [];
  const stat = text('memory.stat');
  const count = (name: string) =>
    Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(stat)?.[1] ?? 0);
  if (hierarchical) limits.push(count('hierarchical_memory_limit') || hostTotal);
  const limit = Math.min(...limits);
  if (limit >= hostTotal) return [];
  const total = (name: string) => count(files.prefix + name);
  const [mapped, dirty, writeback] = v1
    ? ['mapped_file', 'dirty', 'writeback']
    : ['file_mapped', 'file_dirty', 'file_writeback'];
  const cache = total('inactive_file') + total('active_file');
  const kept = total(mapped) + total(dirty) + total(writeback);
  const usage = bytesOf(text(files.usage));
  const used = Math.max(0, usage - Math.max(0, cache - kept));
  return Number.isFinite(used) ? [{ path, limit, used }] : [];
}

/** `Infinity` for "max" and for what cannot be read. */
function bytesOf(text: string): number {
  return /^\d+\s*$/.test(text) ? Number(text) : Number.POSITIVE_INFINITY;
}

function readStall(
  environment: MemoryEnvironment,
  stallFile: string | null,
): MemoryStall | null {
  const text = environment.readText(stallFile ?? '/proc/pressure/memory');
  if (text === null) return null;
  const average = (line: string) =>
    Number(new RegExp(`^${line} avg10=([\\d.]+)`, 'm').exec(text)?.[1]);
  const [some, full] = [average('some'), average('full')];
  if (Number.isNaN(some)) return null;
  const scope = stallFile === null ? 'host' : 'container';
  return { scope, some, full: Number.isNaN(full) ? 0 : full };
}
