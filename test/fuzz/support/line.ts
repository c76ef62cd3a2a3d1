import { setTimeout as sleep } from 'node:timers/promises';
import { type RawConnection, openRaw } from '../../../testkit/network/raw-client.ts';
import type { RawResponse } from '../../../testkit/network/raw-response.ts';

/** The outcome of bytes sent as a request: a response, or the end of the connection without one. */
export type Outcome = RawResponse | 'ended';

/** A client that sends requests one after the other, on one connection as long as that is left open. */
export type Line = {
  /**
   * Sends latin1 bytes and returns the outcome.
   *
   * @param isWhole - whether they are sure to be a whole request. If not, they may leave the server waiting for more; it
   *   must then end the connection when this side does.
   * @throws Error when there is no outcome in time, or when it is not HTTP.
   */
  ask(request: string, isWhole: boolean): Promise<Outcome>;
  close(): void;
};

/** How long to wait for a response to bytes that may be an incomplete request, in milliseconds. */
const QUIET_MS = 50;

/** Opens a client of a port on 127.0.0.1. */
export function openLine(port: number): Line {
  let connection: RawConnection | undefined;

  const hangUp = () => {
    // A connection that is reset leaves no port behind: there are many of them.
    connection?.reset();
    connection = undefined;
  };

  const outcomeOf = async (request: string, isWhole: boolean): Promise<Outcome> => {
    connection ??= await openRaw(port);
    const { socket, write, end, readResponse, pending } = connection;
    write(request);
    // HEAD has no body, whatever its fields say.
    const method = request.startsWith('HEAD ') ? 'HEAD' : 'GET';
    const responded = readResponse(method).catch((error: unknown) => {
      if (socket.readableEnded || socket.destroyed) return 'ended' as const;
      throw error;
    });
    if (!isWhole && (await Promise.race([responded, sleep(QUIET_MS)])) === undefined) end();
    const outcome = await responded;
    const isOver =
      outcome === 'ended' || outcome.status === 101 || /\bclose\b/i.test(outcome.header('connection') ?? '');
    // Further bytes belong to input that was more than one request.
    if (isOver || !isWhole || pending().length > 0) hangUp();
    return outcome;
  };

  return {
    ask: (request, isWhole) =>
      outcomeOf(request, isWhole).catch((error: unknown) => {
        hangUp();
        throw error;
      }),
    close: hangUp,
  };
}

/** Like `Promise.all`, but waits for all even when one fails: a shrunk case begins when the one before is over. */
export async function allOf<Result>(promises: readonly Promise<Result>[]): Promise<Result[]> {
  await Promise.allSettled(promises);
  return Promise.all(promises);
}
