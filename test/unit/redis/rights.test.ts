import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { minimalAcl, REDIS_CHANNELS, REDIS_COMMANDS, REDIS_KEYS } from '../../../src/redis/rights.ts';

const root = join(import.meta.dirname, '../../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const sources = globSync('src/{redis,sessions,grants}/**/*.ts', { cwd: root })
  .filter((file) => !file.endsWith('rights.ts'))
  .map(read)
  .join('\n');

/** Everything that a pattern captures in the sources, once each and sorted. */
const captured = (pattern: RegExp) =>
  [...new Set(Array.from(sources.matchAll(pattern), ([, name = '']) => name.toLowerCase()))].toSorted();

describe('the documented rights of the Redis user', () => {
  it('cover every command that a script calls', () => {
    const called = captured(/redis\.p?call\('([A-Z]+)'/g);
    expect(called).toContain('publish');
    expect(called.filter((command) => !REDIS_COMMANDS.includes(command))).toEqual([]);
  });

  it('cover every command that the client sends', () => {
    const sent = captured(/\(client\) =>\s*client\.(\w+)\(/g);
    const names = sent.map((name) => name.replace(/buffer$/, ''));
    expect(names).toContain('zadd');
    expect(names.filter((command) => !REDIS_COMMANDS.includes(command))).toEqual([]);
  });

  it('cover exactly the keys and channels in the source', () => {
    const named = captured(/\$\{(?:deps\.)?keyPrefix\}([a-z]+:?)/g);
    // The name of an index begins with the kind of its owner.
    expect(new Set([...named, 'subject:', 'sid:'])).toEqual(
      new Set([...REDIS_KEYS, ...Object.keys(REDIS_CHANNELS)]),
    );
  });

  it('are documented completely', () => {
    const page = read('docs/operations.md');
    const [, block = ''] = /```sh\nredis-cli ACL SETUSER coatcheck on '>PASSWORD' (.+?)```/s.exec(page) ?? [];
    const rules = block.replaceAll(/[\\']/g, '').split(/\s+/).filter(Boolean);
    expect(rules).toEqual(minimalAcl('coatcheck:').split(' '));
  });
});
