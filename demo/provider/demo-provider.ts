/** The application, as a provider must know it. */
export interface DemoProviderOptions {
  /** The application's origin; its callback is `/auth/callback` there. */
  appUrl: string;
  clientId: string;
  clientSecret: string;
  /** The API that access tokens are for: their `aud`. An absolute URI. */
  audience: string;
  /** The lifetime of an access token, in seconds. */
  accessTokenTtl: number;
  /** The port of an OpenID provider; by default any free one. */
  port?: number;
}

/**
 * How users sign in: by a redirect to the provider, by a form, or on another device at `url`. An OpenID provider takes
 * parameters such as `prompt` and `max_age`.
 */
export type SignIn =
  | { by: 'redirect'; isOpenId: boolean }
  | { by: 'password'; username: string; password: string }
  | { by: 'device'; url: string };

/** A running token server of some kind. */
export interface DemoProvider {
  /** Its origin, which is the issuer of its access tokens. */
  url: string;
  /** The `provider` section of the gateway's configuration, where it is not that of `config/demo.yaml`. */
  section?: Record<string, unknown>;
  signIn: SignIn;
  /** Instructions for the sign-in, in one sentence. */
  advice: string;
  /** Stops it at once, open connections included. */
  close(): void;
}
