import { createPrivateKey } from 'node:crypto';
import type { Canaries } from './canaries.ts';

/** The secret members of a JWK (RFC 7518, sections 6.2.2 and 6.3.2; RFC 8037, section 2). */
const SECRET_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi'] as const;

/** The texts that give away a private key, which is a PEM or a JWK: the secret members of the JWK, and the lines of the PEM. */
export function partsOfPrivateKey(text: string): string[] {
  const key = text.startsWith('{')
    ? createPrivateKey({ key: JSON.parse(text), format: 'jwk' })
    : createPrivateKey(text);
  const jwk = key.export({ format: 'jwk' });
  const members = SECRET_MEMBERS.flatMap((name) => jwk[name] ?? []);
  const lines = String(key.export({ format: 'pem', type: 'pkcs8' }))
    .split('\n')
    .slice(1, -2);
  return [...members, ...lines];
}

/** Registers every private key of a configuration as a secret. */
export function keepPrivateKeys(canaries: Pick<Canaries, 'keep'>, config: unknown): void {
  for (const text of textsIn(config)) {
    if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----|^\{.*"d":/.test(text)) continue;
    for (const part of partsOfPrivateKey(text)) canaries.keep('private key', part);
  }
}

function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : [];
}
