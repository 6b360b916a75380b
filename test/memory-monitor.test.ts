import { describe, expect, test, vi } from 'vitest';
import {
  type MemoryFigures,
  MemoryMonitor,
  type MemoryMonitorOptions,
  type MemorySample,
} from '../src/index.ts';
import { CLEAN, LIBRARY, runScript } from './helpers/child.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** Figures of a process in a quiet host of 16 GiB, but for what is given. */
function figures(given: Partial<Record<'rss' | 'native' | 'arrayBuffers', number>> = {}) {
  return {
    process: {
      rss: 100 * MIB,
      external: 0,
      arrayBuffers: 0,
      native: 0,
      constrained: null,
      available: null,
      ...given,
    },
    heap: { used: 10 * MIB, total: 20 * MIB, limit: 4 * GIB },
    containers: [] as { path: string; limit: number; used: number }[],
    host: { total: 16 * GIB, available: (15 * GIB) as number | null },
    mayUse: 16 * GIB,
    stall: null as MemoryFigures['stall'],
  };
}

/** A monitor of figures that a test sets. */
function monitorOf(options: MemoryMonitorOptions = {}) {
  const memory = { now: figures() as MemoryFigures };
  const monitor = new MemoryMonitor({ reader: () => memory.now, ...options });
  /** Samples at this share of a budget of 1000 MiB. */
  const at = (share: number): MemorySample => {
    memory.now = figures({ rss: share * 1000 * MIB });
    return monitor.sample();
  };
  return { memory, monitor, at };
}
const BUDGET = { budget: 1000 * MIB };

describe('level', () => {
  test('rises at the thresholds at once, and falls below them by the hysteresis', () => {
    const { at } = monitorOf(BUDGET);
    const levels = (shares: number[]) => shares.map((share) => at(share).level);
    expect(levels([0.1, 0.499, 0.5, 0.574, 0.575, 0.649, 0.65, 0.9])).toEqual([
      'low',
      'low',
      'moderate',
      'moderate',
      'high',
      'high',
      'critical',
      'critical',
    ]);
    expect(levels([0.64, 0.626, 0.624, 0.551, 0.549, 0.476, 0.474])).toEqual([
      'critical',
      'critical',
      'high',
      'high',
      'moderate',
      'moderate',
      'low',
    ]);
  });

  test('falls by more than one step where pressure does', () => {
    const { at } = monitorOf(BUDGET);
    expect([0.9, 0.51, 0.9, 0.1].map((share) => at(share).level)).toEqual([
      'critical',
      'moderate',
      'critical',
      'low',
    ]);
  });

  test('does not flutter around a threshold, as it would without hysteresis', () => {
    const wobble = [0.651, 0.649, 0.652, 0.648, 0.651];
    for (const [hysteresis, changes] of [
      [0.025, 1],
      [0, 5],
    ] as const) {
      const { monitor, at } = monitorOf({ ...BUDGET, hysteresis });
      const seen: string[] = [];
      monitor.on('level', ({ level }) => seen.push(level));
      wobble.forEach(at);
      expect(seen.length).toBe(changes);
    }
  });

  test('gives batch sizes and pauses', () => {
    const { monitor, at } = monitorOf(BUDGET);
    const seen = [0.1, 0.5, 0.6, 0.7].map((share) => {
      at(share);
      return [monitor.batchSize(), monitor.shouldPause()];
    });
    expect(seen).toEqual([
      [10, false],
      [6, false],
      [3, false],
      [1, true],
    ]);
  });

  test('follows the thresholds and batch sizes that are set', () => {
    const { monitor, at } = monitorOf({
      ...BUDGET,
      thresholds: { moderate: 0.2, high: 0.4, critical: 0.8 },
      batchSizes: [64, 8, 2, 2],
    });
    const seen = [0.1, 0.3, 0.5, 0.8].map((share) => {
      at(share);
      return monitor.batchSize();
    });
    expect(seen).toEqual([64, 8, 2, 2]);
  });
});

