import type { Session } from '../sessions/session.ts';

/** Keeps an upstream that refuses every token from causing a refresh a request. */
export type Refusals = {
  /** The times of the last minute in which an upstream refused even a renewed token of a session, in any process. */
  recent(session: Session): readonly number[];
  /** Tells whether a session has been renewed in vain often enough for now. */
  areTooMany(recent: readonly number[]): boolean;
  /** Notes that the upstream of a route refused a token that had just been renewed. */
  remember(refused: Refused, route: string): void;
  /** Tells whether that upstream refused this very token before, renewed as it was. */
  isHopeless(refused: Refused, route: string): boolean;
};

type Refused = { readonly stored: { readonly key: string }; readonly accessToken: string };

const MINUTE_MS = 60_000;
/** How many renewals in vain a session is granted a minute; the count is in its record, so all processes share it. */
const PER_MINUTE = 3;
/** How many refusals this process remembers. */
const REMEMBERED = 10_000;

export function createRefusals(clock: () => number): Refusals {
  const hopeless = new Map<string, string>();
  const name = ({ stored }: Refused, route: string) => `${stored.key} ${route}`;

  return {
    recent: ({ refusedAtMs = [] }) => refusedAtMs.filter((time) => time > clock() - MINUTE_MS),
    areTooMany: (recent) => recent.length >= PER_MINUTE,
    remember(refused, route) {
      hopeless.set(name(refused, route), refused.accessToken);
      if (hopeless.size <= REMEMBERED) return;
      for (const oldest of hopeless.keys()) {
        hopeless.delete(oldest);
        break;
      }
    },
    isHopeless: (refused, route) => hopeless.get(name(refused, route)) === refused.accessToken,
  };
}
