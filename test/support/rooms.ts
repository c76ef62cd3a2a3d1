import { posix } from 'node:path';

/** Rooms that stand side by side share a row; a room may import from rows further up only. */
const rows = [
  ['config', 'errors', 'fields', 'log', 'metrics'],
  ['crypto'],
  ['redis'],
  ['tokens'],
  ['provider'],
  ['sessions'],
  ['refresh'],
  ['http'],
  ['auth', 'proxy', 'admin'],
  ['app'],
  ['gateway'],
  ['check', 'serve', 'heap'],
  ['workers'],
  ['main'],
];

/** Where text is header text, unless proved otherwise. */
const headerRooms = new Set(['fields', 'sessions', 'http', 'proxy']);

const depths = new Map(rows.flatMap((row, depth) => row.map((room) => [room, depth] as const)));

interface Import {
  specifier: string;
  typeOnly: boolean;
}

/**
 * Finds what breaks the order of the rooms in `src`: imports against the one-way order, files in no room, and the
 * environment, exits and signals outside the room that owns them. Pure: takes each file's text by its path within
 * `src` (with `/`), and returns one sentence a violation; none means the order holds.
 */
export function roomViolations(sources: Readonly<Record<string, string>>): string[] {
  return Object.entries(sources).flatMap(([file, text]) => {
    const room = roomOf(file);
    if (!isKnown(room)) return [`${file} is in no known room`];
    const code = withoutComments(text);
    const imports = importsOf(code).flatMap((imported) => importViolation(file, imported));
    return [...imports, ...edgeViolations(file, code)];
  });
}

/** The first segment of the path: `log.ts` and `log/redaction.ts` are both of the room `log`. */
function roomOf(file: string): string {
  return file.replace(/\/.*|\.[jt]s$/gs, '');
}

function isKnown(room: string): boolean {
  return depths.has(room) || room === 'client' || room === 'index';
}

function importViolation(file: string, { specifier, typeOnly }: Import): string[] {
  const room = roomOf(file);
  const says = (why: string) => [`${file} imports ${specifier}: ${why}`];
  if (!specifier.startsWith('.')) {
    return room === 'client' ? says('client/ imports nothing outside itself') : [];
  }
  const target = posix.join(posix.dirname(file), specifier);
  if (target.startsWith('..')) return says('it is outside src');
  const other = roomOf(target);
  if (other === room) return [];
  if (room === 'client') return says('client/ imports nothing outside itself');
  if (room === 'index') return other === 'main' ? says('the package entry does not import main') : [];
  if (typeOnly && other === 'config' && (room === 'log' || room === 'metrics')) return [];
  const isAbove = (depths.get(other) ?? Infinity) < (depths.get(room) ?? -Infinity);
  return isAbove ? [] : says(`${room} may not import ${other}`);
}

function edgeViolations(file: string, code: string): string[] {
  const room = roomOf(file);
  const found: string[] = [];
  const bound = namesTakenFromProcess(code);
  const calls = withoutStrings(code);
  if (room !== 'config' && (/\bprocess\s*\??\.\s*env\b/.test(calls) || /\benv\b/.test(bound))) {
    found.push(`${file} reads process.env: only config/ does`);
  }
  if (room !== 'main' && (/\bprocess\s*\.\s*exit\s*\(/.test(calls) || /\bexit\b/.test(bound))) {
    found.push(`${file} calls process.exit: only main does`);
  }
  if (room !== 'main' && listensForSignals(code)) {
    found.push(`${file} listens for signals: only main does`);
  }
  if (headerRooms.has(room) && /\.trim(?:Start|End)?\(|\\s/.test(code)) {
    found.push(`${file} uses trim() or \\s, which strip more than SP and HTAB: use fields/whitespace`);
  }
  return found;
}

/** What `import { … } from 'node:process'` and `const { … } = process` take out of it. */
function namesTakenFromProcess(code: string): string {
  const taken = /\{([^{}]*)\}\s*(?:from\s*['"](?:node:)?process['"]|=\s*process\b(?!\s*\.))/g;
  return Array.from(code.matchAll(taken), ([, names]) => names).join();
}

/** A listener on `process` whose event is a signal, or is not written out and so could be one. */
function listensForSignals(code: string): boolean {
  return /\bprocess\s*\.\s*(?:on|once|addListener|prependListener|prependOnceListener)\s*\(\s*(?!['"`](?!SIG))/.test(
    code,
  );
}

/** Static imports, re-exports and `import()` of a written-out name, in code that has no comments. */
function importsOf(code: string): Import[] {
  const fixed = /^[ \t]*(?:import|export)\s+(type\s+(?!from\b))?(?:[^'";=()]*?\bfrom\s*)?['"]([^'"]+)['"]/gm;
  const dynamic = /\bimport\s*\(\s*['"`]([^'"`]+)['"`]/g;
  return [
    ...Array.from(code.matchAll(fixed), ([, type, specifier = '']) => ({
      specifier,
      typeOnly: type !== undefined,
    })),
    ...Array.from(code.matchAll(dynamic), ([, specifier = '']) => ({ specifier, typeOnly: false })),
  ];
}

const stringOrComment =
  /\/\*[\s\S]*?\*\/|\/\/[^\n]*|\\.|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\[\s\S]|[^`\\])*`/g;

/** Strings are matched only so that a `//` inside one is not taken for a comment. */
function withoutComments(text: string): string {
  return text.replace(stringOrComment, (match) => (/^\/[/*]/.test(match) ? ' ' : match));
}

function withoutStrings(code: string): string {
  return code.replace(/'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"/g, "''");
}
