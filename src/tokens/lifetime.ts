/**
 * Reads a lifetime as token endpoints write it, in seconds: a number or a string with one (RFC 6749, section 5.1).
 * Anything that is no positive finite number is no lifetime: the token's end is then unknown, never "now", so that a
 * provider that writes 0 or nonsense cannot cause a refresh a request.
 */
export function readLifetimeSeconds(value: unknown): number | undefined {
  const seconds = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof seconds === 'number' && Number.isFinite(seconds) && seconds > 0 ? seconds : undefined;
}
