/** Returns the message of the root cause; libraries often wrap it ("fetch failed"). */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error';
  if (error.cause instanceof Error) return reasonOf(error.cause);
  // For a host with several addresses, Node.js throws an AggregateError with a code and an empty message.
  return error.message === '' && 'code' in error ? String(error.code) : error.message;
}
