/** The script of the page of `rushes report`: draws timelines and links them to the shots. */
import uPlot from 'uplot';
import { clock } from '../format.ts';
import { SERIES, type SeriesName, type TimelineData } from '../report-data.ts';

const NAMES: Record<SeriesName, string> = {
  motion: 'Motion',
  brightness: 'Brightness',
  sharpness: 'Sharpness',
  sceneScore: 'Cut score',
};
const HEIGHT = 74;
const AXIS_HEIGHT = 26;
const VALUE_WIDTH = 44;
/** Least seconds that can be zoomed to. */
const MIN_SPAN = 0.5;
/** Pixels between two cuts, on average, below which lines would hide the curves. */
const CUT_SPACE = 6;
/** Seconds between marks of the axis, as clocks divide time. */
const STEPS = [
  0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400,
];

const isDark = window.matchMedia('(prefers-color-scheme: dark)');

/** Pixels below the window within which timelines are drawn already. */
const AHEAD = 400;

function whenNear(host: HTMLElement, draw: () => void): void {
  const observer = new IntersectionObserver(
    (entries) => {
      if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
      observer.disconnect();
      draw();
    },
    { rootMargin: `${AHEAD}px` },
  );
  observer.observe(host);
}

class Timeline {
  readonly #host: HTMLElement;
  readonly #readout: HTMLElement;
  readonly #cards: readonly HTMLElement[];
  readonly #data: TimelineData;
  readonly #charts: readonly uPlot[];
  /** Index of the point under the cursor. */
  #point = 0;
  #current: HTMLElement | undefined;

