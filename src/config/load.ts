import { ConfigError, formatProblems } from './config-error.ts';
import type { Problem } from './config-error.ts';
import type { ConfigIssue } from './diagnostics/issue.ts';
import { effectiveYaml } from './effective-config.ts';
import { formatPath, isWithin, type KeyPath } from './diagnostics/key-path.ts';
import {
  interpolate,
  isAddress,
  isInterpolation,
  MALFORMED,
  UNNAMED_PROBLEM,
  unreadable,
} from './interpolation.ts';
import type { Sources } from './interpolation.ts';
import { mayBeSecret } from './diagnostics/redacted-value.ts';
import { readYaml } from './diagnostics/yaml-file.ts';
import type { YamlFile } from './diagnostics/yaml-file.ts';
import { TOO_DEEP } from './diagnostics/yaml-problem.ts';
import { readProxyEnvironment } from './outgoing-proxy.ts';
import type { ProviderSectionKinds } from './schema/provider-section.ts';
import { createConfigSchema, type Config, type ConfigSchema } from './schema/schema.ts';
import { processSources } from './sources.ts';
import { createValidator, type Validate } from './validate.ts';

/** Reads configurations whose provider is one of a list of kinds. */
export type ConfigReader = {
  /**
   * Reads a configuration file: YAML, interpolation, then everything {@link ConfigReader.parseConfig} checks.
   *
   * @param sources - the environment and the files; by default those of this process.
   * @throws {ConfigError} with every problem at once, each with its line.
   */
  loadConfig(file: string, sources?: Sources): Config;
  /** Does the same, and gives the configuration as YAML with its defaults, without secrets. */
  describeConfig(file: string, sources?: Sources): string;
  /**
   * Checks a configuration given as plain data, with the keys of the file, and fills in the defaults.
   *
   * Nothing is interpolated. Of the environment, only the variables of `provider.proxy: env` are read.
   *
   * @throws {ConfigError} with every problem at once.
   */
  parseConfig(input: unknown): Config;
  /** The schema that both check against. */
  readonly schema: ConfigSchema;
};

export function createConfigReader(providerKinds: ProviderSectionKinds): ConfigReader {
  const schema = createConfigSchema(providerKinds);
  const validate = createValidator(schema);
  return {
    loadConfig: (file, sources = processSources()) =>
      withProxies(
        withDepthError(() => loadWith(validate, schema, file, sources).config),
        sources.env,
      ),
    describeConfig: (file, sources = processSources()) =>
      withDepthError(() => effectiveYaml(schema, loadWith(validate, schema, file, sources).input)),
    parseConfig(input) {
      const validation = withDepthError(() => validate(input, processSources().readFile));
      if (validation.ok) return withProxies(validation.config, process.env);
      const problems = validation.issues.map(({ path, message }) => ({ path: formatPath(path), message }));
      throw new ConfigError(inOrder(problems));
    },
    schema,
  };
}

/** Adds the proxies of the environment to `provider.proxy: env`. */
function withProxies(config: Config, env: Sources['env']): Config {
  if (config.provider.proxy.kind !== 'environment') return config;
  const { proxies, invalid } = readProxyEnvironment(env);
  if (invalid.length === 0)
    return { ...config, provider: { ...config.provider, proxy: { kind: 'environment', ...proxies } } };
  throw new ConfigError(
    invalid.map((name) => ({
      path: 'provider.proxy',
      message: `the environment variable ${name} is not the URL of an HTTP proxy; correct it, or set provider.proxy to none or to a URL`,
    })),
  );
}

/** Endless nesting exhausts the stack of the functions that traverse the values. */
function withDepthError<Result>(read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ConfigError([{ path: '', message: TOO_DEEP }]);
  }
}

/** A valid configuration, and the data of its file, interpolated, before it was parsed. */
type Loaded = { readonly config: Config; readonly input: unknown };

