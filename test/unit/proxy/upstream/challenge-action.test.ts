import { describe, expect, it } from 'vitest';
import { actionOn401, actionOn403 } from '../../../../src/proxy/upstream/challenge-action.ts';

const none = { acrValues: [], maxAge: undefined, scopes: [], resources: [] };

describe('a 401 of an upstream (G9)', () => {
  it.each([
    [undefined],
    [''],
    [[]],
    ['Bearer'],
    ['bearer'],
    ['Bearer realm="api"'],
    ['Bearer error="invalid_token"'],
    ['BEARER Error="invalid_token"'],
    ['Bearer error=invalid_token'],
    ['Bearer error = "invalid_token"'],
    ['Bearer realm="api", error="invalid_token", error_description="The access token expired"'],
    ['Bearer realm="a, b", error="invalid_token"'],
    ['Bearer realm="say \\"error=x\\", please", error="invalid_token"'],
    ['Bearer error_description="not error=\\"insufficient_scope\\"", error="invalid_token"'],
    ['DPoP error="invalid_token", algs="ES256"'],
    ['Basic realm="api", Bearer error="invalid_token"'],
    ['Bearer error="invalid_token", Basic realm="api"'],
    ['Negotiate, Bearer'],
    ['Negotiate YIIabc==, Bearer realm="api"'],
    [['Basic realm="api"', 'Bearer error="invalid_token"']],
    ['Bearer error="invalid_request", DPoP error="invalid_token"'],
  ])('with the challenge %o requires another token', (challenge) => {
    expect(actionOn401(challenge)).toEqual({ kind: 'refresh' });
  });

  it.each([
    ['Bearer error="insufficient_user_authentication", acr_values="gold"'],
    ['Bearer error="insufficient_user_authentication", max_age="5"'],
    ['DPoP error="insufficient_user_authentication"'],
    ['Bearer error="invalid_token", Bearer error="insufficient_user_authentication"'],
    [['Basic realm="api"', 'Bearer error="insufficient_user_authentication"']],
  ])('with the challenge %o requires another sign-in (H8)', (challenge) => {
    expect(actionOn401(challenge)).toMatchObject({ kind: 'step_up' });
  });

  it.each([
    ['Basic realm="api"'],
    ['Basic'],
    ['Negotiate'],
    ['Negotiate YIIabc=='],
    ['Digest realm="api", error="invalid_token"'],
    ['Bearer error="insufficient_scope"'],
    ['Bearer error="insufficient_scope", scope=""'],
    ['Basic error="insufficient_scope", scope="admin"'],
    ['Bearer error="invalid_request"'],
    ['DPoP error="use_dpop_nonce"'],
    ['Bearer error="x-made-up"'],
    ['Bearer error=""'],
    ['Basic realm="Bearer error=\\"invalid_token\\""'],
    ['Basic realm="a, Bearer error=invalid_token"'],
    ['Bearerish error="invalid_token"'],
  ])('with the challenge %o requires nothing that the gateway can provide', (challenge) => {
    expect(actionOn401(challenge)).toEqual({ kind: 'pass' });
  });

  it.each([
    ['acr_values="gold"', { acrValues: ['gold'] }],
    ['acr_values="urn:a:gold  silver"', { acrValues: ['urn:a:gold', 'silver'] }],
    ['acr_values=gold, max_age=60', { acrValues: ['gold'], maxAge: 60 }],
    ['max_age="0"', { maxAge: 0 }],
    ['ACR_VALUES="gold gold"', { acrValues: ['gold'] }],
    ['scope="items.read items.write"', { scopes: ['items.read', 'items.write'] }],
    ['acr_values="a", acr_values="b"', { acrValues: ['a'] }],
    ['realm="a", error_description="acr_values=\\"b\\""', {}],
  ])('with %s requires just that of the sign-in (H8)', (parameters, required) => {
    const challenge = `Bearer error="insufficient_user_authentication", ${parameters}`;
    expect(actionOn401(challenge)).toMatchObject({ kind: 'step_up', requirement: { ...none, ...required } });
  });

  it.each([
    'max_age="-1"',
    'max_age="1e9"',
    'max_age="1234567890"',
    'max_age=" 1"',
    'max_age=""',
    'acr_values=""',
    'acr_values="  "',
    'acr_values="\\"gold\\""',
    'acr_values="g\u00f6ld"',
    'acr_values="gold\tsilver"',
    `acr_values="${'a'.repeat(513)}"`,
    `scope="${'a'.repeat(1025)}"`,
  ])('whose %s is no such value requires any new authentication', (parameters) => {
    const challenge = `Bearer error="insufficient_user_authentication", ${parameters}`;
    expect(actionOn401(challenge)).toEqual({ kind: 'step_up', requirement: none, isForScopes: false });
  });

  it('cannot require more values than a login URL can hold', () => {
    const many = Array.from({ length: 1_000 }, (_, at) => `value-${at}`).join(' ');
    const action = actionOn401(
      `Bearer error="insufficient_user_authentication", acr_values="${many}", scope="${many}"`,
    );
    const { acrValues, scopes } = action.kind === 'step_up' ? action.requirement : none;
    expect([acrValues.length, scopes.length]).toEqual([10, 20]);
  });

  it('with insufficient_scope and a scope requires it', () => {
    const challenge = 'Bearer error="insufficient_scope", scope="admin"';
    const stepUp = { kind: 'step_up', requirement: { ...none, scopes: ['admin'] }, isForScopes: true };
    expect([actionOn401(challenge), actionOn403(challenge)]).toEqual([stepUp, stepUp]);
  });

  it.each([
    undefined,
    '',
    'Bearer',
    'Bearer error="invalid_token"',
    'Bearer error="insufficient_scope"',
    'Bearer error="insufficient_user_authentication", acr_values="gold"',
    'Basic error="insufficient_scope", scope="admin"',
  ])('requires nothing as a 403 with the challenge %o', (challenge) => {
    expect(actionOn403(challenge)).toEqual({ kind: 'pass' });
  });

  it('is parsed in linear time, however long and malformed its challenge is', () => {
    for (const piece of ['a="', 'a=', 'a ', '"', '\\"', 'Bearer error="', ',', '= ']) {
      actionOn401(piece.repeat(64_000 / piece.length));
    }
  });
});
