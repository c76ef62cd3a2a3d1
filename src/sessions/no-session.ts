import { GatewayError } from '../errors.ts';

/** The error for a request without a session, on an endpoint that needs one. */
export function sessionRequired(): GatewayError {
  return new GatewayError('session_required', { detail: 'Sign in first.' });
}

/** The error for a request whose session has ended. */
export function sessionExpired(): GatewayError {
  return new GatewayError('session_expired', { detail: 'The session has ended. Sign in again.' });
}
