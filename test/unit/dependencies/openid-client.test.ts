import * as client from 'openid-client';
import { describe, expect, it } from 'vitest';
import { answer, refreshFailure } from '../provider/token-endpoint.ts';

describe('openid-client 6', () => {
  it('throws another error for a refused client where the refusal comes with a challenge', async () => {
    const refusal = { error: 'invalid_client' };
    const challenge = { 'WWW-Authenticate': 'Basic realm="token"' };
    const plain = await refreshFailure(() => answer(401, refusal));
    const challenged = await refreshFailure(() => answer(401, refusal, challenge));
    expect(plain).toBeInstanceOf(client.ResponseBodyError);
    expect(challenged).toBeInstanceOf(client.WWWAuthenticateChallengeError);
    expect(challenged).not.toHaveProperty('error');
  });

  it('hands over the answer to a refresh only as a cause, with no code of OAuth, when its status is an outage', async () => {
    const failure = await refreshFailure(() => answer(503, { error: 'temporarily_unavailable' }));
    expect(failure).toBeInstanceOf(client.ClientError);
    expect(failure).toMatchObject({ code: 'OAUTH_RESPONSE_IS_NOT_CONFORM', cause: expect.any(Response) });
  });

  it('throws away the tokens of a refresh when the ID token beside them cannot be read', async () => {
    const tokens = { access_token: 'at', token_type: 'bearer', refresh_token: 'rt', id_token: 'not.a.token' };
    const failure = await refreshFailure(() => answer(200, tokens));
    expect(failure).toMatchObject({ code: 'OAUTH_PARSE_ERROR' });
  });

  it.each([
    ['lifetime', { expires_in: 'soon' }],
    ['lifetime', { expires_in: -1 }],
    ['lifetime', { expires_in: null }],
    ['refresh token', { refresh_token: null }],
    ['refresh token', { refresh_token: '' }],
    ['scope', { scope: null }],
  ])('refuses a whole token answer for a %s that is %o', async (_what, members) => {
    const tokens = { access_token: 'at', token_type: 'bearer', ...members };
    expect(await refreshFailure(() => answer(200, tokens))).toMatchObject({ code: 'OAUTH_INVALID_RESPONSE' });
  });
});