describe('pressure', () => {
  test('is that of the fullest source, which the sample names', () => {
    const { memory, monitor } = monitorOf({ budget: 1000 * MIB });
    const full = { ...figures({ rss: 300 * MIB }) };
    const cases: [Partial<MemoryFigures>, number, string][] = [
      [{}, 0.3, 'process'],
      [{ containers: [{ path: '/a', limit: GIB, used: 0.4 * GIB }] }, 0.4, 'container'],
      [{ host: { total: 16 * GIB, available: 4 * GIB } }, 0.75, 'host'],
      [{ heap: { used: 3 * GIB, total: 3 * GIB, limit: 4 * GIB } }, 0.75, 'heap'],
      [{ containers: [{ path: '/a', limit: GIB, used: 2 * GIB }] }, 1, 'container'],
    ];
    for (const [given, pressure, dominant] of cases) {
      memory.now = { ...full, ...given };
      expect(monitor.sample()).toMatchObject({ pressure, dominant });
    }
  });

  test('of a host that does not tell what is available is left out', () => {
    const { memory, monitor } = monitorOf(BUDGET);
    memory.now = { ...figures(), host: { total: GIB, available: null } };
    expect(monitor.sample()).toMatchObject({ pressure: 0.1, dominant: 'process' });
    expect(monitor.sample().sources.map(({ name }) => name)).toEqual(['process', 'heap']);
  });

  test('compares the process with a share of what it may use', () => {
    const { memory, monitor } = monitorOf({ budget: '50%' });
    memory.now = { ...figures({ rss: 300 * MIB }), mayUse: 1000 * MIB };
    expect(monitor.sample().sources[0]).toEqual({
      name: 'process',
      used: 300 * MIB,
      limit: 500 * MIB,
    });
  });

  test('rises where tasks wait for memory that is not full', () => {
    const { memory, monitor } = monitorOf(BUDGET);
    const stall = (scope: 'container' | 'host', some: number, full: number) => {
      memory.now = { ...memory.now, stall: { scope, some, full } };
      const { level, dominant } = monitor.sample();
      return [level, dominant];
    };
    expect(stall('container', 9.9, 0)).toEqual(['low', 'process']);
    expect(stall('container', 10, 5)).toEqual(['high', 'stall']);
    expect(stall('container', 60, 30)).toEqual(['critical', 'stall']);
    // Others' tasks, held back by limits of their own, are in the host's figure.
    expect(stall('host', 60, 30)).toEqual(['low', 'process']);
    memory.now = figures({ rss: 510 * MIB });
    expect(stall('host', 60, 0)).toEqual(['high', 'stall']);
  });
});

