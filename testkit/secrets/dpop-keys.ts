import { createStoredLogins } from '../../src/auth/login/pending-login.ts';
import { createEnvelopes } from '../../src/crypto/envelope.ts';
import { createKeyRing } from '../../src/crypto/key-ring.ts';
import { createSealedCookies } from '../../src/crypto/sealed-cookie.ts';
import { SESSION_SECRET } from '../gateway/gateway-config.ts';

/**
 * The private keys of sessions with DPoP, from their pending sign-ins in dumps of Redis. These open only under the identifiers in
 * the cookies that the browser has received.
 */
export async function dpopKeysIn(dumps: readonly string[], received: string): Promise<string[]> {
  const keyRing = createKeyRing([SESSION_SECRET]);
  const logins = createStoredLogins({
    envelopes: createEnvelopes(keyRing),
    seals: createSealedCookies(keyRing, 'login-cookie'),
  });
  const cookies = received.matchAll(/coatcheck-login-\d\d=\w{9}\.[\w-]{8}\.[\w-]{0,40}\.([\w-]{32});/g);
  const ids = new Set(Array.from(cookies, ([, id = '']) => id));
  const sealed = new Set(dumps.flatMap((text) => text.match(/[\w-]{200,}/g) ?? []));
  const pairs = [...ids].flatMap((id) => Array.from(sealed, (text) => [id, text] as const));
  const opened = await Promise.all(pairs.map(([id, text]) => logins.open(id, text)));
  return opened.flatMap((login) => {
    const key: unknown = typeof login === 'object' && login !== null && Reflect.get(login, 'dpopKey');
    return typeof key === 'string' ? [key] : [];
  });
}
