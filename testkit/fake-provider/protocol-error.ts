/** An error response of the fake provider, sent as JSON `{ error, error_description }` (RFC 6749, section 5.2). */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
  readonly error: string;
  readonly status: number;
  readonly headers: Record<string, string>;
  /** Further members of the response. */
  readonly members: Record<string, unknown>;

  constructor(
    error: string,
    description: string,
    status = 400,
    headers: Record<string, string> = {},
    members: Record<string, unknown> = {},
  ) {
    super(description);
    this.error = error;
    this.status = status;
    this.headers = headers;
    this.members = members;
  }
}
