// The weights of the detectors of cuts and transitions: logistic regressions over the evidence of all that might be taken for one.

import { isDissolve, isFade, OVERLAP, shareInCommon } from './spans.mjs';

/** Frames whose break is below this are never taken for cuts, and would only drown the others. */
const LEAST_BREAK = Math.log(0.05 + 0.03);
/** Labelled films are few, and made by people: each of their frames counts for that many. */
const LABELLED = 8;

/** The rows `{ evidence, cut, weight, groups }` that one film gives. */
export function observe({ film, evidence, labelled, changes, spans }) {
  const weight = labelled ? LABELLED : 1;
  const rows = [];
  const near = (frame, ranges, margin) =>
    ranges.some(([first, last]) => frame >= first - margin && frame <= last + margin);
  for (const [frame, { hard, soft }] of evidence) {
    if (near(frame, film.cuts, 1)) continue;
    // Where a fade or a dissolve was found, cuts are left out anyway.
    const { time } = changes[frame];
    if (
      near(frame, film.gradual ?? [], 1) &&
      spans.transitions.some(({ start, end }) => time >= start && time <= end)
    ) {
      continue;
    }
    if (near(frame, film.ignored ?? [], 0)) continue;
    for (const values of [hard, soft]) {
      if (values === undefined || values[1] < LEAST_BREAK) continue;
      rows.push({ evidence: values, cut: 0, weight, groups: groupsAt(film, frame) });
    }
  }
  for (const [first, last] of film.cuts) {
    const all = [];
    for (let frame = first; frame <= last; frame++) {
      const { hard, soft } = evidence.get(frame) ?? {};
      all.push(...[hard, soft].filter(Boolean));
    }
    const best = all.sort((a, b) => b[1] - a[1])[0];
    if (best)
      rows.push({ evidence: best, cut: 1, weight, groups: groupsAt(film, first) });
  }
  return rows;
}

/**
 * What the ramps of one film tell, with its labels (`labelsOf`): `{ cut, windows, groups }` of each transition and of each place that might be
 * taken for one. Many windows hold one ramp: those that have half in common with a labelled transition belong together, and so do those
 * that overlap each other where nothing is labelled; `windows` are their evidence.
 */
export function observeTransitions({ film, changes, ramps }, { gradual }) {
  const places = [];
  const add = (found, cut) => {
    if (found.length === 0) return;
    const groups = found.flatMap(({ transition }) =>
      groupsOfSpan(film, changes, transition),
    );
    const windows = found.map(({ evidence }) => evidence);
    places.push({ cut, windows, groups: [...new Set(groups)] });
  };
  for (const label of gradual) {
    const isIt = ({ transition }) =>
      transition.type === label.type && shareInCommon(transition, label) >= OVERLAP;
    add(ramps.filter(isIt), 1);
  }
  // A part of a fade is a dissolve too, but no part of a dissolve is a fade.
  const isFree = ({ transition }) =>
    gradual.every(
      (label) =>
        shareInCommon(transition, label) === 0 ||
        (label.type === 'dissolve' && transition.type !== 'dissolve'),
    );
  for (const isSuch of [isDissolve, isFade]) {
    const free = ramps.filter((ramp) => isSuch(ramp.transition) && isFree(ramp));
    for (const together of overlapping(free)) add(together, 0);
  }
  return places;
}

/** Ramps that overlap each other, directly or through others. */
function overlapping(ramps) {
  const all = [];
  let end = -Infinity;
  for (const ramp of ramps.toSorted((a, b) => a.transition.start - b.transition.start)) {
    if (ramp.transition.start >= end) all.push([]);
    all.at(-1).push(ramp);
    end = Math.max(end, ramp.transition.end);
  }
  return all;
}

/** What was filmed around the start and the end of a span. */
export function groupsOfSpan(film, changes, { start, end }) {
  const frameAt = (time) => {
    const frame = changes.findIndex((change) => change.time >= time - 1e-6);
    return frame < 0 ? changes.length - 1 : frame;
  };
  return [...new Set([start, end].flatMap((time) => groupsAt(film, frameAt(time))))];
}

/** What was filmed around a frame: the sources of its shot and of the one before. */
export function groupsAt({ name, shots }, frame) {
  if (!shots) return [name];
  let i = shots.length - 1;
  while (i > 0 && shots[i].begin > frame + 1) i--;
  return [shots[i].group, shots[Math.max(0, i - 1)].group];
}

