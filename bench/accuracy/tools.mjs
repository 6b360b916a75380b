import { spawnSync } from 'node:child_process';

/** What a tool prints. Throws with its last words if it fails. */
export function run(tool, args) {
  const { stdout, stderr, status, error } = spawnSync(tool, args, {
    maxBuffer: 1 << 28,
    encoding: 'utf8',
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${tool} … ${args.at(-1)}: ${stderr.slice(-1000)}`);
  return stdout;
}

/** Numbers from 0 to 1 that a seed decides: Mulberry32 (T. Ettinger, 2017). */
export function random(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const pick = (list) => list[Math.floor(next() * list.length)];
  return {
    next,
    between: (low, high) => low + (high - low) * next(),
    integer: (low, high) => low + Math.floor(next() * (high - low + 1)),
    chance: (probability) => next() < probability,
    pick,
    /** One of `[value, weight]` pairs. */
    weighted: (pairs) => {
      let left = next() * pairs.reduce((sum, [, weight]) => sum + weight, 0);
      for (const [value, weight] of pairs) {
        left -= weight;
        if (left < 0) return value;
      }
      return pairs[0][0];
    },
  };
}
