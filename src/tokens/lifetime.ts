/**
 * Reads a lifetime in seconds as token endpoints send it: a number, or a string with a number (RFC 6749, section 5.1).
 * Undefined for anything but a positive finite number: the token's end is then unknown, not now, so that a provider that
 * writes 0 cannot cause a refresh for every request.
 */
export function readLifetimeSeconds(value: unknown): number | undefined {
  const seconds = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof seconds === 'number' && Number.isFinite(seconds) && seconds > 0 ? seconds : undefined;
}
