import type { Response } from 'express';
import { GatewayError } from '../../errors.ts';
import { withAuthError } from '../../http/problem/auth-error.ts';
import { requestContextOf } from '../../http/inbound/request-context.ts';

/** Returns to the app, which learns in its query why the sign-in failed. Throws an error that is not for the app. */
export function returnWithError(response: Response, returnTo: string, error: unknown): void {
  const authError = error instanceof GatewayError ? error.options.authError : undefined;
  if (authError === undefined) throw error;
  const location = withAuthError(returnTo, authError, requestContextOf(response).requestId);
  response.status(303).setHeader('Location', location);
  response.end();
}
