// What is measured: on which clip, and what of it is handed over.
import { basename } from 'node:path';

/** @import { Work } from './peers/peer.mjs' */

/**
 * @typedef {object} Workload
 * @property {string} name for `--only`, and the key of its results
 * @property {string} title for people
 * @property {string} clip a name in clips.mjs, or a file
 * @property {Partial<Work>} work
 * @property {string[]} [peers] who is measured; left out, everyone who can do it
 * @property {number} [rounds] most rounds, where more would only take time
 * @property {{ toFloor?: number, rss?: number, times?: [number, string], ms?: number }} [goal] what we want to reach: at
 *   most so many times the CPU time of decoding alone, at most so many bytes, so many times less CPU time than a
 *   peer, at most so many milliseconds
 */

const rgb = { kind: 'frames', pixelFormat: 'rgb24' };
const wholeSeconds = Array.from({ length: 20 }, (_, i) => i);

/** Ten frames in no order, each asked for in the middle of the time that it is on screen. */
const someFrames = [511, 87, 303, 12, 596, 244, 389, 160, 455, 201];
const someTimes = someFrames.map((frame) => (frame + 0.5) / 30);

/** Without the peers that only repeat another one with a slower scaler. */
const quickest = [
  ...['rushes', 'rushes-prebuilt', 'ffmpeg-decode', 'ffmpeg-area', 'ffmpeg-pipe-area'],
  ...['plain-c-area', 'node-av', 'beamcoder', 'mediabunny'],
];

/** @type {Workload[]} */
const made = [
  {
    name: 'every-frame-rgb24',
    title: 'every frame as rgb24, 1080p H.264 of 15 Mb/s',
    clip: 'h264-1080p-16m.mp4',
    work: rgb,
    goal: { toFloor: 1.06, rss: 120e6 },
  },
  {
    name: 'every-frame-rgb24-low-rate',
    title: 'every frame as rgb24, 1080p H.264 of a low bit rate',
    clip: 'h264-1080p-low.mp4',
    work: rgb,
    goal: { toFloor: 1.5, rss: 120e6 },
  },
  {
    name: 'every-frame-gray8-low-rate',
    title: 'every frame as gray8, 1080p H.264 of a low bit rate',
    clip: 'h264-1080p-low.mp4',
    work: { kind: 'frames', pixelFormat: 'gray8' },
    peers: quickest,
    goal: { toFloor: 1.35 },
  },
  {
    name: 'one-a-second',
    title: 'a frame a second, 1080p H.264 of a low bit rate',
    clip: 'h264-1080p-low.mp4',
    work: { kind: 'rate', pixelFormat: 'rgb24', fps: 1 },
    peers: quickest,
  },
  {
    name: 'twenty-times',
    title: '20 exact frames at 0…19 s of 20 s with three key frames',
    clip: 'h264-1080p-16m.mp4',
    work: { kind: 'times', pixelFormat: 'rgb24', times: wholeSeconds },
    peers: quickest,
    goal: { toFloor: 0.62 },
  },
  {
    name: 'ten-random',
    title: '10 exact frames in random order, same clip',
    clip: 'h264-1080p-16m.mp4',
    work: { kind: 'times', pixelFormat: 'rgb24', times: someTimes },
    peers: [...quickest, 'ffmpeg-seek'],
  },
  {
    name: 'analysis',
    title:
      'analysis: 2 samples a second, cuts in every frame, 1080p H.264 of a low bit rate',
    clip: 'h264-1080p-low.mp4',
    work: { kind: 'analyze', fps: 2 },
    goal: { toFloor: 1.35 },
  },
  {
    name: 'analysis-high-rate',
    title: 'analysis: the same, 1080p H.264 of 15 Mb/s',
    clip: 'h264-1080p-16m.mp4',
    work: { kind: 'analyze', fps: 2 },
  },
  {
    name: 'short-files',
    title: '50 files of one second, every frame as rgb24 320x180',
    clip: 'short',
    work: { ...rgb, width: 320, height: 180, threads: 1 },
    peers: quickest,
    goal: { times: [5, 'ffmpeg-pipe-area'] },
  },
  {
    name: 'h264-4k',
    title: 'every frame as rgb24, 4K H.264',
    clip: 'h264-4k.mp4',
    work: rgb,
    peers: quickest,
  },
  {
    name: 'hevc',
    title: 'every frame as rgb24, 1080p HEVC',
    clip: 'hevc-1080p.mp4',
    work: rgb,
    peers: quickest,
  },
  {
    name: 'vp9',
    title: 'every frame as rgb24, 1080p VP9',
    clip: 'vp9-1080p.webm',
    work: rgb,
    peers: quickest,
  },
  {
    name: 'av1',
    title: 'every frame as rgb24, 1080p AV1',
    clip: 'av1-1080p.mp4',
    work: rgb,
    peers: quickest,
  },
  {
    name: 'ten-minutes',
    title: 'memory: every frame of ten minutes as rgb24',
    clip: 'h264-1080p-10min.mp4',
    work: rgb,
    peers: ['rushes'],
    rounds: 2,
    goal: { rss: 120e6 },
  },
];

/** What is measured of a clip that somebody brings. */
function ofFile(file) {
  const name = basename(file);
  const workload = (key, title, work) => ({
    name: `${key}:${name}`,
    title: `${title}, ${name}`,
    clip: file,
    work,
  });
  return [
    workload('every-frame-rgb24', 'every frame as rgb24', rgb),
    workload('every-frame-gray8', 'every frame as gray8', {
      ...rgb,
      pixelFormat: 'gray8',
    }),
    workload('one-a-second', 'a frame a second', { ...rgb, kind: 'rate', fps: 1 }),
    workload('analysis', 'analysis at 2 samples a second', { kind: 'analyze', fps: 2 }),
  ];
}

/** The work of these files, or, without any, of the clips that the suite makes. */
export function workloads(files) {
  return files.length > 0 ? files.flatMap(ofFile) : made;
}
