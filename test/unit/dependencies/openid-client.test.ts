import * as client from 'openid-client';
import { describe, expect, it } from 'vitest';
import { jsonResponse, refreshFailure } from '../provider/token-endpoint.ts';

describe('openid-client 6', () => {
  it('openid-client 6 throws another error for a rejected client when the response contains a challenge', async () => {
    const refusal = { error: 'invalid_client' };
    const challenge = { 'WWW-Authenticate': 'Basic realm="token"' };
    const plain = await refreshFailure(() => jsonResponse(401, refusal));
    const challenged = await refreshFailure(() => jsonResponse(401, refusal, challenge));
    expect(plain).toBeInstanceOf(client.ResponseBodyError);
    expect(challenged).toBeInstanceOf(client.WWWAuthenticateChallengeError);
    expect(challenged).not.toHaveProperty('error');
  });

  it('openid-client 6 provides the error response to a refresh only as a cause, without an OAuth code, when its status is an outage', async () => {
    const failure = await refreshFailure(() => jsonResponse(503, { error: 'temporarily_unavailable' }));
    expect(failure).toBeInstanceOf(client.ClientError);
    expect(failure).toMatchObject({ code: 'OAUTH_RESPONSE_IS_NOT_CONFORM', cause: expect.any(Response) });
  });

  it('openid-client 6 discards the tokens of a refresh when the ID token beside them is unreadable', async () => {
    const tokens = { access_token: 'at', token_type: 'bearer', refresh_token: 'rt', id_token: 'not.a.token' };
    const failure = await refreshFailure(() => jsonResponse(200, tokens));
    expect(failure).toMatchObject({ code: 'OAUTH_PARSE_ERROR' });
  });

  it.each([
    ['lifetime', { expires_in: 'soon' }],
    ['lifetime', { expires_in: -1 }],
    ['lifetime', { expires_in: null }],
    ['refresh token', { refresh_token: null }],
    ['refresh token', { refresh_token: '' }],
    ['scope', { scope: null }],
  ])('openid-client 6 rejects a whole token response for a %s that is %o', async (_what, members) => {
    const tokens = { access_token: 'at', token_type: 'bearer', ...members };
    expect(await refreshFailure(() => jsonResponse(200, tokens))).toMatchObject({
      code: 'OAUTH_INVALID_RESPONSE',
    });
  });
});
