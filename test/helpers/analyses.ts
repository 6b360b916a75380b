/** Analyses that no video was decoded for, of any length. */
import type { Analysis, Sample, Shot, VideoInfo } from '../../src/index.ts';

const INFO: VideoInfo = {
  source: '/footage/day 1/a001.mov',
  container: 'mov,mp4,m4a,3gp,3g2,mj2',
  duration: 10,
  startTime: 0,
  size: 1_000_000,
  bitRate: 800_000,
  streams: [
    {
      ...{ index: 0, type: 'video', codec: 'h264', language: null },
      ...{ attachedPicture: false, default: true },
    },
  ],
  streamIndex: 0,
  codec: 'h264',
  profile: 'High',
  width: 1920,
  height: 1080,
  codedWidth: 1920,
  codedHeight: 1088,
  displayWidth: 1920,
  displayHeight: 1080,
  rotation: 0,
  flipped: false,
  sampleAspectRatio: { num: 1, den: 1 },
  pixelFormat: 'yuv420p',
  bitDepth: 8,
  color: {
    primaries: null,
    transfer: null,
    matrix: null,
    range: null,
    chromaLocation: null,
  },
  hdr: null,
  timeBase: { num: 1, den: 90_000 },
  averageFrameRate: { num: 25, den: 1 },
  variableFrameRate: false,
  frameCount: 250,
  frameCountSource: 'container',
  chapters: [],
  timecode: null,
  metadata: {},
};

/** How to make one. */
interface Recipe {
  /** Seconds of each shot. */
  readonly lengths: readonly number[];
  readonly info?: Partial<VideoInfo>;
  readonly source?: string;
  /** Samples a second. */
  readonly fps?: number;
}

/** A shot that begins with a cut, unless it is the first. */
export function madeShot({
  index,
  start,
  end,
}: Pick<Shot, 'index' | 'start' | 'end'>): Shot {
  return {
    ...{ index, start, end, confidence: index === 0 ? null : 0.9 },
    ...{ transition: index === 0 ? null : 'cut', duplicateOf: null },
    representative: (start + end) / 2,
    ...{ brightness: 120, contrast: 40, sharpness: 200, motion: 5, quality: 60 },
  };
}

/** Shots of the lengths given; of each second shot, all but its ends is a segment. */
export function madeAnalysis({ lengths, info = {}, source, fps = 2 }: Recipe): Analysis {
  const startTime = info.startTime ?? 0;
  const duration = lengths.reduce((sum, length) => sum + length, 0);
  let end = startTime;
  const shots = lengths.map((length, index) => {
    const start = end;
    end += length;
    return madeShot({ index, start, end });
  });
  const samples = Array.from({ length: Math.round(duration * fps) }, (_, i): Sample => {
    const wave = Math.sin(i / 7);
    return {
      ...{ time: startTime + i / fps, pts: Math.round((i * 90_000) / fps) },
      ...{
        keyFrame: i % 10 === 0,
        brightness: 120 + 60 * wave,
        contrast: 40 + 10 * wave,
      },
      ...{ saturation: 30, sharpness: 200 + 150 * wave, motion: 5 + 4 * wave },
      ...{ sceneScore: i % 9, hash: (i * 7919).toString(16).padStart(16, '0') },
      ...{ quality: 60 + 20 * wave },
    };
  });
  const path = source ?? INFO.source;
  return {
    schema: 2,
    source: path,
    info: { ...INFO, duration, source: path, ...info },
    options: { fps, width: 640, height: 360, start: null, end: null, cuts: true },
    decodePath: {
      ...{ backend: 'native', decoder: 'h264', hardware: null, threads: 2 },
      ...{ threadType: 'frame', fallbackReason: null },
      ...{ scaleFilter: null, scaleFallbackReason: null },
    },
    frames: Math.round(duration * 25),
    samples,
    shots,
    segments: shots
      .filter(({ index }) => index % 2 === 1)
      .map((shot) => {
        const [start, end] = [shot.start + 0.2, shot.end - 0.2];
        const of = { shot: shot.index, score: 70 - shot.index / 100, quality: 69 };
        return {
          start,
          end,
          ...of,
          motion: 10,
          samples: Math.floor((end - start) * fps),
        };
      }),
    events: shots.slice(1).map(({ start }) => {
      const at = { time: start, pts: Math.round(start * 90_000) };
      return { type: 'cut', ...at, frame: Math.round(start * 25), confidence: 0.9 };
    }),
    errors: [],
    complete: true,
  };
}
