import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { RevocationOutcome } from '../../../../src/provider/provider.ts';
import { createLocalOutbox, type RevocationOutbox } from '../../../../src/sessions/revocation/outbox.ts';
import { createRevocations } from '../../../../src/sessions/revocation/revocation.ts';
import { collectLog } from '../../log-lines.ts';

const ISSUER = 'https://login.example.test';
const requestFor = (refreshToken: string, issuer = ISSUER) => ({ refreshToken, issuer });

const DAY_MS = 86_400_000;
const LEASE_MS = 30_000;

const failed = (retryAfterSeconds?: number): RevocationOutcome => ({
  kind: 'failed',
  retryAfterSeconds,
  cause: new Error('503'),
});
const refused: RevocationOutcome = { kind: 'refused', cause: new Error('unsupported_token_type') };

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** Revocations at a provider with a configurable outcome. */
function openRevocations(durable?: RevocationOutbox) {
  const asked: { token: string; atMs: number }[] = [];
  const state: { outcome: RevocationOutcome | Promise<RevocationOutcome> } = { outcome: { kind: 'revoked' } };
  const provider = {
    issuer: ISSUER,
    async revoke(token: string) {
      asked.push({ token, atMs: Date.now() });
      return state.outcome;
    },
  };
  const { log, lines } = collectLog();
  const revocations = createRevocations({ provider, durable, leaseMs: LEASE_MS, clock: Date.now, log });
  const tokens = () => asked.map(({ token }) => token);
  const levels = () => lines.map((line) => JSON.parse(line).level);
  return { revocations, provider, asked, tokens, state, lines, levels };
}

describe('the revocation of a refresh token', () => {
  it('is requested once when it succeeds (standards: D7)', async () => {
    const { revocations, tokens } = openRevocations();
    await revocations.revoke(requestFor('rt'));
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(tokens()).toEqual(['rt']);
  });

  it('settles although it fails, and is retried after pauses that double (standards: D8)', async () => {
    const { revocations, asked, state } = openRevocations();
    state.outcome = failed();
    await revocations.revoke(requestFor('rt'));
    await vi.advanceTimersByTimeAsync(3_600_000);
    const [first, ...later] = asked.map(({ atMs }) => atMs);
    const ages = later.map((atMs) => atMs - (first ?? 0));
    expect(ages[0]).toBeLessThan(5_000);
    for (const [at, age] of ages.slice(1).entries()) {
      const before = ages[at] ?? 0;
      const pauseMs = Math.min(600_000, before);
      expect(age - before).toBeGreaterThanOrEqual(pauseMs * 0.75);
      // A due token waits for the next poll at most.
      expect(age - before).toBeLessThanOrEqual(pauseMs + 2_500);
    }
    expect(asked.length).toBeGreaterThan(12);
    expect(asked.length).toBeLessThan(25);
  });

  it('is not retried once it has succeeded (standards: D8)', async () => {
    const { revocations, tokens, state } = openRevocations();
    state.outcome = failed();
    await revocations.revoke(requestFor('rt'));
    state.outcome = { kind: 'revoked' };
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(tokens()).toEqual(['rt', 'rt']);
  });

  it('is not retried before the Retry-After of the provider (standards: D8)', async () => {
    const { revocations, asked, state } = openRevocations();
    state.outcome = failed(120);
    await revocations.revoke(requestFor('rt'));
    await vi.advanceTimersByTimeAsync(119_999);
    expect(asked).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(3_000);
    expect(asked).toHaveLength(2);
  });

  it('is not retried when the provider rejects it, which is logged (standards: D8)', async () => {
    const { revocations, tokens, state, levels } = openRevocations();
    state.outcome = refused;
    await revocations.revoke(requestFor('rt'));
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(tokens()).toEqual(['rt']);
    expect(levels()).toEqual(['error']);
  });

  // It polls 43,600 times, which takes longer than other unit tests on a busy machine.
  it(
    'is given up after a day, and every step is logged without the token (standards: E23)',
    { timeout: 30_000 },
    async () => {
      const { revocations, asked, state, lines, levels } = openRevocations();
      state.outcome = failed();
      await revocations.revoke(requestFor('canary'));
      await vi.advanceTimersByTimeAsync(DAY_MS + 700_000);
      const made = asked.length;
      await vi.advanceTimersByTimeAsync(3_600_000);
      expect(asked).toHaveLength(made);
      expect(levels()).toEqual([...Array(made - 1).fill('warn'), 'error']);
      expect(lines.join('')).not.toContain('canary');
    },
  );
});

describe('the revocation of a refresh token of another issuer', () => {
  const OTHER = 'https://other.example.test';

  it('is never requested, and given up after a day', async () => {
    const { revocations, asked, lines } = openRevocations();
    await revocations.revoke(requestFor('canary', OTHER));
    vi.setSystemTime(Date.now() + DAY_MS);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(asked).toEqual([]);
    const told = lines.map((line) => JSON.parse(line));
    expect(told).toMatchObject([
      { issuer: OTHER },
      { issuer: OTHER, msg: expect.stringMatching(/giving up/) },
    ]);
    expect(lines.join('')).not.toContain('canary');
  });

  it('is requested once the provider has that issuer', async () => {
    const { revocations, tokens, provider } = openRevocations();
    await revocations.revoke(requestFor('rt', OTHER));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(tokens()).toEqual([]);
    provider.issuer = OTHER;
    await vi.advanceTimersByTimeAsync(600_000);
    expect(tokens()).toEqual(['rt']);
  });

  it('does not delay that of others', async () => {
    const { revocations, tokens } = openRevocations();
    await revocations.revoke(requestFor('other', OTHER));
    await revocations.revoke({ refreshToken: 'of a former version', issuer: undefined });
    await revocations.revoke(requestFor('rt'));
    expect(tokens()).toEqual(['of a former version', 'rt']);
  });
});

