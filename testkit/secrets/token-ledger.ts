import type { FakeProvider } from '../fake-provider/fake-provider.ts';
import type { LedgerEntry } from '../fake-provider/families.ts';
import type { Upstream } from '../upstream/upstream.ts';

/** The result of a run, from the provider's token ledger and the requests that reached the API. */
export type Balance = {
  /** How many refresh tokens were issued. */
  issued: number;
  /** How many of them were spent. */
  spent: number;
  /** Refresh tokens that were sent to the provider more than once. */
  repeated: LedgerEntry[];
  /** The names of the users without an active grant at the provider. */
  lost: string[];
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
  const alive = new Set(
    provider.families.filter(({ alive: lives }) => lives).map(({ grant }) => grant.subject),
  );
  return {
    issued: tokenLedger.length,
    spent: tokenLedger.filter(({ spent }) => spent > 0).length,
    repeated: tokenLedger.filter(({ presented }) => presented > 1),
    lost: [...new Set(provider.families.map(({ grant }) => grant.subject))].filter(
      (name) => !alive.has(name),
    ),
    mixUps,
  };
}

/** The result of a run as one line of text. */
export function summaryOf(parties: { provider: FakeProvider; upstream: Upstream }): string {
  const { issued, spent, repeated, lost, mixUps } = balance(parties);
  return (
    `${issued} refresh tokens issued, ${spent} spent, ${repeated.length} presented again; ` +
    `${lost.length} sessions lost; ${parties.upstream.requests.length} calls of the API, ${mixUps.length} mixed up`
  );
}
