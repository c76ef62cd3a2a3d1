import { hash, randomBytes } from 'node:crypto';

/** A new unguessable identifier: 256 random bits, base64url. */
export function randomIdentifier(): string {
  return randomBytes(32).toString('base64url');
}

/**
 * The one-way name of an identifier for a purpose: SHA-256, base64url.
 * Enough for identifiers of 256 random bits; it does not depend on the secrets, which may be rotated.
 */
export function hashIdentifier(purpose: string, identifier: string): string {
  return hash('sha256', `${purpose}\0${identifier}`, 'base64url');
}
