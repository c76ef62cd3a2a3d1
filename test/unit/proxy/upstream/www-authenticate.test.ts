import { describe, expect, it } from 'vitest';
import { challengeAction } from '../../../../src/proxy/upstream/www-authenticate.ts';

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
    expect(challengeAction(challenge)).toBe('refresh');
  });

  it.each([
    ['Bearer error="insufficient_user_authentication", acr_values="gold"'],
    ['Bearer error="insufficient_user_authentication", max_age="5"'],
    ['DPoP error="insufficient_user_authentication"'],
    ['Bearer error="invalid_token", Bearer error="insufficient_user_authentication"'],
    [['Basic realm="api"', 'Bearer error="insufficient_user_authentication"']],
  ])('with the challenge %o requires another sign-in (H8)', (challenge) => {
    expect(challengeAction(challenge)).toBe('step_up');
  });

  it.each([
    ['Basic realm="api"'],
    ['Basic'],
    ['Negotiate'],
    ['Negotiate YIIabc=='],
    ['Digest realm="api", error="invalid_token"'],
    ['Bearer error="insufficient_scope", scope="admin"'],
    ['Bearer error="invalid_request"'],
    ['DPoP error="use_dpop_nonce"'],
    ['Bearer error="x-made-up"'],
    ['Bearer error=""'],
    ['Basic realm="Bearer error=\\"invalid_token\\""'],
    ['Basic realm="a, Bearer error=invalid_token"'],
    ['Bearerish error="invalid_token"'],
  ])('with the challenge %o requires nothing that the gateway can provide', (challenge) => {
    expect(challengeAction(challenge)).toBe('pass');
  });

  it('is parsed in linear time, however long and malformed its challenge is', () => {
    for (const piece of ['a="', 'a=', 'a ', '"', '\\"', 'Bearer error="', ',', '= ']) {
      challengeAction(piece.repeat(64_000 / piece.length));
    }
  });
});
