import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../../src/provider/read-config.ts';
import { minimal, problemsWith } from '../sample.ts';

describe('login.parameters', () => {
  it('takes any, or lists of values', () => {
    const parameters = { ui_locales: 'any', acr_values: ['gold'], 'x.y-z': ['1', '2'] };
    expect(parseConfig({ ...minimal, login: { parameters } }).login.parameters).toEqual(parameters);
  });

  it.each([
    'client_id',
    'redirect_uri',
    'response_type',
    'response_mode',
    'scope',
    'state',
    'nonce',
    'code_challenge',
    'code_challenge_method',
    'request',
    'request_uri',
    'claims',
    'resource',
    'id_token_hint',
    'registration',
    'audience',
    'authorization_details',
    'dpop_jkt',
    'client_secret',
    'Client_ID',
    'redirect.uri',
  ])('rejects %s, a parameter of the protocol', (name) => {
    expect(problemsWith({ login: { parameters: { [name]: 'any' } } })).toEqual([
      `login.parameters${name.includes('.') ? `["${name}"]` : `.${name}`}: the gateway sets this parameter itself; a page cannot choose it`,
    ]);
  });

  it.each(['returnTo', 'stepUp'])('rejects %s, a parameter of the gateway itself', (name) => {
    expect(problemsWith({ login: { parameters: { [name]: 'any' } } })).toEqual([
      `login.parameters.${name}: this is a parameter of the gateway itself; it does not pass to the provider`,
    ]);
  });

  it.each(['', 'a b', 'client_id[]', 'ä', 'x'.repeat(65)])('rejects the name %j', (name) => {
    expect(problemsWith({ login: { parameters: { [name]: 'any' } } })).toEqual([
      expect.stringContaining('expected the name of a parameter, such as ui_locales'),
    ]);
  });

  it.each([['all'], [[]], [['']], [[300]], [{}], ['x'.repeat(300)], [['x'.repeat(257)]]])(
    'rejects the values %j',
    (values) => {
      expect(problemsWith({ login: { parameters: { ui_locales: values } } })).toEqual([
        expect.stringMatching(/^login\.parameters\.ui_locales.*: expected any, or a list of values/),
      ]);
    },
  );

  it.each(['max_age', 'acr_values'])('rejects %s that every sign-in must meet', (name) => {
    const provider = { ...minimal.provider, authorizationParams: { [name]: '1', prompt: 'consent' } };
    const login = { parameters: { [name]: ['1'], prompt: 'any' } };
    expect(problemsWith({ provider, login })).toEqual([
      expect.stringContaining(
        `login.parameters.${name}: provider.authorizationParams fixes this parameter; remove one of the two`,
      ),
    ]);
  });
});

describe('login.stepUp', () => {
  const read = (stepUp: unknown) => parseConfig({ ...minimal, login: { stepUp } }).login.stepUp;

  it('permits any scope, and no further acr, by default', () => {
    expect(read({})).toEqual({ acrValues: [], scopes: 'any' });
  });

  it('takes lists, and any scope', () => {
    expect(read({ acrValues: ['urn:gold'], scopes: ['items.write'] })).toEqual({
      acrValues: ['urn:gold'],
      scopes: ['items.write'],
    });
    expect(read({ scopes: 'any' }).scopes).toBe('any');
  });

  it.each([
    ['acrValues', 'gold'],
    ['acrValues', ['gold silver']],
    ['acrValues', ['']],
    ['scopes', 'all'],
    ['scopes', ['a b']],
    ['scopes', ['a"b']],
  ])('rejects %s: %j', (key, value) => {
    expect(problemsWith({ login: { stepUp: { [key]: value } } })).toEqual([
      expect.stringMatching(new RegExp(`^login\\.stepUp\\.${key}`)),
    ]);
  });
});

describe('login.errorPage', () => {
  const directory = mkdtempSync(join(tmpdir(), 'coatcheck-'));
  const fileWith = (html: string) => {
    const file = join(directory, 'error.html');
    writeFileSync(file, html);
    return file;
  };
  const problemsOf = (errorPage: unknown) => problemsWith({ login: { errorPage } });

  it('is read at the start', () => {
    const html = '<h1>{{title}}</h1>{{ detail }}{{retryUrl}}{{retryLabel}}{{requestId}}';
    const file = fileWith(html);
    expect(parseConfig({ ...minimal, login: { errorPage: file } }).login.errorPage).toEqual({ file, html });
  });

  it('is rejected when the file does not exist, is a directory or is too large', () => {
    expect(problemsOf('/nonexistent/error.html')).toEqual(['login.errorPage: the file does not exist']);
    expect(problemsOf(directory)).toEqual(['login.errorPage: the file is a directory']);
    const file = fileWith('x'.repeat(65_537));
    expect(problemsOf(file)).toEqual(['login.errorPage: the file is larger than 64 kB']);
    expect(problemsOf('')).toHaveLength(1);
  });

  it('is rejected when it has a placeholder that nothing fills in', () => {
    expect(problemsOf(fileWith('{{title}} {{reason}}'))).toEqual([
      'login.errorPage: the file has the unknown placeholder {{reason}}; known are title, detail, retryUrl, retryLabel, requestId',
    ]);
  });
});
