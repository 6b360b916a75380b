// What is done to a whole film once it is joined, and what that makes of its frame numbers.

/** `frames` of how many come out, and where a frame is first and last seen. */
export const PROCESSES = {
  /** 2:3 pulldown: ten fields, five frames, of four; two of the five mix neighbours. */
  telecined: {
    filter: 'telecine=pattern=23',
    rate: () => '30000/1001',
    frames: (count) => Math.floor((count * 5) / 4),
    first: (n) => Math.floor(n / 4) * 5 + (n % 4),
    last: (n) => Math.floor(n / 4) * 5 + (n % 4) + (n % 4 >= 2 ? 1 : 0),
  },
  /** Each frame is of the lines of two. */
  interlaced: {
    filter: 'tinterlace=mode=interleave_top',
    rate: (rate) => (rate === '50' ? '25' : '30000/1001'),
    frames: (count) => Math.floor(count / 2),
    first: (n) => Math.floor(n / 2),
    last: (n) => Math.ceil(n / 2),
  },
  /** Shown at 60 a second, by repeating frames. */
  repeated: {
    ratio: (rate) => 60 / Number(rate),
    rate: () => '60',
    frames: (count, ratio) => Math.ceil(count * ratio),
    first: (n, ratio) => Math.ceil(n * ratio),
    last: (n, ratio) => Math.ceil(n * ratio),
  },
};

/** The labels of a film after `process`. */
export function labelsAfter({ filter, ratio, ...process }, labels) {
  const by = ratio?.(labels.rate);
  const first = (n) => process.first(n, by);
  const last = (n) => process.last(n, by);
  const ranges = (list) => list.map(([a, b, ...rest]) => [first(a), last(b), ...rest]);
  return {
    ...labels,
    rate: process.rate(labels.rate),
    frames: process.frames(labels.frames, by),
    cuts: labels.cuts.map(([a, b]) => [first(a), last(b)]),
    gradual: ranges(labels.gradual),
    black: ranges(labels.black),
    freezes: ranges(labels.freezes),
    shots: labels.shots.map((shot) => ({ ...shot, begin: first(shot.begin) })),
  };
}

/** The frames of a film, each as often as `ratio` has it; `written` came before. */
export function repeated(frames, written, ratio) {
  return frames.flatMap((frame, i) => {
    const n = written + i;
    return new Array(Math.ceil((n + 1) * ratio) - Math.ceil(n * ratio)).fill(frame);
  });
}
