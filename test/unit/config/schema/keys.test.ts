import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../../src/provider/read-config.ts';
import { jwk, pem } from '../keys.ts';
import { minimal, problemsWith } from '../sample.ts';

describe('keys', () => {
  it('is empty by default', () => {
    expect(parseConfig(minimal).keys).toEqual([]);
  });

  it('reads private keys in PEM and as JWK', () => {
    const { keys } = parseConfig({
      ...minimal,
      keys: [{ key: pem('rsa') }, { key: jwk('P-256', { kid: 'key-2' }) }],
    });
    expect(keys.map(({ key }) => [key.algorithms, key.id])).toEqual([
      [['RS256', 'PS256', 'RS384', 'RS512', 'PS384', 'PS512'], undefined],
      [['ES256'], 'key-2'],
    ]);
  });

  it('rejects what is no private key without revealing it', () => {
    const [problem = '', ...others] = problemsWith({ keys: [{ key: jwk('x25519') }] });
    expect(others).toEqual([]);
    expect(problem).toMatch(
      /^keys\[0\]\.key: expected an unencrypted private key, .* got a string of \d+ characters$/,
    );
  });

  it('rejects a key that cannot decrypt for decryption', () => {
    expect(problemsWith({ keys: [{ key: pem('ed25519'), use: 'enc' }] })).toEqual([
      expect.stringMatching(/^keys\[0\]\.key: expected a key of RSA or of an elliptic curve P-256/),
    ]);
    const forDecryption = { key: jwk('rsa', { alg: 'RSA-OAEP-256' }), use: 'enc' };
    expect(() => problemsWith({ keys: [forDecryption] })).toThrow('was accepted');
  });

  it('rejects the same key twice, and the same key identifier twice', () => {
    expect(problemsWith({ keys: [{ key: pem('rsa') }, { key: jwk('rsa'), keyId: 'key-2' }] })).toEqual([
      expect.stringMatching(/^keys\[1\]\.key: expected distinct keys; an earlier one is the same/),
    ]);
    const both = [{ key: pem('rsa'), keyId: 'key-1' }, { key: jwk('P-256', { kid: 'key-1' }) }];
    expect(problemsWith({ keys: both })).toEqual([
      expect.stringMatching(/^keys\[1\]\.keyId: expected distinct key identifiers/),
    ]);
  });
});
