import { describe, expect, it } from 'vitest';
import { createLogger } from '../../../../src/observability/log.ts';
import { createRefusalBreaker } from '../../../../src/proxy/upstream/refusal-breaker.ts';

function open() {
  let nowMs = 0;
  const lines: string[] = [];
  const log = createLogger(
    { level: 'info', format: 'json' },
    { write: (line: string) => void lines.push(line) },
  );
  const breaker = createRefusalBreaker({ route: '/api', clock: () => nowMs, log });
  const begin = async (session: string) => {
    const attempt = await breaker.begin(session);
    if (attempt === undefined) throw new Error(`the breaker is open for ${session}`);
    return attempt;
  };
  const refuse = async (count: number) => {
    for (let at = 0; at < count; at += 1) (await begin(`refused-${at}`)).refused();
  };
  return { breaker, begin, refuse, lines, advance: (ms: number) => (nowMs += ms) };
}

/** Whether a promise settles without another event. */
const isWaiting = async (promise: Promise<unknown>) => {
  let isSettled = false;
  void promise.then(() => (isSettled = true));
  await new Promise((resolve) => setImmediate(resolve));
  return !isSettled;
};

describe('the breaker of a route whose API rejects refreshed tokens', () => {
  it('lets ten sessions refresh at first, and others once the API has accepted a token', async () => {
    const { begin } = open();
    const attempts = await Promise.all(Array.from({ length: 10 }, (_, at) => begin(`session-${at}`)));
    const others = [begin('session-10'), begin('session-11')];
    expect(await Promise.all(others.map(isWaiting))).toEqual([true, true]);
    attempts[0]?.accepted();
    expect(await Promise.all(others.map(isWaiting))).toEqual([false, false]);
  });

  it('lets requests of one session pass together', async () => {
    const { begin } = open();
    for (let count = 0; count < 100; count += 1) await begin('session');
  });

  it('lets the next session try when one ends without an outcome', async () => {
    const { begin } = open();
    const attempts = await Promise.all(Array.from({ length: 10 }, (_, at) => begin(`session-${at}`)));
    const next = begin('session-10');
    attempts[3]?.cancel();
    expect(await isWaiting(next)).toBe(false);
  });

  it('opens after ten sessions in a row, for everybody, and closes when a trial is accepted', async () => {
    const { breaker, begin, refuse, lines, advance } = open();
    await refuse(10);
    expect(await breaker.begin('other')).toBeUndefined();
    advance(1_000);
    const trial = await begin('other');
    expect(await breaker.begin('another')).toBeUndefined();
    await begin('other');
    trial.accepted();
    await begin('another');
    expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual([
      'the API rejects refreshed tokens; its 401s cause few refreshes until it accepts one',
      'the API accepts refreshed tokens again',
    ]);
  });

  it('opens again for longer when a trial is rejected, up to half a minute', async () => {
    const { breaker, begin, refuse, advance } = open();
    await refuse(10);
    for (const pauseMs of [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) {
      advance(pauseMs * 0.7);
      expect(await breaker.begin('early')).toBeUndefined();
      advance(pauseMs * 0.3);
      (await begin('trial')).refused();
    }
  });

  it('counts neither a session twice, nor an attempt that reports twice or without an outcome', async () => {
    const { begin, refuse } = open();
    await refuse(9);
    await refuse(9);
    const attempt = await begin('refused-0');
    attempt.cancel();
    attempt.refused();
    (await begin('session')).cancel();
    await begin('session');
  });

  it('starts to count again when the API accepts a token', async () => {
    const { begin, refuse } = open();
    await refuse(9);
    (await begin('accepted')).accepted();
    await refuse(9);
    await begin('session');
  });
});
