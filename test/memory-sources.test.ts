import { describe, expect, test } from 'vitest';
import { MemoryMonitor, openVideo } from '../src/index.ts';
import { availableOfVmStat, createMemoryReader } from '../src/memory-sources.ts';
import { clip, testOf } from './helpers/clips.ts';

const GIB = 2 ** 30;

/** What a reader says on a Linux of 16 GiB with these files. */
function readLinux(files: Record<string, string>) {
  const texts: Record<string, string> = {
    '/proc/meminfo': 'MemTotal:       16777216 kB\nMemAvailable:    8388608 kB\n',
    ...files,
  };
  return createMemoryReader({
    platform: 'linux',
    readText: (path) => texts[path] ?? null,
    exists: (path) => path in texts,
    totalMemory: () => 1,
    freeMemory: () => 1,
    vmStat: async () => null,
  })();
}

const V2_STAT =
  'anon 1\nfile 900\nfile_mapped 50\nfile_dirty 30\nfile_writeback 20\ninactive_file 500\nactive_file 400\n';

describe('control groups', () => {
  test('of version 2 are read up to the top, with memory.high and without cache', () => {
    const { containers, host, mayUse, stall } = readLinux({
      '/proc/self/cgroup': '0::/a/b c\n',
      '/proc/self/mountinfo':
        '30 23 0:26 / /sys/fs/c\\040g rw - cgroup2 cgroup2 rw,nsdelegate\n',
      '/sys/fs/c g/a/b c/memory.max': 'max\n',
      '/sys/fs/c g/a/b c/memory.high': '4000\n',
      '/sys/fs/c g/a/b c/memory.current': '2000\n',
      '/sys/fs/c g/a/b c/memory.stat': V2_STAT,
      '/sys/fs/c g/a/b c/cgroup.events': '',
      '/sys/fs/c g/a/b c/memory.pressure':
        'some avg10=12.50 avg60=0.00\nfull avg10=3.25 avg60=0.00\n',
      '/sys/fs/c g/a/memory.max': '3000\n',
      '/sys/fs/c g/a/memory.high': 'max\n',
      '/sys/fs/c g/a/memory.current': '2500\n',
    });
    expect(containers).toEqual([
      { path: '/sys/fs/c g/a/b c', limit: 4000, used: 2000 - (900 - 100) },
      { path: '/sys/fs/c g/a', limit: 3000, used: 2500 },
    ]);
    expect(host).toEqual({ total: 16 * GIB, available: 8 * GIB });
    expect(mayUse).toBe(3000);
    expect(stall).toEqual({ scope: 'container', some: 12.5, full: 3.25 });
  });

  test('of version 1 in a container know limits above what can be seen', () => {
    const { containers } = readLinux({
      '/proc/self/cgroup': '4:memory:/docker/x\n',
      '/proc/self/mountinfo':
        '35 31 0:32 /docker/x /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n',
      '/sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
      '/sys/fs/cgroup/memory/memory.usage_in_bytes': '5000\n',
      '/sys/fs/cgroup/memory/memory.stat':
        'hierarchical_memory_limit 8000\ntotal_inactive_file 1500\ntotal_active_file 500\ntotal_mapped_file 100\n',
    });
    expect(containers).toEqual([
      { path: '/sys/fs/cgroup/memory', limit: 8000, used: 5000 - 1900 },
    ]);
  });
});

test('what vm_stat says is available is all that Activity Monitor does not call used', () => {
  const text = `Mach Virtual Memory Statistics: (page size of 16384 bytes)
Pages free:                               10000.
Pages wired down:                        100000.
Pages purgeable:                          20000.
Anonymous pages:                         300000.
Pages occupied by compressor:             50000.
`;
  expect(availableOfVmStat(text, 16 * GIB)).toBe(16 * GIB - 430_000 * 16384);
  expect(availableOfVmStat('?', GIB)).toBeNull();
});

testOf('h264-bframes-audio.mp4')(
  'native bytes are counted while a video is open, and gone when it is closed',
  async () => {
    const monitor = new MemoryMonitor();
    const native = () => monitor.sample().figures.process.native as number;
    const before = native();
    const video = await openVideo(clip('h264-bframes-audio.mp4'), { width: 32 });
    await video.frames().next();
    expect(native() - before).toBeGreaterThan(128 * 96 * 1.5);
    await video.close();
    expect(native()).toBe(before);
  },
);
