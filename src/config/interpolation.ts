/** Where interpolation takes values from; all that the configuration reads from outside itself. */
export type Sources = {
  /** The variables of the environment. */
  env: Readonly<Record<string, string | undefined>>;
  /** Reads a file as text; throws when it cannot. */
  readFile: (path: string) => string;
};

/** What became of one text. */
export type Interpolated = {
  /** The text with every interpolation replaced; undefined when nothing came out. */
  text: string | undefined;
  /** Whether anything came from outside, so that the text may be a secret. */
  interpolated: boolean;
  /** What could not be replaced, naming the variable or the file, never a value. */
  problems: string[];
};

const token = /\$\$\{|\$\{([^}]*)\}?/g;
const variable = /^([A-Za-z_]\w*)(?::-(.*))?$/s;
const filePrefix = 'file:';

/**
 * Replaces `${NAME}`, `${NAME:-default}` and `${file:/path}` in a text; `$${` is a literal `${`.
 *
 * As in a shell, the default also stands in for an empty variable. Of a file, one final line break is left
 * out. A text that comes out empty counts as not written.
 */
export function interpolate(text: string, sources: Sources): Interpolated {
  const problems: string[] = [];
  let interpolated = false;
  const replaced = text.replace(token, (written, inner: string | undefined) => {
    if (inner === undefined) return '${';
    interpolated = true;
    const found = written.endsWith('}') ? lookUp(inner, sources) : malformed;
    if ('problem' in found) problems.push(found.problem);
    return 'problem' in found ? written : found.value;
  });
  const isAbsent = interpolated && replaced === '';
  return { text: isAbsent ? undefined : replaced, interpolated, problems };
}

type Found = { value: string } | { problem: string };

const malformed: Found = {
  problem:
    'expected ${NAME}, ${NAME:-default} or ${file:/path}, closed and not nested; a literal "${" is written "$${"',
};

function lookUp(inner: string, { env, readFile }: Sources): Found {
  if (inner.startsWith(filePrefix)) return readSecret(inner.slice(filePrefix.length), readFile);
  const [, name, fallback] = variable.exec(inner) ?? [];
  if (name === undefined || fallback?.includes('${') === true) return malformed;
  const value = env[name];
  if (fallback !== undefined) return { value: value === undefined || value === '' ? fallback : value };
  return value === undefined ? { problem: `the environment variable ${name} is not set` } : { value };
}

function readSecret(path: string, readFile: Sources['readFile']): Found {
  try {
    return { value: readFile(path).replace(/\r?\n$/, '') };
  } catch (error) {
    return { problem: `the file ${JSON.stringify(path)} ${unreadable(error)}` };
  }
}

/** Why a file could not be read, as the end of a sentence that begins with the file. */
export function unreadable(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'ENOENT':
      return 'does not exist';
    case 'EACCES':
      return 'is not readable by this process';
    case 'EISDIR':
      return 'is a directory';
    default:
      return typeof code === 'string' ? `cannot be read (${code})` : 'cannot be read';
  }
}
