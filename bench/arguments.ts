import { parseArgs } from 'node:util';
import type { Effort } from './study.ts';
import { studies, type StudyId } from './studies.ts';

/** What was asked for on the command line. */
export type Command =
  | { readonly kind: 'help' }
  | { readonly kind: 'page' }
  | ({ readonly kind: 'measure'; readonly subjects: readonly StudyId[] } & Omit<Effort, 'say' | 'closing'>);

/** What can be asked for. */
export const usage = `usage: npm run bench -- [SUBJECT…] [--quick | --long] [--only CASE[,CASE…]]

subjects; without one, requests:
${Object.entries(studies)
  .map(([id, { title }]) => `  ${id.padEnd(10)} ${title}`)
  .join('\n')}
  all        every one of them
  page       measures nothing: writes docs/performance.md from what was kept

  --quick    about a minute a subject, to see where things stand; keeps no record
  --long     what takes long as well
  --only     some cases of a subject, beside those they are compared with; keeps no record
             requests: ${studies.requests.cases.join(', ')}`;

/**
 * Reads the command line.
 *
 * @throws Error that says what is wrong with it.
 */
export function readCommand(args: readonly string[]): Command {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      long: { type: 'boolean', default: false },
      only: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return { kind: 'help' };
  if (positionals[0] === 'page') return { kind: 'page' };
  if (values.quick && values.long) throw new Error('--quick and --long are not for one run');
  const subjects = positionals.length === 0 ? ['requests'] : positionals;
  const chosen = (subjects.includes('all') ? Object.keys(studies) : subjects).map(studyNamed);
  const only = values.only?.split(',');
  const known = chosen.flatMap((id) => studies[id].cases);
  const unknown = only?.filter((name) => !known.includes(name)) ?? [];
  if (unknown.length > 0) {
    throw new Error(`--only: there is no case ${unknown.join(', ')}; there are ${known.join(', ')}`);
  }
  const length = values.quick ? 'quick' : values.long ? 'long' : 'usual';
  return { kind: 'measure', subjects: chosen, only, length };
}

function studyNamed(name: string): StudyId {
  if (!Object.hasOwn(studies, name)) throw new Error(`there is no subject ${name}`);
  return name as StudyId;
}
