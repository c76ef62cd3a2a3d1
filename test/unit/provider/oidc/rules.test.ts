import { describe, expect, it } from 'vitest';
import { pem } from '../../config/keys.ts';
import { minimal, problemsWith } from '../../config/sample.ts';

const problems = (keys: Record<string, unknown>) =>
  problemsWith({ provider: { ...minimal.provider, ...keys } });

describe('provider.par', () => {
  const url = (path: string) => `https://login.example.com/${path}`;
  const endpoints = {
    authorization: url('authorize'),
    token: url('token'),
    jwks: url('jwks'),
    userinfo: url('userinfo'),
    endSession: url('logout'),
    revocation: url('revoke'),
  };

  it('required needs metadata that name the endpoint', () => {
    expect(problems({ par: 'required', endpoints })).toEqual([
      expect.stringMatching(/^provider\.par: expected auto or off: with all of provider\.endpoints set/),
    ]);
    const { userinfo: _, ...others } = endpoints;
    expect(() => problems({ par: 'required', endpoints: others })).toThrow('was accepted');
    expect(() => problems({ par: 'auto', endpoints })).toThrow('was accepted');
  });
});

describe('provider.clientAuthentication', () => {
  const { clientSecret: _, ...withoutSecret } = minimal.provider;
  const byKey = { ...withoutSecret, clientAuthentication: 'private_key_jwt' };
  const keys = [{ key: pem('rsa'), keyId: 'key-1' }];

  it('private_key_jwt takes the first of keys', () => {
    expect(() => problemsWith({ provider: { ...byKey, signingAlg: 'PS256' }, keys })).toThrow('was accepted');
  });

  it('private_key_jwt rejects an algorithm that the key cannot sign', () => {
    expect(problemsWith({ provider: { ...byKey, signingAlg: 'ES256' }, keys })).toEqual([
      'provider.signingAlg: expected one of RS256, PS256, RS384, RS512, PS384, PS512, which keys[0] can sign, got "ES256"',
    ]);
    const own = { ...byKey, privateKey: pem('P-256'), signingAlg: 'PS256' };
    expect(problemsWith({ provider: own, keys })).toEqual([
      'provider.signingAlg: expected one of ES256, which provider.privateKey can sign, got "PS256"',
    ]);
  });

  it('private_key_jwt rejects a key identifier for the first of keys in another place', () => {
    expect(problemsWith({ provider: { ...byKey, keyId: 'key-2' }, keys })).toEqual([
      expect.stringContaining('provider.keyId: provider.privateKey is not set; use keys[0].keyId'),
    ]);
  });

  it.each(['tls_client_auth', 'self_signed_tls_client_auth'])(
    '%s requires a client certificate',
    (method) => {
      expect(problemsWith({ provider: { ...withoutSecret, clientAuthentication: method } })).toEqual([
        `provider.tls.certificate: missing or empty; provider.clientAuthentication ${method} requires it`,
      ]);
    },
  );
});

describe('provider.requestObject', () => {
  const provider = { ...minimal.provider, requestObject: { signingAlg: 'PS256' } };

  it('needs a key that can sign with its algorithm', () => {
    expect(problemsWith({ provider })).toEqual([
      expect.stringMatching(/^provider\.requestObject: needs a key that signs: set keys/),
    ]);
    expect(problemsWith({ provider, keys: [{ key: pem('P-256') }] })).toEqual([
      'provider.requestObject.signingAlg: expected one of ES256, which keys[0] can sign, got "PS256"',
    ]);
    expect(() => problemsWith({ provider, keys: [{ key: pem('rsa') }] })).toThrow('was accepted');
  });
});
