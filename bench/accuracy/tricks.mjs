// What is done to single shots, by filters of the ffmpeg tool.
import { spawnSync } from 'node:child_process';

/** How much faster a time-lapse runs. */
export const FAST = 2.5;

/** Exactly `length` frames of a shot, as yuv420p. */
export function shotFrames(shot, film) {
  const { source, start, length } = shot;
  const { width, height } = film;
  const seek = source.draw || isRaw(source.file) ? [] : ['-ss', start.toFixed(3)];
  const { stdout: raw, stderr } = spawnSync(
    'ffmpeg',
    [
      ...['-v', 'error', '-threads', '1'],
      ...(source.draw ? [] : [...seek, '-i', source.file]),
      ...['-filter_complex', shotChain(shot, film)],
      ...['-map', '[out]', '-f', 'rawvideo', '-pix_fmt', 'yuv420p', '-'],
    ],
    { maxBuffer: 2 ** 31 },
  );
  const bytes = (width * height * 3) / 2;
  if (raw.length !== length * bytes) {
    throw new Error(
      `${source.name} from ${start} gave ${raw.length / bytes} frames, not ${length}: ${stderr}`,
    );
  }
  return Array.from({ length }, (_, i) => raw.subarray(i * bytes, (i + 1) * bytes));
}

/** Raw streams cannot be sought in. */
function isRaw(file) {
  return /\.h?264$/.test(file);
}

