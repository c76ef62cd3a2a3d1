import { createKeyRing } from '../../src/crypto/key-ring.ts';
import { createSealedCookies } from '../../src/crypto/sealed-cookie.ts';
import { SESSION_SECRET } from '../gateway/gateway-config.ts';

/** The private keys of sessions with DPoP, from their pending sign-ins in dumps of Redis. */
export async function dpopKeysIn(dumps: readonly string[]): Promise<string[]> {
  const sealed = dumps.flatMap((text) => text.match(/Fe26\.2\*[\w*~-]+/g) ?? []);
  const seals = createSealedCookies(createKeyRing([SESSION_SECRET]), 'login-cookie');
  const opened = await Promise.all(sealed.map((value) => seals.unseal(value)));
  return opened.flatMap((content) => (typeof content?.['dpopKey'] === 'string' ? [content['dpopKey']] : []));
}
