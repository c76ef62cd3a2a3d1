const NONE = '–';

/** Formats a number with thousands separators; a dash for NaN. */
export function number(value: number | null, digits = 0): string {
  if (value === null || !Number.isFinite(value)) return NONE;
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** Formats a number with its unit. */
export function quantity(value: number | null, unit: string, digits = 0): string {
  const text = number(value, digits);
  return text === NONE ? text : `${text} ${unit}`;
}

/** Formats a ratio as a multiple. */
export function times(ratio: number | null): string {
  const text = number(ratio, Number(ratio) < 10 ? 2 : 1);
  return text === NONE ? text : `${text} ×`;
}

/** Formats a ratio as a percentage of another candidate, or as a multiple. */
export function shareOf(ratio: number, other: string): string {
  return ratio < 1 ? `1/${number(1 / ratio, 1)} of ${other}` : `${times(ratio)} ${other}`;
}

/** Formats a figure with its ratio. Every reported figure has one. */
export function withRatio(figure: string, ratio: number | null): string {
  return figure === NONE ? NONE : `${figure} (${times(ratio)})`;
}

/** Formats an amount of memory in megabytes. */
export function megabytes(bytes: number | null, digits = 0): string {
  return quantity(bytes === null ? null : bytes / 1024 ** 2, 'MB', digits);
}

/** Formats an amount of memory in kilobytes. */
export function kilobytes(bytes: number | null, digits = 1): string {
  return quantity(bytes === null ? null : bytes / 1024, 'kB', digits);
}
