import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { GatewayError } from '../../../../src/errors.ts';
import { CIBA_GRANT, createDecoupledLogin } from '../../../../src/provider/decoupled/login.ts';
import { loginRefused } from '../../../../src/provider/login-failure.ts';
import { type SignIn, UnusedTokensError } from '../../../../src/provider/provider.ts';
import { configuration, jsonResponse } from '../token-endpoint.ts';

const TIMEOUT_MS = 10_000;
const tokens = { token_type: 'Bearer', access_token: 'canary-at', refresh_token: 'canary-rt' };
const never = new Promise<never>(() => undefined);

/** Polls for a sign-in that was approved, at a provider that takes `findMs` to be found and `tokenMs` to respond. */
function openPoll(readSignIn: () => Promise<SignIn>, { findMs = 0, tokenMs = 0 } = {}) {
  const wait = async (ms: number) => {
    if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
  };
  const client = configuration(async () => {
    await wait(tokenMs);
    return jsonResponse(200, tokens);
  });
  const reading = Promise.withResolvers<void>();
  const login = createDecoupledLogin({
    client: async () => {
      await wait(findMs);
      return client;
    },
    endpoint: 'backchannel authentication endpoint',
    parameters: {},
    grant: CIBA_GRANT,
    readSignIn() {
      reading.resolve();
      return readSignIn();
    },
    timeoutMs: TIMEOUT_MS,
    bindingMessage: 'none',
    clock: Date.now,
  });
  const poll = { maxPollMs: login.maxPollMs, reading: reading.promise, isOver: false };
  const failure = login
    .poll('request-1')
    .catch((error: unknown) => error)
    .finally(() => (poll.isOver = true));
  return Object.assign(poll, { failure });
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('a poll whose code the provider has redeemed', () => {
  it('fails with the refresh token that nobody uses when the user is not known at the deadline of the whole poll', async () => {
    const poll = openPoll(() => never, { findMs: TIMEOUT_MS / 2, tokenMs: TIMEOUT_MS / 2 });
    await vi.advanceTimersByTimeAsync(TIMEOUT_MS);
    await poll.reading;
    await vi.advanceTimersByTimeAsync(poll.maxPollMs - TIMEOUT_MS - 1);
    expect(poll.isOver).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    const failure = await poll.failure;
    expect(failure).toBeInstanceOf(UnusedTokensError);
    expect(failure).toMatchObject({ code: 'provider_unavailable', refreshToken: 'canary-rt' });
  });

  it('fails at once when the token response itself arrives after the deadline', async () => {
    const poll = openPoll(() => never, { tokenMs: 4 * TIMEOUT_MS });
    await vi.advanceTimersByTimeAsync(4 * TIMEOUT_MS);
    await poll.reading;
    await vi.advanceTimersByTimeAsync(1);
    expect(await poll.failure).toMatchObject({ code: 'provider_unavailable', refreshToken: 'canary-rt' });
  });

  it.each([
    ['the provider is away', new GatewayError('provider_unavailable', { detail: 'away' })],
    ['the response names nobody', loginRefused('the response has no subject')],
  ])(
    'fails with the refresh token that nobody uses when the user cannot be read: %s',
    async (_why, error) => {
      const poll = openPoll(() => Promise.reject(error));
      const failure = await poll.failure;
      expect(failure).toBeInstanceOf(UnusedTokensError);
      expect(failure).toMatchObject({ code: error.code, refreshToken: 'canary-rt' });
    },
  );

  it('reports an error of reading the user as it is when the error names the refresh token', async () => {
    const error = new UnusedTokensError(loginRefused('the response has no subject'), 'canary-other');
    const poll = openPoll(() => Promise.reject(error));
    expect(await poll.failure).toBe(error);
  });
});
