// How well spans of time, and the boxes inside of bars, agree with the labels of made films.
import { median } from '../statistics.mjs';
import { FILTERS, FREEZE } from './filters.mjs';
import { summarise } from './score.mjs';

/** What a span found and a labelled one have in common, at least, as a share of what they cover together. */
export const OVERLAP = 0.5;
/** Pixels that a side of a box may be off: chroma is of two, and encoders blur the edge of a bar by as many. */
const BOX_TOLERANCE = 2;

export const isFade = ({ type }) => type.startsWith('fade');
export const isDissolve = ({ type }) => type === 'dissolve';
/** Neither looks for frozen pictures that are shorter. */
const isLong = ({ start, end }) => end - start >= FREEZE - 1e-6;
/** Words that come into view on a black card do what a fade does. */
const comesIntoView = ({ type }) => type === 'enters';

/**
 * By kind: which labels are of it, what was found of it, labels where it may be found or not, and the filter beside it. A fade through
 * black is black for a while that no label tells, and so are shots that were made dark; drawn shots, and still ones that something was done
 * to, stand still for a while.
 */
const KINDS = {
  dissolves: {
    labelled: ({ gradual }) => gradual.filter(isDissolve),
    found: ({ transitions }) => transitions.filter(isDissolve),
    either: ({ gradual }) => gradual.filter(comesIntoView),
  },
  fades: {
    labelled: ({ gradual }) => gradual.filter(isFade),
    found: ({ transitions }) => transitions.filter(isFade),
    either: ({ gradual }) => gradual.filter(comesIntoView),
  },
  black: {
    labelled: ({ black }) => black,
    found: ({ black }) => black,
    either: ({ gradual, dark }) => [
      ...gradual.filter((span) => !isDissolve(span)),
      ...dark,
    ],
    filter: FILTERS.black,
  },
  freezes: {
    labelled: ({ freezes }) => freezes.filter(isLong),
    found: ({ freezes }) => freezes,
    either: ({ gradual, black, freezes, still }) => [
      ...gradual.filter((span) => !isDissolve(span)),
      ...freezes.filter((span) => !isLong(span)),
      ...black,
      ...still,
    ],
    filter: FILTERS.freezes,
  },
};

/**
 * The scores, by title, of each kind of span over many examined films, and of the boxes; `distances` are how far off the starts and ends of
 * those found are, in seconds: the median, and what a tenth exceeds.
 */
export function scoreSpans(films) {
  const scores = [];
  const score = (title, matches) => {
    const distances = matches.flatMap((match) => match.distances ?? []);
    scores.push([
      title,
      { ...summarise(matches), distances: summariseDistances(distances) },
    ]);
  };
  const labels = films.map(labelsOf);
  for (const [kind, { labelled, found, either, filter }] of Object.entries(KINDS)) {
    const match = (spans, i) =>
      matchSpans(found(spans), labelled(labels[i]), either(labels[i]));
    score(
      `rushes, ${kind}`,
      films.map(({ spans }, i) => match(spans, i)),
    );
    if (filter)
      score(
        `${filter}, ${kind}`,
        films.map(({ filtered }, i) => match(filtered, i)),
      );
  }
  const matchBoxes = (boxesOf) =>
    films.map((one) => matchBox(mostlyShown(boxesOf(one)), one.film.crop, one.size));
  score('rushes, bars', matchBoxes(boxesOfBorders));
  score(
    `${FILTERS.boxes}, bars`,
    matchBoxes(({ filtered }) => filtered.boxes),
  );
  return Object.fromEntries(scores);
}

/** The scores of dissolves and fades alone, over `{ labels, transitions }` of many films; only what `concerns` a film counts of it. */
export function scoreTransitions(films) {
  const scores = ['dissolves', 'fades'].map((kind) => {
    const { labelled, found, either } = KINDS[kind];
    const matches = films.map(({ labels, transitions, concerns }) => {
      const all = labelled(labels);
      const match = matchSpans(found({ transitions }), all, either(labels));
      const [wrong, missed] = [
        match.wrong.filter(concerns),
        match.missed.filter(concerns),
      ];
      return { right: all.filter(concerns).length - missed.length, wrong, missed };
    });
    return [kind, summarise(matches)];
  });
  return Object.fromEntries(scores);
}

