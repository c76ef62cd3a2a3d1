/**
 * Calls the API and remembers how each call went: when it was sent, how long it took, what came back, and the
 * fingerprint of the token that served it, which the API includes in its responses.
 */
export function createCalls(gateway) {
  const listeners = new Set();

  async function call(path, init) {
    const sentAt = performance.now();
    const response = await send(path, init);
    const made = { path, sentAt, took: performance.now() - sentAt, ...response };
    for (const listener of listeners) listener(made);
    return made;
  }

  async function send(path, init) {
    try {
      const response = await gateway.fetch(path, init);
      const body = await response.json();
      return { status: response.status, body, token: body.token };
    } catch (error) {
      return { status: 0, body: { error: String(error) } };
    }
  }

  return { call, onCall: (listener) => listeners.add(listener) };
}

/** The codes of the gateway that ask for a sign-in. */
const signInCodes = new Set(['session_required', 'session_expired', 'step_up_required']);

/** Whether a call failed. One that needs a sign-in has not, nor has a note that is too long. */
export function hasFailed({ status, body }) {
  return status === 0 || (status > 400 && !signInCodes.has(body.code));
}
