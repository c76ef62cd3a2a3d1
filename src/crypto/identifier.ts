import { hash, randomBytes } from 'node:crypto';

/** A new unguessable identifier: 256 random bits, base64url. */
export function randomIdentifier(): string {
  return randomBytes(32).toString('base64url');
}

/**
 * The SHA-256 hash of an identifier, for one purpose; base64url. A hash without a key is enough for identifiers of 256
 * random bits, and it does not change when the secrets are rotated.
 */
export function hashIdentifier(purpose: string, identifier: string): string {
  return hash('sha256', `${purpose}\0${identifier}`, 'base64url');
}
