/** Every way of decoding a video that might work on this machine. */
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { findBeamcoder } from '../backend/beamcoder/package.ts';
import type { HardwareDeviceType } from '../options.ts';
import type { PathChoice } from './job.ts';
import type { DecodePathResult } from './result.ts';

/** A path to be measured. */
export interface Candidate {
  readonly name: string;
  readonly kind: DecodePathResult['kind'];
  readonly threads: number | null;
  readonly choice: PathChoice;
}

/** Every path that might work. @param devices that have decoded a frame */
export function candidates(devices: readonly HardwareDeviceType[]): Candidate[] {
  const all: Candidate[] = [];
  const cores = availableParallelism();
  const counts = [1, 2, 4, 8, 16, 32, 64].filter((threads) => threads < cores);
  for (const threads of [...counts, Math.min(cores, 64)]) {
    all.push({
      name: `software, ${threads} thread${threads === 1 ? '' : 's'}`,
      kind: 'software',
      threads,
      choice: { kind: 'library', threads, hardware: 'none', backend: 'native' },
    });
  }
  for (const hardware of devices) {
    const choice = { kind: 'library', threads: 0, hardware, backend: 'native' } as const;
    all.push({ name: hardware, kind: 'hardware', threads: null, choice });
  }
  if ('file' in findBeamcoder()) {
    const choice = {
      kind: 'library',
      threads: 0,
      hardware: 'none',
      backend: 'beamcoder',
    } as const;
    all.push({ name: 'beamcoder', kind: 'beamcoder', threads: null, choice });
  }
  if (spawnSync('ffmpeg', ['-version'], { stdio: 'ignore' }).status === 0) {
    const name = 'ffmpeg over a pipe';
    all.push({ name, kind: 'ffmpeg', threads: null, choice: { kind: 'ffmpeg' } });
  }
  return all;
}