/** The labelled ranges of a film as spans, `{ start, end, type }` in seconds. */
export function labelsOf({ film, changes }) {
  const timeOf = (frame) => changes[Math.min(frame, changes.length - 1)].time;
  const spans = (ranges, kind) =>
    ranges.map(([first, last, type = kind]) => ({
      ...{ start: timeOf(first), end: timeOf(last), type },
    }));
  const { gradual, black, freezes, shots, frames } = film;
  const rangesOf = (isSuch) =>
    shots.flatMap((shot, i) =>
      isSuch(shot) ? [[shot.begin, shots[i + 1]?.begin ?? frames]] : [],
    );
  const dark = rangesOf(({ tricks }) => tricks.some((name) => DARK.includes(name)));
  const still = rangesOf(
    ({ group, tricks }) => tricks.includes('still') || DRAWN.includes(group),
  ).filter(([begin, end]) =>
    freezes.every(([first, last]) => first >= end || last <= begin),
  );
  return {
    ...{ gradual: spans(gradual), black: spans(black, 'black') },
    ...{ freezes: spans(freezes, 'freeze'), dark: spans(dark), still: spans(still) },
  };
}

/** Tricks, and groups of sources. */
const DARK = ['dark', 'gloom'];
const DRAWN = ['titles', 'screens'];

/** Matches every labelled span once, with one of its type. What is found where there is `either` counts neither for nor against. */
function matchSpans(found, labelled, either) {
  const open = new Set(labelled);
  const wrong = [];
  const distances = [];
  for (const span of found) {
    const near = [...open].find(
      (other) => other.type === span.type && shareInCommon(span, other) >= OVERLAP,
    );
    if (near) {
      open.delete(near);
      distances.push(Math.abs(near.start - span.start), Math.abs(near.end - span.end));
    } else if (!either.some((other) => shareInCommon(span, other) > 0)) {
      wrong.push(span);
    }
  }
  return { right: labelled.length - open.size, wrong, missed: [...open], distances };
}

/** To a millionth, because times in seconds are not exact, and half has to be half. */
export function shareInCommon(a, b) {
  const common = Math.min(a.end, b.end) - Math.max(a.start, b.start);
  const all = Math.max(a.end, b.end) - Math.min(a.start, b.start);
  return Number((Math.max(0, common) / all).toFixed(6));
}

/** rushes tells a box for each run of shots. */
function boxesOfBorders({ borders, changes }) {
  const length = changes.at(-1).time - changes[0].time;
  return borders.map(({ start, end, crop }) => ({ crop, share: (end - start) / length }));
}

/** The box of a film that holds for more than half of it, if there is one. */
function mostlyShown(boxes) {
  return boxes.find(({ crop }) => {
    const alike = boxes.filter((other) => isSameBox(other.crop, crop));
    return alike.reduce((sum, { share }) => sum + share, 0) > 0.5;
  })?.crop;
}

/** A box of the whole picture is none. */
function matchBox(found, labelled, { width, height }) {
  const whole = { left: 0, top: 0, width, height };
  const isFound = found !== undefined && !isSameBox(found, whole);
  const isRight = isFound && labelled !== undefined && isSameBox(found, labelled);
  return {
    right: isRight ? 1 : 0,
    wrong: isFound && !isRight ? [found] : [],
    missed: labelled && !isRight ? [labelled] : [],
  };
}

function isSameBox(a, b) {
  const sides = ({ left, top, width, height }) => [
    ...[left, top, left + width, top + height],
  ];
  const others = sides(b);
  return sides(a).every((side, i) => Math.abs(side - others[i]) <= BOX_TOLERANCE);
}

function summariseDistances(distances) {
  if (distances.length === 0) return undefined;
  const sorted = distances.toSorted((a, b) => a - b);
  const seconds = (value) => Number(value.toFixed(4));
  return {
    median: seconds(median(sorted)),
    tenth: seconds(sorted[Math.floor(sorted.length * 0.9)]),
  };
}
