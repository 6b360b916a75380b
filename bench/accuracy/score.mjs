// How well cuts agree with labels.

/**
 * Matches the frames found with the cuts of a film, `[first, last]` frames each: every cut once, and none farther away than
 * `tolerance`. What lies in `ignored` ranges (half-open) neither counts for nor against.
 */
export function matchCuts(found, { cuts, ignored = [] }, tolerance) {
  const open = new Set(cuts);
  const wrong = [];
  let right = 0;
  for (const frame of found) {
    const near = [...open].find(
      ([first, last]) => frame >= first - tolerance && frame <= last + tolerance,
    );
    if (near) {
      open.delete(near);
      right += 1;
    } else if (!ignored.some(([begin, end]) => frame >= begin && frame < end)) {
      wrong.push(frame);
    }
  }
  return { right, wrong, missed: [...open].map(([first]) => first) };
}

/** Precision, recall and F1 over many films. */
export function summarise(matches) {
  const right = sum(matches.map((match) => match.right));
  const wrong = sum(matches.map((match) => match.wrong.length));
  const missed = sum(matches.map((match) => match.missed.length));
  return {
    ...{ right, wrong, missed },
    precision: ratio(right, right + wrong),
    recall: ratio(right, right + missed),
    f1: ratio(2 * right, 2 * right + wrong + missed),
  };
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}

function ratio(part, whole) {
  return whole === 0 ? 1 : Number((part / whole).toFixed(4));
}
