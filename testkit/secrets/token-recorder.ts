import { ServerResponse } from 'node:http';
import { canaries } from './canaries.ts';

/** Collects the tokens that servers in this process issue, so that a test can search for them elsewhere. */
export type TokenRecorder = {
  /** Every access token and refresh token seen so far. */
  tokens(): string[];
  close(): void;
};

/** Watches the responses of all servers in this process for tokens. */
export function recordTokens(): TokenRecorder {
  const tokens = new Set<string>();
  const original = ServerResponse.prototype.end;
  ServerResponse.prototype.end = function (this: ServerResponse, ...args: unknown[]) {
    const [body] = args;
    const text = typeof body === 'string' || Buffer.isBuffer(body) ? body.toString() : '';
    for (const [, token = ''] of text.matchAll(/"(?:access_token|refresh_token)":"([^"]+)"/g))
      tokens.add(canaries.keep('token', token));
    return Reflect.apply(original, this, args) as ServerResponse;
  };
  return {
    tokens: () => [...tokens],
    close: () => {
      ServerResponse.prototype.end = original;
    },
  };
}
