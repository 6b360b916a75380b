import type { Analysis, Sample } from '../analysis.ts';

const COLUMNS: readonly (keyof Sample)[] = [
  'time',
  'pts',
  'keyFrame',
  'brightness',
  'contrast',
  'saturation',
  'sharpness',
  'motion',
  'sceneScore',
  'hash',
  'quality',
];

/**
 * One line for each sample, with the names of {@link Sample}'s fields above them and the index of its shot in a last column, `shot`.
 * RFC 4180, with a line feed alone at the ends of lines; decimal points; `keyFrame` is 1 or 0.
 */
export function toCsv(analysis: Analysis): string {
  let shot = 0;
  const lines = analysis.samples.map((sample) => {
    while (sample.time >= (analysis.shots[shot + 1]?.start ?? Number.POSITIVE_INFINITY))
      shot++;
    const cells = COLUMNS.map((name) => {
      const value = sample[name];
      return typeof value === 'boolean' ? Number(value) : value;
    });
    return [...cells, shot].join(',');
  });
  return `${[[...COLUMNS, 'shot'].join(','), ...lines].join('\n')}\n`;
}
