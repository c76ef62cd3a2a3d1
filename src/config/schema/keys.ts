import { z } from 'zod';
import { oneOf, text } from '../values/scalar.ts';
import { privateKey } from '../values/secrets/private-key.ts';
import { isSameKey } from '../values/secrets/same-key.ts';
import { section } from './declaration/section.ts';

/** One private key of the gateway. */
const keySchema = section({
  key: privateKey().meta({
    description: 'The private key, not encrypted: PKCS#8 in PEM, or a JWK.',
    example: '${file:/run/secrets/signing-key}',
    secret: true,
  }),
  keyId: text('expected a key identifier').exactOptional().meta({
    description:
      'The `kid` of the key, unique among the keys; by default that of the JWK, or else its thumbprint (RFC 7638).',
    example: 'key-1',
  }),
  use: oneOf(['sig', 'enc']).prefault('sig').meta({
    description:
      'What the key is for: `sig`, signing; or `enc`, decrypting ID tokens that the provider encrypts. A key for `enc` is an RSA key, or one on the curve P-256, P-384 or P-521.',
  }),
});

/** The private keys of the gateway. */
export const keysSchema = z
  .array(keySchema, 'expected a list of keys')
  .superRefine(checkDistinct)
  .prefault([])
  .meta({
    description:
      'Private keys of the gateway: the first for signing signs, and the public parts of all are published at `/auth/jwks.json`.',
    see: '[Keys of the gateway](#keys-of-the-gateway)',
  });

/** A verifier finds a key by its `kid`. A key without one has its thumbprint. */
function checkDistinct(
  keys: ReadonlyArray<z.output<typeof keySchema>>,
  context: z.core.$RefinementCtx,
): void {
  for (const [index, { key, keyId = key.id, use }] of keys.entries()) {
    if (use === 'enc' && key.key.asymmetricKeyType === 'ed25519') {
      const message =
        'expected a key of RSA or of an elliptic curve P-256, P-384 or P-521, because its use is enc';
      context.addIssue({ code: 'custom', path: [index, 'key'], message });
    }
    const earlier = keys.slice(0, index);
    const isRepeated = earlier.some((other) => isSameKey(other.key.key, key.key));
    const isSameId = keyId !== undefined && earlier.some((other) => (other.keyId ?? other.key.id) === keyId);
    if (isRepeated)
      context.addIssue({
        code: 'custom',
        path: [index, 'key'],
        message: 'expected distinct keys; an earlier one is the same',
      });
    else if (isSameId)
      context.addIssue({
        code: 'custom',
        path: [index, 'keyId'],
        message: 'expected distinct key identifiers; an earlier key has the same',
      });
  }
}