/** The filters that make those frames. */
function shotChain(shot, film) {
  const { source, length, tricks } = shot;
  const { rate, fps, width, height, dice, bars } = film;
  const has = (name) => tricks.includes(name);
  const head = source.draw
    ? source.draw(dice, { ...film, length, tricks })
    : footage(shot, film);
  head.push(
    'setsar=1',
    'format=yuv420p',
    // Sources that end early stand still.
    `tpad=stop=-1:stop_mode=clone`,
    `trim=end_frame=${length}`,
    `setpts=N/(${rate})/TB`,
  );
  const fit = `scale=${width}:${height}:flags=bilinear,setsar=1`;
  if (has('closer')) {
    const scale = dice.between(1.4, 2.2);
    head.push(
      `crop=iw/${scale}:ih/${scale}:${dice.next()}*(iw-ow):${dice.next()}*(ih-oh)`,
      fit,
    );
  }
  if (has('pan')) {
    // Up to a seventh of the view from frame to frame.
    const speed = dice.between(0.3, 1) * Math.min(3, fps / 11);
    head.push(`crop=iw/2:ih/2:'(iw-ow)*(0.5+0.5*sin(${speed}*t*3.14))':(ih-oh)/2`, fit);
  }
  if (has('shake')) {
    const wobble = (a, b) => `(0.5+0.25*sin(n*${a})+0.25*sin(n*${b}))`;
    head.push(
      `crop=iw*0.88:ih*0.88:'(iw-ow)*${wobble(1.9, 0.7)}':'(ih-oh)*${wobble(2.3, 0.9)}'`,
      fit,
    );
  }
  if (has('handheld')) {
    // Steps and breath, in time and not in frames.
    const sway = (a, b, c) =>
      `(0.5+0.22*sin(t*${a})+0.18*sin(t*${b}+1)+0.08*sin(t*${c}))`;
    const rolls = `0.03*sin(t*${dice.between(4, 11).toFixed(1)})`;
    head.push(
      `rotate='${rolls}'`,
      `crop=iw*0.76:ih*0.76:'(iw-ow)*${sway(5.1, 11.7, 31)}':'(ih-oh)*${sway(6.3, 14.9, 37)}'`,
      fit,
    );
  }
  if (has('whip')) {
    // From one side of the view to the other, faster than the eye.
    const seconds = Math.max(4 / fps, dice.between(0.15, 0.4));
    const begins = (length / fps) * dice.between(0.3, 0.6);
    const way = `clip((t-${begins.toFixed(3)})/${seconds.toFixed(3)},0,1)`;
    head.push(
      `crop=iw/2.2:ih/2.2:'(iw-ow)*(${way})*(${way})*(3-2*(${way}))':(ih-oh)/2`,
      fit,
    );
  }
  if (has('zoom')) {
    head.push(
      `zoompan=z='1+0.9*on/${length}':d=1:x='iw/2-iw/zoom/2':y='ih/2-ih/zoom/2':s=${width}x${height}:fps=${rate}`,
    );
  }
  if (has('dark')) {
    const gain = dice.between(0.08, 0.4);
    const chroma = `128+(val-128)*${(gain * 1.5).toFixed(3)}`;
    head.push(`lutyuv=y='16+(val-16)*${gain.toFixed(3)}':u='${chroma}':v='${chroma}'`);
  }
  if (has('gloom')) {
    const gain = dice.between(0.06, 0.25).toFixed(3);
    const chroma = `128+(val-128)*${gain}`;
    const lift = dice.pick([0, 0, 3, 8]);
    head.push(`lutyuv=y='${16 + lift}+(val-16)*${gain}':u='${chroma}':v='${chroma}'`);
  }
  if (has('grey')) head.push('hue=s=0');
  if (has('hue')) head.push(`hue=h='${dice.pick([40, 90, 200])}*t'`);
  if (has('lights')) {
    // Coloured lights that change at once.
    const every = dice.between(0.25, 0.8).toFixed(2);
    head.push(`hue=h='110*floor(t/${every})':s=1.5`);
  }
  const middle = Math.floor(length / 2);
  if (has('exposure')) {
    const [offset, gain] = dice.pick([
      [-50, 0.5],
      [-30, 0.7],
      [35, 1.6],
      [60, 2.2],
    ]);
    // Less light would leave nothing of a dark shot, which is a cut to black.
    const dark = has('dark') || has('gloom');
    const light = dark ? `16+(val-16)*${gain}` : `val+${offset}`;
    head.push(`lutyuv=y='clip(${light},16,235)':enable='gte(n,${middle})'`);
  }
  if (has('flash')) {
    const frames = Math.max(1, Math.round(dice.pick([0.04, 0.04, 0.08, 0.16]) * fps));
    const light = dice.pick(["'clip(val+110,16,235)'", '235', "'clip(val*1.8,16,235)'"]);
    const at = dice.integer(2, Math.max(2, length - frames - 3));
    head.push(`lutyuv=y=${light}:enable='between(n,${at},${at + frames - 1})'`);
  }
  if (has('strobe')) {
    head.push(`lutyuv=y='clip(val+90,16,235)':enable='lt(mod(t,0.25),0.08)'`);
  }
  if (has('caption')) {
    const place = `x=iw*0.12:y=ih*${dice.between(0.1, 0.82).toFixed(2)}:w=iw*0.5:h=ih*0.1`;
    const colour = dice.pick(['white@0.8', 'black@0.7', 'navy@0.9', 'yellow@0.7']);
    head.push(`drawbox=${place}:color=${colour}:t=fill:enable='gte(n,${middle})'`);
  }
  if (has('noise')) head.push(`noise=alls=${dice.integer(6, 24)}:allf=t`);
  if (has('grain')) head.push(`noise=c0s=${dice.integer(4, 14)}:c0f=t`, 'gblur=0.5');
  if (bars) {
    const { left, top } = bars;
    head.push(
      `scale=${bars.width}:${bars.height},pad=${width}:${height}:${left}:${top}:black`,
      'setsar=1',
    );
  }
  if (!has('passing')) return `${head.join(',')}[out]`;
  const from = Math.floor(length / 3);
  // Ten frames at least, so that it can be told from a cut at all.
  const seconds = Math.max(10 / fps, dice.between(0.4, 1));
  const wide = dice.between(0.3, 0.7);
  const shade = dice.pick(['0x202020', '0x606878', '0xc0b8a8']);
  const x = `-w+(W+w)*(t-${(from / fps).toFixed(3)})/${seconds.toFixed(3)}`;
  return [
    `${head.join(',')}[shot]`,
    `color=${shade}:s=${Math.round(width * wide)}x${height}:r=${rate}[thing]`,
    `[shot][thing]overlay=x='${x}':y=0:shortest=1:eof_action=pass[out]`,
  ].join(';');
}

/** What is shown of a source, at the rate and size of the film. */
function footage({ source, start, moves, tricks }, { rate, width, height }) {
  const has = (name) => tricks.includes(name);
  const chain = ['[0:V:0]setpts=PTS-STARTPTS'];
  if (isRaw(source.file)) {
    chain.push(`trim=start=${start.toFixed(3)}`, 'setpts=PTS-STARTPTS');
  }
  if (has('fast')) chain.push(`setpts=PTS/${FAST}`);
  // Animation is drawn for every second or third frame.
  const held = has('threes') ? 3 : has('twos') ? 2 : 1;
  const [frames, seconds = 1] = rate.split('/').map(Number);
  if (held > 1) chain.push(`fps=${frames}/${seconds * held}`);
  chain.push(`fps=${rate}`);
  if (has('still')) chain.push('trim=end_frame=1');
  else if (moves) chain.push(`trim=end_frame=${moves}`);
  chain.push(
    `scale=${width}:${height}:force_original_aspect_ratio=increase:flags=area`,
    `crop=${width}:${height}`,
  );
  if (has('still') || moves) {
    chain.push('tpad=stop=-1:stop_mode=clone', `setpts=N/(${rate})/TB`);
  }
  return chain;
}
