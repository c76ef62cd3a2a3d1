import { expect, it } from 'vitest';
import { onceConnected } from '../../../src/check/store.ts';
import { GatewayError } from '../../../src/errors.ts';
import { NotConnectedError } from '../../../src/redis/connection.ts';

const unavailable = (cause: unknown) => new GatewayError('store_unavailable', { detail: 'away', cause });

/** An operation whose first calls fail with these errors, and the number of its calls. */
function failingFirst(...failures: Error[]) {
  const state = { calls: 0 };
  const operation = async () => {
    const failure = failures[state.calls];
    state.calls += 1;
    if (failure !== undefined) throw failure;
    return 'done';
  };
  return { operation, state };
}

const connecting = unavailable(new NotConnectedError(undefined));

it('the check of Redis waits longer while the client connects without an error', async () => {
  expect(await onceConnected(failingFirst(connecting, connecting).operation)).toBe('done');
});

it('the check of Redis gives up after some waits', async () => {
  const { operation, state } = failingFirst(...Array<Error>(100).fill(connecting));
  await expect(onceConnected(operation)).rejects.toBe(connecting);
  expect(state.calls).toBe(4);
});

it.each([
  ['the connection fails', unavailable(new NotConnectedError(new Error('ECONNREFUSED')))],
  ['Redis refuses the operation', unavailable(new Error('NOAUTH'))],
])('the check of Redis reports at once that %s', async (_what, failure) => {
  const { operation, state } = failingFirst(failure);
  await expect(onceConnected(operation)).rejects.toBe(failure);
  expect(state.calls).toBe(1);
});
