/** A refusal of the fake provider, answered as JSON `{ error, error_description }` (RFC 6749, section 5.2). */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
  readonly error: string;
  readonly status: number;
  readonly headers: Record<string, string>;

  constructor(error: string, description: string, status = 400, headers: Record<string, string> = {}) {
    super(description);
    this.error = error;
    this.status = status;
    this.headers = headers;
  }
}
