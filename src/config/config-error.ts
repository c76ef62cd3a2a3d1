/** One thing wrong with a configuration. */
export type Problem = {
  /** The key, such as `routes[0].upstream`; empty for a problem of the whole file. */
  path: string;
  /** The line of the file, counted from 1; absent without a file. */
  line?: number;
  /** What was expected and what was found, without any secret. */
  message: string;
};

/** An invalid configuration, with every problem in the order of the file. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(`invalid configuration\n${formatProblems('', problems)}`);
    this.problems = problems;
  }
}

/** Formats problems for a terminal, one a line: `config.yaml:12  routes[0].upstream: expected …`. */
export function formatProblems(file: string, problems: readonly Problem[]): string {
  return problems
    .map(({ path, line, message }) => {
      const place = placeOf(file, line);
      const subject = path === '' ? message : `${path}: ${message}`;
      return place === '' ? subject : `${place}  ${subject}`;
    })
    .join('\n');
}

function placeOf(file: string, line: number | undefined): string {
  if (line === undefined) return file;
  return file === '' ? `line ${line}` : `${file}:${line}`;
}
