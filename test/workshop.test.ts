import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { inWorkshop } from '../scripts/workshop.mjs';

const SCRIPT = new URL('../scripts/workshop.mjs', import.meta.url).href;
const folder = mkdtempSync(join(tmpdir(), 'rushes-workshop-'));
const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

/** A process that is at work, and the name of its folder. */
async function startWork() {
  const code = `
    import { inWorkshop } from '${SCRIPT}';
    import { writeFileSync } from 'node:fs';
    await inWorkshop(process.argv[1], '.making-', async (workshop) => {
      writeFileSync(workshop + '/half', '');
      console.log(workshop);
      await new Promise((done) => setTimeout(done, 600_000));
    });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const [path] = await once(child.stdout, 'data');
  return {
    child,
    name: String(path)
      .trim()
      .slice(folder.length + 1),
  };
}

test('what killed work has left is cleared by the next, what is at work is not', async () => {
  const killed = await startWork();
  const alive = await startWork();
  killed.child.kill('SIGKILL');
  await once(killed.child, 'exit');
  writeFileSync(join(folder, 'clip.mp4'), '');
  expect(readdirSync(folder).sort()).toEqual(
    [killed.name, alive.name, 'clip.mp4'].sort(),
  );
  const result = await inWorkshop(folder, '.making-', async (workshop) => {
    expect(readdirSync(workshop)).toEqual([]);
    expect(readdirSync(folder)).not.toContain(killed.name);
    return 1;
  });
  expect(result).toBe(1);
  expect(readdirSync(folder).sort()).toEqual([alive.name, 'clip.mp4'].sort());
});
