import { parseArgs } from 'node:util';
import { studies, type StudyId } from './studies.ts';
import type { Effort } from './study.ts';

/** The parsed command line. */
export type Command =
  | { readonly kind: 'help' }
  | ({ readonly kind: 'measure'; readonly subjects: readonly StudyId[] } & Omit<Effort, 'say'>);

/** The help text. */
export const usage = `usage: npm run bench -- [SUBJECT…] [--quick | --long] [--only CASE[,CASE…]]

subjects (default: requests):
${Object.entries(studies)
  .map(([id, { title }]) => `  ${id.padEnd(10)} ${title}`)
  .join('\n')}
  all        every subject

  --quick    about a minute for each subject, for an estimate; stores no results
  --long     longer measurements, for more precise results
  --only     some cases of a subject, and their baselines; stores no results
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
  if (values.quick && values.long) throw new Error('--quick and --long cannot be combined');
  const subjects = positionals.length === 0 ? ['requests'] : positionals;
  const chosen = (subjects.includes('all') ? Object.keys(studies) : subjects).map(studyNamed);
  const only = values.only?.split(',');
  const known = chosen.flatMap((id): readonly string[] => studies[id].cases);
  const unknown = only?.filter((name) => !known.includes(name)) ?? [];
  if (unknown.length > 0) {
    throw new Error(`--only: unknown case ${unknown.join(', ')}; known cases: ${known.join(', ')}`);
  }
  const length = values.quick ? 'quick' : values.long ? 'long' : 'usual';
  return { kind: 'measure', subjects: chosen, only, length };
}

function studyNamed(name: string): StudyId {
  if (!Object.hasOwn(studies, name)) throw new Error(`unknown subject ${name}`);
  return name as StudyId;
}
