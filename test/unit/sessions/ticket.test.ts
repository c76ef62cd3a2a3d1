import { describe, expect, it } from 'vitest';
import { hashIdentifier } from '../../../src/crypto/identifier.ts';
import { createKeyRing } from '../../../src/crypto/key-ring.ts';
import { createSealedCookies, type SealedCookies } from '../../../src/crypto/sealed-cookie.ts';
import { createTickets } from '../../../src/sessions/ticket.ts';

const secret = 'a-session-secret-Wd8kPz4RmX7vNq2TbL6h';

/** Tickets with a count of the opened seals. */
function openTickets({ secure = true, remembered = 10, persistent = false } = {}) {
  const keyRing = createKeyRing([secret]);
  const sealed = createSealedCookies(keyRing, 'session-cookie');
  const opened: string[] = [];
  const seals: SealedCookies = {
    seal: sealed.seal,
    unseal(text) {
      opened.push(text);
      return sealed.unseal(text);
    },
    unknownKeyId: sealed.unknownKeyId,
  };
  const open = () => createTickets({ seals, secure, sameSite: 'strict', persistent, remembered });
  const tickets = open();
  /** Issues a ticket by another process with the same secrets, unless it is named. */
  const issue = async (issuer = open()) => {
    const { key, setCookie } = await issuer.issue(60_000);
    return { key, setCookie, cookie: setCookie.slice(0, setCookie.indexOf(';')) };
  };
  return { tickets, issue, seals, keyRing, opened };
}

describe('a ticket', () => {
  it('identifies the session it was issued for and reveals nothing of its key', async () => {
    const { tickets, issue } = openTickets();
    const { key, cookie, setCookie } = await issue();
    expect(await tickets.read(cookie)).toEqual({ kind: 'ticket', key });
    expect(setCookie).not.toContain(key);
    expect(setCookie).toMatch(/^__Host-Http-coatcheck=\S+; Path=\/; HttpOnly; Secure; SameSite=Strict$/);
  });

  it('lasts as long as its session at most when it is persistent', async () => {
    const { issue, tickets } = openTickets({ persistent: true });
    const { setCookie } = await issue();
    expect(setCookie).toMatch(
      /^__Host-Http-coatcheck=\S+; Path=\/; Max-Age=60; HttpOnly; Secure; SameSite=Strict$/,
    );
    expect(tickets.clear()).toContain('Max-Age=0');
  });

  it('is small and opaque (A9, E10)', async () => {
    const { cookie } = await openTickets().issue();
    expect(cookie.length).toBeLessThan(512);
    expect(cookie).not.toMatch(/eyJ[\w-]+\.eyJ/);
  });

  it('differs each time (E2)', async () => {
    const { issue } = openTickets();
    const [one, two] = [await issue(), await issue()];
    expect(one.key).not.toBe(two.key);
    expect(one.cookie).not.toBe(two.cookie);
  });

  it('contains a random id, and the key is its hash (E5)', async () => {
    const { issue, seals } = openTickets();
    const { key, cookie } = await issue();
    const value = await seals.unseal(cookie.slice(cookie.indexOf('=') + 1));
    expect(Object.keys(value ?? {})).toEqual(['id']);
    expect(hashIdentifier('session', String(value?.['id'])).slice(0, 22)).toBe(key);
  });

  it('has a plain name on loopback http', async () => {
    const { tickets, issue } = openTickets({ secure: false });
    const { cookie, setCookie } = await issue();
    expect(setCookie).toMatch(/^coatcheck=\S+; Path=\/; HttpOnly; SameSite=Strict$/);
    expect(await tickets.read(cookie)).toMatchObject({ kind: 'ticket' });
    expect(await tickets.read(`__Host-Http-${cookie}`)).toEqual({ kind: 'absent' });
  });

  it('is opened again when the remembered seals together would take more than 512 bytes each', async () => {
    const { tickets, seals, opened } = openTickets({ remembered: 10 });
    const read = async (seal: string) => tickets.read(`__Host-Http-coatcheck=${seal}`);
    const large = await seals.seal({ id: 'x'.repeat(3_000) }, 0);
    const larger = await seals.seal({ id: 'y'.repeat(3_000) }, 0);
    for (const seal of [large, large, larger, larger]) await read(seal);
    expect(opened).toEqual([large, larger]);
    await read(large);
    expect(opened).toEqual([large, larger, large]);
  });

  it('is absent without its cookie', async () => {
    const { tickets } = openTickets();
    for (const header of [
      undefined,
      '',
      'other=1',
      'coatcheck=x',
      '=__Host-Http-coatcheck=x',
      '__host-http-coatcheck=x',
    ])
      expect(await tickets.read(header)).toEqual({ kind: 'absent' });
  });

  it('is invalid when it was not sealed here for that purpose (E3)', async () => {
    const { tickets, issue, seals, keyRing } = openTickets();
    const name = '__Host-Http-coatcheck';
    const foreign = createSealedCookies(
      createKeyRing(['another-secret-of-32-characters..']),
      'session-cookie',
    );
    const login = createSealedCookies(keyRing, 'login-cookie');
    const { cookie } = await issue();
    for (const value of [
      'x',
      'random-id',
      await seals.seal({ id: 7 }, 0),
      await seals.seal({}, 0),
      `"${cookie.slice(name.length + 1)}"`,
    ])
      expect(await tickets.read(`${name}=${value}`)).toEqual({ kind: 'invalid' });
    for (const value of [await foreign.seal({ id: 'a' }, 0), await login.seal({ id: 'a' }, 0)])
      expect(await tickets.read(`${name}=${value}`)).toEqual({
        kind: 'unknown_key',
        keyId: expect.any(Number),
      });
  });

  it('names the key that this process lacks, whose secret another process may have (E6)', async () => {
    const { tickets, keyRing } = openTickets();
    const newer = createKeyRing(['a-newer-secret-of-32-characters..']);
    const seal = await createSealedCookies(newer, 'session-cookie').seal({ id: 'a' }, 0);
    const { id } = newer.current('session-cookie');
    const read = () => tickets.read(`__Host-Http-coatcheck=${seal}`);
    expect(await read()).toEqual({ kind: 'unknown_key', keyId: id });
    keyRing.replace(['a-newer-secret-of-32-characters..', secret]);
    expect(await read()).toMatchObject({ kind: 'ticket' });
  });

  it('is a conflict beside a different one, whichever comes first (E9)', async () => {
    const { tickets, issue } = openTickets();
    const [one, two] = [await issue(), await issue()];
    for (const header of [`${one.cookie}; ${two.cookie}`, `${two.cookie}; ${one.cookie}`])
      expect(await tickets.read(header)).toEqual({ kind: 'conflict' });
    expect(await tickets.read(`${one.cookie}; ${one.cookie}`)).toEqual({ kind: 'ticket', key: one.key });
  });

  it('is cleared with the attributes it was set with (D3)', () => {
    expect(openTickets().tickets.clear()).toBe(
      '__Host-Http-coatcheck=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict',
    );
  });
});

