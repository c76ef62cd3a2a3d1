/** Thrown when a gateway endpoint returns anything but the expected response. */
export class CoatcheckError extends Error {
  override readonly name = 'CoatcheckError';
  /** The HTTP status of the response. */
  readonly status: number;
  /** The stable `code` of the problem response (RFC 9457); undefined for any other response. */
  readonly code: string | undefined;

  constructor(message: string, status: number, code?: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}
