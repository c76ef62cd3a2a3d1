import type { Session } from '../sessions/session.ts';
import type { Audience } from '../tokens/audience.ts';

/** Keeps an upstream that refuses every token, and a route that was granted none, from causing a refresh a request. */
export type RefreshSuppression = {
  /** The times of the last minute in which an upstream refused even a renewed token of a session, in any process. */
  recent(session: Session): readonly number[];
  /** Tells whether a session has been renewed in vain often enough for now. */
  areTooMany(recent: readonly number[]): boolean;
  /** Notes that the upstream of a route refused a token that had just been renewed. */
  remember(refused: Refused, route: string): void;
  /** Tells whether that upstream refused this very token before, renewed as it was. */
  isHopeless(refused: Refused, route: string): boolean;
  /** Notes that the provider gives a session no token for an audience. */
  deny(key: string, audience: Audience): void;
  /** Tells whether it said so in the last minute: what was not granted may be granted later. */
  isDenied(key: string, audience: Audience): boolean;
};

type Refused = { readonly stored: { readonly key: string }; readonly accessToken: string };

const MINUTE_MS = 60_000;
/** How many renewals in vain a session is granted a minute; the count is in its record, so all processes share it. */
const PER_MINUTE = 3;
/** How many refusals of each kind this process remembers. */
const REMEMBERED = 10_000;

export function createRefreshSuppression(clock: () => number): RefreshSuppression {
  const hopeless = new Map<string, string>();
  const deniedAtMs = new Map<string, number>();
  const name = ({ stored }: Refused, route: string) => `${stored.key} ${route}`;

  return {
    recent: ({ refusedAtMs = [] }) => refusedAtMs.filter((time) => time > clock() - MINUTE_MS),
    areTooMany: (recent) => recent.length >= PER_MINUTE,
    remember: (refused, route) => put(hopeless, name(refused, route), refused.accessToken),
    isHopeless: (refused, route) => hopeless.get(name(refused, route)) === refused.accessToken,
    deny: (key, audience) => put(deniedAtMs, `${key} ${audience.id}`, clock()),
    isDenied: (key, audience) => (deniedAtMs.get(`${key} ${audience.id}`) ?? -Infinity) > clock() - MINUTE_MS,
  };
}

/** Remembers one thing more, and forgets the oldest when there are too many. */
function put<Value>(map: Map<string, Value>, name: string, value: Value): void {
  map.delete(name);
  map.set(name, value);
  if (map.size <= REMEMBERED) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}
