import { decodeJwt } from 'jose';
import { expect, it } from 'vitest';
import { createSigningKeys } from '../../../../src/crypto/signing-keys.ts';
import { createBackchannelRequest } from '../../../../src/provider/authorization/backchannel-request.ts';
import { parseConfig } from '../../../../src/provider/read-config.ts';
import { pem } from '../../config/keys.ts';
import { minimal } from '../../config/sample.ts';

it('a signed request of OpenID CIBA has an audience, an end and an identifier of its own', async () => {
  const { keys } = parseConfig({ ...minimal, keys: [{ key: pem('P-256') }] });
  const given = {
    requestObject: { signingAlg: 'ES256' },
    issuer: 'https://login.example',
    clientId: 'web',
  } as const;
  const sign = createBackchannelRequest(given, createSigningKeys(keys));
  const read = async () => decodeJwt((await sign?.({ login_hint: 'alice' }))?.['request'] ?? '');
  const [first, second] = [await read(), await read()];
  expect(first).toMatchObject({ iss: 'web', aud: 'https://login.example', login_hint: 'alice' });
  expect((first.exp ?? 0) - (first.iat ?? 0)).toBe(60);
  expect(first.jti).toMatch(/^[\w-]{43}$/);
  expect(second.jti).not.toBe(first.jti);
});
