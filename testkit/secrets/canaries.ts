import type { Socket } from 'node:net';
import { createKeyRing, type KeyPurpose } from '../../src/crypto/key-ring.ts';
import { createSealedCookies } from '../../src/crypto/sealed-cookie.ts';

/** A place that is searched for secrets. */
export type Place =
  'the browser' | 'the log' | 'the metrics' | 'Redis' | 'the output of the program' | 'the spans';

/** Searches for the secrets of a test file wherever they must not appear. */
export type Canaries = {
  /** Registers a secret, also searches everything seen so far for it, and returns it. */
  keep(kind: string, secret: string): string;
  /** Registers the secrets that seal cookies, so that their contents can be searched for as well. */
  keepSessionSecrets(secrets: readonly string[]): void;
  /** Searches text that reached a place. A cookie sent to the browser is a secret everywhere else. */
  see(place: Place, text: string): void;
  /** Searches everything that a socket receives from now on, as text that reached the browser. */
  follow(socket: Socket): void;
  /** Treats what clients in this process receive from a port as text that reached the browser. */
  followPort(port: number): void;
  /** Searches the data that a client received from a port, if that port is followed. */
  seeFrom(port: number, text: string): void;
  /** The findings so far, each once: the place, the kind of secret and the surrounding text. */
  leaks(): Promise<string[]>;
  /** Forgets all secrets, ports and findings: test files that run one after the other share this search. */
  forget(): void;
};

/** The marker that fakes put into every secret they create, plain and in Base64 at any offset; and that of a private key in PEM. */
const MARKER = /canary-|Y2FuYXJ5L|jYW5hcnkt|NhbmFyeS|-----BEGIN [A-Z ]*PRIVATE KEY/;
/** A part of a secret that is long enough to be unmistakable. */
const WORD = /[\w~-]{32,}/g;
/** A gateway cookie in Set-Cookie: the name and a value. */
const SET_COOKIE = /^set-cookie: ((?:__Host-Http-)?coatcheck[\w.-]*)=([^;\s]+)/gim;
/** The seal of a pending sign-in, which Redis or a cookie holds. */
const LOGIN_SEAL = /Fe26\.2\*[\w*~-]+/g;
/** The ID token in the redirect of a logout form: the only secret that a browser carries to the provider. */
const ID_TOKEN_HINT = /\bid_token_hint=[\w.-]+/g;
/** The searched length of one chunk: larger ones are bodies from tests. */
const LOOKED_AT = 32_768;
/** The length of the previous chunk that is searched again, because a secret may be split. */
const OVERLAP = 2_048;

/** Creates the secret search of a test file. */
export function createCanaries(): Canaries {
  const kinds = new Map<string, string>();
  const seen = new Map<string, Set<Place>>();
  const found = new Set<string>();
  const sealing = new Set<string>();
  const ports = new Set<number>();
  const cookies = new Set<string>();
  const loginSeals = new Set<string>();

  const report = (place: Place, kind: string, text: string, at: number) => {
    found.add(`${kind} in ${place}: ${JSON.stringify(text.slice(Math.max(0, at - 120), at + 60))}`);
  };
  const isAllowed = (place: Place, kind: string) => place === 'the browser' && kind === 'cookie';

  const keep: Canaries['keep'] = (kind, secret) => {
    for (const [word] of secret.matchAll(WORD)) {
      if (kinds.has(word)) continue;
      kinds.set(word, kind);
      for (const place of seen.get(word) ?? []) if (!isAllowed(place, kind)) report(place, kind, word, 0);
    }
    return secret;
  };

  const see: Canaries['see'] = (place, given) => {
    const text = given.replace(ID_TOKEN_HINT, '');
    const at = text.search(MARKER);
    if (at !== -1) report(place, 'a marked secret', text, at);
    for (const { 0: word, index } of text.matchAll(WORD)) {
      const kind = kinds.get(word);
      if (kind !== undefined && !isAllowed(place, kind)) report(place, kind, text, index);
      const places = seen.get(word);
      if (places === undefined) seen.set(word, new Set([place]));
      else places.add(place);
    }
    if (place === 'Redis') for (const [seal] of text.matchAll(LOGIN_SEAL)) loginSeals.add(seal);
    if (place !== 'the browser') return;
    for (const [, name = '', value = ''] of text.matchAll(SET_COOKIE)) {
      keep('cookie', value);
      if (name.endsWith('coatcheck')) cookies.add(value);
      else for (const [seal] of value.matchAll(LOGIN_SEAL)) loginSeals.add(seal);
    }
  };

  /** Opens the seals found since the last call: the secrets inside must not appear anywhere. */
  const keepContents = async () => {
    if (sealing.size === 0) return;
    const keyRing = createKeyRing([...sealing]);
    const keepMember = async (purpose: KeyPurpose, sealed: Set<string>, member: string, kind: string) => {
      const fresh = [...sealed];
      sealed.clear();
      const seals = createSealedCookies(keyRing, purpose);
      for (const content of await Promise.all(fresh.map((value) => seals.unseal(value)))) {
        const secret = content?.[member];
        if (typeof secret === 'string') keep(kind, secret);
      }
    };
    await keepMember('session-cookie', cookies, 'id', 'session identifier');
    // The session will have this key.
    await keepMember('login-cookie', loginSeals, 'dpopKey', 'DPoP key');
  };

  return {
    keep,
    see,
    keepSessionSecrets: (secrets) => secrets.forEach((secret) => sealing.add(keep('session secret', secret))),
    follow: (socket) => {
      const stream = createOverlap((text) => see('the browser', text));
      const { write, end } = socket;
      const look = (data: unknown) => {
        if (typeof data === 'string') stream(data);
        else if (Buffer.isBuffer(data)) stream(data.toString('latin1', 0, LOOKED_AT));
      };
      socket.write = (...given: unknown[]) => {
        look(given[0]);
        return Reflect.apply(write, socket, given) as boolean;
      };
      socket.end = (...given: unknown[]) => {
        look(given[0]);
        return Reflect.apply(end, socket, given) as Socket;
      };
    },
    followPort: (port) => void ports.add(port),
    seeFrom: (port, text) => {
      if (ports.has(port)) see('the browser', text);
    },
    leaks: async () => {
      await keepContents();
      return [...found];
    },
    forget: () => {
      for (const kept of [kinds, seen, found, sealing, ports, cookies, loginSeals]) kept.clear();
    },
  };
}

/** Passes on the chunks of a stream, each with the end of the previous one. */
export function createOverlap(see: (text: string) => void): (piece: string) => void {
  let before = '';
  return (piece) => {
    const text = before + piece.slice(0, LOOKED_AT);
    // A hint is removed first, because the cut would separate it from its name.
    before = text.replace(ID_TOKEN_HINT, '').slice(-OVERLAP);
    see(text);
  };
}

/** The secret search of this test file. `canary-check.ts` fails a test after which it has found something. */
export const canaries = createCanaries();
