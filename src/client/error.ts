/** Thrown when one of the gateway's own endpoints answers with anything but what was asked for. */
export class CoatcheckError extends Error {
  override readonly name = 'CoatcheckError';
  /** The HTTP status of the answer. */
  readonly status: number;
  /** The stable `code` of the problem answer (RFC 9457); absent when the answer was not one. */
  readonly code: string | undefined;

  constructor(message: string, status: number, code?: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}
