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

const SOFTWARE: Extract<PathChoice, { kind: 'library' }> = {
  ...{ kind: 'library', threads: 0, hardware: 'none' },
  ...{ scalesOnDevice: false, backend: 'native' },
};

/**
 * Every path that might work.
 *
 * @param devices that have decoded a frame
 * @param scales whether frames are made smaller, which devices can do as well
 */
export function candidates(
  devices: readonly HardwareDeviceType[],
  scales: boolean,
): Candidate[] {
  const all: Candidate[] = [];
  const cores = availableParallelism();
  const counts = [1, 2, 4, 8, 16, 32, 64].filter((threads) => threads < cores);
  for (const threads of [...counts, Math.min(cores, 64)]) {
    all.push({
      name: `software, ${threads} thread${threads === 1 ? '' : 's'}`,
      kind: 'software',
      threads,
      choice: { ...SOFTWARE, threads },
    });
  }
  for (const hardware of devices) {
    const choice = { ...SOFTWARE, hardware };
    all.push({ name: hardware, kind: 'hardware', threads: null, choice });
    if (!scales) continue;
    all.push({
      name: `${hardware}, scaled there`,
      kind: 'hardware-scaled',
      threads: null,
      choice: { ...choice, scalesOnDevice: true },
    });
  }
  if ('file' in findBeamcoder()) {
    const choice: PathChoice = { ...SOFTWARE, backend: 'beamcoder' };
    all.push({ name: 'beamcoder', kind: 'beamcoder', threads: null, choice });
  }
  if (spawnSync('ffmpeg', ['-version'], { stdio: 'ignore' }).status === 0) {
    const name = 'ffmpeg over a pipe';
    all.push({ name, kind: 'ffmpeg', threads: null, choice: { kind: 'ffmpeg' } });
  }
  return all;
}
