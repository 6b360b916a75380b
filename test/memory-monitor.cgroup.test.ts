import { expect, test } from 'vitest';
import { CAN_LIMIT_MEMORY, withMemoryLimit } from './helpers/cgroup.ts';
import { LIBRARY, runScript } from './helpers/child.ts';

const MIB = 2 ** 20;
const LIMIT = 400 * MIB;

/** Fills memory until each level was seen, gives it back, and says what it saw. */
const SCRIPT = `
  import { MemoryMonitor } from ${LIBRARY};
  await new Promise((go) => process.once('message', go)); // moved by now
  const monitor = new MemoryMonitor({ thresholds: { moderate: 0.5, high: 0.6, critical: 0.7 } });
  const levels = [];
  monitor.on('level', ({ level }) => levels.push(level));
  const first = monitor.sample();
  const room = monitor.capacityFor(${MIB});
  let kept = [];
  while (monitor.sample().level !== 'critical' && kept.length < 390) {
    kept.push(Buffer.alloc(${MIB}, 1));
  }
  const filled = kept.length;
  kept = [];
  globalThis.gc();
  const relieved = await monitor.waitForRelief({ timeout: 20000 });
  const { containers } = first.figures;
  process.stdout.write(JSON.stringify({
    levels, start: first.level, containers, room, filled, relieved,
    constrained: first.figures.process.constrained, last: monitor.level,
  }));
  process.disconnect();
`;

test.skipIf(!CAN_LIMIT_MEMORY)(
  "a group's limit is seen from a group inside it, and filling it raises the level",
  async () => {
    await withMemoryLimit(LIMIT, async (enter, path) => {
      const ended = await runScript(SCRIPT, [], {
        ipc: true,
        nodeOptions: ['--expose-gc'],
        onStart: (child) => {
          enter(child.pid as number);
          child.send('go');
        },
      });
      expect(ended).toMatchObject({ code: 0, signal: null });
      const seen = JSON.parse(ended.stdout);
      expect(seen.start).toBe('low');
      expect(seen.containers).toContainEqual(
        expect.objectContaining({ path, limit: LIMIT }),
      );
      expect(seen.levels.slice(0, 3)).toEqual(['moderate', 'high', 'critical']);
      expect(seen.relieved).toBe(true);
      expect(seen.last).not.toBe('critical');
      // What was said to fit is what did: V8 and malloc take some themselves.
      expect(Math.abs(seen.filled - seen.room)).toBeLessThan(40);
    });
  },
);
