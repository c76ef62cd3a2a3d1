import { posix } from 'node:path';

/** The modules of `src/`, lowest layer first: a module imports only from layers below its own. */
const layers = [
  ['concurrency', 'config', 'errors', 'fields', 'performance', 'supported-node', 'timing', 'version'],
  ['crypto', 'dpop', 'observability'],
  ['redis'],
  ['tokens'],
  ['provider'],
  ['sessions'],
  ['refresh'],
  ['grants'],
  ['http'],
  ['access', 'admin', 'auth', 'proxy'],
  ['spa'],
  ['app', 'upgrade-pipeline'],
  ['gateway'],
  ['check', 'server'],
  ['workers'],
  ['main'],
];

/** The folders whose texts count as header text. */
const headerModules = new Set(['fields', 'sessions', 'http', 'proxy']);

const depths = new Map(layers.flatMap((layer, depth) => layer.map((module) => [module, depth] as const)));

/**
 * Finds violations of the module order in `src`: imports against the one-way order, files in no module, and the use of
 * the environment, exits and signals outside the module that owns them. Pure: takes each file's text by its path within
 * `src` (with `/`), and returns one sentence for each violation.
 */
export function orderViolations(sources: Readonly<Record<string, string>>): string[] {
  return Object.entries(sources).flatMap(([file, text]) => {
    const module = moduleOf(file);
    if (!isKnown(module)) return [`${file} is in no known module`];
    const code = withoutComments(text);
    const imports = specifiersOf(code).flatMap((specifier) => importViolation(file, specifier));
    return [...imports, ...edgeViolations(file, code)];
  });
}

/** The first segment of the path: `http/problem/problem.ts` and `http/access-log.ts` are both of the module `http`. */
function moduleOf(file: string): string {
  return file.replace(/\/.*|\.[jt]s$/gs, '');
}

function isKnown(module: string): boolean {
  return depths.has(module) || module === 'client' || module === 'index';
}

function importViolation(file: string, specifier: string): string[] {
  const module = moduleOf(file);
  const says = (why: string) => [`${file} imports ${specifier}: ${why}`];
  if (!specifier.startsWith('.')) {
    return module === 'client' ? says('client/ imports nothing outside itself') : [];
  }
  const target = posix.join(posix.dirname(file), specifier);
  if (target.startsWith('..')) return says('it is outside src');
  const other = moduleOf(target);
  if (other === module) return [];
  if (module === 'client') return says('client/ imports nothing outside itself');
  if (module === 'index') return other === 'main' ? says('the package entry does not import main') : [];
  const isAbove = (depths.get(other) ?? Infinity) < (depths.get(module) ?? -Infinity);
  return isAbove ? [] : says(`${module} may not import ${other}`);
}

function edgeViolations(file: string, code: string): string[] {
  const module = moduleOf(file);
  const found: string[] = [];
  const bound = namesTakenFromProcess(code);
  const calls = withoutStrings(code);
  if (module !== 'config' && (/\bprocess\s*\??\.\s*env\b/.test(calls) || /\benv\b/.test(bound))) {
    found.push(`${file} reads process.env: only config/ does`);
  }
  if (module !== 'main' && (/\bprocess\s*\.\s*exit\s*\(/.test(calls) || /\bexit\b/.test(bound))) {
    found.push(`${file} calls process.exit: only main does`);
  }
  if (module !== 'main' && listensForSignals(code)) {
    found.push(`${file} listens for signals: only main does`);
  }
  if (headerModules.has(module) && /\.trim(?:Start|End)?\(|\\s/.test(code)) {
    found.push(`${file} uses trim() or \\s, which strip more than SP and HTAB: use fields/whitespace`);
  }
  return found;
}

/** The names that `import { … } from 'node:process'` and `const { … } = process` use. */
function namesTakenFromProcess(code: string): string {
  const taken = /\{([^{}]*)\}\s*(?:from\s*['"](?:node:)?process['"]|=\s*process\b(?!\s*\.))/g;
  return Array.from(code.matchAll(taken), ([, names]) => names).join();
}

/** A listener on `process` whose event is a signal, or a variable that could be one. */
function listensForSignals(code: string): boolean {
  return /\bprocess\s*\.\s*(?:on|once|addListener|prependListener|prependOnceListener)\s*\(\s*(?!['"`](?!SIG))/.test(
    code,
  );
}

/** Static imports, re-exports and `import()` of a written-out name, in code that has no comments. */
export function specifiersOf(code: string): string[] {
  const fixed =
    /^[ \t]*(?:import|export)\s+(?:type\s+(?!from\b))?(?:[^'";=()]*?\bfrom\s*)?['"]([^'"]+)['"]/gm;
  const dynamic = /\bimport\s*\(\s*['"`]([^'"`]+)['"`]/g;
  return [...code.matchAll(fixed), ...code.matchAll(dynamic)].map(([, specifier = '']) => specifier);
}

const stringOrComment =
  /\/\*[\s\S]*?\*\/|\/\/[^\n]*|\\.|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\[\s\S]|[^`\\])*`/g;

/** Strings are matched so that a `//` inside one does not start a comment. */
export function withoutComments(text: string): string {
  return text.replace(stringOrComment, (match) => (/^\/[/*]/.test(match) ? ' ' : match));
}

function withoutStrings(code: string): string {
  return code.replace(/'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"/g, "''");
}
