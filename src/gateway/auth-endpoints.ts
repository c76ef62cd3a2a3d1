import type { RequestHandler } from 'express';
import { createAttemptLimit, RESERVED_ATTEMPTS } from '../auth/attempt-limit.ts';
import { createBackchannelLogout } from '../auth/logout/backchannel-logout.ts';
import { createCallback } from '../auth/login/callback.ts';
import { createDecoupledCookie } from '../auth/decoupled-cookie.ts';
import { createDecoupled } from '../auth/decoupled.ts';
import { createCompleteSignIn } from '../auth/complete-sign-in.ts';
import { createExtendSession } from '../auth/session/extend-session.ts';
import { createFrontchannelLogout } from '../auth/logout/frontchannel-logout.ts';
import { createJwks } from '../auth/jwks.ts';
import { createLoginCookies } from '../auth/login/login-cookies.ts';
import { createLoginParameters } from '../auth/login/login-parameters.ts';
import { createLogin } from '../auth/login/login.ts';
import { createLogout } from '../auth/logout/logout.ts';
import { createSignOutMarker } from '../auth/logout/sign-out-marker.ts';
import { createMySessions } from '../auth/session/my-sessions.ts';
import { createPasswordLogin } from '../auth/password-login.ts';
import { createRefusalAudit } from '../auth/refusal-audit.ts';
import { createReturnTo } from '../auth/return-to.ts';
import { createAuthRouter } from '../auth/router.ts';
import { createSessionInfo } from '../auth/session/session-info.ts';
import { createStepUpQuery } from '../auth/step-up/query.ts';
import type { Config } from '../config/schema/schema.ts';
import { stepUpLimitsOf } from '../config/step-up-limits.ts';
import { createEnvelopes } from '../crypto/envelope.ts';
import { createSealedCookies } from '../crypto/sealed-cookie.ts';
import { createErrorPage } from '../http/problem/error-page.ts';
import { createRejectionLogLimit } from '../http/access-log.ts';
import { limitClients } from '../http/rate-limit/rate-limit.ts';
import { inertHeaders, setting } from '../http/security-headers.ts';
import type { Provider } from '../provider/provider.ts';
import { createProviderLogouts } from '../sessions/provider-logouts.ts';
import type { InboundPolicies } from './inbound-policies.ts';
import type { Core } from './core.ts';
import type { SessionServices } from './session-services.ts';
import type { Backends } from './backends.ts';

type Deps = {
  core: Core;
  backends: Backends;
  provider: Provider;
  sessionServices: SessionServices;
  policies: InboundPolicies;
  /** `GET /check` */
  check: RequestHandler;
  loginUrl: string;
  redirectUri: string;
};

/** Creates the endpoints below `login.prefix` that the provider's kind uses. */
export function createAuthEndpoints(deps: Deps): RequestHandler {
  const { core, backends, provider, sessionServices, policies, loginUrl, redirectUri } = deps;
  const { config, keyRing, signingKeys, forgedSeals, secure, clock, log, audit } = core;
  const { baseUrl, login, session } = config;
  const { sessions, stepUpLinks } = sessionServices;
  const { originPolicy, rateLimits } = policies;
  const { redirectLogin, passwordLogin, decoupledLogin, logoutTokens } = provider;

  const limited = (name: keyof Config['rateLimit']) =>
    limitClients(rateLimits.synchronous(name, config.rateLimit[name]));
  const attemptLimit = createAttemptLimit({
    perNetwork: rateLimits.refundable('attemptsPerUser', config.rateLimit.attemptsPerUser),
    total: rateLimits.refundable('attemptsPerUserTotal', config.rateLimit.attemptsPerUserTotal),
    reserved: rateLimits.refundable(
      'attemptsPerUserReserved',
      RESERVED_ATTEMPTS.uses,
      RESERVED_ATTEMPTS.windowMs,
    ),
    store: backends.store,
  });
  const limitLogouts = limited('backchannelLogout');

  const returnTo = createReturnTo(baseUrl, login.prefix);
  const loginCookies = createLoginCookies({
    seals: createSealedCookies(keyRing, 'login-cookie'),
    envelopes: createEnvelopes(keyRing),
    store: backends.store,
    returnTo,
    defaultReturnTo: login.defaultReturnTo,
    secure,
    clock,
  });
  const signOutMarker = createSignOutMarker({ secure });
  const completeSignIn = createCompleteSignIn({
    ...sessionServices,
    checkSignIn: policies.access.checkSignIn,
    audit,
  });
  const watch = createRefusalAudit(audit);
  const decoupled =
    decoupledLogin &&
    createDecoupled({
      decoupledLogin,
      completeSignIn,
      sessions,
      cookie: createDecoupledCookie({
        seals: createSealedCookies(keyRing, 'decoupled-cookie', forgedSeals),
        secure,
        clock,
      }),
      pollSchedule: backends.pollSchedule,
      originPolicy,
      attemptLimit,
      clock,
    });

  return createAuthRouter(
    {
      login: redirectLogin && [
        limited('login'),
        watch(
          createLogin({
            redirectLogin,
            sessions,
            loginCookies,
            parameters: createLoginParameters(login.parameters, config.provider.authorizationParams ?? {}),
            stepUpQuery: createStepUpQuery({ sessions, stepUpLinks, limits: stepUpLimitsOf(config), log }),
            returnTo,
            defaultReturnTo: login.defaultReturnTo,
            sameSite: session.cookie.sameSite,
            signOutMarker,
            page: createErrorPage(login.errorPage?.html),
            clock,
          }),
        ),
      ],
      callback: redirectLogin && [
        limited('callback'),
        watch(
          createCallback({
            redirectLogin,
            completeSignIn,
            sessions,
            loginCookies,
            signOutMarker,
            redirectUri,
            defaultReturnTo: login.defaultReturnTo,
            failureReturnTo: login.failureReturnTo,
          }),
        ),
      ],
      passwordLogin: passwordLogin && [
        limited('attempts'),
        watch(createPasswordLogin({ passwordLogin, completeSignIn, originPolicy, attemptLimit })),
      ],
      beginDecoupled: decoupled && [limited('attempts'), watch(decoupled.begin)],
      pollDecoupled: decoupled && watch(decoupled.poll, { ignoreOutages: true }),
      session: createSessionInfo({
        sessions,
        claims: session.claims,
        loginUrl,
        logoutUrl: `${login.prefix}/logout`,
        clock,
      }),
      check: deps.check,
      extendSession: createExtendSession({ sessions, originPolicy }),
      logout: createLogout({
        provider,
        sessions,
        signOutMarker: redirectLogin && signOutMarker,
        audit,
        originPolicy,
        baseUrl,
        postLogoutReturnTo: login.postLogoutReturnTo,
      }),
      backchannelLogout: logoutTokens && [
        createRejectionLogLimit(clock),
        limitLogouts,
        createBackchannelLogout({
          logoutTokens,
          providerLogouts: createProviderLogouts({ sessions, store: backends.store, clock }),
          clock,
          log,
        }),
      ],
      frontchannelLogout: logoutTokens && [limitLogouts, createFrontchannelLogout({ provider, sessions })],
      mySessions: createMySessions({
        sessions,
        audit,
        originPolicy,
        idleTimeout: session.idleTimeout,
        limitUser: rateLimits.synchronous('sessions', config.rateLimit.sessions),
      }),
      jwks: createJwks({ signingKeys }),
    },
    setting(inertHeaders(secure)),
  );
}
