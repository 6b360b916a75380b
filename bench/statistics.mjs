/** The middle value; of an even number, the mean of the two in the middle. */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1] + sorted[Math.floor(middle)]) / 2;
}

/** Median, least and greatest of what each round gave. */
export function spread(values) {
  return {
    median: median(values),
    least: Math.min(...values),
    greatest: Math.max(...values),
  };
}

/** The spread of the ratios of what two peers took in the same round. */
export function ratios(values, others) {
  return spread(values.map((value, round) => value / others[round]));
}
