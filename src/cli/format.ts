/** Text for people: nothing here is meant to be parsed, for that there is `--json`. */

/**
 * Text from a file (names, tags, FFmpeg's words about them) made safe to print: a terminal
 * would obey control characters in it. C0, DEL and C1, as ECMA-48 has them.
 */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to remove
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '\ufffd');
}

/** `1:02:03.500`, `0:03.500`: hours only where there are any. */
export function clock(seconds: number): string {
  const milliseconds = Math.round(Math.abs(seconds) * 1000);
  const sign = seconds < 0 && milliseconds > 0 ? '-' : '';
  const whole = Math.floor(milliseconds / 1000);
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  const rest = `${pad(whole % 60, 2)}.${pad(milliseconds % 1000, 3)}`;
  return hours > 0
    ? `${sign}${hours}:${pad(minutes, 2)}:${rest}`
    : `${sign}${minutes}:${rest}`;
}

function pad(value: number, digits: number): string {
  return String(value).padStart(digits, '0');
}

/** Powers of 1000: `7.61 MB`, `1.05 Mb/s`. */
export function quantity(value: number, unit: string): string {
  const prefixes = ['', 'k', 'M', 'G', 'T'];
  let step = 0;
  let rest = value;
  while (rest >= 999.5 && step < prefixes.length - 1) {
    rest /= 1000;
    step++;
  }
  const digits = step === 0 || rest >= 99.95 ? 0 : rest >= 9.995 ? 1 : 2;
  return `${rest.toFixed(digits)} ${prefixes[step]}${unit}`;
}

/** At most `digits` decimals, without zeros at the end. */
export function decimal(value: number, digits = 3): string {
  return String(Number(value.toFixed(digits)));
}

/** Rows of cells as aligned columns, two spaces apart, each line indented. */
export function table(
  rows: readonly (readonly string[])[],
  options: { indent?: string; right?: readonly number[] } = {},
): string {
  const { indent = '', right = [] } = options;
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    }
  }
  return rows
    .map((row) => {
      const cells = row.map((cell, column) => {
        const width = widths[column] ?? 0;
        return right.includes(column) ? cell.padStart(width) : cell.padEnd(width);
      });
      return `${indent}${cells.join('  ').trimEnd()}\n`;
    })
    .join('');
}

/** `1 frame`, `2 frames`. */
export function count(value: number, noun: string): string {
  return `${value} ${noun}${value === 1 ? '' : 's'}`;
}
