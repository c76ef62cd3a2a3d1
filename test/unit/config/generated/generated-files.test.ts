import { describe, expect, it } from 'vitest';
import { generatedFiles } from '../../../../scripts/generate/files.ts';
import { OWN_METADATA } from '../../../../scripts/generate/json-schema.ts';
import { fillTables } from '../../../../scripts/generate/tables.ts';
import { schemaKeys } from '../schema-keys.ts';

const files = await generatedFiles();

describe('the files generated from the declaration of the configuration', () => {
  it.each(files)('the generated file is up to date: $path', ({ path, committed, generated }) => {
    expect(committed, `${path} is out of date: run \`npm run generate\``).toBe(generated);
  });
});

describe('the declaration of the keys', () => {
  it('every key has only known metadata', () => {
    const known = ['description', ...OWN_METADATA];
    const jsonSchema =
      /^(?:type|properties|required|additionalProperties|propertyNames|items|oneOf|anyOf|const|enum|default|pattern|format|(?:min|max)(?:imum|Length|Items))$/;
    const names = schemaKeys().flatMap(({ schema }) => Object.keys(schema));
    expect(names.filter((name) => !known.includes(name) && !jsonSchema.test(name))).toEqual([]);
  });

  it('every key has an example or a default for config/reference.yaml', () => {
    const silent = schemaKeys().filter(
      ({ schema, isSection }) =>
        !isSection && [schema.default, schema['example'], schema.const].every((value) => value === undefined),
    );
    expect(silent.map(({ path }) => path)).toEqual([]);
  });

  it('the keys that need a restart are declared as such', () => {
    const paths = schemaKeys()
      .filter(({ schema }) => schema['needsRestart'] === true)
      .map(({ path }) => path);
    expect(paths).toEqual([
      'listen',
      'admin.listen',
      'workers',
      'session.store',
      'session.username',
      'session.password',
      'session.sentinelUsername',
      'session.sentinelPassword',
      'session.tls.ca',
      'session.tls.certificate',
      'session.tls.key',
      'session.keyPrefix',
    ]);
  });

  it('the keys that may hold secrets are declared as such', () => {
    const paths = schemaKeys()
      .filter(({ schema }) => schema['secret'] === true)
      .map(({ path }) => path);
    expect(new Set(paths)).toEqual(
      new Set([
        'tls.key',
        'audit.key',
        'admin.token',
        'provider.clientSecret',
        'provider.privateKey',
        'provider.proxy',
        'provider.tls.key',
        'provider.authorizationParams',
        'provider.login.body',
        'provider.refresh.body',
        'provider.logout.body',
        'session.store',
        'session.password',
        'session.sentinelPassword',
        'session.tls.key',
        'session.secrets',
        'routes[].tls.key',
        'routes[].forwardAuth.authorizationSecret',
        'routes[].requestHeaders.set',
        'routes[].responseHeaders.set',
        'keys[].key',
      ]),
    );
  });
});

describe('the generated tables', () => {
  it('tables replace the text between their markers and leave the rest of the page unchanged', () => {
    const page = '# Page\n\n<!-- generated: csrf -->\n\nold\n\n<!-- /generated -->\n\nProse.\n';
    const filled = fillTables(page);
    expect(filled).toMatch(/^# Page\n\n<!-- generated: csrf -->\n\n\| Key \| Default \| Meaning \|\n/);
    expect(filled).toMatch(
      /\n\| `csrf.mode` \| `fetch-metadata` \| .+ \|\n\n<!-- \/generated -->\n\nProse.\n$/,
    );
    expect(filled).not.toContain('old');
    expect(fillTables(filled)).toBe(filled);
  });
});
