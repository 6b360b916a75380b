/** What machine this is, as far as that decides what decodes fast. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { cpus, hostname, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { runTool } from './ffmpeg-tool.ts';

/** The machine. JSON-safe. */
export interface MachineInfo {
  /** Node's name: `darwin`, `linux`, `win32` … */
  readonly platform: NodeJS.Platform;
  readonly arch: string;
  /** As the system calls it. */
  readonly cpu: string;
  /** Which M it is, where it is one: `{ generation: 2, variant: 'Pro' }`. */
  readonly appleSilicon: {
    readonly generation: number;
    readonly variant: string | null;
  } | null;
  /** Logical processors; fast and slow ones where they differ, `null` where that is not known or they do not. */
  readonly cores: {
    readonly logical: number;
    readonly performance: number | null;
    readonly efficiency: number | null;
  };
  /** Bytes of main memory. */
  readonly memory: number;
}

type Cores = Pick<MachineInfo['cores'], 'performance' | 'efficiency'>;
const ALIKE: Cores = { performance: null, efficiency: null };

/** Describes this machine. */
export async function describeMachine(): Promise<MachineInfo> {
  const processors = cpus();
  const cpu = processors[0]?.model.trim() ?? 'unknown';
  return {
    platform: process.platform,
    arch: process.arch,
    cpu,
    appleSilicon: appleSilicon(cpu),
    cores: { logical: processors.length, ...(await kindsOfCores()) },
    memory: totalmem(),
  };
}

/** Reads `Apple M2 Pro`; `null` for anything else. */
export function appleSilicon(cpu: string): MachineInfo['appleSilicon'] {
  const match = /^Apple M(\d+)(?: (\w+))?$/.exec(cpu);
  if (match === null) return null;
  return { generation: Number(match[1]), variant: match[2] ?? null };
}

async function kindsOfCores(): Promise<Cores> {
  if (process.platform === 'darwin') {
    const levels = await runTool('sysctl', [
      '-n',
      'hw.perflevel0.logicalcpu',
      'hw.perflevel1.logicalcpu',
    ]);
    return coresOfPerfLevels(levels.stdout);
  }
  return process.platform === 'linux' ? coresOfSysfs('/sys/devices') : ALIKE;
}

/** Of macOS: a line with the number of fast cores and one with that of slow ones; Intel has neither. */
export function coresOfPerfLevels(text: string): Cores {
  const [performance, efficiency] = text.trim().split(/\s+/).map(Number);
  if (!performance || !efficiency) return ALIKE;
  return { performance, efficiency };
}

/**
 * Of Linux: Intel's hybrids list their kinds in `cpu_core` and `cpu_atom`, Arm's give each core a `cpu_capacity`, of which those that
 * reach the highest count as fast.
 *
 * @param devices where sysfs has its devices
 */
export function coresOfSysfs(devices: string): Cores {
  const performance = countList(readText(join(devices, 'cpu_core', 'cpus')));
  const efficiency = countList(readText(join(devices, 'cpu_atom', 'cpus')));
  if (performance > 0 && efficiency > 0) return { performance, efficiency };
  const system = join(devices, 'system', 'cpu');
  const capacities = list(system)
    .filter((name) => /^cpu\d+$/.test(name))
    .map((name) => Number(readText(join(system, name, 'cpu_capacity'))))
    .filter((capacity) => capacity > 0);
  const highest = Math.max(...capacities);
  const fast = capacities.filter((capacity) => capacity === highest).length;
  if (fast === capacities.length) return ALIKE;
  return { performance: fast, efficiency: capacities.length - fast };
}

/** How many numbers a list like `0-7,16` has. */
function countList(text: string): number {
  let count = 0;
  for (const [, first, last] of text.matchAll(/(\d+)(?:-(\d+))?/g)) {
    count += Number(last ?? first) - Number(first) + 1;
  }
  return count;
}

/** Where drivers are, and what chooses among them. */
const DRIVER_PLACES = [
  '/dev/dri',
  '/proc/driver/nvidia/version',
  '/usr/share/vulkan/icd.d',
  '/etc/vulkan/icd.d',
  '/etc/OpenCL/vendors',
  '/usr/lib/dri',
  '/usr/lib64/dri',
  '/usr/lib/x86_64-linux-gnu/dri',
  '/usr/lib/aarch64-linux-gnu/dri',
];
const DRIVER_VARIABLES = [
  'LIBVA_DRIVER_NAME',
  'VDPAU_DRIVER',
  'VK_ICD_FILENAMES',
  'VK_DRIVER_FILES',
  'CUDA_VISIBLE_DEVICES',
  'DISPLAY',
];

/** Changes when this is another machine, or has another system, other drivers or another FFmpeg. */
export function machineKey(ffmpeg: string): string {
  const drivers = DRIVER_PLACES.map((place) => {
    const names = list(place);
    const paths = names.length > 0 ? names.map((name) => join(place, name)) : [place];
    return paths.map((path) => [path, changed(path)]);
  });
  const facts = [
    ...[hostname(), process.platform, process.arch, release(), cpus()[0]?.model, ffmpeg],
    readText('/proc/driver/nvidia/version'),
    drivers,
    DRIVER_VARIABLES.map((name) => process.env[name] ?? null),
  ];
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 32);
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

function changed(path: string): number {
  try {
    // Device files and procfs change all the time: that they are there is enough.
    return path.startsWith('/usr') || path.startsWith('/etc')
      ? statSync(path).mtimeMs
      : 1;
  } catch {
    return 0;
  }
}
