import type { RequestHandler } from 'express';
import { hashIdentifier } from '../crypto/identifier.ts';
import { GatewayError } from '../errors.ts';
import type { OriginPolicy } from '../http/inbound/csrf.ts';
import { readJsonBody } from '../http/inbound/json-body.ts';
import type { RateLimit } from '../http/rate-limit/rate-limit.ts';
import { loginDenied } from '../provider/login-failure.ts';
import {
  UnusedTokensError,
  type DecoupledHints,
  type DecoupledLogin,
  type DecoupledOutcome,
} from '../provider/provider.ts';
import type { PollSchedule } from '../redis/poll-schedule.ts';
import type { Sessions } from '../sessions/service.ts';
import type { DecoupledCookie, PendingApproval } from './decoupled-cookie.ts';
import type { CompleteSignIn } from './complete-sign-in.ts';
import { userKey } from './username.ts';

/** Signing in on another device: the browser begins it and asks how it goes. */
export type DecoupledHandlers = { begin: RequestHandler; poll: RequestHandler };

/** How much longer the interval becomes when the provider asks for that (OpenID CIBA Core 1.0, section 11). */
const SLOWER_BY_MS = 5_000;
/** The longest that a sign-in may stay open, whatever the provider says, in milliseconds. */
const MAX_LIFE_MS = 3_600_000;

/**
 * `POST /decoupled` has the provider ask the person on another device; `GET /decoupled` tells how it goes: 202 while it is
 * open, 200 with the ticket, 403 when it was denied, 410 when it was not approved in time.
 *
 * However often the browser asks, and on however many replicas, the provider is asked once an interval.
 */
export function createDecoupled(deps: {
  decoupledLogin: DecoupledLogin;
  completeSignIn: CompleteSignIn;
  sessions: Sessions;
  cookie: DecoupledCookie;
  turns: PollSchedule;
  originPolicy: OriginPolicy;
  /** How often one person may be asked, from wherever. */
  limitUser: RateLimit;
  /** The longest that one question to the provider takes, in milliseconds. */
  timeoutMs: number;
  clock: () => number;
}): DecoupledHandlers {
  const {
    decoupledLogin,
    completeSignIn,
    sessions,
    cookie,
    turns,
    originPolicy,
    limitUser,
    timeoutMs,
    clock,
  } = deps;
  const nameOf = ({ id }: PendingApproval) => hashIdentifier('decoupled', id);
  const stateOf = ({ expiresAtMs }: PendingApproval, intervalMs: number) => ({
    status: 'pending',
    expiresIn: Math.max(0, Math.ceil((expiresAtMs - clock()) / 1000)),
    interval: Math.ceil(intervalMs / 1000),
  });

  /** Asks the provider once, if it is time for that. */
  const ask = async (pending: PendingApproval): Promise<DecoupledOutcome & { intervalMs: number }> => {
    const name = nameOf(pending);
    const turn =
      clock() < pending.expiresAtMs ? await turns.claim(name, timeoutMs) : { kind: 'over' as const };
    if (turn.kind === 'over') return { kind: 'expired', intervalMs: 0 };
    const { intervalMs } = turn;
    if (turn.kind === 'wait') return { kind: 'pending', intervalMs };
    const outcome = await decoupledLogin.poll(pending.id).catch(async (error: unknown) => {
      // With the provider away it is asked again in an interval; anything else is its last word.
      const isOver = error instanceof UnusedTokensError || !isAway(error);
      await (isOver ? turns.close(name) : turns.release(name, 0));
      throw error;
    });
    const slowerByMs = outcome.kind === 'slow_down' ? SLOWER_BY_MS : 0;
    const isOpen = outcome.kind === 'pending' || outcome.kind === 'slow_down';
    await (isOpen ? turns.release(name, slowerByMs) : turns.close(name));
    return { ...outcome, intervalMs: intervalMs + slowerByMs };
  };

  return {
    async begin(request, response) {
      // SECURITY: nobody else's page has a person asked.
      originPolicy.checkRequest(request);
      const hints = readHints(await readJsonBody(request, response));
      if (hints.loginHint !== undefined) await limitUser(userKey(hints.loginHint));
      const before = await sessions.peek(request.headers.cookie);
      const { id, expiresInSeconds, intervalSeconds } = await decoupledLogin.begin(hints);
      const intervalMs = Math.ceil(intervalSeconds * 1000);
      const lifeMs = Math.min(MAX_LIFE_MS, Math.ceil(expiresInSeconds * 1000));
      const pending = {
        id,
        expiresAtMs: clock() + lifeMs,
        replaces: before.kind === 'live' ? before.session.key : undefined,
      };
      await turns.open(nameOf(pending), intervalMs, lifeMs);
      response.setHeader('Set-Cookie', await cookie.keep(pending));
      response.status(202).json(stateOf(pending, intervalMs));
    },

    async poll(request, response) {
      const pending = await cookie.find(request.headers.cookie);
      if (pending === undefined) {
        throw new GatewayError('not_found', {
          detail: 'This browser has no pending sign-in on another device.',
        });
      }
      const outcome = await ask(pending).catch((error: unknown) => {
        if (error instanceof UnusedTokensError) sessions.revoke(error.refreshToken);
        else if (isAway(error)) throw error;
        response.setHeader('Set-Cookie', cookie.drop());
        throw error;
      });
      switch (outcome.kind) {
        case 'pending':
        case 'slow_down':
          response.status(202).json(stateOf(pending, outcome.intervalMs));
          return;
        case 'signed_in': {
          response.setHeader('Set-Cookie', cookie.drop());
          const replaces = pending.replaces === undefined ? [] : [pending.replaces];
          const arrival = { cookieHeader: request.headers.cookie, replaces };
          const { setCookie } = await completeSignIn(Promise.resolve(outcome.signIn), arrival);
          response.appendHeader('Set-Cookie', setCookie);
          response.json({ status: 'complete' });
          return;
        }
        case 'denied':
          response.setHeader('Set-Cookie', cookie.drop());
          throw loginDenied();
        case 'expired':
          response.setHeader('Set-Cookie', cookie.drop());
          throw new GatewayError('login_expired', {
            detail: 'The sign-in has expired or is already complete. Start again.',
          });
      }
    },
  };
}

/** Whether it is not the sign-in that failed, but the way to the provider or to the store. */
function isAway(error: unknown): boolean {
  return error instanceof GatewayError && error.status === 503;
}

/** SECURITY: nothing else of what the page says reaches the provider. */
function readHints(body: Readonly<Record<string, unknown>>): DecoupledHints {
  const hint = (name: string): string | undefined => {
    const value = body[name];
    if (value === undefined) return undefined;
    if (typeof value === 'string' && value !== '' && value.length <= 256) return value;
    throw new GatewayError('bad_request', { detail: `"${name}" must be a string of 1 to 256 characters.` });
  };
  return { loginHint: hint('login_hint'), bindingMessage: hint('binding_message') };
}
