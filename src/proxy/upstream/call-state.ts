/**
 * The states of one call to an upstream:
 *
 * ```text
 * queued ──▶ sent ──▶ held ──▶ passing ──▶ settled
 *              │        └────▶ discarding ──▶ settled
 *              ├─────────────▶ passing
 *              └─ from every state: settled
 * ```
 *
 * - `queued`: waits for a connection slot;
 * - `sent`: handed to the upstream's connection;
 * - `held`: the response head is whole, and not yet decided on;
 * - `passing`: the browser gets the response;
 * - `discarding`: the response is read and dropped, because the request is sent again;
 * - `settled`: the caller has the result. The connection may still be busy.
 */
export type CallState = 'queued' | 'sent' | 'held' | 'passing' | 'discarding' | 'settled';

const successors: Readonly<Record<CallState, readonly CallState[]>> = {
  queued: ['sent', 'settled'],
  sent: ['held', 'passing', 'settled'],
  held: ['passing', 'discarding', 'settled'],
  passing: ['settled'],
  discarding: ['settled'],
  settled: [],
};

/** The state of a call, which moves forward only. */
export type CallStates = {
  current(): CallState;
  /** Moves on. False, and nothing changes, when the state does not lead there. */
  move(to: CallState): boolean;
};

export function createCallStates(): CallStates {
  let state: CallState = 'queued';
  return {
    current: () => state,
    move(to) {
      if (!successors[state].includes(to)) return false;
      state = to;
      return true;
    },
  };
}
