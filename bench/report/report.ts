import { styleText } from 'node:util';

/** A table; its first column names what the row is about, and the others are figures. */
export type Table = { title: string; columns: readonly string[]; rows: readonly (readonly string[])[] };

/** The report of one subject. */
export type Report = {
  tables: readonly Table[];
  /** Sentences with the important ratios and remarks. */
  statements: readonly string[];
  /** Errors, one line each. A measurement with errors is not valid. */
  errors: readonly string[];
};

const NONE = '–';

/** Formats a number with thousands separators; a dash for NaN. */
export function number(value: number, digits = 0): string {
  if (!Number.isFinite(value)) return NONE;
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** Formats a ratio as a multiple. */
export function times(ratio: number): string {
  return Number.isFinite(ratio) ? `${number(ratio, ratio < 10 ? 2 : 1)} ×` : NONE;
}

/** Formats a figure with its unit and its ratio. Every reported figure has one. */
export function figure(value: number, unit: string, digits: number, ratio: number): string {
  const text = number(value, digits);
  return text === NONE ? NONE : `${text}${unit && ` ${unit}`} (${times(ratio)})`;
}

/** Formats an amount of memory in megabytes or kilobytes, with its ratio. */
export function memory(bytes: number, unit: 'MB' | 'kB', digits: number, ratio: number): string {
  return figure(bytes / (unit === 'MB' ? 1024 ** 2 : 1024), unit, digits, ratio);
}

/** Formats counted errors, one line per kind. */
export function errorLines(where: string, errors: Readonly<Record<string, number>>): string[] {
  return Object.entries(errors).map(([what, count]) => `${where}: ${count} × ${what}`);
}

/** Formats a report for a terminal; errors come last, where they are visible. */
export function renderText({ tables, statements, errors }: Report): string {
  return [
    ...tables.map(renderTable),
    ...(statements.length > 0 ? [statements.map((statement) => `  ${statement}`).join('\n')] : []),
    errors.length === 0
      ? styleText('green', '✓ no errors')
      : styleText('red', [`✗ ERRORS: the figures above are not reliable`, ...errors].join('\n  ✗ ')),
  ].join('\n\n');
}

function renderTable({ title, columns, rows }: Table): string {
  const widths = columns.map((_, at) => Math.max(...[columns, ...rows].map((row) => row[at]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join('   ');
  return [styleText('bold', title), styleText('dim', line(columns)), ...rows.map(line)].join('\n');
}
