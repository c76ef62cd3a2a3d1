import type { Parameters } from '../messages.ts';

/** The grant of a user at one sign-in. */
export type Grant = {
  subject: string;
  /** The provider's session, as in the `sid` claim. */
  sid: string;
  scopes: readonly string[];
  /** The `resource` parameter of the authorization request, or none. */
  resource: string | undefined;
  /** All parameters of the authorization request. */
  parameters: Parameters;
  nonce: string;
  authTimeMs: number;
  /** The authentication context, where the authorization request asked for one. */
  acr: string | undefined;
};
