import { readBoundedFile } from './bounded-file.ts';
import { MAX_FILE_BYTES, type Sources } from './interpolation.ts';

/** The texts of the files that a configuration was read from, by their paths. */
export type FileTexts = Readonly<Record<string, string>>;

/** The environment and the files of this process. */
export function processSources(): Sources {
  return { env: process.env, readFile: (path) => readBoundedFile(path, MAX_FILE_BYTES) };
}

/** Whether Node.js verifies certificates: the environment can turn that off, whatever the configuration says. */
export function verifiesCertificates(): boolean {
  return process.env.NODE_TLS_REJECT_UNAUTHORIZED !== '0';
}

/** Those of the variables that the environment of this process does not have. */
export function withoutOwnVariables(variables: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(variables).filter(([name]) => process.env[name] === undefined));
}

/** Sources that remember every file they were asked for. */
export type RecordingSources = Sources & {
  /** The files that could be read. */
  texts(): FileTexts;
  /** All files, whether they could be read or not. */
  paths(): readonly string[];
};

export function recordingSources({ env, readFile }: Sources = processSources()): RecordingSources {
  const paths = new Set<string>();
  const texts = new Map<string, string>();
  return {
    env,
    readFile(path) {
      paths.add(path);
      const text = readFile(path);
      texts.set(path, text);
      return text;
    },
    texts: () => Object.fromEntries(texts),
    paths: () => [...paths],
  };
}

/** The environment of this process, and files as they were read before. */
export function sourcesOf(texts: FileTexts): Sources {
  return {
    env: process.env,
    readFile(path) {
      const text = Object.hasOwn(texts, path) ? texts[path] : undefined;
      if (text !== undefined) return text;
      throw Object.assign(new Error('the file was not read before'), { code: 'ENOENT' });
    },
  };
}
