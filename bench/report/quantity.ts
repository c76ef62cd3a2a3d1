const NONE = '–';

/** Writes a number with so many digits after the point, thousands apart; a dash when there is none. */
export function number(value: number | null, digits = 0): string {
  if (value === null || !Number.isFinite(value)) return NONE;
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** Writes a number with its unit. */
export function quantity(value: number | null, unit: string, digits = 0): string {
  const text = number(value, digits);
  return text === NONE ? text : `${text} ${unit}`;
}

/** Writes how many times as much it is. */
export function times(ratio: number | null): string {
  const text = number(ratio, Number(ratio) < 10 ? 2 : 1);
  return text === NONE ? text : `${text} ×`;
}

/** Writes what share of another one it is, or how many times as much. */
export function shareOf(ratio: number, other: string): string {
  return ratio < 1 ? `1/${number(1 / ratio, 1)} of ${other}` : `${times(ratio)} ${other}`;
}

/** Writes a figure together with its ratio: none is told without. */
export function withRatio(figure: string, ratio: number | null): string {
  return figure === NONE ? NONE : `${figure} (${times(ratio)})`;
}

/** Writes an amount of memory in megabytes. */
export function megabytes(bytes: number | null, digits = 0): string {
  return quantity(bytes === null ? null : bytes / 1024 ** 2, 'MB', digits);
}

/** Writes an amount of memory in kilobytes. */
export function kilobytes(bytes: number | null, digits = 1): string {
  return quantity(bytes === null ? null : bytes / 1024, 'kB', digits);
}
