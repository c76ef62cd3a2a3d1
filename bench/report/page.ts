import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import type { Comparison } from '../comparison/comparison.ts';
import type { Circumstances, Results } from '../results.ts';
import { type StudyId, studies } from '../studies.ts';
import type { Study } from '../study.ts';
import { drawComparison } from './plot.ts';
import { number } from './quantity.ts';
import type { Report, Table } from './report.ts';

const PAGE = fileURLToPath(new URL('../../docs/performance.md', import.meta.url));
const PLOT = fileURLToPath(new URL('../../docs/performance.svg', import.meta.url));

/** Writes the results into docs/performance.md and redraws its chart. */
export async function writePage(results: Results): Promise<void> {
  writeFileSync(PAGE, await renderPage(readFileSync(PAGE, 'utf8'), results));
  if (results.requests !== undefined) {
    writeFileSync(PLOT, drawComparison(results.requests.data as Comparison));
  }
}

/** Inserts results between the markers of their subjects. Text outside the markers is handwritten and stays. */
export async function renderPage(text: string, results: Results): Promise<string> {
  let page = text;
  for (const [name, result] of Object.entries(results)) {
    const id = name as StudyId;
    const study: Study<unknown> = studies[id];
    page = between(page, id, `${circumstancesText(result)}\n\n${reportText(study.report(result.data))}`);
  }
  const options = await resolveConfig(PAGE);
  return format(page, { ...options, parser: 'markdown' });
}

/** Inserts text between the markers of a subject. */
function between(page: string, id: StudyId, text: string): string {
  const [begin, end] = [`<!-- bench:${id} -->`, `<!-- /bench:${id} -->`];
  const [before, rest] = cut(page, begin);
  const [, after] = cut(rest, end);
  return `${before}${begin}\n\n${text}\n\n${end}${after}`;
}

function cut(text: string, mark: string): [before: string, after: string] {
  const at = text.indexOf(mark);
  if (at === -1) throw new Error(`docs/performance.md has no ${mark}`);
  return [text.slice(0, at), text.slice(at + mark.length)];
}

function circumstancesText({ date, node, cpu, cores, memoryBytes }: Circumstances): string {
  return `_${date}, ${cpu}, ${cores} cores, ${number(memoryBytes / 1024 ** 3)} GB, Node.js ${node}._`;
}

function reportText({ tables, statements }: Report): string {
  return [...tables.map(tableText), statements.map((statement) => `- ${statement}`).join('\n')].join('\n\n');
}

function tableText({ title, columns, rows }: Table): string {
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rule = columns.map((_, at) => (at === 0 ? '---' : '--:'));
  return [`**${title}**`, '', row(columns), row(rule), ...rows.map(row)].join('\n');
}