function loadWith(validate: Validate, { secretPaths }: ConfigSchema, file: string, sources: Sources): Loaded {
  const yaml = readYaml(readText(file, sources));
  if (yaml.isEmpty) throw new ConfigError([{ path: '', message: 'the file is empty' }]);

  const syntaxProblems = yaml.problems.map(({ line, message }): Problem => ({ path: '', line, message }));
  // After a syntax error the parser guesses, and problems that result from its guess would mislead.
  if (yaml.problems.some(({ isFatal }) => isFatal)) throw new ConfigError(inOrder(syntaxProblems));

  const { unresolved, hidden } = fillIn(yaml, sources, secretPaths);
  const input = plainData(yaml);
  const validation = validate(input, sources.readFile, hidden);
  const issues = validation.ok ? [] : validation.issues;
  // The text of a failed interpolation says nothing about the value that was meant.
  const relevant = issues.filter(({ path }) => !unresolved.some((other) => isWithin(path, other.path)));
  const found = [...unresolved, ...relevant].map((issue) => located(issue, yaml, relevant));
  const problems = [...syntaxProblems, ...found];
  if (validation.ok && problems.length === 0) return { config: validation.config, input };
  throw new ConfigError(inOrder(problems));
}

function readText(file: string, { readFile }: Sources): string {
  try {
    return readFile(file);
  } catch (error) {
    throw new ConfigError([{ path: '', message: `the file ${unreadable(error)}` }]);
  }
}

/** Interpolates every text of the file; `hidden` holds the results, since any of them may be a secret. */
function fillIn(
  yaml: YamlFile,
  sources: Sources,
  secretPaths: ConfigSchema['secretPaths'],
): { unresolved: ConfigIssue[]; hidden: Set<string> } {
  const unresolved: ConfigIssue[] = [];
  const hidden = new Set<string>();
  yaml.changeTexts((text, path) => {
    const result = interpolate(text, sources);
    if (result.interpolated && result.text !== undefined) hidden.add(result.text);
    // SECURITY: a password may contain "${", and the name after it is then a part of the password.
    const isShown = isInterpolation(text) || (isAddress(text) && !mayBeSecret(path, secretPaths));
    const shown = (problem: string) => (isShown || problem === MALFORMED ? problem : UNNAMED_PROBLEM);
    unresolved.push(...result.problems.map((problem) => ({ path, message: shown(problem) })));
    return result.text;
  });
  return { unresolved, hidden };
}

function plainData(yaml: YamlFile): unknown {
  try {
    return yaml.toPlain();
  } catch (error) {
    if (error instanceof RangeError) throw error;
    // SECURITY: the library's message quotes the alias, which may be an unquoted secret.
    const message = 'an alias has no anchor before it, or the aliases expand to too many values';
    throw new ConfigError([{ path: '', message }]);
  }
}

/** A missing key that was misspelt has the line of the misspelling. */
function located({ path, message, kind }: ConfigIssue, yaml: YamlFile, all: readonly ConfigIssue[]): Problem {
  const misspelling = kind === 'missing key' ? all.find((other) => isMisspellingOf(path, other)) : undefined;
  return { path: formatPath(path), line: yaml.lineOf(misspelling?.path ?? path), message };
}

function isMisspellingOf(path: KeyPath, { path: other, intended }: ConfigIssue): boolean {
  return intended === path.at(-1) && isWithin(other, path.slice(0, -1)) && other.length === path.length;
}

/** The problems in the order of the file, without duplicates. In one line, an unknown key explains what follows. */
function inOrder(problems: readonly Problem[]): Problem[] {
  const byText = new Map(problems.map((problem) => [formatProblems('', [problem]), problem]));
  const rank = ({ message }: Problem) => (message.startsWith('unknown key') ? 0 : 1);
  return [...byText.values()].toSorted(
    (one, other) => (one.line ?? 0) - (other.line ?? 0) || rank(one) - rank(other),
  );
}
