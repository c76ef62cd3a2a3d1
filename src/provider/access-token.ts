/** SECURITY: only this may become part of a header: printable ASCII without a space at either end. */
const sendable = /^[!-~](?:[ -~]*[!-~])?$/;

/** Reads an access token; undefined when the value is not one that an `Authorization` header can hold. */
export function readAccessToken(value: unknown): string | undefined {
  return typeof value === 'string' && sendable.test(value) ? value : undefined;
}
