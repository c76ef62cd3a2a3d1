import { createHash } from 'node:crypto';
import { canaries } from '../secrets/canaries.ts';

/** The kind of a secret. A browser needs some kinds and must never receive the others. */
export type SecretKind =
  'access_token' | 'refresh_token' | 'id_token' | 'code' | 'code_verifier' | 'client_secret';

/** Every secret that the fake provider issued or received. */
export type Secrets = {
  /** A new string, different from all others of this issuer: `canary-` and the prefix, then 43 characters. */
  mint(prefix: string): string;
  /** Registers a secret and returns it. */
  record(kind: SecretKind, secret: string): string;
  /** All registered secrets, or those of some kinds. */
  list(kinds?: readonly SecretKind[]): string[];
};

/** Keeps the secrets of one issuer. The strings are derived from the issuer and a counter, not random. */
export function createSecrets(issuer: string): Secrets {
  const noted: { kind: SecretKind; secret: string }[] = [];
  let minted = 0;

  return {
    mint: (prefix) => {
      minted += 1;
      const unique = createHash('sha256').update(`${issuer} ${prefix} ${minted}`).digest('base64url');
      return `canary-${prefix}-${unique}`;
    },
    record: (kind, secret) => {
      noted.push({ kind, secret });
      return canaries.keep(kind, secret);
    },
    list: (kinds) => [
      ...new Set(noted.filter(({ kind }) => !kinds || kinds.includes(kind)).map(({ secret }) => secret)),
    ],
  };
}
