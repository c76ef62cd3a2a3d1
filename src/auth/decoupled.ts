import type { RequestHandler } from 'express';
import { hashIdentifier } from '../crypto/identifier.ts';
import { GatewayError, isUnavailable } from '../errors.ts';
import type { OriginPolicy } from '../http/inbound/csrf.ts';
import { auditedRequest, requestContextOf } from '../http/inbound/request-context.ts';
import { readJsonBody } from '../http/inbound/json-body.ts';
import { clientNetworkOf } from '../http/rate-limit/rate-limit.ts';
import { loginDenied } from '../provider/login-failure.ts';
import { UnusedTokensError, type DecoupledLogin, type DecoupledOutcome } from '../provider/provider.ts';
import type { PollSchedule } from '../redis/poll-schedule.ts';
import type { Sessions } from '../sessions/service.ts';
import { DECOUPLED_LATE_MS, DECOUPLED_LIFETIME_MS, pollClaimMs } from '../timing.ts';
import type { AttemptLimit } from './attempt-limit.ts';
import { createBindingMessages } from './binding-message.ts';
import type { DecoupledCookie, PendingApproval } from './decoupled-cookie.ts';
import type { CompleteSignIn } from './complete-sign-in.ts';

/** Decoupled sign-in, on another device: the browser starts it and polls its state. */
export type DecoupledHandlers = { begin: RequestHandler; poll: RequestHandler };

/** How much `slow_down` lengthens the polling interval, in milliseconds (OpenID CIBA Core 1.0, section 11). */
const SLOWER_BY_MS = 5_000;
/** The bounds of the polling interval, whatever the provider says, in milliseconds. */
const INTERVAL_MS = { shortest: 50, longest: 60_000 };

/**
 * `POST /decoupled` makes the provider ask the user for approval on another device. `GET /decoupled` returns the state: 202
 * while it is pending, 200 with the ticket, 403 when the user denied it, 410 when it has expired.
 *
 * The gateway polls the provider once per interval, however often the browser polls and however many replicas there are.
 */
