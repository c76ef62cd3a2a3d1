/** The sources outside of the file from which the configuration reads values. */
export type Sources = {
  /** The variables of the environment. */
  env: Readonly<Record<string, string | undefined>>;
  /** Reads a file as text; throws when it cannot. */
  readFile: (path: string) => string;
};

/** The result for one text. */
export type Interpolated = {
  /** The text with every interpolation replaced; undefined when the result is empty. */
  text: string | undefined;
  /** True when something was replaced, so that the text may be a secret. */
  interpolated: boolean;
  /** The references that could not be replaced, with the names of variables and files. */
  problems: string[];
};

const token = /\$\$\{|\$\{([^}]*)\}?/g;
const variable = /^([A-Za-z_]\w*)(?::-(.*))?$/s;
const filePrefix = 'file:';

/**
 * Replaces `${NAME}`, `${NAME:-default}` and `${file:/path}` in a text; `$${` is a literal `${`.
 *
 * As in a shell, the default also replaces an empty variable. One final line break of a file is dropped. An empty result
 * counts as absent.
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

/** The largest file that is read, in bytes. */
export const MAX_FILE_BYTES = 1_048_576;

type Lookup = { value: string } | { problem: string };

/** Names nothing. */
export const MALFORMED =
  'expected ${NAME}, ${NAME:-default} or ${file:/path}, closed and not nested; a literal "${" is written "$${"';

const malformed: Lookup = { problem: MALFORMED };

function lookUp(inner: string, { env, readFile }: Sources): Lookup {
  if (inner.startsWith(filePrefix)) return readSecret(inner.slice(filePrefix.length), readFile);
  const [, name, fallback] = variable.exec(inner) ?? [];
  if (name === undefined || fallback?.includes('${') === true) return malformed;
  const value = env[name];
  if (fallback !== undefined) return { value: value === undefined || value === '' ? fallback : value };
  return value === undefined ? { problem: `the environment variable ${name} is not set` } : { value };
}

function readSecret(path: string, readFile: Sources['readFile']): Lookup {
  try {
    return { value: readFile(path).replace(/\r?\n$/, '') };
  } catch (error) {
    return { problem: `the file ${JSON.stringify(path)} ${unreadable(error)}` };
  }
}

/**
 * True when a whole text is one interpolation. Otherwise a `${` may belong to a value such as a password, and the name after
 * it may be a part of it.
 */
export function isInterpolation(text: string): boolean {
  return /^\$\{[^}]*\}$/.test(text);
}

/** True for a URL, also with a variable for its origin, and for an IP address with a port. No password begins like that. */
export function isAddress(text: string): boolean {
  return /^(?:[a-z]{2,10}:\/\/|\$\{\w+\}[/:]|[\d.]+:|\[[\da-f:]+\]:)[^@]*$/i.test(text);
}

/** A problem that omits the name in a failed interpolation, because the name may be part of a secret. */
export const UNNAMED_PROBLEM =
  'a variable in this value is not set, or a file cannot be read; a literal "${" is written "$${"';

/** Why a file could not be read: the end of a sentence that starts with the file. */
export function unreadable(error: unknown, maxBytes = MAX_FILE_BYTES): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'ENOENT':
      return 'does not exist';
    case 'EACCES':
      return 'is not readable by this process';
    case 'EISDIR':
      return 'is a directory';
    case 'ENOTREG':
    case 'ENXIO':
      return 'is not a regular file';
    case 'EFBIG':
      return `is larger than ${maxBytes < 1_048_576 ? `${maxBytes / 1_024} kB` : `${maxBytes / 1_048_576} MB`}`;
    default:
      return typeof code === 'string' ? `cannot be read (${code})` : 'cannot be read';
  }
}