describe('many failed revocations', () => {
  it('are retried one at a time during an outage, and in growing numbers afterwards', async () => {
    const { revocations, asked, state } = openRevocations();
    state.outcome = failed();
    await Promise.all(Array.from({ length: 100 }, (_, at) => revocations.revoke(requestFor(`rt-${at}`))));
    expect(asked).toHaveLength(100);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked.length - 100).toBeLessThan(60);
    state.outcome = { kind: 'revoked' };
    await vi.advanceTimersByTimeAsync(120_000);
    const through = asked.length;
    expect(new Set(asked.slice(-100).map(({ token }) => token)).size).toBe(100);
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(asked).toHaveLength(through);
  });
});

describe('the durable outbox', () => {
  /** A durable outbox that a test can make unavailable. */
  const openDurable = () => {
    const local = createLocalOutbox({ leaseMs: LEASE_MS, clock: Date.now });
    const state = { isUnavailable: false };
    const asked: string[] = [];
    const recordOrFail = <Result>(what: string, result: () => Promise<Result>) => {
      asked.push(what);
      return state.isUnavailable ? Promise.reject(new Error('store_unavailable')) : result();
    };
    const durable: RevocationOutbox = {
      add: (token) => recordOrFail('add', () => local.add(token)),
      claim: (count) => recordOrFail('claim', () => local.claim(count)),
    };
    return { durable, state, asked, left: () => local.claimAll().map(({ refreshToken }) => refreshToken) };
  };

  it('contains a token from before the provider is called until the revocation has ended (standards: D8)', async () => {
    const { durable, left } = openDurable();
    const { revocations, asked, state } = openRevocations(durable);
    const outcome = Promise.withResolvers<RevocationOutcome>();
    state.outcome = outcome.promise;
    const revoking = revocations.revoke(requestFor('rt'));
    await vi.waitFor(() => expect(asked).toHaveLength(1));
    expect(left()).toEqual(['rt']);
    outcome.resolve({ kind: 'revoked' });
    await revoking;
    expect(left()).toEqual([]);
  });

  it('passes the entries of another process to this one once their lease has expired (standards: D8)', async () => {
    const { durable, left } = openDurable();
    await durable.add(requestFor('rt'));
    const { tokens } = openRevocations(durable);
    await vi.advanceTimersByTimeAsync(LEASE_MS - 3_000);
    expect(tokens()).toEqual([]);
    await vi.advanceTimersByTimeAsync(6_000);
    expect(tokens()).toEqual(['rt']);
    expect(left()).toEqual([]);
  });

  it('may be unavailable: the process keeps the token meanwhile', async () => {
    const { durable, state: store } = openDurable();
    const { revocations, tokens, state } = openRevocations(durable);
    store.isUnavailable = true;
    state.outcome = failed();
    await revocations.revoke(requestFor('rt'));
    expect(tokens()).toEqual(['rt']);
    state.outcome = { kind: 'revoked' };
    await vi.advanceTimersByTimeAsync(10_000);
    expect(tokens()).toEqual(['rt', 'rt']);
  });

  it('keeps pending tokens when the process ends, which retries no more (standards: D8, G18)', async () => {
    const { durable, asked: operations, left } = openDurable();
    const { revocations, tokens, state } = openRevocations(durable);
    state.outcome = failed();
    await revocations.revoke(requestFor('rt'));
    await revocations.settle();
    operations.length = 0;
    await vi.advanceTimersByTimeAsync(DAY_MS);
    expect(tokens()).toEqual(['rt']);
    expect(operations).toEqual([]);
    expect(left()).toEqual(['rt']);
  });
});

describe('settling the revocations', () => {
  it('waits for calls in progress (standards: G18)', async () => {
    const { revocations, state } = openRevocations();
    const outcome = Promise.withResolvers<RevocationOutcome>();
    state.outcome = outcome.promise;
    void revocations.revoke(requestFor('rt'));
    let settled = false;
    const settling = revocations.settle().then(() => (settled = true));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(settled).toBe(false);
    outcome.resolve({ kind: 'revoked' });
    await settling;
    expect(settled).toBe(true);
  });

  it('retries those that only this process knows of once, and logs what is lost (standards: G18)', async () => {
    const { revocations, tokens, state, lines } = openRevocations();
    state.outcome = failed();
    await revocations.revoke(requestFor('one'));
    await revocations.revoke(requestFor('two'));
    await revocations.settle();
    expect(tokens()).toEqual(['one', 'two', 'one', 'two']);
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ level: 'error', lost: 2 });
    expect(vi.getTimerCount()).toBe(0);
  });

  it('ends at once when there is nothing to do', async () => {
    await openRevocations().revocations.settle();
    expect(vi.getTimerCount()).toBe(0);
  });
});
