import { GatewayError } from '../errors.ts';
import { clientNetwork } from '../http/inbound/client-network.ts';
import type { RequestContext } from '../http/inbound/request-context.ts';
import type { Credential } from '../refresh/refresh-result.ts';
import type { Route } from './routes.ts';

/** How many requests and WebSockets of one session, or of one address without one, are under way on a route. */
export type ConcurrencyLimit = {
  /** Counts one in, and gives what counts it out. Throws `rate_limited` beyond `routes[].maxConcurrent`. */
  enter(route: Route, credential: Credential | undefined, context: RequestContext): () => void;
};

const uncounted = () => undefined;

/** Counts in this process: a limit holds for each. */
export function createConcurrencyLimit(): ConcurrencyLimit {
  const counts = new Map<string, number>();
  return {
    enter({ config }, credential, { clientAddress }) {
      if (config.maxConcurrent === 0) return uncounted;
      const who = credential === undefined ? clientNetwork(clientAddress) : credential.session.key;
      const name = `${config.path} ${who}`;
      const before = counts.get(name) ?? 0;
      if (before >= config.maxConcurrent)
        throw new GatewayError('rate_limited', {
          detail: 'Too many concurrent requests. Wait for one to finish.',
          retryAfterSeconds: 1,
        });
      counts.set(name, before + 1);
      return () => {
        const left = (counts.get(name) ?? 1) - 1;
        if (left === 0) counts.delete(name);
        else counts.set(name, left);
      };
    },
  };
}
