import { parseArgs } from 'node:util';
import { type PeerName, peers } from './peers/peers.ts';
import { studies, type StudyId } from './studies.ts';
import type { Effort } from './study.ts';

/** The parsed command line. */
export type Command =
  | { readonly kind: 'help' }
  | ({ readonly kind: 'measure'; readonly subjects: readonly StudyId[] } & Omit<Effort, 'say'>);

/** The subjects that can be named. */
const allIds: readonly StudyId[] = (Object.keys(studies) as StudyId[]).filter((id) => id !== 'peers');

/** The help text. */
export const usage = `usage: npm run bench -- [SUBJECT…] [--quick | --long] [--only CASE[,CASE…]]
       npm run bench -- --peer PROGRAM [--peer PROGRAM] [--quick | --long]

subjects (default: requests):
${Object.entries(studies)
  .filter(([id]) => id !== 'peers')
  .map(([id, { title }]) => `  ${id.padEnd(10)} ${title}`)
  .join('\n')}
  all        every subject

  --quick    about a minute for each subject, for an estimate; stores no results
  --long     longer measurements, for more precise results
  --only     some cases of a subject, and their baselines; stores no results
             requests: ${studies.requests.cases.join(', ')}
  --peer     the requests of Coatcheck beside those of another program on the PATH: ${Object.keys(peers).join(', ')}`;

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
      peer: { type: 'string', multiple: true, default: [] },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return { kind: 'help' };
  if (values.quick && values.long) throw new Error('--quick and --long cannot be combined');
  const beside = values.peer.map(peerNamed);
  const chosen = beside.length > 0 ? besidePeers(positionals) : subjectsOf(positionals);
  const only = values.only?.split(',');
  const known = chosen.flatMap((id): readonly string[] => studies[id].cases);
  const unknown = only?.filter((name) => !known.includes(name)) ?? [];
  if (unknown.length > 0) {
    throw new Error(`--only: unknown case ${unknown.join(', ')}; known cases: ${known.join(', ')}`);
  }
  const length = values.quick ? 'quick' : values.long ? 'long' : 'usual';
  return { kind: 'measure', subjects: chosen, only, length, peers: beside };
}

function subjectsOf(names: readonly string[]): StudyId[] {
  if (names.includes('all')) return [...allIds];
  return (names.length === 0 ? ['requests'] : names).map(studyNamed);
}

function besidePeers(subjects: readonly string[]): StudyId[] {
  if (subjects.length > 0) throw new Error('--peer cannot be combined with a subject');
  return ['peers'];
}

function peerNamed(name: string): PeerName {
  if (!Object.hasOwn(peers, name))
    throw new Error(`--peer: expected one of ${Object.keys(peers).join(', ')}`);
  return name as PeerName;
}

function studyNamed(name: string): StudyId {
  if (!allIds.some((id) => id === name)) throw new Error(`unknown subject ${name}`);
  return name as StudyId;
}
