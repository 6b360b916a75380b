// What kinds of films are made: each has what it is made of, what is done to its shots, and how they follow each other.

const TRICKS = {
  ...{ dark: 0.16, flash: 0.12, exposure: 0.06, noise: 0.1, grey: 0.06, pan: 0.08 },
  ...{ shake: 0.07, passing: 0.08, caption: 0.08, twos: 0.1, fast: 0.06, zoom: 0.05 },
  ...{ strobe: 0.03, whip: 0.06, handheld: 0.06, hue: 0.04, lights: 0.03, freeze: 0.04 },
};

const JOINTS = {
  cut: 78,
  blended: 4,
  dissolve: 7,
  fade: 5,
  white: 2,
  black: 2,
  pause: 2,
};

const RATES = '12 15 24000/1001 24 25 30000/1001 30 48 50 60'.split(' ');
const SIZES = [
  [480, 270],
  [426, 240],
  [320, 180],
  [320, 240],
];

/** A film of anything. */
const ORDINARY = {
  ...{ name: 'ordinary', rates: RATES, sizes: SIZES, tricks: TRICKS, joints: JOINTS },
  /** How often a source comes: 0 never. */
  share: ({ draw }) => (draw ? 0 : 1),
  /** How often a jump cut is made. */
  jumps: 0.12,
};

const style = (name, changes) => ({ ...ORDINARY, name, ...changes });
const filmed = ['24', '25', '30', '24000/1001'];

/** Those that one thing goes through. */
const THEMES = [
  style('titles', {
    ...{
      rates: filmed,
      share: ({ group, draw }) => (group === 'titles' ? 12 : draw ? 0 : 1),
    },
    ...{ tricks: { dark: 0.4, noise: 0.1, caption: 0.1, enters: 0.15 }, jumps: 0.3 },
    joints: { cut: 80, fade: 10, pause: 10 },
  }),
  style('dark', {
    tricks: { ...TRICKS, dark: 0, gloom: 1, grain: 0.3, flash: 0.1 },
    joints: { ...JOINTS, pause: 5 },
  }),
  style('letterbox', {
    ...{ rates: filmed, tricks: { ...TRICKS, grain: 0.3, noise: 0 } },
    // Shares of the height or the width that bars take on either side.
    bars: [
      ['height', 0.12],
      ['height', 0.06],
      ['width', 0.125],
    ],
  }),
  style('low rate', {
    ...{ rates: ['5', '6', '8', '10', '12'], jumps: 0.05 },
    tricks: {
      ...TRICKS,
      twos: 0,
      fast: 0,
      whip: 0,
      strobe: 0,
      noise: 0.2,
      exposure: 0.1,
    },
  }),
  style('slideshow', {
    tricks: { still: 0.9, caption: 0.1, zoom: 0.25, dark: 0.1, grey: 0.1 },
    joints: { cut: 70, dissolve: 30 },
  }),
  style('screens', {
    share: ({ group, draw }) => (group === 'screens' ? 6 : draw ? 3 : 1),
    ...{ tricks: { caption: 0.1 }, joints: { cut: 95, dissolve: 5 }, jumps: 0 },
  }),
  style('animation', {
    ...{
      rates: ['24', '24000/1001', '30'],
      tricks: { ...TRICKS, twos: 0.5, threes: 0.5 },
    },
    share: ({ group, draw }) =>
      group === 'bunny' || group === 'sintel' ? 4 : draw ? 0 : 1,
  }),
  style('hand-held', {
    tricks: {
      ...TRICKS,
      handheld: 0.6,
      whip: 0.3,
      shake: 0.2,
      passing: 0.15,
      exposure: 0.15,
    },
    jumps: 0.05,
  }),
  style('interlaced', { rates: ['50', '60000/1001'], process: 'interlaced' }),
  style('repeated', { rates: ['24', '25'], process: 'repeated' }),
  style('grey', { tricks: { ...TRICKS, grey: 1, grain: 0.2, noise: 0 }, jumps: 0.05 }),
];

/** Of three films one is of a theme, so that figures are of what is usual and of what is hard. */
export function styleOf(index) {
  if (index % 10 === 7)
    return style('telecined', { rates: ['24000/1001'], process: 'telecined' });
  if (index % 5 < 3) return ORDINARY;
  const turn = Math.floor(index / 5) * 2 + (index % 5) - 3;
  return THEMES[turn % THEMES.length];
}
