import { GatewayError } from '../../errors.ts';
import { createDiscovery } from '../discovery.ts';
import { createProviderClient } from '../http/http-client.ts';
import { parseJson, subjectAt } from '../http/json-value.ts';
import { probe } from '../http/probe.ts';
import type { ProviderDeps } from '../kind.ts';
import { loginRefused, providerUnavailable } from '../login-failure.ts';
import type { Provider, RefreshOutcome, RevocationOutcome } from '../provider.ts';
import { createProviderHealth } from '../provider-health.ts';
import { busyOutcome, classifyRefreshFailure, isBusy, retryAfterOf } from '../refusal.ts';
import { fillBody } from './body-template.ts';
import { diagnoseCredentials } from './diagnose.ts';
import { readCredentialsResponse } from './response.ts';
import type { CredentialsProviderConfig } from './schema.ts';
import { usernameSubject } from './username-subject.ts';

type Endpoint = CredentialsProviderConfig['login'];

/** The response of a vendor's endpoint, and its time by the vendor's own clock where it has a `Date` (RFC 9110, section 6.6.1). */
type VendorResponse = { response: Response; document: unknown; sentAtMs: number; respondedAtMs: number };

/** Statuses with which a vendor rejects a user name and password. */
const rejectedLogins = new Set([400, 401, 403, 404, 422]);

/** A vendor's API whose own endpoints take a user name and password, and refresh tokens, in JSON. */
export function createCredentialsProvider(deps: ProviderDeps<CredentialsProviderConfig>): Provider {
  const { config, refreshTimeoutMs, clock, log, metrics } = deps;
  const issuer = new URL(config.login.url).origin;
  const health = createProviderHealth({ log, metrics });
  const http = createProviderClient({ config, health, tracing: deps.tracing });
  const discovery = createDiscovery({
    discover: () => probe(http.fetchWith({}), config.login.url, config.timeout),
    onFound: () => health.established(),
    issuer,
    log,
  });

  const call = async (
    { url, method, body }: Endpoint,
    values: Readonly<Record<string, string>>,
    { timeoutMs, ...options }: { timeoutMs: number; maySend?: () => boolean },
  ): Promise<VendorResponse> => {
    const sentAtMs = clock();
    const response = await http.fetchWith(options)(url, {
      method,
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: fillBody(body, values),
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    });
    const document = parseJson(await response.clone().text());
    const datedMs = Date.parse(response.headers.get('date') ?? '');
    return { response, document, sentAtMs, respondedAtMs: Number.isNaN(datedMs) ? clock() : datedMs };
  };

  return {
    issuer,
    passwordLogin: {
      async signIn(credentials) {
        const called = await call(config.login, credentials, { timeoutMs: config.timeout }).catch(
          (cause: unknown) => {
            throw providerUnavailable(cause);
          },
        );
        const { response, document, sentAtMs, respondedAtMs } = called;
        if (isBusy(response.status)) throw providerUnavailable(undefined, retryAfterOf(response));
        // The page of a firewall says nothing about the password.
        if (rejectedLogins.has(response.status) && !isHtml(response)) {
          log.info({ status: response.status }, 'the provider rejected a user name and password');
          throw new GatewayError('credentials_rejected', {
            detail: 'The provider does not accept this user name and password.',
          });
        }
        if (!response.ok) throw loginRefused(`the login endpoint returned ${response.status}`);
        const tokenResponse = readCredentialsResponse(config.response, document, respondedAtMs);
        const { accessToken } = tokenResponse;
        if (accessToken === undefined)
          throw loginRefused('the response has no access token at provider.response.accessToken');
        const { subject: pointer } = config.response;
        const subject =
          pointer === undefined
            ? usernameSubject(credentials.username, config.usernameSubject)
            : subjectAt(document, pointer);
        if (subject === undefined)
          throw loginRefused('the response has no subject at provider.response.subject');
        return {
          issuer,
          subject,
          claims: { sub: subject },
          tokenResponse: { ...tokenResponse, accessToken },
          sentAtMs,
        };
      },
    },

    async refresh({ refreshToken, subject, maySend }): Promise<RefreshOutcome> {
      const options = { timeoutMs: refreshTimeoutMs, maySend };
      const called = await call(config.refresh, { refreshToken }, options).catch((cause: unknown) => ({
        cause,
      }));
      if ('cause' in called) return classifyRefreshFailure(called.cause);
      const { response, document, sentAtMs, respondedAtMs } = called;
      const { status } = response;
      const cause = new Error(`the refresh endpoint returned ${status}`);
      if (isBusy(status)) return busyOutcome(response, cause);
      // An HTML page comes from a proxy in front of the API, which does not know the token.
      if (config.rejectionStatuses.includes(status) && !isHtml(response)) return { kind: 'rejected', cause };
      if (!response.ok) {
        // A response of the API itself concerns this user only; it does not say that the refresh token is over.
        const error = isHtml(response) ? `unexpected status ${status}` : `status ${status}`;
        return { kind: 'misconfigured', error, cause };
      }
      const tokenResponse = readCredentialsResponse(config.response, document, respondedAtMs);
      if (tokenResponse.accessToken === undefined && tokenResponse.refreshToken === undefined)
        return { kind: 'ambiguous', cause: new Error('the refresh response has no tokens') };
      const { subject: pointer } = config.response;
      const namedSubject = pointer === undefined ? undefined : subjectAt(document, pointer);
      if (namedSubject !== undefined && namedSubject !== subject) {
        const otherSubject = new Error('the refresh response names a different subject');
        return { kind: 'identity_changed', refreshToken: tokenResponse.refreshToken, cause: otherSubject };
      }
      return { kind: 'refreshed', tokenResponse, claims: undefined, sentAtMs };
    },

    async revoke(refreshToken): Promise<RevocationOutcome> {
      // Without an endpoint the gateway discards the tokens, and they expire at the vendor.
      if (config.logout === undefined) return { kind: 'revoked' };
      const options = { timeoutMs: config.timeout };
      const called = await call(config.logout, { refreshToken }, options).catch((cause: unknown) => ({
        cause,
      }));
      if ('cause' in called) return { kind: 'failed', retryAfterSeconds: undefined, cause: called.cause };
      const { response } = called;
      // The token that the vendor rejects is not valid any more.
      const isRejected = config.rejectionStatuses.includes(response.status) && !isHtml(response);
      if (response.ok || isRejected) return { kind: 'revoked' };
      const cause = new Error(`the logout endpoint returned ${response.status}`);
      return isBusy(response.status) || isHtml(response)
        ? { kind: 'failed', retryAfterSeconds: retryAfterOf(response), cause }
        : { kind: 'refused', cause };
    },
    endSessionUrl: () => undefined,
    state: health.state,
    notReadyReason: discovery.failure,

    async diagnose() {
      await discovery.get();
      return diagnoseCredentials(config, issuer);
    },

    start: discovery.start,
    retire() {
      discovery.close();
      health.close();
    },
    close() {
      discovery.close();
      http.close();
      health.close();
    },
  };
}

function isHtml(response: Response): boolean {
  return response.headers.get('content-type')?.includes('html') ?? false;
}
