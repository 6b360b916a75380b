// One measured run of bench/import.mjs, in a process of its own: reads a job as JSON from its argument, prints figures as JSON.
//
//   { "mode": "import", "clips": […], "cacheDirectory", "budget", "times", "check" }   importVideos, so many times
//   { "mode": "whole", "clips": […], "reference": PATH, "check" }                      whole clips, one by one
//
// `check`: also says what the measures come to, outside of the time that is measured.
import { createHash } from 'node:crypto';
import { pathToFileURL } from 'node:url';
import { AnalysisCache, importVideos, MemoryMonitor, openVideo } from '../dist/index.mjs';

/** Seconds of wall and of CPU time, of all threads, since the call. */
function stopwatch() {
  const began = performance.now();
  const cpu = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(cpu);
    return { seconds: (performance.now() - began) / 1000, cpu: (user + system) / 1e6 };
  };
}

/** The highest resident set in bytes while each quarter of the clips was under way, looked at 100 times a second. */
function watchMemory(total) {
  const quarters = [0, 0, 0, 0];
  let done = 0;
  const look = () => {
    const quarter = Math.min(3, Math.floor((4 * done) / total));
    quarters[quarter] = Math.max(quarters[quarter], process.memoryUsage.rss());
  };
  const timer = setInterval(look, 10);
  return {
    clipDone() {
      look();
      done += 1;
    },
    end() {
      clearInterval(timer);
      return quarters;
    },
  };
}

/** Without what does not follow from the pixels: path, decoder, threads. */
function digestOf({ frames, samples, events }) {
  const text = JSON.stringify({ frames, samples, events });
  return createHash('sha256').update(text).digest('hex');
}

/** Does `work`, which calls back with each clip's analysis, and measures it. */
async function measure({ clips, check }, work) {
  const kept = [];
  const elapsed = stopwatch();
  const memory = watchMemory(clips.length);
  await work((source, analysis) => {
    memory.clipDone();
    if (check) kept.push([source, analysis]);
  });
  const quarters = memory.end();
  const digests = kept.map(([source, analysis]) => [source, digestOf(analysis)]);
  return { ...elapsed(), quarters, digests: Object.fromEntries(digests) };
}

async function runImport(job) {
  const { clips, cacheDirectory, budget, times = 1 } = job;
  const directory = cacheDirectory;
  const cache = directory === undefined ? undefined : new AnalysisCache({ directory });
  const monitor = new MemoryMonitor({ budget }).start();
  const runs = [];
  for (let i = 0; i < times; i++) {
    let cached = 0;
    const figures = await measure(job, async (clipDone) => {
      for await (const result of importVideos(clips, { cache, monitor })) {
        if (result.error !== undefined) throw result.error;
        cached += result.cached ? 1 : 0;
        clipDone(result.source, result.analysis);
      }
    });
    runs.push({ ...figures, cached });
  }
  monitor.close();
  await cache?.close();
  return runs;
}

/**
 * What an importer does that loads clips: all frames of a clip as they are decoded, and then, as `analyze` does, each
 * shrunk to 640x360 (exactly half, so by the mean of four), compared with the one before, and measured twice a second.
 */
async function runWhole(job) {
  const reference = await import(pathToFileURL(job.reference).href);
  let decoding = 0;
  const figures = await measure(job, async (clipDone) => {
    for (const clip of job.clips) {
      const began = performance.now();
      const video = await openVideo(clip, { pixelFormat: 'native' });
      const frames = [];
      for await (const frame of video.frames()) frames.push(frame);
      await video.close();
      decoding += (performance.now() - began) / 1000;
      clipDone(clip, analyzeFrames(frames, reference));
    }
  });
  return [{ ...figures, decoding }];
}

function analyzeFrames(frames, reference) {
  const { ChangeMeter, CutDetector, measureLuma, motion } = reference;
  const sampled = new Set();
  for (let time = 0; time <= frames.at(-1).time; time += 0.5) {
    sampled.add(frames.findLast((frame) => frame.time <= time));
  }
  const meter = new ChangeMeter();
  const detector = new CutDetector();
  const samples = [];
  const decided = [];
  let lastTime = frames[0].time;
  for (const frame of frames) {
    const { data, width, height, time, pts, keyFrame } = frame;
    const size = width * height;
    const luma = half(data.subarray(0, size), width, height);
    const [u, v] = [size, (size * 5) / 4].map((at) =>
      halfChroma(data.subarray(at, at + size / 4), width / 2, height / 2),
    );
    const change = meter.next({ luma, u, v, fullRange: false }, time);
    decided.push(...detector.push({ time, pts, ...change }));
    if (sampled.has(frame)) {
      const { brightness, contrast, sharpness, hash } = measureLuma(luma);
      const saturation = reference.meanSaturation(u, v);
      samples.push({
        ...{ time, pts, keyFrame, brightness, contrast, saturation, sharpness },
        motion: motion(change.difference, time - lastTime),
        sceneScore: 0, // the detector decides later
        hash,
        quality: reference.quality({ brightness, contrast, sharpness }),
      });
    }
    lastTime = time;
  }
  decided.push(...detector.finish());
  for (const sample of samples) {
    sample.sceneScore = decided.find(({ pts }) => pts === sample.pts).sceneScore;
  }
  const events = decided.flatMap(({ cut }) => (cut === null ? [] : [cut]));
  return { frames: frames.length, samples, events };
}

/** A plane of half the width and height: the mean of four samples each. */
function half(data, width, height) {
  const [w, h] = [width / 2, height / 2];
  const out = new Uint8Array(w * h);
  for (let y = 0, to = 0; y < h; y++) {
    for (let x = 0, at = 2 * y * width; x < w; x++, at += 2, to++) {
      const sum = data[at] + data[at + 1] + data[at + width] + data[at + width + 1];
      out[to] = (sum + 2) >> 2;
    }
  }
  return { data: out, width: w, height: h, stride: w };
}

/**
 * The same for chroma, which lies on the left one of two luma samples, here and there: a quarter of a sample further to the left
 * (Note [Area averages] in native/area_filter.h).
 */
function halfChroma(data, width, height) {
  const [w, h] = [width / 2, height / 2];
  const out = new Uint8Array(w * h);
  for (let y = 0, to = 0; y < h; y++) {
    for (let x = 0, at = 2 * y * width; x < w; x++, at += 2, to++) {
      const left = x === 0 ? at : at - 1;
      const column = (from) => data[from] + data[from + width];
      out[to] = (column(left) + 4 * column(at) + 3 * column(at + 1) + 8) >> 4;
    }
  }
  return { data: out, width: w, height: h, stride: w };
}

const job = JSON.parse(process.argv[2]);
const runs = await (job.mode === 'whole' ? runWhole : runImport)(job);
const peak = process.resourceUsage().maxRSS * 1024;
const { user, system } = process.cpuUsage();
process.stdout.write(JSON.stringify({ runs, peak, cpu: (user + system) / 1e6 }));
