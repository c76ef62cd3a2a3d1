import { Socket } from 'node:net';
import { beforeEach, describe, expect, it } from 'vitest';
import { createKeyRing } from '../../../src/crypto/key-ring.ts';
import { createSealedCookies } from '../../../src/crypto/sealed-cookie.ts';
import { type Canaries, createCanaries } from '../../../testkit/secrets/canaries.ts';
import { keepPrivateKeys } from '../../../testkit/secrets/private-keys.ts';
import { jwk, pem } from '../config/keys.ts';

const TOKEN = 'a-secret-that-bears-no-mark-0123456789';
const SESSION_SECRET = 'a-session-secret-Wd8kPz4RmX7vNq2TbL6h';

let canaries: Canaries;
beforeEach(() => {
  canaries = createCanaries();
});

describe('the search for leaked secrets', () => {
  it('finds a secret in every place, whether it was registered before or after it appeared', async () => {
    canaries.keep('access_token', TOKEN);
    canaries.see('the log', `{"token":"${TOKEN}"}`);
    canaries.see('Redis', 'another-secret-that-bears-no-mark-4711');
    canaries.keep('code_verifier', 'another-secret-that-bears-no-mark-4711');
    expect(await canaries.leaks()).toEqual([
      expect.stringMatching(/^access_token in the log: /),
      expect.stringMatching(/^code_verifier in Redis: /),
    ]);
  });

  it('finds each part of a JWT, and an unregistered secret with the marker, also in Base64', async () => {
    const jwt = ['header', 'payload', 'signature'].map((part) => part.padEnd(40, part)).join('.');
    canaries.keep('id_token', jwt);
    canaries.see('the browser', `"${jwt.split('.')[2]}"`);
    canaries.see('the metrics', 'coatcheck_x{y="canary-rt-1"}');
    for (const before of ['', 'x', 'xx']) {
      canaries.see('the output of the program', `${before.length} ${btoa(`${before}web:canary-secret`)}`);
    }
    expect(await canaries.leaks()).toHaveLength(5);
  });

  it('allows the browser its cookies and the ID token on the way to the provider, and nobody else', async () => {
    const seal = 'Fe26.2*1*'.padEnd(80, 'seal');
    canaries.keep('id_token', TOKEN);
    canaries.see('the browser', `HTTP/1.1 303 See Other\r\nSet-Cookie: coatcheck=${seal}; Path=/\r\n`);
    canaries.see('the browser', `Location: https://login/logout?id_token_hint=${TOKEN}&x=1`);
    expect(await canaries.leaks()).toEqual([]);
    canaries.see('the log', seal);
    canaries.see('the browser', `Location: /?token=${TOKEN}`);
    expect(await canaries.leaks()).toHaveLength(2);
  });

  it('opens the session cookies and finds their identifier even in the browser', async () => {
    canaries.keepSessionSecrets([SESSION_SECRET]);
    const seals = createSealedCookies(createKeyRing([SESSION_SECRET]), 'session-cookie');
    canaries.see(
      'the browser',
      `set-cookie: __Host-Http-coatcheck=${await seals.seal({ id: TOKEN }, 0)}; Secure`,
    );
    expect(await canaries.leaks()).toEqual([]);
    canaries.see('the browser', TOKEN);
    expect(await canaries.leaks()).toEqual([expect.stringMatching(/^session identifier in the browser: /)]);
  });

  it.each([
    [
      'the browser',
      (seal: string) => `set-cookie: __Host-Http-coatcheck-login-long=0mwq7hjcs.a.${seal}; Secure`,
    ],
    ['Redis', (seal: string) => `coatcheck:note:x ${seal}`],
  ] as const)(
    'opens a sign-in in %s and finds the DPoP key of its session in every place',
    async (place, text) => {
      canaries.keepSessionSecrets([SESSION_SECRET]);
      const seals = createSealedCookies(createKeyRing([SESSION_SECRET]), 'login-cookie');
      canaries.see(place, text(await seals.seal({ dpopKey: TOKEN }, 0)));
      canaries.see('the log', TOKEN);
      expect(await canaries.leaks()).toEqual([expect.stringMatching(/^DPoP key in the log: /)]);
    },
  );

  it('finds a private key of a configuration, as a JWK and in PEM', async () => {
    keepPrivateKeys(canaries, { keys: [{ key: pem('P-256') }], provider: { privateKey: jwk('ed25519') } });
    canaries.see('the log', jwk('P-256'));
    canaries.see('Redis', jwk('ed25519'));
    canaries.see('the metrics', JSON.stringify(pem('rsa')));
    expect(await canaries.leaks()).toEqual([
      expect.stringMatching(/^private key in the log: /),
      expect.stringMatching(/^private key in Redis: /),
      expect.stringMatching(/^a marked secret in the metrics: /),
    ]);
  });

  it('follows the bytes of a socket across chunks, and messages of a port', async () => {
    canaries.keep('refresh_token', TOKEN);
    const socket = new Socket();
    socket.on('error', () => {});
    canaries.follow(socket);
    socket.write(`before ${TOKEN.slice(0, 20)}`);
    expect(await canaries.leaks()).toEqual([]);
    socket.end(Buffer.from(`${TOKEN.slice(20)} after`));
    expect(await canaries.leaks()).toHaveLength(1);
    canaries.seeFrom(1, 'canary-unfollowed');
    expect(await canaries.leaks()).toHaveLength(1);
    canaries.followPort(1);
    canaries.seeFrom(1, 'canary-followed');
    expect(await canaries.leaks()).toHaveLength(2);
  });

  it('forgets the secrets, ports and findings of a test file before the next', async () => {
    canaries.keep('refresh_token', TOKEN);
    canaries.followPort(1);
    canaries.see('the log', TOKEN);
    canaries.forget();
    canaries.see('the log', TOKEN);
    canaries.seeFrom(1, 'canary-unfollowed');
    expect(await canaries.leaks()).toEqual([]);
  });
});
