// Shots that are drawn instead of filmed: title cards, rolling credits and screen recordings, as filters of the ffmpeg tool.

/** Like the sources of sources.mjs, but that `draw` gives the filters of a shot: a source of pictures, and what is drawn on it. */
export const DRAWN = [
  { name: 'title', group: 'titles', still: true, draw: drawTitle },
  { name: 'credits', group: 'credits', draw: drawCredits },
  { name: 'screen', group: 'screens', draw: drawScreen },
];

const WORDS =
  'the a of Night house River Summer light DIRECTED BY long road Story winter MUSIC day under Produced stone and open sea 1987 Letters from north PART silver FILM man'.split(
    ' ',
  );
const FONTS = ['Serif', 'Sans', 'Mono'];

function words(dice, least, most) {
  const count = dice.integer(least, most);
  return Array.from({ length: count }, () => dice.pick(WORDS)).join(' ');
}

/** Words on a dark or plain card, which stand still, grow slowly, or come into view. */
function drawTitle(dice, { width, height, rate, length, fps, tricks }) {
  const back = dice.weighted([
    ['black', 6],
    ['0x101014', 2],
    ['0x18202c', 1],
    ['0x502020', 1],
    ['0xd8d4cc', 1],
  ]);
  const ink =
    back === '0xd8d4cc' ? 'black' : dice.pick(['white', '0xc0c0c0', '0xe0c070']);
  const lines = dice.integer(1, 4);
  const size = Math.round(height * dice.between(0.06, 0.14));
  const font = dice.pick(FONTS);
  const left = dice.chance(0.3);
  const top = height * dice.between(0.15, 0.75) - (lines * size) / 2;
  const alpha = tricks.includes('enters')
    ? `:alpha='min(1,n/${Math.ceil(fps / 2)})'`
    : '';
  const texts = Array.from({ length: lines }, (_, i) => {
    const y = Math.round(Math.max(0, top) + i * size * 1.4);
    const x = left ? Math.round(width * 0.1) : '(w-tw)/2';
    const text = words(dice, 1, 4);
    return `drawtext=font=${font}:text='${text}':fontsize=${size}:fontcolor=${ink}:x=${x}:y=${y}${alpha}`;
  });
  const grows = dice.chance(0.25)
    ? [
        `zoompan=z='1+0.1*on/${length}':d=1:x='iw/2-iw/zoom/2':y='ih/2-ih/zoom/2':s=${width}x${height}:fps=${rate}`,
      ]
    : [];
  return [`color=${back}:s=${width}x${height}:r=${rate}`, ...texts, ...grows];
}

/** Lines that roll upwards, smoothly, on black. */
function drawCredits(dice, { width, height, rate }) {
  const size = Math.round(height * dice.between(0.05, 0.08));
  const speed = height * dice.between(0.12, 0.5);
  const columns = dice.chance(0.5);
  const gap = size * dice.between(1.3, 2.4);
  const texts = Array.from({ length: 30 }, (_, i) => {
    const y = `'${Math.round(i * gap)}-${speed.toFixed(1)}*t+h/3'`;
    const text = words(dice, 1, 3);
    const x = columns ? Math.round(width * (i % 2 ? 0.52 : 0.12)) : '(w-tw)/2';
    return `drawtext=font=Sans:text='${text}':fontsize=${size}:fontcolor=white:x=${x}:y=${y}`;
  });
  return [`color=black:s=${width}x${height}:r=${rate}`, ...texts];
}

/** A page that is scrolled in steps, typed text, a pointer, and a window that opens over part of it. */
function drawScreen(dice, { width, height, rate, length, fps }) {
  const dark = dice.chance(0.4);
  const [back, ink] = dark ? ['0x1c1e22', '0xc8ccd0'] : ['0xf4f4f2', '0x202020'];
  const size = Math.max(8, Math.round(height * dice.between(0.035, 0.06)));
  const seconds = length / fps;
  const step = size * dice.integer(1, 8);
  const every = dice.between(0.15, 0.8);
  const page = Array.from({ length: 50 }, (_, i) => {
    const y = `'${Math.round(i * size * 1.5)}-${step}*floor(t/${every.toFixed(2)})*lt(t,${(seconds * 0.6).toFixed(2)})-${step}*floor(${((seconds * 0.6) / every).toFixed(2)})*gte(t,${(seconds * 0.6).toFixed(2)})+${Math.round(height * 0.1)}'`;
    const text = words(dice, 2, 8);
    const x = Math.round(width * (dice.chance(0.2) ? 0.12 : 0.05));
    return `drawtext=font=Sans:text='${text}':fontsize=${size}:fontcolor=${ink}:x=${x}:y=${y}`;
  });
  const box = (x, y, w, h, colour, when) =>
    `drawbox=x=${Math.round(x * width)}:y=${Math.round(y * height)}:w=${Math.round(w * width)}:h=${Math.round(h * height)}:color=${colour}:t=fill${when ? `:enable='${when}'` : ''}`;
  const bar = box(0, 0, 1, 0.09, dark ? '0x303440' : '0xd0d4dc');
  const side = box(0.8, 0.09, 0.2, 0.91, dark ? '0x282c34' : '0xe4e6ea');
  const opens = dice.integer(2, Math.max(3, length - 3));
  const popup = [
    ...[dice.between(0.1, 0.4), dice.between(0.15, 0.4)],
    ...[dice.between(0.2, 0.5), dice.between(0.2, 0.5)],
  ];
  const shown = `between(n,${opens},${opens + Math.round(fps)})`;
  const pointer = `drawtext=font=Sans:text='+':fontsize=${size * 2}:fontcolor=red:x='w*(0.5+0.3*sin(2*t))':y='h*(0.5+0.3*cos(1.3*t))'`;
  return [
    `color=${back}:s=${width}x${height}:r=${rate}`,
    ...page,
    ...[bar, side, box(...popup, dark ? '0x404858' : 'white', shown), pointer],
  ];
}
