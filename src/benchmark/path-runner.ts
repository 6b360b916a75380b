/** Runs decode paths in turn, one process at a time. */
import { spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { onAbort } from '../abort.ts';
import { MediaError } from '../errors.ts';
import { HARDWARE_DEVICES } from '../options.ts';
import { MessageReader } from '../wire.ts';
import { type Brought, type Check, compare } from './comparison.ts';
import type { Candidate } from './decode-paths.ts';
import type {
  BenchmarkAnswer,
  BenchmarkJob,
  BenchmarkRun,
  DevicesAnswer,
  DevicesJob,
} from './job.ts';
import type { BenchmarkOptions, BenchmarkProgress, DecodePathResult } from './result.ts';
import { rateOf, summarize } from './summary.ts';

const PROCESS_FILE = import.meta.dirname.endsWith('cjs')
  ? join(import.meta.dirname, '..', 'benchmark.mjs')
  : join(import.meta.dirname, '..', '..', 'dist', 'benchmark.mjs');

/** What is the same for all paths. */
export type PathlessJob = Omit<BenchmarkJob, 'choice' | 'compared'>;

/** Each run is a process of its own. */
export class PathRunner {
  /** Frames of each run. */
  frames = 0;
  readonly #job: PathlessJob;
  readonly #signal: AbortSignal | undefined;
  readonly #onProgress: BenchmarkOptions['onProgress'];

  constructor(
    job: PathlessJob,
    signal: AbortSignal | undefined,
    onProgress: BenchmarkOptions['onProgress'],
  ) {
    this.#job = job;
    this.#signal = signal;
    this.#onProgress = onProgress;
  }

  /** Tries all devices, in one process. Should that crash, none works. */
  async tryDevices(): Promise<DevicesAnswer['devices']> {
    const { source, streamIndex } = this.#job;
    const job: DevicesJob = { source, streamIndex, devices: HARDWARE_DEVICES };
    const { answer } = await this.#ask<DevicesAnswer>(job);
    if ('devices' in answer) return answer.devices;
    return HARDWARE_DEVICES.map((type) => [type, answer.failure] as const);
  }

  /** The first of `all` is what the others are compared with. */
  async measure(all: readonly Candidate[], rounds: number): Promise<DecodePathResult[]> {
    const checks: Check[] = [];
    const total = all.length * (rounds + 1);
    let done = 0;
    const report = (path: string, stage: BenchmarkProgress['stage']) =>
      this.#onProgress?.({ path, stage, fraction: done++ / total });
    let reference: Brought | undefined;
    for (const candidate of all) {
      report(candidate.name, 'check');
      const brought = await this.#run(candidate, true);
      if (reference === undefined && 'failure' in brought.answer) {
        throw this.#failed(brought.answer.failure);
      }
      reference ??= brought;
      checks.push(compare(candidate, brought, reference));
    }
    const runs = new Map<Candidate, BenchmarkRun[]>(all.map((each) => [each, []]));
    const usable = all.filter((_, i) => checks[i]?.unusable === null);
    for (let round = 0; round < rounds; round++) {
      // Whoever is first in a round is not always the same.
      const from = round % usable.length;
      for (const candidate of [...usable.slice(from), ...usable.slice(0, from)]) {
        report(candidate.name, 'measure');
        const { answer } = await this.#run(candidate, false);
        if ('failure' in answer) {
          throw this.#failed(`${candidate.name}: ${answer.failure}`);
        }
        runs.get(candidate)?.push(answer.run);
      }
    }
    const [first] = all as readonly [Candidate, ...Candidate[]];
    const one = (runs.get(first) as BenchmarkRun[]).map(rateOf);
    this.frames = runs.get(first)?.[0]?.frames ?? 0;
    return all.map((candidate, i) =>
      summarize(candidate, checks[i] as Check, runs.get(candidate) ?? [], one),
    );
  }

  #failed(words: string): MediaError {
    const { source } = this.#job;
    return new MediaError('ERR_FFMPEG', `${source}: ${words}`, { source });
  }

  async #run({ choice }: Candidate, compared: boolean): Promise<Brought> {
    const job: BenchmarkJob = { ...this.#job, choice, compared };
    const { answer, parts } = await this.#ask<BenchmarkAnswer>(job);
    return { answer, sample: parts };
  }

  /** Begins a process for one job and waits for its end. */
  async #ask<Answer extends object>(
    job: BenchmarkJob | DevicesJob,
  ): Promise<{ answer: Answer | { failure: string }; parts: readonly Uint8Array[] }> {
    const signal = this.#signal;
    signal?.throwIfAborted();
    const child = spawn(process.execPath, [PROCESS_FILE, JSON.stringify(job)], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
      env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' },
    });
    const stopListening = onAbort(signal, () => child.kill('SIGKILL'));
    try {
      return await new Promise((resolve, reject) => {
        let came: { answer: Answer; parts: readonly Uint8Array[] } | undefined;
        const reader = new MessageReader<Answer>({
          allocate: (_, lengths) => lengths.map((length) => new Uint8Array(length)),
          receive: (answer, parts) => {
            came = { answer, parts };
          },
        });
        const socket = child.stdio[3] as Socket;
        socket.on('data', (chunk: Buffer) => reader.push(chunk));
        child.on('error', reject);
        child.on('close', (code, killed) => {
          const failure = `the process ended with ${killed ?? `exit code ${code}`}`;
          resolve(came ?? { answer: { failure }, parts: [] });
        });
      });
    } finally {
      stopListening();
      signal?.throwIfAborted();
    }
  }
}
