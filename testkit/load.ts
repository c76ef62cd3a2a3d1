import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterResponse, GatewayCluster, Member, Visitor } from './cluster.ts';

/** One answer of a load: to whom, and from where. */
export type LoadResponse = ClusterResponse & { visitor: Visitor; member: Member };

/** People who go on calling. */
export type Load = {
  /** Every answer so far, in the order in which they came. */
  readonly responses: readonly LoadResponse[];
  /** Settles when the calls under way have been answered. */
  stop(): Promise<void>;
};

/** How long each visitor waits between an answer and the next call, in milliseconds. */
const PAUSE_MS = 80;

/** Lets visitors call, each one call after the other and through the processes in turn, until their sessions end. */
export function startLoad(cluster: GatewayCluster, visitors: readonly Visitor[]): Load {
  const responses: LoadResponse[] = [];
  let goesOn = true;

  const callAgainAndAgain = async (visitor: Visitor, at: number) => {
    // Not all in step.
    await sleep((PAUSE_MS * at) / visitors.length);
    for (let turn = at; goesOn; turn += 1) {
      const member = cluster.member(turn % cluster.members.length);
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
