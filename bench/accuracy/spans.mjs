// How well spans of time agree with labels.
import { median } from '../statistics.mjs';
import { summarise } from './score.mjs';

/** What a span found and a labelled one have in common, at least, as a share of what they cover together. */
const OVERLAP = 0.5;

const isFade = ({ type }) => type.startsWith('fade');
const comesIntoView = ({ type }) => type === 'enters';

/**
 * By kind: which labels are of it, what was found of it, and labels where it may be found or not: words that come into view on a black
 * card do what a fade does.
 */
const KINDS = {
  dissolves: {
    labelled: ({ gradual }) => gradual.filter(({ type }) => type === 'dissolve'),
    found: ({ transitions }) => transitions.filter(({ type }) => type === 'dissolve'),
    either: ({ gradual }) => gradual.filter(comesIntoView),
  },
  fades: {
    labelled: ({ gradual }) => gradual.filter(isFade),
    found: ({ transitions }) => transitions.filter(isFade),
    either: ({ gradual }) => gradual.filter(comesIntoView),
  },
};

/**
 * Scores of each kind of span over many examined films; `distances` are how far off the starts and ends of those found are, in seconds:
 * the median, and what a tenth exceeds.
 */
export function scoreSpans(films) {
  const scores = Object.entries(KINDS).map(([kind, { labelled, found, either }]) => {
    const matches = films.map(({ film, changes, spans }) => {
      const labels = inSeconds(film, changes);
      return matchSpans(found(spans), labelled(labels), either(labels));
    });
    const distances = matches.flatMap((match) => match.distances);
    return [kind, { ...summarise(matches), distances: summariseDistances(distances) }];
  });
  return Object.fromEntries(scores);
}

/** The labelled ranges of a film as spans, `{ start, end, type }` in seconds. */
function inSeconds({ gradual }, changes) {
  const timeOf = (frame) => changes[Math.min(frame, changes.length - 1)].time;
  const spans = (ranges) =>
    ranges.map(([first, last, type]) => ({
      ...{ start: timeOf(first), end: timeOf(last), type },
    }));
  return { gradual: spans(gradual) };
}

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
function shareInCommon(a, b) {
  const common = Math.min(a.end, b.end) - Math.max(a.start, b.start);
  const all = Math.max(a.end, b.end) - Math.min(a.start, b.start);
  return Number((Math.max(0, common) / all).toFixed(6));
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
