// Runs one command and says what it took, its children included: bench/launch.c.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { cacheDirectory } from './paths.mjs';
import { compile } from './peers.mjs';

const launcher = join(cacheDirectory, 'launch');

export function prepareLauncher() {
  return compile('launch.c', launcher);
}

async function textOf(stream) {
  let text = '';
  for await (const chunk of stream.setEncoding('utf8')) text += chunk;
  return text;
}

/**
 * @param {string[]} command
 * @returns {Promise<{ cpu: number, wall: number, rss: number, output: string }>} seconds, seconds, bytes, and what it
 *   wrote on standard output
 * @throws with its error message from standard error, if it does not exit with 0
 */
export async function measure(command) {
  const child = spawn(launcher, command, { stdio: ['ignore', 'pipe', 'pipe', 'pipe'] });
  const [output, errors, figures] = await Promise.all(
    child.stdio.slice(1).map((stream) => textOf(stream)),
  );
  const { status, ...rest } = JSON.parse(figures);
  if (status !== 0) {
    // Node names the error above its stack.
    const lines = errors.trim().split('\n');
    const named = lines.find((line) => /error/i.test(line)) ?? lines.at(-1);
    throw new Error(`ended with ${status}: ${named.trim().slice(0, 300)}`);
  }
  return { ...rest, output };
}
