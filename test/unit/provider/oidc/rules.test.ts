import { createPrivateKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createCertificateAuthority } from '../../../../testkit/network/certificate-authority.ts';
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
    const after = [{ key: pem('P-256'), use: 'enc' }, ...keys];
    expect(problemsWith({ provider: { ...byKey, keyId: 'key-2' }, keys: after })).toEqual([
      expect.stringContaining('provider.keyId: provider.privateKey is not set; use keys[1].keyId'),
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

  it('names the key that signs by its place, not by its identifier', () => {
    const jwk = createPrivateKey(pem('P-256')).export({ format: 'jwk' });
    const keys = [{ key: pem('rsa'), use: 'enc' }, { key: JSON.stringify({ ...jwk, kid: 'of-the-jwk' }) }];
    expect(problemsWith({ provider, keys })).toEqual([
      'provider.requestObject.signingAlg: expected one of ES256, which keys[1] can sign, got "PS256"',
    ]);
  });
});

describe('provider.profile fapi2', () => {
  const { clientSecret: _, ...base } = minimal.provider;
  const strict = {
    ...base,
    profile: 'fapi2',
    par: 'required',
    clientAuthentication: 'private_key_jwt',
    privateKey: pem('P-256'),
    idTokenSignedResponseAlg: 'PS256',
    dpop: true,
  };
  const identity = createCertificateAuthority().issue();
  const certificate = { certificate: identity.cert, key: identity.key };
  const byCertificate = { privateKey: undefined, dpop: false, tls: certificate };
  const paths = (keys: Record<string, unknown>, rest: Record<string, unknown> = {}) =>
    problemsWith({ provider: { ...strict, ...keys }, ...rest }).map((problem) => problem.split(':')[0]);

  it.each([
    ['private_key_jwt and DPoP', {}],
    ['PS256', { privateKey: pem('rsa'), signingAlg: 'PS256' }],
    ['EdDSA', { privateKey: pem('ed25519'), idTokenSignedResponseAlg: 'EdDSA' }],
    ['private_key_jwt and a client certificate', { dpop: false, tls: certificate }],
    ['tls_client_auth', { ...byCertificate, clientAuthentication: 'tls_client_auth' }],
    [
      'self_signed_tls_client_auth',
      { ...byCertificate, clientAuthentication: 'self_signed_tls_client_auth', dpop: true },
    ],
  ])('accepts %s', (_what, keys) => {
    expect(() => paths(keys)).toThrow('was accepted');
  });

  it('names every key that is laxer at once', () => {
    expect(
      problemsWith({
        allowInsecureHttp: true,
        baseUrl: 'http://localhost:3000',
        provider: { ...minimal.provider, issuer: 'http://localhost:8080', profile: 'fapi2' },
      }),
    ).toEqual([
      'provider.issuer: expected https; provider.profile fapi2 requires it, got a string of 21 characters',
      expect.stringMatching(
        /^provider\.clientAuthentication: expected private_key_jwt, or tls_client_auth, or self_signed_tls_client_auth; /,
      ),
      expect.stringMatching(/^provider\.dpop: expected true, or a client certificate in provider\.tls; /),
      expect.stringMatching(
        /^provider\.idTokenSignedResponseAlg: .*expected one of PS256, ES256, EdDSA, Ed25519; /,
      ),
      expect.stringMatching(/^provider\.par: expected required; /),
      'baseUrl: expected https; provider.profile fapi2 requires it, got a string of 21 characters',
      'allowInsecureHttp: expected false; provider.profile fapi2 requires it, got true',
    ]);
  });

  it.each([
    ['clientAuthentication', { clientAuthentication: 'none', privateKey: undefined }],
    ['signingAlg', { privateKey: pem('rsa') }],
    ['signingAlg', { privateKey: pem('P-384') }],
    ['assertionAudience', { assertionAudience: 'token_endpoint' }],
    ['idTokenSignedResponseAlg', { idTokenSignedResponseAlg: 'RS256' }],
    ['idTokenSignedResponseAlg', { idTokenSignedResponseAlg: undefined }],
    ['issuer', { issuer: 'http://127.0.0.1:8080' }],
    ['par', { par: 'auto' }],
    ['dpop', { dpop: false }],
    ['discoveryUrl', { discoveryUrl: 'http://127.0.0.1/metadata' }],
    ['endpoints.token', { endpoints: { token: 'http://127.0.0.1/token' } }],
    ['requestObject', { login: 'decoupled' }],
  ])('rejects provider.%s of %o', (key, changes) => {
    expect(paths(changes)).toEqual([`provider.${key}`]);
  });

  it('rejects RS256 with the first of keys, which is what an RSA key signs by default', () => {
    const keys = [{ key: pem('rsa') }];
    expect(paths({ privateKey: undefined }, { keys })).toEqual(['provider.signingAlg']);
    expect(() => paths({ privateKey: undefined, signingAlg: 'PS256' }, { keys })).toThrow('was accepted');
  });

  it('rejects a signed request with RS256', () => {
    const keys = [{ key: pem('rsa') }];
    expect(paths({ requestObject: { signingAlg: 'RS256' } }, { keys })).toEqual([
      'provider.requestObject.signingAlg',
    ]);
    expect(() => paths({ requestObject: { signingAlg: 'PS256' } }, { keys })).toThrow('was accepted');
  });
});
