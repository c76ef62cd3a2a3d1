import { GatewayError } from '../errors.ts';

/** The error of a request that shows no session, where one is needed. */
export function sessionRequired(): GatewayError {
  return new GatewayError('session_required', { detail: 'Sign in first.' });
}

/** The error of a request whose session is over. */
export function sessionExpired(): GatewayError {
  return new GatewayError('session_expired', { detail: 'The session has ended. Sign in again.' });
}
