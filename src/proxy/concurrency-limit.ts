import { GatewayError } from '../errors.ts';
import { clientNetwork } from '../http/inbound/client-network.ts';
import type { RequestContext } from '../http/inbound/request-context.ts';
import type { Route } from './routes.ts';
import { limitName, type Caller } from './tokens/caller.ts';

/** Limits the concurrent requests and WebSockets on a route, per session or, without a session, per client network. */
export type ConcurrencyLimit = {
  /** Counts a request and returns the function that releases it. Throws `rate_limited` beyond `routes[].maxConcurrent`. */
  enter(route: Route, caller: Caller | undefined, context: RequestContext): () => void;
};

const doNothing = () => undefined;

/** The counts are local, so the limit applies to each process. */
export function createConcurrencyLimit(): ConcurrencyLimit {
  const counts = new Map<string, number>();
  return {
    enter({ config }, caller, { clientAddress }) {
      if (config.maxConcurrent === 0) return doNothing;
      const client = limitName(caller) ?? clientNetwork(clientAddress);
      const key = `${config.path} ${client}`;
      const count = counts.get(key) ?? 0;
      if (count >= config.maxConcurrent)
        throw new GatewayError('rate_limited', {
          detail: 'Too many concurrent requests. Wait for one to finish.',
          retryAfterSeconds: 1,
          limit: 'maxConcurrent',
        });
      counts.set(key, count + 1);
      return () => {
        const remaining = (counts.get(key) ?? 1) - 1;
        if (remaining === 0) counts.delete(key);
        else counts.set(key, remaining);
      };
    },
  };
}
