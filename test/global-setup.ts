import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { generateClips } from './fixtures/generate.mjs';

/** Makes the clips, and says at the end how many tests were skipped, and why. */
export default async function setup(project: TestProject): Promise<() => void> {
  await makeClips();
  const directory = mkdtempSync(join(tmpdir(), 'rushes-tests-'));
  const skipLog = join(directory, 'skipped');
  writeFileSync(skipLog, '');
  project.provide('skipLog', skipLog);

  return () => {
    const reasons = readFileSync(skipLog, 'utf8').split('\n').slice(0, -1);
    for (const reason of new Set(reasons)) {
      const count = reasons.filter((other) => other === reason).length;
      console.log(`${count} tests skipped: ${reason}`);
    }
    rmSync(directory, { recursive: true, force: true });
  };
}

async function makeClips(): Promise<void> {
  let missing: Record<string, string>;
  try {
    ({ missing } = await generateClips());
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (process.env.CI || code !== 'ENOENT') throw error;
    console.warn('There is no ffmpeg tool: tests that need its clips are skipped.');
    return;
  }
  const reasons = Object.entries(missing).map(([name, why]) => `${name}: ${why}`);
  if (reasons.length === 0) return;
  const message = `This ffmpeg cannot make every clip.\n${reasons.join('\n')}`;
  if (process.env.CI) throw new Error(message);
  console.warn(message);
}
