import { createPublicKey } from 'node:crypto';
import * as oauth from 'openid-client';
import { createDpopKey, dpopThumbprint, importDpopKey, type DpopKey } from '../../dpop/key.ts';
import { createDpopNonces } from '../../dpop/nonces.ts';

/** DPoP towards the endpoints of one provider (RFC 9449), with openid-client 6. */
export type DpopHandles = {
  /** A new key and its public thumbprint (`dpop_jkt`), or undefined when the tokens of new sign-ins are bearer tokens. */
  createKey(): { readonly secret: DpopKey; readonly thumbprint: string } | undefined;
  /**
   * The options of a call with openid-client: it then sends a proof, and once more with the nonce that the provider asks for.
   * Empty without a key.
   */
  of(client: oauth.Configuration, key: DpopKey | undefined): oauth.DPoPOptions;
  /** Learns the nonce of every response (section 8.2). */
  learning(fetch: oauth.CustomFetch): oauth.CustomFetch;
};

/**
 * A handle of openid-client knows the nonces of its own calls only, and serves one session. So each call has a handle of its
 * own, whose first proof has the newest nonce of all calls. Its second one has the nonce of the refusal, whatever other calls
 * have learnt since.
 */
export function createDpopHandles({ isOn }: { isOn: boolean }): DpopHandles {
  const nonces = createDpopNonces();

  return {
    createKey() {
      if (!isOn) return undefined;
      const secret = createDpopKey();
      return { secret, thumbprint: dpopThumbprint(importDpopKey(secret)) };
    },

    of(client, key) {
      if (key === undefined) return {};
      const modifyAssertion: oauth.ModifyAssertionFunction = (_header, payload) => {
        const { htu } = payload;
        if (typeof htu === 'string') payload['nonce'] ??= nonces.of(new URL(htu).origin);
      };
      const options = { [oauth.modifyAssertion]: modifyAssertion };
      return { DPoP: oauth.getDPoPHandle(client, keyPairOf(key), options) };
    },

    learning: (fetch) => async (url, options) => {
      const response = await fetch(url, options);
      nonces.learn(new URL(url).origin, response.headers.get('dpop-nonce'));
      return response;
    },
  };
}

/**
 * Gives all calls of a fetch the deadline of the first one. openid-client repeats a refresh that is refused for its nonce, and
 * the spend mark of a refresh lasts as long as one call.
 */
export function withOneDeadline(fetch: oauth.CustomFetch): oauth.CustomFetch {
  let deadline: AbortSignal | undefined;
  return (url, options) => {
    deadline ??= options.signal;
    return fetch(url, { ...options, ...(deadline !== undefined && { signal: deadline }) });
  };
}

/** The key as WebCrypto keys, which openid-client takes. */
function keyPairOf(key: DpopKey): oauth.CryptoKeyPair {
  const { privateKey } = importDpopKey(key);
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
  return {
    privateKey: cryptoKeyOf(privateKey.toCryptoKey(algorithm, false, ['sign'])),
    publicKey: cryptoKeyOf(createPublicKey(privateKey).toCryptoKey(algorithm, true, ['verify'])),
  };
}

/** @types/node 24 and the DOM's types, which openid-client uses, declare the same class differently. */
function cryptoKeyOf(imported: unknown): CryptoKey {
  if (imported instanceof CryptoKey) return imported;
  throw new Error('cannot import a DPoP key as a CryptoKey');
}
