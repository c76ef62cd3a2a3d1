import { readFileSync } from 'node:fs';
import { ConfigError, formatProblems } from './config-error.ts';
import type { Problem } from './config-error.ts';
import { formatPath, isWithin } from './diagnostics/finding.ts';
import type { Finding } from './diagnostics/finding.ts';
import { interpolate, unreadable } from './interpolation.ts';
import type { Sources } from './interpolation.ts';
import type { Config } from './schema/schema.ts';
import { validate } from './validate.ts';
import { readYaml } from './diagnostics/yaml-file.ts';
import type { YamlFile } from './diagnostics/yaml-file.ts';

const processSources = (): Sources => ({
  env: process.env,
  readFile: (path) => readFileSync(path, 'utf8'),
});

/**
 * Reads a configuration file: YAML, interpolation, then everything {@link parseConfig} checks.
 *
 * @param sources - the environment and the files; by default those of this process.
 * @throws {ConfigError} with every problem found at once, each with its line.
 */
export function loadConfig(file: string, sources: Sources = processSources()): Config {
  const yaml = readYaml(readText(file, sources));
  if (yaml.isEmpty) throw new ConfigError([{ path: '', message: 'the file is empty' }]);

  const flaws = yaml.flaws.map(({ line, message }): Problem => ({ path: '', line, message }));
  // Past an error of syntax the parser only guesses, and what it makes of the rest would mislead.
  if (yaml.flaws.some(({ isFatal }) => isFatal)) throw new ConfigError(inOrder(flaws));

  const { unresolved, hidden } = fillIn(yaml, sources);
  const validation = validate(plainData(yaml), hidden);
  const findings = validation.ok ? [] : validation.findings;
  // A text that could not be filled in says nothing about the value that was meant.
  const sound = findings.filter(({ path }) => !unresolved.some((other) => isWithin(path, other.path)));
  const problems = [...flaws, ...[...unresolved, ...sound].map((finding) => located(finding, yaml))];
  if (validation.ok && problems.length === 0) return validation.config;
  throw new ConfigError(inOrder(problems));
}

/**
 * Checks a configuration given as plain data, with the keys of the file, and completes it with the defaults.
 *
 * Nothing is interpolated, and nothing is read from the environment.
 *
 * @throws {ConfigError} with every problem found at once.
 */
export function parseConfig(input: unknown): Config {
  const validation = validate(input);
  if (validation.ok) return validation.config;
  const problems = validation.findings.map(({ path, message }) => ({ path: formatPath(path), message }));
  throw new ConfigError(inOrder(problems));
}

function readText(file: string, { readFile }: Sources): string {
  try {
    return readFile(file);
  } catch (error) {
    throw new ConfigError([{ path: '', message: `the file ${unreadable(error)}` }]);
  }
}

/** Interpolates every text of the file; `hidden` holds what came out, since any of it may be a secret. */
function fillIn(yaml: YamlFile, sources: Sources): { unresolved: Finding[]; hidden: Set<string> } {
  const unresolved: Finding[] = [];
  const hidden = new Set<string>();
  yaml.changeTexts((text, path) => {
    const result = interpolate(text, sources);
    if (result.interpolated && result.text !== undefined) hidden.add(result.text);
    unresolved.push(...result.problems.map((message) => ({ path, message })));
    return result.text;
  });
  return { unresolved, hidden };
}

function plainData(yaml: YamlFile): unknown {
  try {
    return yaml.toPlain();
  } catch {
    // SECURITY: the library's message would quote the alias, which may be an unquoted secret.
    const message = 'an alias has no anchor before it, or the aliases expand to too many values';
    throw new ConfigError([{ path: '', message }]);
  }
}

function located({ path, message }: Finding, yaml: YamlFile): Problem {
  return { path: formatPath(path), line: yaml.lineOf(path), message };
}

/** The problems in the order of the file; what two checks say about one value in the same words is said once. */
function inOrder(problems: readonly Problem[]): Problem[] {
  const byText = new Map(problems.map((problem) => [formatProblems('', [problem]), problem]));
  return [...byText.values()].toSorted((one, other) => (one.line ?? 0) - (other.line ?? 0));
}
