import { createAccessPolicy, type AccessPolicy } from '../access/access-policy.ts';
import { createAccessLog, type AccessLog } from '../http/access-log.ts';
import { createClientAddress } from '../http/inbound/client-address.ts';
import { createOriginPolicy, type OriginPolicy } from '../http/inbound/csrf.ts';
import { createGuard, type Guard } from '../http/inbound/guard.ts';
import { createHostCheck } from '../http/inbound/host.ts';
import { createNavigationErrors, type NavigationErrors } from '../http/problem/navigation-errors.ts';
import { createProblems, type Problems } from '../http/problem/problem.ts';
import type { RateLimits } from '../http/rate-limit/rate-limit.ts';
import type { Provider } from '../provider/provider.ts';
import type { Core } from './core.ts';
import type { SharedState } from './shared-state.ts';

/** The first checks on every request and upgrade, and the responses to those that fail. */
export type InboundPolicies = {
  readonly access: AccessPolicy;
  readonly guard: Guard;
  readonly accessLog: AccessLog;
  readonly originPolicy: OriginPolicy;
  readonly problems: Problems;
  readonly navigationErrors: NavigationErrors;
  readonly rateLimits: RateLimits;
};

export function createInboundPolicies(
  core: Core,
  { connectionStates, rateLimits }: SharedState,
  { loginUrl, redirectLogin }: { loginUrl: string; redirectLogin: Provider['redirectLogin'] },
): InboundPolicies {
  const { config, secure, log, metrics, clock } = core;
  const { baseUrl, login } = config;
  const problems = createProblems({ secure, loginUrl });
  return {
    access: createAccessPolicy(config),
    guard: createGuard({
      hostCheck: createHostCheck(config.baseUrl, config.allowedHosts),
      clientAddress: createClientAddress(config.trustProxy, config.listen.socketPath),
      connectionStates,
      clock,
    }),
    accessLog: createAccessLog({ log, metrics, clock }),
    originPolicy: createOriginPolicy(config.baseUrl, config.csrf.mode),
    problems,
    navigationErrors: createNavigationErrors({
      problems,
      secure,
      template: login.errorPage?.html,
      links: {
        homeLabel: 'Go to the application',
        baseUrl,
        home: login.defaultReturnTo,
        loginUrl: redirectLogin && loginUrl,
        callbackPath: `${login.prefix}/callback`,
      },
    }),
    rateLimits,
  };
}
