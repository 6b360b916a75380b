// One workload: outputs are compared first, then the peers take turns, round after round.
import { mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { clipFiles } from './clips.mjs';
import { comparePictures, difference, pictureDifference } from './compare.mjs';
import { measure } from './measure.mjs';
import { wantedTimes } from './peers/peer.mjs';
import { floor, ours, reference } from './peers.mjs';
import { probe } from './probe.mjs';
import { median, ratios, spread } from './statistics.mjs';

/** @import { Peer } from './peers.mjs' */
/** @import { Work } from './peers/peer.mjs' */
/** @import { Workload } from './workloads.mjs' */

/** About how many frames of a workload are compared. */
const COMPARED_FRAMES = 24;
/** Most by which a mean luma may differ, in levels of 0–255: scalers round differently. */
const BRIGHTNESS_TOLERANCE = 0.5;

/** The size inside 640x360, of even numbers, and never enlarged. */
function sizeInside({ width, height }) {
  const factor = Math.min(640 / width, 360 / height, 1);
  const even = (side) => Math.max(2, 2 * Math.round((side * factor) / 2));
  return { width: even(width), height: even(height) };
}

/** The whole work, and what has to come of it. */
async function describe(workload, threads, log) {
  const isOwn = !workload.clip.includes('/');
  const files = isOwn ? await clipFiles(workload.clip, log) : [workload.clip];
  const clips = await Promise.all(files.map(probe));
  const [{ facts, times }] = clips;
  /** @type {Work} */
  const work = {
    files,
    threads,
    ...sizeInside(facts),
    frameDuration: 1 / facts.frameRate,
    seconds: facts.seconds,
    ...workload.work,
  };
  const all = clips.flatMap((clip) => clip.times);
  const onScreen = (time) => times.findLast((start) => start <= time + 1e-6);
  const expected =
    work.kind === 'frames' || work.kind === 'analyze'
      ? all
      : wantedTimes(work).map(onScreen);
  return { work, facts, expected: { times: expected, frames: expected.length } };
}

/** A work whose frames are all one later. */
function neighbour(work, samples) {
  if (work.kind === 'frames') return { ...work, samples: { ...samples, from: 1 } };
  const times = wantedTimes(work).map((time) => time + work.frameDuration);
  return { ...work, kind: 'times', times, samples };
}

/** Compares pictures of a workload with those of the reference. */
class PictureCheck {
  #work;
  #expected;
  #directory;
  #channels;

  static async make(work, expected, directory) {
    const check = new PictureCheck();
    check.#work = work;
    check.#expected = expected;
    check.#directory = directory;
    check.#channels = work.pixelFormat === 'gray8' ? 1 : 3;
    await check.#run(reference({ ...work, samples: check.#samples('reference') }));
    return check;
  }

  #path(name) {
    return join(this.#directory, name);
  }

  #samples(name) {
    const every = Math.ceil(this.#expected.frames / COMPARED_FRAMES);
    return { every, from: 0, path: this.#path(name) };
  }

  async #run(command) {
    const outcome = JSON.parse((await measure(command)).output);
    const wrong = difference(outcome, this.#expected);
    if (wrong) throw new Error(wrong);
  }

  /** @throws if the peer's output is not that of the reference @returns {Promise<object>} how near it is */
  async of({ name, command, check = command }) {
    await this.#run(check({ ...this.#work, samples: this.#samples(name) }));
    const found = await this.#compare(name);
    await rm(this.#path(name));
    const wrong = found.map(pictureDifference).find(Boolean);
    if (wrong) throw new Error(wrong);
    const psnr = found.map((picture) => picture.psnr);
    const meanOff = Math.max(...found.map((picture) => picture.meanOff));
    return {
      compared: found.length,
      psnr: { median: median(psnr), least: Math.min(...psnr) },
      meanOff,
    };
  }

  #compare(name) {
    const { width, height } = this.#work;
    const paths = [this.#path(name), this.#path('reference')];
    const frameBytes = width * height * this.#channels;
    return comparePictures(...paths, frameBytes, this.#channels);
  }

  /** What PSNR a peer would come to that was late by one frame: the median. */
  async ofNeighbour() {
    const samples = this.#samples('neighbour');
    await measure(reference(neighbour(this.#work, samples)));
    return median((await this.#compare('neighbour')).map(({ psnr }) => psnr));
  }
}

/** Checks that analyses sampled the same times, and saw the same brightness there. */
class AnalysisCheck {
  #work;
  #first;

  constructor(work) {
    this.#work = work;
  }

  async of({ command }) {
    const outcome = JSON.parse((await measure(command(this.#work))).output);
    this.#first ??= outcome;
    const { samples } = this.#first;
    const { length } = outcome.samples;
    if (length !== samples.length) {
      throw new Error(`${length} samples, not ${samples.length}`);
    }
    const off = outcome.samples.map(({ brightness }, i) =>
      Math.abs(brightness - samples[i].brightness),
    );
    if (!(Math.max(...off) <= BRIGHTNESS_TOLERANCE)) {
      throw new Error(`brightness differs by ${Math.max(...off)}`);
    }
    return { samples: length, cuts: outcome.cuts };
  }
}

/** Compares the outputs of all peers. Those that fail are told apart, with the reason. */
async function check(runners, work, expected) {
  const directory = await mkdtemp(join(tmpdir(), 'rushes-bench-'));
  const passed = new Map();
  const failed = {};
  try {
    const checker =
      work.kind === 'analyze'
        ? new AnalysisCheck(work)
        : await PictureCheck.make(work, expected, directory);
    for (const peer of runners) {
      try {
        passed.set(peer, peer.check === null ? {} : await checker.of(peer));
      } catch (error) {
        failed[peer.name] = error.message;
      }
    }
    return { passed, failed, neighbour: await checker.ofNeighbour?.() };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Lets the peers take turns; who begins changes, so that no one always follows the same one. */
async function takeTurns(runners, work, rounds, log) {
  const runs = new Map(runners.map((peer) => [peer, []]));
  for (let round = 0; round < rounds; round++) {
    log(`round ${round + 1} of ${rounds} …`);
    for (let i = 0; i < runners.length; i++) {
      const peer = runners[(i + round) % runners.length];
      const { cpu, wall, rss } = await measure(peer.command(work));
      runs.get(peer).push({ cpu, wall, rss });
    }
  }
  return runs;
}

function summarize(runs, passed) {
  const cpuOf = (name) => {
    const found = [...runs].find(([peer]) => peer.name === name);
    return found?.[1].map(({ cpu }) => cpu);
  };
  return Object.fromEntries(
    [...runs].map(([peer, all]) => {
      const cpu = all.map((run) => run.cpu);
      const ratioTo = (name) => cpuOf(name) && ratios(cpu, cpuOf(name));
      return [
        peer.name,
        {
          ...passed.get(peer),
          cpu: spread(cpu),
          wall: spread(all.map((run) => run.wall)),
          rss: Math.max(...all.map((run) => run.rss)),
          toFloor: ratioTo(floor),
          toOurs: ratioTo(ours),
          runs: all,
        },
      ];
    }),
  );
}

/**
 * Runs a workload.
 *
 * @param {Workload} workload
 * @param {Peer[]} peers those that can run here
 * @param {{ rounds: number, threads: number, log: (line: string) => void }} options
 * @returns its results, as JSON
 */
export async function runWorkload(workload, peers, { rounds, threads, log }) {
  const { work, facts, expected } = await describe(workload, threads, log);
  const notRun = {};
  const runners = peers.filter((peer) => {
    if (workload.peers && !workload.peers.includes(peer.name)) return false;
    if (!peer.does.includes(work.kind)) return false;
    const reason = peer.refuses?.(work);
    if (reason) notRun[peer.name] = reason;
    return !reason;
  });
  log('comparing outputs …');
  const { passed, failed, neighbour } = await check(runners, work, expected);
  const loadBefore = loadavg()[0];
  const most = Math.min(rounds, workload.rounds ?? rounds);
  const runs = await takeTurns([...passed.keys()], work, most, log);
  const { files: _, samples: __, ...wanted } = work;
  return {
    title: workload.title,
    goal: workload.goal,
    date: new Date().toISOString(),
    load: [loadBefore, loadavg()[0]],
    clip: { files: work.files.length, ...facts },
    work: wanted,
    neighbourPsnr: neighbour,
    rounds: most,
    peers: summarize(runs, passed),
    notRun: { ...notRun, ...failed },
  };
}
