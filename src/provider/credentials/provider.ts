import type { CredentialsProviderConfig } from '../../config/schema/schema.ts';
import { GatewayError } from '../../errors.ts';
import type { Logger } from '../../observability/log.ts';
import type { Metrics } from '../../observability/metrics.ts';
import { fillBody } from '../body-template.ts';
import { diagnoseCredentials } from '../configured-findings.ts';
import { createDiscovery } from '../oidc/discovery.ts';
import { createProviderClient } from '../http-client.ts';
import { loginRefused, providerAway } from '../login-failure.ts';
import { parseJson, subjectAt } from '../json-value.ts';
import { probe } from '../probe.ts';
import type { Provider, RefreshOutcome } from '../provider.ts';
import { createProviderHealth } from '../provider-health.ts';
import { busyOutcome, classifyRefreshFailure, isBusy, retryAfterOf } from '../refusal.ts';
import { readCredentialsResponse } from './response.ts';

type CredentialsDeps = {
  config: CredentialsProviderConfig;
  timeoutMs: number;
  clock: () => number;
  log: Logger;
  metrics: Metrics;
};

type Endpoint = CredentialsProviderConfig['login'];

/** What a vendor's endpoint answered, and when, by its own clock where it tells that (RFC 9110, section 6.6.1). */
type VendorAnswer = { response: Response; document: unknown; sentAtMs: number; answeredAtMs: number };

/** Statuses by which a vendor refuses a user name and password. */
const refusedLogins = new Set([400, 401, 403, 404, 422]);

/** Statuses by which a vendor says that a refresh token is no longer good. There is no `invalid_grant` here. */
const refusedRefreshes = new Set([400, 401, 403, 410, 422]);

/** A vendor's API whose own endpoints take a user name and password, and refresh tokens, in JSON. */
export function createCredentialsProvider(deps: CredentialsDeps): Provider {
  const { config, timeoutMs, clock, log, metrics } = deps;
  const issuer = new URL(config.login.url).origin;
  const reachability = createProviderHealth(metrics);
  const http = createProviderClient({ onExchange: reachability.note });
  const discovery = createDiscovery({
    look: () => probe(http.fetchWith({}), config.login.url, timeoutMs),
    onFound: () => reachability.established(),
    issuer,
    log,
  });

  const call = async (
    { url, method, body }: Endpoint,
    values: Readonly<Record<string, string>>,
    fence: { maySend?: () => boolean } = {},
  ): Promise<VendorAnswer> => {
    const sentAtMs = clock();
    const response = await http.fetchWith(fence)(url, {
      method,
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: fillBody(body, values),
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    });
    const document = parseJson(await response.clone().text());
    const datedMs = Date.parse(response.headers.get('date') ?? '');
    return { response, document, sentAtMs, answeredAtMs: Number.isNaN(datedMs) ? clock() : datedMs };
  };

  return {
    issuer,
    passwordLogin: {
      async signIn(credentials) {
        const answered = await call(config.login, credentials).catch((cause: unknown) => {
          throw providerAway(cause);
        });
        const { response, document, sentAtMs, answeredAtMs } = answered;
        if (isBusy(response.status)) throw providerAway(undefined, retryAfterOf(response));
        if (refusedLogins.has(response.status)) {
          log.info({ status: response.status }, 'the provider rejected a user name and password');
          throw new GatewayError('credentials_rejected', {
            detail: 'The provider does not accept this user name and password.',
          });
        }
        if (!response.ok) throw loginRefused(`the login endpoint returned ${response.status}`);
        const answer = readCredentialsResponse(config.response, document, answeredAtMs);
        if (answer === undefined)
          throw loginRefused('the response has no access token at provider.response.accessToken');
        const { subject: place } = config.response;
        const subject = place === undefined ? credentials.username : subjectAt(document, place);
        if (subject === undefined)
          throw loginRefused('the response has no subject at provider.response.subject');
        return { issuer, subject, claims: { sub: subject }, answer, sentAtMs };
      },
    },

    async refresh({ refreshToken, subject, maySend }): Promise<RefreshOutcome> {
      const answered = await call(config.refresh, { refreshToken }, { maySend }).catch((cause: unknown) => ({
        cause,
      }));
      if ('cause' in answered) return classifyRefreshFailure(answered.cause);
      const { response, document, sentAtMs, answeredAtMs } = answered;
      const { status } = response;
      const cause = new Error(`the refresh endpoint returned ${status}`);
      if (isBusy(status)) return busyOutcome(response, cause);
      // A page of HTML comes from something before the API, which knows nothing of the token.
      if (refusedRefreshes.has(status) && !isPage(response)) return { kind: 'rejected', cause };
      if (!response.ok) return { kind: 'misconfigured', error: `unexpected status ${status}`, cause };
      const answer = readCredentialsResponse(config.response, document, answeredAtMs);
      if (answer === undefined)
        return { kind: 'ambiguous', cause: new Error('the refresh response has no access token') };
      const { subject: place } = config.response;
      const named = place === undefined ? undefined : subjectAt(document, place);
      if (named !== undefined && named !== subject) {
        const somebodyElse = new Error('the refresh response names a different subject');
        return { kind: 'identity_changed', refreshToken: answer.refreshToken, cause: somebodyElse };
      }
      return { kind: 'refreshed', answer, claims: undefined, sentAtMs };
    },

    // There is no endpoint to revoke at: the tokens are forgotten here, and run out there.
    revoke: async () => ({ kind: 'revoked' }),
    endSessionUrl: () => undefined,
    state: reachability.state,
    notReadyReason: discovery.failure,

    async diagnose() {
      await discovery.get();
      return diagnoseCredentials(config, issuer);
    },

    start: () => discovery.start(),
    close() {
      discovery.close();
      http.close();
    },
  };
}

function isPage(response: Response): boolean {
  return response.headers.get('content-type')?.includes('html') ?? false;
}
