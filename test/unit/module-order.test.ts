import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { describe, expect, test } from 'vitest';
import { orderViolations } from '../../testkit/project/module-order.ts';

describe('the modules of src', () => {
  const sources = readSources(join(import.meta.dirname, '../../src'));

  test('the module order test finds the source files', () => {
    expect(Object.keys(sources)).toContain('main.ts');
  });

  test('the modules of src import only from lower layers', () => {
    expect(orderViolations(sources)).toEqual([]);
  });
});

describe('the module order check', () => {
  test.each([
    ['a lower layer', 'refresh/refresher.ts', `import { read } from '../sessions/store.ts';`],
    ['the same module', 'auth/login.ts', `import { x } from './callback.ts';`],
    ['a package', 'redis/lock.ts', `import { Redis } from 'ioredis';`],
    [
      'the types of config in log',
      'observability/log.ts',
      `import type { Config } from './config/schema.ts';`,
    ],
    ['anything in the package entry', 'index.ts', `export { createGateway } from './gateway.ts';`],
    ['client in itself', 'client/index.ts', `export * from './session.ts';`],
    [
      'nothing, in a comment',
      'crypto/seal.ts',
      `// import { x } from '../main.ts';\n/* import('../main.ts') */`,
    ],
    ['nothing, in an export with a string', 'crypto/seal.ts', `export const from = '../main.ts';`],
  ])('accepts an import from %s', (_what, file, text) => {
    expect(orderViolations({ [file]: text })).toEqual([]);
  });

  test.each([
    ['a higher layer', 'tokens/merge.ts', `import { x } from '../sessions/store.ts';`],
    [
      'a higher layer, over several lines',
      'tokens/merge.ts',
      `import {\n  x,\n  y,\n} from '../http/guard.ts';`,
    ],
    ['a higher layer, for its types', 'tokens/merge.ts', `import type { S } from '../sessions/store.ts';`],
    ['a higher layer, for effect', 'tokens/merge.ts', `import '../sessions/store.ts';`],
    ['a higher layer, passing it on', 'tokens/merge.ts', `export * from '../sessions/store.ts';`],
    ['a higher layer, later', 'tokens/merge.ts', `const m = await import('../sessions/store.ts');`],
    [
      'a higher layer, after a URL',
      'observability/log.ts',
      `const u = 'http://x'; void import('../app.ts');`,
    ],
    ['a neighbour of the first layer', 'errors.ts', `import { section } from './config/load.ts';`],
    ['a neighbour that logs', 'crypto/seal.ts', `import { log } from '../observability/log.ts';`],
    ['config in a type import of errors', 'errors.ts', `import type { Config } from './config/schema.ts';`],
    ['a binding called type', 'crypto/seal.ts', `import type from '../observability/log.ts';`],
    ['a neighbour that handles requests', 'auth/login.ts', `import { x } from '../proxy/route.ts';`],
    ['main in the package entry', 'index.ts', `export * from './main.ts';`],
    ['the package entry', 'gateway.ts', `import { x } from './index.ts';`],
    ['a server module in client', 'client/index.ts', `import type { Code } from '../errors.ts';`],
    ['a package in client', 'client/index.ts', `import { z } from 'zod';`],
    ['a server module by way of client', 'http/page.ts', `import { x } from '../client/index.ts';`],
    ['a file outside src', 'main.ts', `import pkg from '../package.json' with { type: 'json' };`],
  ])('reports an import from %s', (_what, file, text) => {
    expect(orderViolations({ [file]: text })).toEqual([expect.stringContaining(`${file} imports `)]);
  });

  test('reports every forbidden import with its file and its specifier', () => {
    const violations = orderViolations({
      'crypto/seal.ts': `import '../app.ts';\nimport '../redis/lock.ts';`,
      'tokens/merge.ts': `import '../main.ts';`,
    });
    expect(violations).toEqual([
      'crypto/seal.ts imports ../app.ts: crypto may not import app',
      'crypto/seal.ts imports ../redis/lock.ts: crypto may not import redis',
      'tokens/merge.ts imports ../main.ts: tokens may not import main',
    ]);
  });
});

describe('a file in no module', () => {
  test('reports a file that belongs to no known module', () => {
    expect(orderViolations({ 'utils/date.ts': '' })).toEqual(['utils/date.ts is in no known module']);
    expect(orderViolations({ 'serve.ts': '' })).toEqual(['serve.ts is in no known module']);
  });
});

describe('access to process, signals and exit', () => {
  test.each([
    ['config reads the environment', 'config/load.ts', `const { env } = process;\nprocess.env.HOME;`],
    ['main exits', 'main.ts', `process.exit(78);`],
    ['main listens for signals', 'main.ts', `for (const s of signals) process.once(s, stop);`],
    ['a name is trimmed outside of headers', 'auth/username.ts', `username.trim();`],
    ['a module listens for warnings', 'gateway.ts', `process.on('warning', log.warn);`],
    ['a message names the environment', 'errors.ts', `const hint = 'set process.env.PORT';`],
  ])('accepts that %s', (_what, file, text) => {
    expect(orderViolations({ [file]: text })).toEqual([]);
  });

  test.each([
    [
      'the environment is read',
      'http/inbound/guard.ts',
      `const debug = process.env['DEBUG'];`,
      'reads process.env',
    ],
    [
      'the environment is imported',
      'observability/log.ts',
      `import { env } from 'node:process';`,
      'reads process.env',
    ],
    [
      'the environment is taken apart',
      'observability/log.ts',
      `const { env } = process;`,
      'reads process.env',
    ],
    ['a field is trimmed', 'http/inbound/host.ts', `value.trim()`, 'uses trim()'],
    ['a pattern strips white space', 'proxy/routes.ts', 'value.split(/\\s*,/)', 'uses trim()'],
    ['a module exits', 'gateway.ts', `process.exit(1);`, 'calls process.exit'],
    ['exit is imported', 'gateway.ts', `import { exit } from 'node:process';`, 'calls process.exit'],
    ['a module listens for a signal', 'gateway.ts', `process.on('SIGHUP', reload);`, 'listens for signals'],
    ['a signal is held in a variable', 'app.ts', `process.once(signal, stop);`, 'listens for signals'],
  ])('reports that %s', (_what, file, text, complaint) => {
    expect(orderViolations({ [file]: text })).toEqual([expect.stringContaining(`${file} ${complaint}`)]);
  });
});

function readSources(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).sort();
  return Object.fromEntries(
    paths.map((path) => [relative(folder, path).split(sep).join('/'), readFileSync(path, 'utf8')]),
  );
}
