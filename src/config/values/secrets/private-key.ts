import { createPrivateKey, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import { text } from '../scalar.ts';

/** A private key with its algorithm. */
export type SigningKey = {
  readonly key: KeyObject;
  /** The JWS algorithm (RFC 7518, section 3.1; RFC 8037; RFC 9864). */
  readonly algorithm: SigningAlgorithm;
  /** Every algorithm that the key may sign with: the `alg` of a JWK, or all for its kind, {@link algorithm} first. */
  readonly algorithms: readonly SigningAlgorithm[];
  /** The `kid` of a JWK. */
  readonly id: string | undefined;
};

/** The JWS algorithms of private keys, all asymmetric (RFC 7518, section 3.1; RFC 8037; RFC 9864). */
export const signingAlgorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;

export type SigningAlgorithm = (typeof signingAlgorithms)[number];

/** RFC 7518, section 3.3. */
const SMALLEST_RSA_BITS = 2048;

const expected =
  'expected an unencrypted private key, PKCS#8 in PEM or a JWK: RSA of 2048 bits or more, P-256, P-384, P-521 or Ed25519';

/** A private key as text: PKCS#8 in PEM, or a JWK; parsed, it is a {@link SigningKey}. */
export function privateKey() {
  return text(expected).transform((input, context) => {
    const signingKey = readSigningKey(input.trim());
    if (signingKey !== undefined) return signingKey;
    context.addIssue(expected);
    return z.NEVER;
  });
}

function readSigningKey(written: string): SigningKey | undefined {
  try {
    const jwk: unknown = written.startsWith('{') ? JSON.parse(written) : {};
    const members = typeof jwk === 'object' && jwk !== null ? { ...jwk } : {};
    const { alg, kid }: { alg?: unknown; kid?: unknown } = members;
    const key = written.startsWith('{')
      ? createPrivateKey({ key: members, format: 'jwk' })
      : createPrivateKey(written);
    const supported = algorithmsOf(key);
    const usable = alg === undefined ? supported : supported.filter((name) => name === alg);
    const [algorithm] = usable;
    if (algorithm === undefined) return undefined;
    return {
      key,
      algorithm,
      algorithms: usable,
      id: typeof kid === 'string' && kid !== '' ? kid : undefined,
    };
  } catch {
    // SECURITY: the parser's message may quote the key.
    return undefined;
  }
}

/** The algorithms of each kind of key, with the most widely supported one first. */
const algorithms = new Map<string, readonly SigningAlgorithm[]>([
  ['rsa', ['RS256', 'PS256', 'RS384', 'RS512', 'PS384', 'PS512']],
  ['ec prime256v1', ['ES256']],
  ['ec secp384r1', ['ES384']],
  ['ec secp521r1', ['ES512']],
  ['ed25519', ['EdDSA', 'Ed25519']],
]);

function algorithmsOf({ asymmetricKeyType, asymmetricKeyDetails = {} }: KeyObject) {
  const { modulusLength, namedCurve } = asymmetricKeyDetails;
  if (modulusLength !== undefined && modulusLength < SMALLEST_RSA_BITS) return [];
  const kind = [asymmetricKeyType, namedCurve].filter((part) => part !== undefined).join(' ');
  return algorithms.get(kind) ?? [];
}
