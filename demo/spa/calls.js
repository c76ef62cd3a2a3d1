/**
 * Calls the API and remembers how each call went: when it was sent, how long it took, what came back, and the
 * fingerprint of the token that served it, which the API includes in its responses.
 */
export function createCalls(gateway) {
  const listeners = new Set();

  async function call(path, init) {
    const sentAt = performance.now();
    const answer = await send(path, init);
    const made = { path, sentAt, took: performance.now() - sentAt, ...answer };
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

/** Whether a call failed. An ended session is no failure, nor is a note that is too long. */
export function hasFailed({ status, body }) {
  const sessionEnded = body.code === 'session_required' || body.code === 'session_expired';
  return status === 0 || (status > 400 && !sessionEnded);
}
