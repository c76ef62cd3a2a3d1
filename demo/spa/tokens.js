/**
 * Follows the tokens through the calls they serve. Each gets a colour; each new one is told as a renewal, early when
 * the one before was rejected, or had more life than the gateway's own renewal leaves (`renewedWithin`, seconds).
 */
export function createTokens({ lifetime, renewedWithin, colours }) {
  const seen = new Map();
  const listeners = new Set();
  let current;

  const secondsLeft = ({ endsAt }, now = performance.now()) =>
    Math.max(0, Math.min(lifetime, (endsAt - now) / 1000));

  function see({ token, sentAt, took }) {
    if (!token) return;
    const now = sentAt + took;
    const known = seen.get(token.fingerprint);
    if (known) known.lastSeenAt = now;
    else replaceCurrent(token, sentAt, now);
  }

  function replaceCurrent({ fingerprint, secondsLeft: left }, sentAt, now) {
    const before = current;
    const leftBefore = before ? secondsLeft(before, now) : 0;
    current = {
      fingerprint,
      colour: seen.size % colours,
      early: before?.rejected || leftBefore > renewedWithin,
      firstSeenAt: sentAt,
      lastSeenAt: now,
      endsAt: now + left * 1000,
    };
    seen.set(fingerprint, current);
    if (!before) return;
    const renewal = { before, after: current, left: leftBefore, early: current.early };
    for (const listener of listeners) listener(renewal);
  }

  return {
    see,
    reject(fingerprint) {
      const token = seen.get(fingerprint);
      if (token) token.rejected = true;
    },
    secondsLeft,
    onRenewal: (listener) => listeners.add(listener),
    all: () => [...seen.values()],
    get: (fingerprint) => seen.get(fingerprint),
    current: () => current,
  };
}
