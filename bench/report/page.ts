import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { number, type Report, type Table } from './report.ts';

const PAGE = fileURLToPath(new URL('../../docs/performance.md', import.meta.url));

/** Writes a report into docs/performance.md, with the date and the machine. */
export async function writePage(subject: string, report: Report): Promise<void> {
  const page = replaceBetween(readFileSync(PAGE, 'utf8'), subject, render(report));
  writeFileSync(PAGE, await format(page, { ...(await resolveConfig(PAGE)), parser: 'markdown' }));
}

/** Replaces the text between the markers of a subject. Text outside the markers is handwritten and stays. */
export function replaceBetween(page: string, subject: string, text: string): string {
  const [begin, end] = [`<!-- bench:${subject} -->`, `<!-- /bench:${subject} -->`];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from === -1 || to < from) throw new Error(`docs/performance.md has no ${begin} before ${end}`);
  return `${page.slice(0, from)}${begin}\n\n${text}\n\n${page.slice(to)}`;
}

function render({ tables, statements }: Report): string {
  const date = new Date().toISOString().slice(0, 10);
  const cpu = cpus()[0]?.model ?? 'unknown processor';
  const gigabytes = number(totalmem() / 1024 ** 3);
  return [
    `_${date}, ${cpu}, ${availableParallelism()} cores, ${gigabytes} GB, Node.js ${process.version}._`,
    ...tables.map(renderTable),
    statements.map((statement) => `- ${statement}`).join('\n'),
  ].join('\n\n');
}

function renderTable({ title, columns, rows }: Table): string {
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rule = columns.map((_, at) => (at === 0 ? '---' : '--:'));
  return [`**${title}**`, '', row(columns), row(rule), ...rows.map(row)].join('\n');
}
