import type { FakeProvider } from '../fake-provider/fake-provider.ts';
import type { Family, LedgerEntry } from '../fake-provider/tokens/families.ts';
import type { Upstream } from '../upstream/upstream.ts';

/** The result of a run, from the provider's token ledger and the requests that reached the API. */
export type Balance = {
  /** How many users have signed in. */
  sessions: number;
  /** How often a refresh token was sent to the provider. */
  refreshes: number;
  /** How many refresh tokens were issued. */
  issued: number;
  /** How many of them were spent. */
  spent: number;
  /** Refresh tokens that were sent to the provider more than once, except unspent ones of sessions that the provider ended. */
  repeated: LedgerEntry[];
  /** The names of the users without an active grant at the provider, except those whose session the provider ended. */
  lost: string[];
  /** The names of the users whose session the provider ended. */
  endedByProvider: string[];
  /** Requests that reached the API with another user's token than their path names. */
  mixUps: string[];
};

/** Summarizes a run in which every user called paths that end in their own name. */
export function balance({ provider, upstream }: { provider: FakeProvider; upstream: Upstream }): Balance {
  const tokenLedger = provider.tokenLedger();
  const owners = new Map(
    provider.families.flatMap(({ accessTokens, grant }) =>
      accessTokens.map(({ token }) => [token, grant.subject] as const),
    ),
  );
  const mixUps = upstream.requests
    .map(({ target, bearer }) => ({ name: target.split('/').at(-1), owner: owners.get(bearer ?? '') }))
    .filter(({ name, owner }) => name !== owner)
    .map(({ name, owner }) => `${name} was sent on as ${owner}`);
  const names = [...new Set(provider.families.map(({ grant }) => grant.subject))];
  const namesOf = (families: readonly Family[]) => new Set(families.map(({ grant }) => grant.subject));
  const alive = namesOf(provider.families.filter((family) => family.alive));
  const dismissed = namesOf(provider.families.filter(({ endedBecause }) => endedBecause === 'session ended'));
  const refused = new Set(
    provider.families
      .filter(({ endedBecause }) => endedBecause === 'session ended')
      .flatMap(({ refreshTokens }) => refreshTokens.filter(({ spent }) => spent === 0))
      .map(({ token }) => token),
  );
  const ended = names.filter((name) => !alive.has(name));
  return {
    sessions: names.length,
    refreshes: tokenLedger.reduce((sum, { presented }) => sum + presented, 0),
    issued: tokenLedger.length,
    spent: tokenLedger.filter(({ spent }) => spent > 0).length,
    repeated: tokenLedger.filter(({ token, presented }) => presented > 1 && !refused.has(token)),
    lost: ended.filter((name) => !dismissed.has(name)),
    endedByProvider: ended.filter((name) => dismissed.has(name)),
    mixUps,
  };
}

/** Prints the figures of a run as one line, the title first. */
export function printFigures(title: string, parties: { provider: FakeProvider; upstream: Upstream }): void {
  const { sessions, refreshes, spent, repeated, lost, endedByProvider, mixUps } = balance(parties);
  const dismissed = endedByProvider.length > 0 ? `, ${endedByProvider.length} ended by the provider` : '';
  console.log(
    `${title}: ${sessions} sessions, ${refreshes} refreshes, ${spent} tokens spent, ${repeated.length} spent twice, ` +
      `${lost.length} sessions lost${dismissed}; ${parties.upstream.requests.length} calls of the API, ${mixUps.length} mixed up`,
  );
}
