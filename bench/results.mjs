// The results as JSON, a workload at a time, so that an interrupted run loses nothing.
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';

/** Results of one machine with one set of versions. */
export class Results {
  /** Name of a workload to what came of it. */
  workloads = {};
  #path;
  machine;

  /** Goes on with what is in the file, unless that is of another machine or of other versions. */
  static async open(path, machine) {
    const results = new Results();
    results.#path = path;
    results.machine = machine;
    const text = await readFile(path, 'utf8').catch(() => '{}');
    const { workloads, machine: theirs } = JSON.parse(text);
    const same = isDeepStrictEqual(theirs, JSON.parse(JSON.stringify(machine)));
    if (same) results.workloads = workloads;
    return results;
  }

  /** Whether a workload was measured of this commit, in as many rounds. */
  has(name, commit, rounds) {
    const found = this.workloads[name];
    return (
      found !== undefined &&
      commit !== undefined &&
      found.commit === commit &&
      !commit.endsWith('+') &&
      found.roundsAsked >= rounds
    );
  }

  async add(name, result) {
    this.workloads[name] = result;
    await mkdir(dirname(this.#path), { recursive: true });
    await writeFile(`${this.#path}.tmp`, `${JSON.stringify(this, null, 2)}\n`);
    await rename(`${this.#path}.tmp`, this.#path);
  }

  toJSON() {
    const { machine, workloads } = this;
    return { schema: 1, machine, workloads };
  }
}
