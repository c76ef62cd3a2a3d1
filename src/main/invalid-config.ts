import { ConfigError, formatProblems, type Problem } from '../config/config-error.ts';
import { EXIT_CONFIG } from './exit-codes.ts';

/** Reads the configuration file. Lists its problems and exits when it is invalid. */
export function orExit<Result>(file: string, read: (file: string) => Result): Result {
  try {
    return read(file);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return exitWithProblems(file, error.problems);
  }
}

export function exitWithProblems(file: string, problems: readonly Problem[]): never {
  const count = problems.length === 1 ? 'one problem' : `${problems.length} problems`;
  console.error(`The configuration is invalid: ${count}.\n${formatProblems(file, problems)}`);
  process.exit(EXIT_CONFIG);
}
