import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  sessionView,
  sessionRecord,
  type SessionView,
  type SessionData,
  type Owner,
  type SessionRecord,
} from '../../../src/sessions/session.ts';
import type { SessionChange, SessionStore } from '../../../src/sessions/store/store.ts';
import type { Position } from '../../../src/sessions/store/position.ts';
import { allOf } from './all-of.ts';
import { refreshed, sampleData } from './sample.ts';

/** How long to poll for an outcome, in milliseconds. */
const POLLING = { timeout: 20_000, interval: 20 };

/** The contract of every store. `open` gives an empty store, which is closed after the test. */
export function describeStoreContract(open: () => Promise<SessionStore>): void {
  let store: SessionStore;

  beforeEach(async () => {
    store = await open();
  });

  afterEach(() => store.close());

  const soon = (ms = 300) => Date.now() + ms;
  const later = () => Date.now() + 60_000;
  const isGone = (key: string) =>
    vi.waitFor(async () => expect(await store.loadRecord(key)).toBeUndefined(), POLLING);

  describe('loading a record', () => {
    it('returns undefined for an unknown key', async () => {
      expect(await store.loadRecord('nobody')).toBeUndefined();
    });

    it('returns a session as it was created with version 1', async () => {
      const data = sampleData({ providerSessionId: 'sid-1', upstreamRefusalsAtMs: [1, 2] });
      const idleExpiresAtMs = later();
      await store.create('one', data, idleExpiresAtMs);
      expect(await store.loadRecord('one')).toEqual(
        sessionRecord({ key: 'one', data, version: 1, idleExpiresAtMs }),
      );
    });

    it('keeps sessions separate', async () => {
      await store.create('one', sampleData({ subject: 'alice' }), later());
      await store.create('two', sampleData({ subject: 'bob' }), later());
      expect((await store.loadRecord('one'))?.data.subject).toBe('alice');
      expect((await store.loadRecord('two'))?.data.subject).toBe('bob');
      await store.remove('one');
      expect(await store.loadRecord('two')).toBeDefined();
    });

    it('returns tokens of any size', async () => {
      const data = refreshed(sampleData(), 'x'.repeat(200_000));
      await store.create('one', data, later());
      expect((await store.loadRecord('one'))?.data).toEqual(data);
    });
  });

  describe('loading a view', () => {
    const open = async () => {
      const data = sampleData();
      await store.create('one', data, later());
      return { data, view: (await store.loadView('one')) as SessionView };
    };

    /** The view that follows from the full record. */
    const viewOf = async (key: string) => sessionView((await store.loadRecord(key)) as SessionRecord);

    it('returns only what requests need and no other secret of the session', async () => {
      const { data, view } = await open();
      expect(view).toEqual(await viewOf('one'));
      const { refreshToken = '', idToken = '' } = data.tokens;
      const text = JSON.stringify(view);
      expect([refreshToken, idToken, data.subject].map((secret) => text.includes(secret))).toEqual([
        false,
        false,
        false,
      ]);
      expect(text).toContain(data.tokens.access['']?.value);
    });

    it('reflects every change regardless of the known version', async () => {
      const { data, view } = await open();
      const further = Date.now() + 120_000;
      await store.touch('one', further);
      const touched = { ...view, idleExpiresAtMs: further };
      expect(await store.loadView('one', view)).toEqual(touched);
      await store.replace('one', refreshed(data, 'access-2'), 1);
      const reloaded = await store.loadView('one', touched);
      expect(reloaded).toEqual(await viewOf('one'));
      expect(reloaded?.data.tokens.access['']?.value).toBe('access-2');
    });

    it('returns undefined for an ended session regardless of the known version', async () => {
      const { view } = await open();
      await store.remove('one');
      expect(await store.loadView('one', view)).toBeUndefined();
      expect(await store.loadView('nobody')).toBeUndefined();
    });
  });

  describe('replacing a record', () => {
    it('writes the next version over the expected one and keeps the idle limit', async () => {
      const data = sampleData();
      const idleExpiresAtMs = later();
      await store.create('one', data, idleExpiresAtMs);
      const second = refreshed(data, 'access-2');
      expect(await store.replace('one', second, 1)).toBe('replaced');
      expect(await store.loadRecord('one')).toEqual(
        sessionRecord({ key: 'one', data: second, version: 2, idleExpiresAtMs }),
      );
      expect(await store.replace('one', refreshed(data, 'access-3'), 2)).toBe('replaced');
      expect((await store.loadRecord('one'))?.version).toBe(3);
    });

    it.each([0, 2, 11])(
      'reports a conflict and changes nothing when the expected version is %i instead of 1',
      async (version) => {
        const data = sampleData();
        await store.create('one', data, later());
        expect(await store.replace('one', refreshed(data, 'access-2'), version)).toBe('conflict');
        expect(await store.loadRecord('one')).toMatchObject({ data, version: 1 });
      },
    );

    it('succeeds for one of many callers that expect the same version', async () => {
      const data = sampleData();
      await store.create('one', data, later());
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, at) => store.replace('one', refreshed(data, `access-of-${at}`), 1)),
      );
      expect(results.toSorted()).toEqual([...Array(19).fill('conflict'), 'replaced']);
      expect(await store.loadRecord('one')).toMatchObject({
        version: 2,
        data: refreshedBy(results.indexOf('replaced')),
      });
    });

    it('reports gone for an ended session and does not restore it', async () => {
      const data = sampleData();
      expect(await store.replace('one', data, 1)).toBe('gone');
      await store.create('one', data, later());
      await store.remove('one');
      expect(await store.replace('one', data, 1)).toBe('gone');
      expect(await store.loadRecord('one')).toBeUndefined();
    });

    const refreshedBy = (at: number) =>
      expect.objectContaining({ tokens: refreshedTokens(`access-of-${at}`) }) as unknown;
    const refreshedTokens = (value: string) =>
      expect.objectContaining({ access: { '': expect.objectContaining({ value }) } }) as unknown;
  });

  describe('touching a session', () => {
    it('extends only the idle limit', async () => {
      const data = sampleData();
      await store.create('one', data, later());
      const further = Date.now() + 120_000;
      expect(await store.touch('one', further)).toBe(true);
      expect(await store.loadRecord('one')).toEqual(
        sessionRecord({ key: 'one', data, version: 1, idleExpiresAtMs: further }),
      );
    });

    it('never shortens the idle limit', async () => {
      const idleExpiresAtMs = later();
      await store.create('one', sampleData(), idleExpiresAtMs);
      expect(await store.touch('one', idleExpiresAtMs - 30_000)).toBe(true);
      expect((await store.loadRecord('one'))?.idleExpiresAtMs).toBe(idleExpiresAtMs);
    });

    it('keeps the new idle limit through a replacement', async () => {
      const data = sampleData();
      await store.create('one', data, later());
      const further = Date.now() + 120_000;
      await store.touch('one', further);
      await store.replace('one', refreshed(data, 'access-2'), 1);
      expect((await store.loadRecord('one'))?.idleExpiresAtMs).toBe(further);
    });

    it('reports an ended session and does not restore it', async () => {
      expect(await store.touch('one', later())).toBe(false);
      await store.create('one', sampleData(), later());
      await store.remove('one');
      expect(await store.touch('one', later())).toBe(false);
      expect(await store.loadRecord('one')).toBeUndefined();
    });
  });

  describe('removing a session', () => {
    it('returns its last state', async () => {
      const data = sampleData();
      const idleExpiresAtMs = later();
      await store.create('one', data, idleExpiresAtMs);
      const second = refreshed(data, 'access-2');
      await store.replace('one', second, 1);
      expect(await store.remove('one')).toEqual(
        sessionRecord({ key: 'one', data: second, version: 2, idleExpiresAtMs }),
      );
      expect(await store.loadRecord('one')).toBeUndefined();
    });

    it('returns the session to exactly one of many callers', async () => {
      await store.create('one', sampleData(), later());
      const removed = await Promise.all(Array.from({ length: 20 }, () => store.remove('one')));
      expect(removed.filter((record) => record !== undefined)).toHaveLength(1);
    });

    it('returns undefined for an unknown key', async () => {
      expect(await store.remove('nobody')).toBeUndefined();
    });

    it('leaves no session after a race with a replacement', async () => {
      const data = sampleData();
      for (let round = 0; round < 20; round += 1) {
        const key = `key-${round}`;
        await store.create(key, data, later());
        const writes = [store.replace(key, refreshed(data, 'access-2'), 1), store.remove(key)] as const;
        const [result, removed] = await Promise.all(round % 2 === 0 ? writes : [...writes].reverse());
        expect([result, removed]).toContainEqual(expect.objectContaining({ key }));
        expect(await store.loadRecord(key)).toBeUndefined();
      }
    });
  });

  describe('the end of a session', () => {
    it('comes at its idle limit', async () => {
      await store.create('one', sampleData(), soon());
      await isGone('one');
      expect(await store.touch('one', later())).toBe(false);
      expect(await store.remove('one')).toBeUndefined();
    });

    it('comes at its absolute limit regardless of the idle limit', async () => {
      await store.create('one', sampleData({ absoluteExpiresAtMs: soon() }), later());
      await store.touch('one', Date.now() + 120_000);
      await isGone('one');
    });

    it('comes at the announced expiry of its refresh token', async () => {
      const { tokens } = sampleData();
      await store.create(
        'one',
        sampleData({ tokens: { ...tokens, refreshExpiresAtMs: soon(3_000) } }),
        later(),
      );
      expect(await store.loadRecord('one')).toBeDefined();
      await isGone('one');
    });

    it('comes later when the idle limit is extended in time', async () => {
      const idleExpiresAtMs = soon(3_000);
      await store.create('one', sampleData(), idleExpiresAtMs);
      await store.touch('one', later());
      await sleep(idleExpiresAtMs - Date.now() + 100);
      expect(await store.loadRecord('one')).toBeDefined();
    });

    it('comes later when a new refresh token expires later', async () => {
      const data = sampleData();
      const refreshExpiresAtMs = soon(3_000);
      await store.create('one', { ...data, tokens: { ...data.tokens, refreshExpiresAtMs } }, later());
      await store.replace('one', refreshed(data, 'access-2'), 1);
      await sleep(refreshExpiresAtMs - Date.now() + 100);
      expect(await store.loadRecord('one')).toBeDefined();
    });
  });

  describe('finding the sessions of a subject or sid (standards: D17)', () => {
    const issuer = 'https://login.example.test';
    const person = (id: string) => ({ kind: 'subject', issuer, id }) as const;
    const atProvider = (id: string) => ({ kind: 'sid', issuer, id }) as const;
    const keysOf = async (owner: Owner) =>
      (await allOf(store, owner)).map(({ key }) => key).toSorted((a, b) => a.localeCompare(b));

    beforeEach(async () => {
      await store.create('a1', sampleData({ subject: 'alice', providerSessionId: 's1' }), later());
      await store.create('a2', sampleData({ subject: 'alice', providerSessionId: 's2' }), later());
      await store.create('a3', sampleData({ subject: 'alice' }), later());
      await store.create('b1', sampleData({ subject: 'bob', providerSessionId: 's3' }), later());
    });

    it('returns all sessions of a user and no others', async () => {
      expect(await keysOf(person('alice'))).toEqual(['a1', 'a2', 'a3']);
      expect(await keysOf(person('bob'))).toEqual(['b1']);
      expect(await keysOf(person('nobody'))).toEqual([]);
    });

    it('returns the sessions that belong to one session at the provider', async () => {
      await store.create('a4', sampleData({ subject: 'alice', providerSessionId: 's1' }), later());
      expect(await keysOf(atProvider('s1'))).toEqual(['a1', 'a4']);
      expect(await keysOf(atProvider('s3'))).toEqual(['b1']);
    });

    it('keeps users of different issuers separate', async () => {
      const other = 'https://other.example.test';
      await store.create(
        'x1',
        sampleData({ issuer: other, subject: 'alice', providerSessionId: 's1' }),
        later(),
      );
      expect(await keysOf(person('alice'))).toEqual(['a1', 'a2', 'a3']);
      expect(await keysOf({ kind: 'subject', issuer: other, id: 'alice' })).toEqual(['x1']);
      expect(await keysOf({ kind: 'sid', issuer: other, id: 's1' })).toEqual(['x1']);
    });

    it('confuses neither a sid with a subject nor parts of the issuer with the subject', async () => {
      expect(await keysOf(person('s1'))).toEqual([]);
      expect(await keysOf(atProvider('alice'))).toEqual([]);
      expect(await keysOf({ kind: 'subject', issuer: `${issuer}a`, id: 'lice' })).toEqual([]);
    });

    it('returns their current state', async () => {
      const data = sampleData({ subject: 'alice', providerSessionId: 's1' });
      await store.replace('a1', refreshed(data, 'access-2'), 1);
      const further = Date.now() + 120_000;
      await store.touch('a1', further);
      const [found] = await allOf(store, atProvider('s1'));
      expect(found).toEqual(await store.loadRecord('a1'));
      expect(found).toMatchObject({ version: 2, idleExpiresAtMs: further });
    });

    it('omits removed sessions', async () => {
      await store.remove('a1');
      expect(await keysOf(person('alice'))).toEqual(['a2', 'a3']);
      expect(await keysOf(atProvider('s1'))).toEqual([]);
    });

    it('omits expired sessions', async () => {
      await store.create('a4', sampleData({ subject: 'alice', providerSessionId: 's4' }), soon(3_000));
      expect(await keysOf(person('alice'))).toEqual(['a1', 'a2', 'a3', 'a4']);
      await isGone('a4');
      expect(await keysOf(person('alice'))).toEqual(['a1', 'a2', 'a3']);
      expect(await keysOf(atProvider('s4'))).toEqual([]);
    });

    describe('in pages', () => {
      const began = Date.now();
      const create = (key: string, given: Partial<SessionData>) =>
        store.create(key, sampleData({ subject: 'carol', ...given }), later());
      const carol = person('carol');
      const pagesOf = async (limit: number) => {
        const pages: string[][] = [];
        let after: Position | undefined;
        do {
          const { records, next } = await store.page(carol, limit, after);
          pages.push(records.map(({ key }) => key));
          after = next;
        } while (after !== undefined);
        return pages;
      };

      it('returns each session once, the oldest first', async () => {
        for (const n of [3, 1, 5, 2, 4])
          await create(`c${n}`, { createdAtMs: began + n, absoluteExpiresAtMs: began + 100_000 + n });
        expect(await pagesOf(2)).toEqual([['c1', 'c2'], ['c3', 'c4'], ['c5']]);
        expect(await pagesOf(5)).toEqual([['c1', 'c2', 'c3', 'c4', 'c5']]);
        expect(await store.count(carol)).toBe(5);
      });

      it('returns each session once when all of them end at the same time', async () => {
        const keys = Array.from({ length: 25 }, (_, n) => `same-${String(n).padStart(2, '0')}`);
        for (const [n, key] of keys.entries())
          await create(key, { createdAtMs: began + n, absoluteExpiresAtMs: began + 100_000 });
        const pages = await pagesOf(10);
        expect(pages.map((page) => page.length)).toEqual([10, 10, 5]);
        expect(pages.flat()).toEqual(keys);
      });

      it('continues after a session that has ended since', async () => {
        for (const n of [1, 2, 3, 4])
          await create(`c${n}`, { createdAtMs: began + n, absoluteExpiresAtMs: began + 100_000 + n });
        const { next } = await store.page(carol, 2);
        await store.remove('c2');
        const rest = await store.page(carol, 2, next);
        expect(rest.records.map(({ key }) => key)).toEqual(['c3', 'c4']);
      });

      it('returns only the keys from the oldest to the newest, without expired sessions', async () => {
        await create('c2', { createdAtMs: began + 2, absoluteExpiresAtMs: began + 100_000 });
        await create('c1', { createdAtMs: began + 1, absoluteExpiresAtMs: began + 300_000 });
        await store.create('c3', sampleData({ subject: 'carol' }), soon());
        await isGone('c3');
        expect(await store.keys(carol)).toEqual(['c1', 'c2']);
      });
    });

    it('finds every session that begins during concurrent lookups', async () => {
      const keys = Array.from({ length: 30 }, (_, at) => `many-${String(at).padStart(2, '0')}`);
      const looks = keys.map(() => allOf(store, person('carol')));
      await Promise.all(keys.map((key) => store.create(key, sampleData({ subject: 'carol' }), later())));
      await Promise.all(looks);
      expect(await keysOf(person('carol'))).toEqual(keys);
    });
  });

  describe('the session generation (standards: D24)', () => {
    it('is 0 at the start and absent from sessions', async () => {
      await store.create('one', sampleData(), later());
      const record = await store.loadRecord('one');
      expect(store.generation()).toBe(0);
      expect(record?.data.generation).toBeUndefined();
    });

    it('increases with each revocation so that sessions of earlier generations are recognized', async () => {
      await store.create('one', sampleData(), later());
      await store.beginGeneration();
      const second = store.generation();
      await store.create('two', sampleData(), later());
      await store.beginGeneration();
      expect(second).toBeGreaterThan(0);
      expect(store.generation()).toBeGreaterThan(second);
      expect((await store.loadRecord('one'))?.data.generation).toBeUndefined();
      expect((await store.loadRecord('two'))?.data.generation).toBe(second);
    });

    it('notifies listeners that every session is affected', async () => {
      const heard: (SessionChange | undefined)[] = [];
      await vi.waitFor(() => expect(store.isSubscribed()).toBe(true), POLLING);
      store.onChange((change) => heard.push(change));
      await store.beginGeneration();
      await vi.waitFor(() => expect(heard).toEqual([undefined]), POLLING);
    });
  });

  describe('a marker', () => {
    it('is stored under exactly one list of names', async () => {
      await store.putMarker(['kind', 'a', 'bc'], 'text', 60_000);
      expect(await store.getMarker(['kind', 'a', 'bc'])).toBe('text');
      expect(await store.getMarker(['kind', 'ab', 'c'])).toBeUndefined();
      expect(await store.getMarker(['other', 'a', 'bc'])).toBeUndefined();
    });

    it('is replaced by a later one and can be empty', async () => {
      await store.putMarker(['kind'], 'one', 60_000);
      await store.putMarker(['kind'], '', 60_000);
      expect(await store.getMarker(['kind'])).toBe('');
    });

    it('is taken once, however many take it at once', async () => {
      await store.putMarker(['kind'], 'text', 60_000);
      const taken = await Promise.all(Array.from({ length: 5 }, () => store.takeMarker(['kind'])));
      expect(taken.filter((text) => text !== undefined)).toEqual(['text']);
      expect(await store.getMarker(['kind'])).toBeUndefined();
    });

    it('is stored on the condition that there is one, or that there is none', async () => {
      expect(await store.putMarker(['kind'], 'one', 60_000, 'if_present')).toBe(false);
      expect(await store.getMarker(['kind'])).toBeUndefined();
      expect(await store.putMarker(['kind'], 'two', 60_000, 'if_absent')).toBe(true);
      expect(await store.putMarker(['kind'], 'three', 60_000, 'if_absent')).toBe(false);
      expect(await store.getMarker(['kind'])).toBe('two');
      expect(await store.putMarker(['kind'], 'four', 60_000, 'if_present')).toBe(true);
      expect(await store.getMarker(['kind'])).toBe('four');
    });

    it('expires after its lifetime', async () => {
      await store.putMarker(['kind'], 'text', 200);
      expect(await store.getMarker(['kind'])).toBe('text');
      await vi.waitFor(async () => expect(await store.getMarker(['kind'])).toBeUndefined(), POLLING);
    });
  });

  describe('a change listener', () => {
    it('receives each change and each end with its version, in order per session', async () => {
      const heard: (SessionChange | undefined)[] = [];
      await vi.waitFor(() => expect(store.isSubscribed()).toBe(true), POLLING);
      store.onChange((change) => heard.push(change));
      const data = sampleData();
      await store.create('one', data, later());
      await store.touch('one', Date.now() + 120_000);
      await store.replace('one', refreshed(data, 'access-2'), 1);
      await store.replace('one', data, 1);
      await store.remove('one');
      await store.remove('one');
      await store.create('two', data, later());
      await store.remove('two');
      await vi.waitFor(() => expect(heard).toHaveLength(3), POLLING);
      // In a cluster, messages about two sessions may come from two nodes, in any order.
      expect(heard.toSorted((a, b) => `${a?.key}`.localeCompare(`${b?.key}`))).toEqual([
        { kind: 'changed', key: 'one', version: 2 },
        { kind: 'ended', key: 'one', version: 2 },
        { kind: 'ended', key: 'two', version: 1 },
      ]);
    });
  });

  describe('a ping of the store', () => {
    it('succeeds and marks the store as reachable', async () => {
      await store.ping();
      expect(store.wasReachable()).toBe(true);
      expect(store.isReachable()).toBe(true);
    });
  });
}
