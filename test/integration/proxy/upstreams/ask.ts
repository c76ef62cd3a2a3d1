import type { OutgoingRequest } from '../../../../src/proxy/upstream/http1/exchange.ts';
import type { ConnectionPool } from '../../../../src/proxy/upstream/http1/pool.ts';
import { sendRecorded } from '../../../../testkit/network/recorded-exchange.ts';

/** Sends a request on a connection of the pool. Gives the response body once the connection is free or closed. */
export async function ask(pool: ConnectionPool, changes: Partial<OutgoingRequest> = {}): Promise<string> {
  const sent = sendRecorded(pool, changes);
  await sent.released;
  if (sent.error() !== undefined) throw sent.error();
  return sent.body();
}
