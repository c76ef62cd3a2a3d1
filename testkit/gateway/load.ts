import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterOnStore, ClusterResponse, Member, Visitor } from './cluster.ts';

/** One response of a load, with its visitor and its process. */
export type LoadResponse = ClusterResponse & { visitor: Visitor; member: Member };

/** Visitors that keep calling the API. */
export type Load = {
  /** Every response so far, in order of arrival. */
  readonly responses: readonly LoadResponse[];
  /** Stops the load; settles when pending calls have their response. */
  stop(): Promise<void>;
};

/** The pause of each visitor between a response and the next call, in milliseconds. */
const PAUSE_MS = 80;

/** Lets each visitor call repeatedly, through the processes in turn, until their session ends. */
export function startLoad(cluster: ClusterOnStore, visitors: readonly Visitor[]): Load {
  const responses: LoadResponse[] = [];
  let goesOn = true;

  const callAgainAndAgain = async (visitor: Visitor, at: number) => {
    // Spread the starts.
    await sleep((PAUSE_MS * at) / visitors.length);
    for (let call = at; goesOn; call += 1) {
      const member = cluster.member(call % cluster.members.length);
      const response = await visitor.call(member);
      responses.push({ ...response, visitor, member });
      if (response.code === 'session_expired') return;
      await sleep(PAUSE_MS);
    }
  };
  const calling = Promise.all(visitors.map(callAgainAndAgain));

  return {
    responses,
    stop: async () => {
      goesOn = false;
      await calling;
    },
  };
}
