import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { load, secret } from '../sample.ts';
import { schemaKeys } from '../schema-keys.ts';
import type { SchemaKey } from '../schema-keys.ts';

const text = readFileSync(new URL('../../../../docs/configuration.md', import.meta.url), 'utf8');
const [, section = ''] = /^## Keys$(.*?)^## /ms.exec(text) ?? [];
const rows = section.split(/^### /m).flatMap((table) => {
  const kind = /^.*`type: (\w+)`/.exec(table)?.[1];
  return table.split('\n').flatMap((line) => {
    const [, key = '', preset] = /^\| `([^`]+)` +\| (.+?) +\|/.exec(line) ?? [];
    return preset === undefined ? [] : [{ key: nameOf({ path: key, kind }), preset }];
  });
});
const keys = schemaKeys().filter(({ isSection }) => !isSection);

/** A key with its kind, where a mapping of another kind may have it as well. */
function nameOf({ path, kind }: Pick<SchemaKey, 'path' | 'kind'>): string {
  return kind === undefined ? path : `${path} of ${kind}`;
}

/** The expected text of the default column: a word, or the default itself. */
const presetOf = ({ schema, isRequired }: SchemaKey): unknown =>
  schema.default ?? (isRequired ? 'required' : 'none');

/** The actual text of the column: YAML in backticks, or a word. */
const told = (preset: string | undefined): unknown => {
  const [, yaml] = /^`(.*)`$/.exec(preset ?? '') ?? [];
  return yaml === undefined ? preset : parse(yaml);
};

describe('docs/configuration.md', () => {
  it('docs/configuration.md has exactly one row for each key of the schema', () => {
    const paths = rows.map(({ key }) => key);
    expect(new Set(paths)).toEqual(new Set(keys.map(nameOf)));
    expect(paths).toHaveLength(keys.length);
  });

  it.each(keys.map((key) => [nameOf(key), key] as const))(
    'docs/configuration.md states the default of %s',
    (name, key) => {
      expect(told(rows.find((row) => row.key === name)?.preset)).toEqual(presetOf(key));
    },
  );

  it('docs/configuration.md begins with a valid example', () => {
    const [, example = ''] = /^```yaml$(.*?)^```$/ms.exec(text) ?? [];
    const sources = { env: { SESSION_SECRET: secret }, files: { '/run/secrets/client': 'client-secret' } };
    expect(load(example, sources).routes).toHaveLength(1);
  });

  it('docs/configuration.md names exactly the variables that config/default.yaml reads', () => {
    const file = readFileSync(new URL('../../../../config/default.yaml', import.meta.url), 'utf8');
    const read = [...file.matchAll(/\$\{([A-Z_]+)/g)].map(([, name]) => name);
    const [, table = ''] = /^\| Variable .*?$(.*?)^$/ms.exec(text) ?? [];
    const named = [...table.matchAll(/^\| (.+?) +\|/gm)].flatMap(([, cell = '']) =>
      [...cell.matchAll(/`([A-Z_]+)`/g)].map(([, name]) => name),
    );
    expect(new Set(named)).toEqual(new Set(read));
  });
});