describe('an issued ticket', () => {
  it('is cached, so that the first request unseals nothing in the process that issued it', async () => {
    const { tickets, issue, opened } = openTickets();
    const { key, cookie } = await issue(tickets);
    expect(await tickets.read(cookie)).toEqual({ kind: 'ticket', key });
    expect(opened).toEqual([]);
  });

  it('is not cached when its secret is removed while it is sealed', async () => {
    const { tickets, keyRing, issue } = openTickets();
    const issued = issue(tickets);
    keyRing.replace(['another-secret-of-32-characters..']);
    tickets.clearCache();
    expect(await tickets.read((await issued).cookie)).toMatchObject({ kind: 'unknown_key' });
  });
});

describe('an opened ticket', () => {
  it('is cached, so that the next request unseals nothing', async () => {
    const { tickets, issue, opened } = openTickets();
    const { cookie } = await issue();
    await tickets.read(cookie);
    await tickets.read(`other=1; ${cookie}`);
    expect(opened).toHaveLength(1);
  });

  it('is forgotten when many others have been opened since', async () => {
    const { tickets, issue, opened } = openTickets({ remembered: 2 });
    const cookies = [await issue(), await issue(), await issue()].map(({ cookie }) => cookie);
    for (const cookie of cookies) await tickets.read(cookie);
    await tickets.read(cookies[2]);
    await tickets.read(cookies[1]);
    expect(opened).toHaveLength(3);
    await tickets.read(cookies[0]);
    expect(opened).toHaveLength(4);
  });

  it('is not cached when it is invalid, so that invalid cookies evict nothing', async () => {
    const { tickets, issue, opened } = openTickets({ remembered: 1 });
    const { cookie } = await issue();
    await tickets.read(cookie);
    for (let at = 0; at < 10; at += 1) await tickets.read(`__Host-Http-coatcheck=nonsense-${at}`);
    opened.length = 0;
    await tickets.read(cookie);
    expect(opened).toEqual([]);
  });

  it('is forgotten with the secrets, so that a removed secret ends its sessions (E6)', async () => {
    const { tickets, issue, keyRing } = openTickets();
    const { cookie } = await issue();
    await tickets.read(cookie);
    keyRing.replace(['another-secret-of-32-characters..']);
    tickets.clearCache();
    expect(await tickets.read(cookie)).toMatchObject({ kind: 'unknown_key' });
  });

  it('is not accepted, and not cached, when its secret is removed while its seal is opened', async () => {
    const { tickets, issue, keyRing } = openTickets();
    const { cookie } = await issue();
    const reading = tickets.read(cookie);
    keyRing.replace(['another-secret-of-32-characters..']);
    tickets.clearCache();
    expect(await reading).toMatchObject({ kind: 'unknown_key' });
    expect(await tickets.read(cookie)).toMatchObject({ kind: 'unknown_key' });
  });
});