export function createDecoupled(deps: {
  decoupledLogin: DecoupledLogin;
  completeSignIn: CompleteSignIn;
  sessions: Sessions;
  cookie: DecoupledCookie;
  pollSchedule: PollSchedule;
  originPolicy: OriginPolicy;
  /** Limits how often one user can be prompted. */
  attemptLimit: AttemptLimit;
  clock: () => number;
}): DecoupledHandlers {
  const {
    decoupledLogin,
    completeSignIn,
    sessions,
    cookie,
    pollSchedule,
    originPolicy,
    attemptLimit,
    clock,
  } = deps;
  const scheduleName = ({ id }: PendingApproval) => hashIdentifier('decoupled', id);
  const bindingMessages = createBindingMessages(decoupledLogin.bindingMessage);
  const stateBody = ({ expiresAtMs, bindingMessage }: PendingApproval, intervalMs: number) => ({
    status: 'pending',
    expiresIn: Math.max(0, Math.ceil((expiresAtMs - clock()) / 1000)),
    interval: Math.ceil(intervalMs / 1000),
    // Only the gateway's own one: the page knows its own.
    ...(bindingMessage !== undefined && { bindingMessage }),
  });

  /** Polls the provider once, if the interval has passed. */
  const pollProvider = async (
    pending: PendingApproval,
  ): Promise<DecoupledOutcome & { intervalMs: number }> => {
    const name = scheduleName(pending);
    const slot = await pollSchedule.claim(name, pollClaimMs(decoupledLogin));
    if (slot.kind === 'over') return { kind: 'expired', intervalMs: 0 };
    const { intervalMs } = slot;
    if (slot.kind === 'wait') return { kind: 'pending', intervalMs };
    const outcome = await decoupledLogin.poll(pending.id).catch(async (error: unknown) => {
      // The next poll tries again only if the provider has not evaluated this one; any other error is final.
      const isFinal = error instanceof UnusedTokensError || !isUnavailable(error);
      await (isFinal ? pollSchedule.close(name) : pollSchedule.release(name, 0));
      throw error;
    });
    const isPending = outcome.kind === 'pending' || outcome.kind === 'slow_down';
    if (!isPending || clock() >= pending.expiresAtMs) {
      await pollSchedule.close(name);
      return isPending ? { kind: 'expired', intervalMs: 0 } : { ...outcome, intervalMs };
    }
    const wantedMs = outcome.kind === 'slow_down' ? SLOWER_BY_MS : 0;
    const extraMs = Math.max(0, Math.min(wantedMs, INTERVAL_MS.longest - intervalMs));
    await pollSchedule.release(name, extraMs);
    return { ...outcome, intervalMs: intervalMs + extraMs };
  };

  return {
    async begin(request, response) {
      // SECURITY: another site's page must not prompt a user.
      originPolicy.checkRequest(request);
      const body = await readJsonBody(request, response);
      const bindingMessage = bindingMessages(body['binding_message']);
      const hints = { loginHint: readLoginHint(body), bindingMessage };
      const before = await sessions.peek(request.headers.cookie, requestContextOf(response).clientAddress);
      const attempt =
        hints.loginHint === undefined
          ? undefined
          : await attemptLimit.begin(hints.loginHint, clientNetworkOf(response));
      const startedAtMs = clock();
      const begun = await decoupledLogin.begin(hints).catch(async (error: unknown) => {
        if (attempt !== undefined && isUnavailable(error)) await attemptLimit.cancel(attempt);
        throw error;
      });
      const { id, expiresInSeconds, intervalSeconds } = begun;
      const lifetimeMs = Math.min(DECOUPLED_LIFETIME_MS, Math.ceil(expiresInSeconds * 1000));
      const intervalMs = boundedInterval(intervalSeconds, lifetimeMs);
      const pending = {
        id,
        startedAtMs,
        expiresAtMs: clock() + lifetimeMs,
        pollableUntilMs: clock() + lifetimeMs + DECOUPLED_LATE_MS,
        replaces: before.kind === 'live' ? before.session.key : undefined,
        attempt,
        bindingMessage: decoupledLogin.bindingMessage === 'generated' ? bindingMessage : undefined,
      };
      await pollSchedule.open(scheduleName(pending), intervalMs, lifetimeMs + DECOUPLED_LATE_MS);
      response.setHeader('Set-Cookie', await cookie.set(pending));
      response.status(202).json(stateBody(pending, intervalMs));
    },

    async poll(request, response) {
      const pending = await cookie.find(request.headers.cookie, requestContextOf(response).clientAddress);
      if (pending === undefined) {
        throw new GatewayError('not_found', {
          detail: 'This browser has no pending sign-in on another device.',
        });
      }
      const outcome = await pollProvider(pending).catch((error: unknown) => {
        if (error instanceof UnusedTokensError) sessions.revoke(error.refreshToken);
        else if (isUnavailable(error)) throw error;
        response.setHeader('Set-Cookie', cookie.clear());
        throw isUnavailable(error) ? pollLost(error) : error;
      });
      switch (outcome.kind) {
        case 'pending':
        case 'slow_down':
          response.status(202).json(stateBody(pending, outcome.intervalMs));
          return;
        case 'signed_in': {
          response.setHeader('Set-Cookie', cookie.clear());
          const replaces = pending.replaces === undefined ? [] : [pending.replaces];
          const browser = {
            request: auditedRequest(requestContextOf(response)),
            cookieHeader: request.headers.cookie,
            replaces,
            beganAtMs: pending.startedAtMs,
          };
          const { setCookie } = await completeSignIn(Promise.resolve(outcome.signIn), browser);
          if (pending.attempt !== undefined) await attemptLimit.succeed(pending.attempt);
          response.appendHeader('Set-Cookie', setCookie);
          response.json({ status: 'complete' });
          return;
        }
        case 'denied':
          response.setHeader('Set-Cookie', cookie.clear());
          throw loginDenied();
        case 'expired':
          response.setHeader('Set-Cookie', cookie.clear());
          throw new GatewayError('login_expired', {
            detail: 'The sign-in has expired or is already complete. Start again.',
          });
      }
    },
  };
}

/** The end of a sign-in whose code may have been redeemed in a poll that the provider did not complete. */
function pollLost(cause: unknown): GatewayError {
  return new GatewayError('login_expired', {
    detail: 'The identity provider did not complete the sign-in. Sign in again.',
    reason: 'the provider did not complete a poll, and the code may have been used',
    authError: 'provider_unavailable',
    cause,
  });
}

/** The interval within its bounds, and short enough for a poll before the sign-in ends. */
function boundedInterval(intervalSeconds: number, lifetimeMs: number): number {
  const longestMs = Math.min(INTERVAL_MS.longest, lifetimeMs / 2);
  return Math.ceil(Math.max(INTERVAL_MS.shortest, Math.min(longestMs, intervalSeconds * 1000)));
}

/** SECURITY: no other value from the page reaches the provider. */
function readLoginHint({ login_hint: hint }: Readonly<Record<string, unknown>>): string | undefined {
  if (hint === undefined) return undefined;
  if (typeof hint === 'string' && hint !== '' && hint.length <= 256) return hint;
  throw new GatewayError('bad_request', { detail: '"login_hint" must be a string of 1 to 256 characters.' });
}