/** How often windows are weighed anew, which then hardly changes their weights. */
const ROUNDS = 5;
/** Windows whose part in a place is less only take time. */
const LEAST_PART = 1e-3;

/**
 * The weights of transitions. Since of the windows at a place the surest counts, it is mostly that one which has to be right: windows count as
 * the odds that they have by the weights of the round before. This is multiple-instance learning (T. G. Dietterich, R. H. Lathrop
 * and T. Lozano-Pérez, "Solving the multiple instance problem with axis-parallel rectangles", Artificial Intelligence 89, 1997) with a soft maximum.
 */
export function fitTransitions(places) {
  let weights;
  for (let round = 0; round < ROUNDS; round++) {
    const rows = places.flatMap(({ cut, windows }) => {
      const parts = partsOf(windows, weights);
      return windows.flatMap((evidence, i) =>
        parts[i] < LEAST_PART ? [] : { evidence, cut, weight: parts[i] },
      );
    });
    weights = fitWeights(rows);
  }
  return weights;
}

/** How much each of the windows at a place counts, 1 in all: alike where there are no weights yet. */
function partsOf(windows, weights) {
  if (weights === undefined) return windows.map(() => 1 / windows.length);
  const odds = windows.map((evidence) =>
    evidence.reduce((sum, value, i) => sum + value * weights[i], 0),
  );
  const most = Math.max(...odds);
  const shares = odds.map((value) => Math.exp(value - most));
  const all = shares.reduce((sum, value) => sum + value, 0);
  return shares.map((value) => value / all);
}

/**
 * Newton's method, with a ridge of one row on evidence brought to a deviation of 1, which keeps signs that tell the same from growing
 * against each other.
 */
export function fitWeights(rows) {
  const scales = rows[0].evidence.map((_, i) =>
    scaleOf(rows.map((row) => row.evidence[i])),
  );
  const size = scales.length;
  let weights = new Array(size).fill(0);
  // The first is constant, and free.
  const ridge = (i) => (i === 0 ? 1e-6 : 1);
  for (let round = 0; round < 50; round++) {
    const gradient = weights.map((weight, i) => -ridge(i) * weight);
    const hessian = weights.map((_, i) =>
      weights.map((_, j) => (i === j ? ridge(i) : 0)),
    );
    for (const { evidence, cut, weight } of rows) {
      const scaled = evidence.map(
        (value, i) => (value - scales[i].mean) / scales[i].deviation,
      );
      const odds = scaled.reduce((sum, value, i) => sum + value * weights[i], 0);
      const p = 1 / (1 + Math.exp(-odds));
      for (let i = 0; i < size; i++) {
        gradient[i] += weight * (cut - p) * scaled[i];
        for (let j = 0; j < size; j++) {
          hessian[i][j] += weight * p * (1 - p) * scaled[i] * scaled[j];
        }
      }
    }
    const step = solve(hessian, gradient);
    // Long steps would leave what Newton's method converges from.
    const factor = Math.min(1, 2 / Math.max(...step.map(Math.abs)));
    weights = weights.map((weight, i) => weight + factor * step[i]);
    if (step.every((value) => Math.abs(value) < 1e-6)) break;
  }
  const plain = weights.map((weight, i) => weight / scales[i].deviation);
  const moved = plain.reduce((sum, weight, i) => sum + weight * scales[i].mean, 0);
  return [plain[0] - moved, ...plain.slice(1)];
}

/** Mean and deviation; of what is constant 0 and 1. */
function scaleOf(values) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const deviation = Math.sqrt(squares / values.length);
  return deviation === 0 ? { mean: 0, deviation: 1 } : { mean, deviation };
}

/** Gaussian elimination of a symmetric positive matrix. */
function solve(matrix, vector) {
  const rows = matrix.map((row, i) => [...row, vector[i]]);
  for (let i = 0; i < rows.length; i++) {
    for (let j = i + 1; j < rows.length; j++) {
      const factor = rows[j][i] / rows[i][i];
      for (let k = i; k <= rows.length; k++) rows[j][k] -= factor * rows[i][k];
    }
  }
  const result = new Array(rows.length).fill(0);
  for (let i = rows.length - 1; i >= 0; i--) {
    let rest = rows[i][rows.length];
    for (let k = i + 1; k < rows.length; k++) rest -= rows[i][k] * result[k];
    result[i] = rest / rows[i][i];
  }
  return result;
}
