/** Luma of made pictures, by place. */
export type Picture = (x: number, y: number) => number;

/** 0–1, always the same for a seed. */
export function random(seed: number): number {
  return (((Math.sin(seed) * 43758.5453) % 1) + 1) % 1;
}
