/**
 * Why a call has no complete response:
 *
 * - `timeout`: no connection, no response head, or no further byte of the body in time;
 * - `closed`: the connection ended before the first byte of a response;
 * - `invalid`: the response, as far as it came, is not valid HTTP;
 * - `incomplete`: the connection ended in the middle of the response body;
 * - `unsendable`: the request is not valid HTTP, and nothing of it was sent;
 * - `aborted`: the gateway gave the call up.
 *
 * A failure to connect keeps the error of Node.js.
 */
export type CallFailure = 'timeout' | 'closed' | 'invalid' | 'incomplete' | 'unsendable' | 'aborted';

export class CallError extends Error {
  readonly kind: CallFailure;

  constructor(kind: CallFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CallError';
    this.kind = kind;
  }
}