  constructor(section: HTMLElement, host: HTMLElement) {
    this.#host = host;
    this.#readout = section.querySelector('.readout') as HTMLElement;
    this.#cards = [...section.querySelectorAll<HTMLElement>('.shots .go')];
    const json = section.querySelector('script.data')?.textContent ?? '';
    this.#data = JSON.parse(json) as TimelineData;
    const sync = uPlot.sync(section.id);
    this.#charts = SERIES.map((name, i) => this.#chart(name, i, sync.key));

    new ResizeObserver(() => this.#resize()).observe(host);
    isDark.addEventListener('change', () => {
      for (const chart of this.#charts) chart.redraw(false, true);
    });
    host.addEventListener('keydown', (event) => this.#key(event));
    section.addEventListener('click', (event) => {
      const button = (event.target as Element).closest<HTMLElement>('.go');
      if (button !== null) this.#go(Number(button.dataset.time), true);
    });
    this.#show(0);
  }

  #chart(name: SeriesName, index: number, key: string): uPlot {
    const isLast = index === SERIES.length - 1;
    const row = document.createElement('div');
    row.className = `chart ${name}`;
    const title = document.createElement('span');
    title.className = 'name';
    title.textContent = NAMES[name];
    row.append(title);
    this.#host.append(row);
    const color = () => style(row, '--series');
    const options: uPlot.Options = {
      width: Math.max(this.#host.clientWidth, 100),
      height: HEIGHT + (isLast ? AXIS_HEIGHT : 0),
      legend: { show: false },
      padding: [6, 8, isLast ? 0 : 4, 0],
      cursor: {
        sync: { key },
        y: false,
        points: { size: 7 },
        drag: { x: true, y: false },
      },
      scales: {
        x: { time: false, range: (_, low, high) => this.#range(low, high) },
        // The score has a scale of its own; the others reach as high as they do.
        y: {
          range: (_, __, high) => [
            0,
            name === 'sceneScore' ? 105 : Math.max(high * 1.05, 1e-6),
          ],
        },
      },
      axes: [
        {
          show: isLast,
          size: AXIS_HEIGHT,
          space: 90,
          incrs: STEPS,
          stroke: () => style(row, '--soft'),
          grid: { show: false },
          ticks: { stroke: () => style(row, '--line'), width: 1, size: 4 },
          values: (_, times) => times.map((time) => clock(time).replace(/\.?0+$/, zeros)),
        },
        {
          size: VALUE_WIDTH,
          space: 28,
          stroke: () => style(row, '--soft'),
          grid: { stroke: () => style(row, '--line'), width: 1 },
          ticks: { show: false },
        },
      ],
      series: [
        {},
        {
          stroke: color,
          fill: () => `${color()}22`,
          width: 1.25,
          points: { show: this.#data.times.length < 60, size: 4, fill: color },
        },
      ],
      hooks: {
        drawClear: [(chart) => this.#drawSpans(chart)],
        draw: [(chart) => this.#drawCuts(chart, name === 'sceneScore' ? color() : null)],
        setCursor: [(chart) => this.#pointed(chart)],
      },
    };
    const { times, series } = this.#data;
    const chart = new uPlot(options, [[...times], [...series[name]]], row);
    chart.root.setAttribute('aria-hidden', 'true');
    return chart;
  }

  #range(low: number | null, high: number | null): [number, number] {
    const { start, end } = this.#data;
    if (low === null || high === null || high - low < 1e-6)
      return [start, Math.max(end, start + 1)];
    return [low, high];
  }

  /** Segments as bands, other events as marks at the lower edge. */
  #drawSpans(chart: uPlot): void {
    const { ctx, bbox } = chart;
    const paint = (start: number, end: number, top: number, height: number) => {
      const left = Math.max(chart.valToPos(start, 'x', true), bbox.left);
      const right = Math.min(chart.valToPos(end, 'x', true), bbox.left + bbox.width);
      if (right >= left) ctx.fillRect(left, top, Math.max(right - left, 2), height);
    };
    ctx.save();
    ctx.fillStyle = style(this.#host, '--segment');
    for (const [start, end] of this.#data.segments)
      paint(start, end, bbox.top, bbox.height);
    ctx.fillStyle = style(this.#host, '--event');
    const height = 4 * devicePixelRatio;
    for (const [, start, end] of this.#data.events) {
      paint(start, end, bbox.top + bbox.height - height, height);
    }
    ctx.restore();
  }

  /**
   * One line for each pixel at most, however many cuts there are. With a `color` as high as the detector is sure: samples are too far
   * apart to show that.
   */
  #drawCuts(chart: uPlot, color: string | null): void {
    const { ctx, bbox } = chart;
    const { shots, cutScores } = this.#data;
    const line = style(this.#host, '--cut');
    ctx.save();
    let last = Number.NEGATIVE_INFINITY;
    const { min = 0, max = 0 } = chart.scales.x ?? {};
    const seen = before(shots, max ?? 0) - before(shots, min ?? 0);
    const isDense = seen * CUT_SPACE * devicePixelRatio > bbox.width;
    const width = Math.max(1, Math.round(devicePixelRatio / 1.5));
    for (const [i, time] of shots.entries()) {
      const x = Math.round(chart.valToPos(time, 'x', true));
      if (i === 0 || x - last < width * 2) continue;
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      last = x;
      ctx.fillStyle = line;
      if (!isDense) ctx.fillRect(x, bbox.top, width, bbox.height);
      if (color === null) continue;
      ctx.fillStyle = color;
      const height = (bbox.height * (cutScores[i] ?? 0)) / 105;
      ctx.fillRect(
        x,
        bbox.top + bbox.height - height,
        isDense ? width : width * 2,
        height,
      );
    }
    ctx.restore();
  }

  #pointed(chart: uPlot): void {
    const { idx } = chart.cursor;
    if (idx === null || idx === undefined || idx === this.#point) return;
    this.#show(idx);
  }

  /** Says what is at a point: in words for readers of screens, in numbers for others. */
  #show(point: number): void {
    const { times, series, events, segments } = this.#data;
    const time = times[point];
    if (time === undefined) return;
    this.#point = point;
    const shot = this.#shotAt(time);
    const inside = events.filter(([, start, end]) => time >= start && time <= end);
    const facts: [string, string][] = [
      ['', clock(time)],
      ['shot', String(shot + 1)],
      ...SERIES.map((name): [string, string] => [
        NAMES[name].toLowerCase(),
        String(series[name][point] ?? ''),
      ]),
    ];
    const rank = segments.findIndex(([start, end]) => time >= start && time < end);
    if (rank >= 0) facts.push(['segment', String(rank + 1)]);
    for (const [type] of inside) facts.push(['', type]);
    this.#readout.replaceChildren(
      ...facts.map(([name, value]) => {
        const item = document.createElement('span');
        const strong = document.createElement('b');
        strong.textContent = value;
        item.append(name === '' ? '' : `${name} `, strong);
        return item;
      }),
    );
    this.#host.setAttribute('aria-valuenow', String(time));
    const words = facts.map(([name, value]) => `${name} ${value}`.trim()).join(', ');
    this.#host.setAttribute('aria-valuetext', words);
    this.#mark(shot);
  }

  #mark(shot: number): void {
    const card = this.#cards[shot];
    if (card === this.#current) return;
    this.#current?.classList.remove('current');
    card?.classList.add('current');
    this.#current = card;
    this.#preview(card);
  }

  /** The picture of the shot beside the numbers. */
  #preview(card: HTMLElement | undefined): void {
    const source = card?.querySelector('img');
    if (!source) return;
    const image = document.createElement('img');
    image.src = source.src;
    image.alt = '';
    this.#readout.prepend(image);
  }

  #shotAt(time: number): number {
    return Math.max(0, before(this.#data.shots, time + 1e-6));
  }

  #key(event: KeyboardEvent): void {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const { times, shots } = this.#data;
    const time = times[this.#point] ?? 0;
    const shot = this.#shotAt(time);
    const step = event.shiftKey ? 10 : 1;
    const last = times.length - 1;
    const actions: Record<string, () => void> = {
      ArrowRight: () => this.#move(Math.min(this.#point + step, last)),
      ArrowLeft: () => this.#move(Math.max(this.#point - step, 0)),
      ArrowDown: () =>
        this.#go(shots[Math.min(shot + 1, shots.length - 1)] as number, false),
      ArrowUp: () => this.#go(shots[Math.max(shot - 1, 0)] as number, false),
      PageDown: () => this.#move(Math.min(this.#point + 50, last)),
      PageUp: () => this.#move(Math.max(this.#point - 50, 0)),
      Home: () => this.#move(0),
      End: () => this.#move(last),
      '+': () => this.#zoom(0.5),
      '=': () => this.#zoom(0.5),
      '-': () => this.#zoom(2),
      Escape: () => this.#zoom(Number.POSITIVE_INFINITY),
      Enter: () => {
        const card = this.#cards[shot];
        card?.scrollIntoView({ block: 'center' });
        card?.focus({ preventScroll: true });
      },
    };
    const action = actions[event.key];
    if (action === undefined) return;
    event.preventDefault();
    action();
  }

  /** Moves the cursor to the first point at or after a time. */
  #go(time: number, scroll: boolean): void {
    if (!Number.isFinite(time)) return;
    const { times } = this.#data;
    const at = before(times, time - 1e-6) + 1;
    this.#move(Math.min(at, times.length - 1));
    // A shot may be too short to hold a point.
    this.#mark(this.#shotAt(time));
    if (scroll) this.#host.scrollIntoView({ block: 'nearest' });
  }

  #move(point: number): void {
    const time = this.#data.times[point];
    const [first] = this.#charts;
    if (time === undefined || first === undefined) return;
    const { min = null, max = null } = first.scales.x ?? {};
    if (min !== null && max !== null && (time < min || time > max)) {
      const half = (max - min) / 2;
      this.#scale(time - half, time + half);
    }
    this.#show(point);
    for (const chart of this.#charts) {
      chart.setCursor({ left: chart.valToPos(time, 'x'), top: 10 }, false);
    }
  }

  #zoom(factor: number): void {
    const [first] = this.#charts;
    const { min, max } = first?.scales.x ?? {};
    if (typeof min !== 'number' || typeof max !== 'number') return;
    const { start, end } = this.#data;
    const span = Math.max((max - min) * factor, MIN_SPAN);
    const middle = this.#data.times[this.#point] ?? (min + max) / 2;
    // Wider than the whole becomes the whole.
    if (span >= end - start) this.#scale(start, end);
    else this.#scale(middle - span / 2, middle + span / 2);
  }

  #scale(min: number, max: number): void {
    const { start, end } = this.#data;
    const span = Math.min(max - min, end - start);
    const low = Math.min(Math.max(min, start), end - span);
    for (const chart of this.#charts) chart.setScale('x', { min: low, max: low + span });
  }

  #resize(): void {
    const width = this.#host.clientWidth;
    if (width < 50) return;
    for (const chart of this.#charts) {
      if (chart.width !== width) chart.setSize({ width, height: chart.height });
    }
  }
}

/** Index of the last number that is at most `value`; −1 if there is none. The numbers rise. */
function before(sorted: readonly number[], value: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as number) <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function style(element: Element, name: string): string {
  return getComputedStyle(element).getPropertyValue(name).trim();
}

/** Of `0:10.000`, nothing of the fraction; of `0:00`, the zeros are minutes. */
function zeros(end: string): string {
  return end.startsWith('.') ? '' : end;
}

// A page of many files draws what is looked at.
for (const section of document.querySelectorAll<HTMLElement>('section.file')) {
  const host = section.querySelector<HTMLElement>('.charts');
  if (host === null) continue;
  const draw = () => new Timeline(section, host);
  if (host.getBoundingClientRect().top < innerHeight + AHEAD) draw();
  else whenNear(host, draw);
}
