import { describe, expect, it } from 'vitest';
import { ConfigError, formatProblems } from '../../../src/config/config-error.ts';
import { formatPath } from '../../../src/config/diagnostics/key-path.ts';

const problems = [
  { path: 'routes[0].upstream', line: 12, message: 'expected an http(s) URL, got "ftp://x"' },
  { path: 'baseUrl', message: 'missing' },
  { path: '', message: 'the file is empty' },
];

describe('ConfigError', () => {
  it('prints one problem per line, with file, line and path where they are known', () => {
    expect(formatProblems('config.yaml', problems).split('\n')).toEqual([
      'config.yaml:12  routes[0].upstream: expected an http(s) URL, got "ftp://x"',
      'config.yaml  baseUrl: missing',
      'config.yaml  the file is empty',
    ]);
  });

  it('carries the problems and repeats them in its message', () => {
    const error = new ConfigError(problems);
    expect(error.name).toBe('ConfigError');
    expect(error.problems).toHaveLength(3);
    expect(error.message.split('\n')).toEqual([
      'invalid configuration',
      'line 12  routes[0].upstream: expected an http(s) URL, got "ftp://x"',
      'baseUrl: missing',
      'the file is empty',
    ]);
  });
});

describe('the path of a key', () => {
  it('the path of a key is printed with dots and brackets', () => {
    expect(formatPath(['routes', 0, 'requestHeaders', 'set', 'X-A'])).toBe(
      'routes[0].requestHeaders.set.X-A',
    );
    expect(formatPath(['provider', 'a.b'])).toBe('provider["a.b"]');
    expect(formatPath([])).toBe('');
  });
});
