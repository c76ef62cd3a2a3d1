import { styleText } from 'node:util';
import type { Report, Table } from './report.ts';

/** Formats a report for a terminal; errors come last, where they are visible. */
export function renderText({ tables, statements, errors }: Report): string {
  return [
    ...tables.map(renderTable),
    statements.map((statement) => `  ${statement}`).join('\n'),
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