describe('samples', () => {
  test('are frozen, kept, and handed to listeners with changes of level', () => {
    const { monitor, at } = monitorOf({ ...BUDGET, historySize: 3 });
    const samples: MemorySample[] = [];
    const changes: unknown[] = [];
    monitor.on('sample', (sample) => samples.push(sample));
    monitor.on('level', (change) => changes.push(change));
    const taken = [0.1, 0.6, 0.6, 0.1].map(at);
    expect(samples).toEqual(taken);
    expect(monitor.history).toEqual(taken.slice(1));
    expect(changes).toEqual([
      { level: 'high', previous: 'low', sample: taken[1] },
      { level: 'low', previous: 'high', sample: taken[3] },
    ]);
    const [sample] = taken;
    expect(Object.isFrozen(sample)).toBe(true);
    expect(Object.isFrozen(sample?.figures.process)).toBe(true);
    expect(Object.isFrozen(sample?.sources[0])).toBe(true);
  });

  test('are taken when asked for, but not for every question', () => {
    const reader = vi.fn(() => figures());
    const monitor = new MemoryMonitor({ reader });
    expect(reader).not.toHaveBeenCalled();
    vi.useFakeTimers({ toFake: ['performance'] });
    try {
      monitor.batchSize();
      monitor.shouldPause();
      monitor.capacityFor(1);
      expect(reader).toHaveBeenCalledTimes(1);
      vi.advanceTimersByTime(100);
      expect(monitor.level).toBe('low');
      expect(reader).toHaveBeenCalledTimes(2);
    } finally {
      vi.useRealTimers();
    }
  });

  test('are taken every interval between start and stop', () => {
    vi.useFakeTimers();
    try {
      const reader = vi.fn(() => figures());
      const monitor = new MemoryMonitor({ reader, interval: 500 }).start().start();
      vi.advanceTimersByTime(2000);
      expect(reader).toHaveBeenCalledTimes(5);
      monitor.stop();
      vi.advanceTimersByTime(2000);
      expect(reader).toHaveBeenCalledTimes(5);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('capacityFor', () => {
  test('is what fits below critical in the fullest of process, containers and host', () => {
    const { memory, monitor } = monitorOf(BUDGET);
    monitor.sample();
    expect(monitor.capacityFor(100 * MIB)).toBe(5); // (650 − 100) / 100
    expect(monitor.capacityFor(551 * MIB)).toBe(0);
    memory.now = {
      ...figures(),
      containers: [
        { path: '/a/b', limit: 1000 * MIB, used: 450 * MIB },
        { path: '/a', limit: 2000 * MIB, used: 1000 * MIB },
      ],
    };
    monitor.sample();
    expect(monitor.capacityFor(100 * MIB)).toBe(2); // (650 − 450) / 100
    memory.now = { ...figures(), host: { total: 1000 * MIB, available: 451 * MIB } };
    monitor.sample();
    expect(monitor.capacityFor(100 * MIB)).toBe(1);
  });

  test('is never negative, and 0 while the level is critical', () => {
    const { monitor, at } = monitorOf(BUDGET);
    at(0.9);
    expect(monitor.capacityFor(1)).toBe(0);
    expect(at(0.63).level).toBe('critical'); // hysteresis
    expect(monitor.capacityFor(1)).toBe(0);
    at(0.1);
    expect(monitor.capacityFor(1)).toBe(550 * MIB);
  });
});

describe('reserve', () => {
  /** Room in MiB, after the process was seen to use `used` MiB. */
  function room(used: number, { at, monitor }: ReturnType<typeof monitorOf>): number {
    at(used / 1000);
    return monitor.capacityFor(MIB);
  }

  test('takes room before the memory is used, and not again when it is', () => {
    const watched = monitorOf(BUDGET);
    expect(room(100, watched)).toBe(550);
    const release = watched.monitor.reserve(200 * MIB);
    expect(watched.monitor.reserved).toBe(200 * MIB);
    expect(watched.monitor.capacityFor(MIB)).toBe(350);
    expect(room(180, watched)).toBe(350);
    expect(room(300, watched)).toBe(350);
    expect(watched.monitor.sample().reserved).toBe(200 * MIB);
    release();
    expect(watched.monitor.reserved).toBe(0);
    expect(room(300, watched)).toBe(350); // not given back to the system yet
    expect(room(100, watched)).toBe(550);
  });

  test('sees the rest of the process grow beyond what was reserved, and shrink', () => {
    const watched = monitorOf(BUDGET);
    room(100, watched);
    watched.monitor.reserve(200 * MIB);
    expect(room(400, watched)).toBe(250); // the rest uses 200 at least
    const more = watched.monitor.reserve(100 * MIB);
    expect(watched.monitor.capacityFor(MIB)).toBe(150);
    expect(room(150, watched)).toBe(200); // the rest uses 150 at most
    more();
    expect(watched.monitor.capacityFor(MIB)).toBe(300);
  });

  test('takes room in containers and on the host, too', () => {
    const { memory, monitor } = monitorOf();
    memory.now = {
      ...figures(),
      containers: [{ path: '/a', limit: 1000 * MIB, used: 150 * MIB }],
    };
    monitor.sample();
    expect(monitor.capacityFor(MIB)).toBe(500);
    monitor.reserve(300 * MIB);
    expect(monitor.capacityFor(MIB)).toBe(200);
  });

  test('is released once, however often that is called', () => {
    const { monitor } = monitorOf();
    const first = monitor.reserve(10);
    const second = monitor.reserve(5);
    first();
    first();
    expect(monitor.reserved).toBe(5);
    second();
    expect(monitor.reserved).toBe(0);
  });

  test('never lets more in than the budget, whatever order work begins and ends in', () => {
    const { memory, monitor } = monitorOf(BUDGET);
    const each = 120 * MIB;
    const running: { release: () => void; used: number }[] = [];
    let most = 0;
    // Numbers that look random but are the same each time (Lehmer's generator).
    let seed = 1;
    const random = () => {
      seed = (seed * 48271) % 2147483647;
      return seed / 2147483647;
    };
    for (let step = 0; step < 2000; step++) {
      for (const work of running) work.used += random() * (each - work.used);
      if (running.length > 0 && random() < 0.3) running.shift()?.release();
      const used = running.reduce((sum, work) => sum + work.used, 0);
      memory.now = figures({ rss: 100 * MIB + used });
      monitor.sample();
      if (monitor.capacityFor(each) > 0) {
        running.push({ release: monitor.reserve(each), used: 0 });
      }
      const worst = 100 * MIB + running.length * each;
      most = Math.max(most, worst);
    }
    expect(most).toBe(100 * MIB + 4 * each); // 580 of 650 MiB: one more would not fit
  });
});

describe('waitForRelief', () => {
  test('is true at once where nothing has to wait', async () => {
    const { monitor } = monitorOf(BUDGET);
    expect(await monitor.waitForRelief()).toBe(true);
  });

  test('is true for everybody once a sample is no longer critical', async () => {
    const { monitor, at } = monitorOf({ ...BUDGET, interval: 1 });
    at(0.9);
    const waiting = [monitor.waitForRelief(), monitor.waitForRelief()];
    setTimeout(() => at(0.1), 20);
    expect(await Promise.all(waiting)).toEqual([true, true]);
  });

  test('looks by itself every interval', async () => {
    const { memory, monitor, at } = monitorOf({ ...BUDGET, interval: 5 });
    at(0.9);
    const waiting = monitor.waitForRelief({ timeout: Number.POSITIVE_INFINITY });
    memory.now = figures();
    expect(await waiting).toBe(true);
  });

  test('is false after the timeout, and when the monitor is closed', async () => {
    const { monitor, at } = monitorOf(BUDGET);
    at(0.9);
    expect(await monitor.waitForRelief({ timeout: 5 })).toBe(false);
    const waiting = monitor.waitForRelief();
    monitor.close();
    expect(await waiting).toBe(false);
  });

  test('rejects with the reason of an abort', async () => {
    const { monitor, at } = monitorOf(BUDGET);
    at(0.9);
    const stop = new AbortController();
    const waiting = monitor.waitForRelief({ signal: stop.signal });
    const reason = new Error('enough');
    stop.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    await expect(monitor.waitForRelief({ signal: stop.signal })).rejects.toBe(reason);
  });
});

describe('recommendations', () => {
  test('are none at level low', () => {
    expect(monitorOf(BUDGET).monitor.recommendations()).toEqual([]);
  });

  test('name what is full, with its figures', () => {
    const { memory, monitor } = monitorOf({ budget: GIB });
    const said = (given: Partial<MemoryFigures>) => {
      memory.now = { ...figures(), ...given };
      monitor.sample();
      return monitor.recommendations().join('\n');
    };
    const rss = 800 * MIB;
    const { process } = figures({ rss, native: 500 * MIB, arrayBuffers: 250 * MIB });
    const own = said({ process });
    expect(own).toContain('800 MiB of 1.0 GiB (78 %) of its budget');
    expect(own).toContain('500 MiB of the process');
    expect(own).toContain('250 MiB of the process');
    expect(own).toContain('waitForRelief');
    expect(
      said({ containers: [{ path: '/sys/x', limit: GIB, used: 0.6 * GIB }] }),
    ).toContain('/sys/x uses 614 MiB of 1.0 GiB (60 %), this process 100 MiB');
    expect(said({ host: { total: 16 * GIB, available: 4 * GIB } })).toContain(
      'The host uses 12.0 GiB of 16.0 GiB (75 %), 11.9 GiB outside this process',
    );
    expect(said({ heap: { used: 3 * GIB, total: 3 * GIB, limit: 4 * GIB } })).toContain(
      '3.0 GiB of 4.0 GiB (75 %): raise it with --max-old-space-size',
    );
    expect(said({ stall: { scope: 'container', some: 23, full: 4 } })).toContain(
      'Tasks of the container waited for memory for 23 % of the last 10 s',
    );
  });
});

describe('options', () => {
  const bad: [MemoryMonitorOptions, string][] = [
    [{ budget: 0 }, 'budget'],
    [{ budget: '0%' }, 'budget'],
    [{ budget: '101%' }, 'budget'],
    [{ budget: '1 GB' as '1%' }, 'budget'],
    [{ thresholds: { moderate: 0.6 } }, 'thresholds'],
    [{ thresholds: { critical: 1.1 } }, 'thresholds'],
    [{ hysteresis: 0.5 }, 'hysteresis'],
    [{ hysteresis: -0.1 }, 'hysteresis'],
    [{ batchSizes: [1, 2, 3] as never }, 'batchSizes'],
    [{ batchSizes: [1, 2, 3, 4] }, 'batchSizes'],
    [{ batchSizes: [4, 3, 2, 0] }, 'batchSizes'],
    [{ interval: 0 }, 'interval'],
    [{ historySize: 0 }, 'historySize'],
    [{ reader: {} as never }, 'reader'],
  ];
  test.each(bad)('%j is refused, naming %s', (options, name) => {
    expect(() => new MemoryMonitor(options)).toThrow(name);
  });

  test('of methods are checked', async () => {
    const { monitor } = monitorOf();
    expect(() => monitor.capacityFor(0)).toThrow(RangeError);
    expect(() => monitor.capacityFor(undefined as never)).toThrow(TypeError);
    expect(() => monitor.reserve(-1)).toThrow(RangeError);
    expect(() => monitor.reserve(undefined as never)).toThrow(TypeError);
    await expect(monitor.waitForRelief({ timeout: -1 })).rejects.toThrow(RangeError);
  });
});

describe('the process', () => {
  test('is not kept alive by a monitor that was started', async () => {
    const script = `
      import { MemoryMonitor } from ${LIBRARY};
      const monitor = new MemoryMonitor({ interval: 50 }).start();
      process.stdout.write(monitor.level);
    `;
    const ended = await runScript(script, [], { timeout: 10_000 });
    expect(ended).toMatchObject({ ...CLEAN, stdout: expect.stringMatching(/^\w+$/) });
  });

  test('is kept alive while it waits for relief', async () => {
    const script = `
      import { MemoryMonitor } from ${LIBRARY};
      const monitor = new MemoryMonitor({ budget: 1 });
      process.stdout.write(String(await monitor.waitForRelief({ timeout: 50 })));
    `;
    expect(await runScript(script)).toMatchObject({ ...CLEAN, stdout: 'false' });
  });
});
