import { hashIdentifier } from '../crypto/identifier.ts';
import type { RefundableLimit } from '../http/rate-limit/rate-limit.ts';
import type { MarkerSubject, SessionStore } from '../sessions/store/store.ts';
import { userKey } from './username.ts';

/** One attempt to sign in. */
export type Attempt = {
  /** A hash of the user name. */
  readonly user: string;
  readonly network: string;
  /** False if the attempt passed although the limit over all networks was reached. */
  readonly isInTotal: boolean;
};

/** Where an attempt comes from: a user name and a network. */
type Source = Pick<Attempt, 'user' | 'network'>;

/**
 * Limits the failed sign-in attempts for one user name: per network, and with a wider limit over all networks.
 *
 * SECURITY: nobody can lock a user out. A network has its own limit, and the wider limit, which many networks together can
 * exhaust, does not apply to networks where the user has signed in before.
 */
export type AttemptLimit = {
  /** Counts an attempt, whose outcome is not known yet. Throws `rate_limited`. */
  begin(username: string, network: string): Promise<Attempt>;
  /** Takes the attempt back and remembers its network: the user has signed in. */
  succeed(attempt: Attempt): Promise<void>;
  /** Takes the attempt back: nothing is known about its outcome. */
  cancel(attempt: Attempt): Promise<void>;
};

/** How long the gateway remembers that a user has signed in from a network. */
const REMEMBERED_MS = 30 * 86_400_000;

export function createAttemptLimit(deps: {
  /** Counts attempts per user name and network. */
  perNetwork: RefundableLimit;
  /** Counts attempts per user name. */
  total: RefundableLimit;
  store: Pick<SessionStore, 'getMarker' | 'putMarker'>;
}): AttemptLimit {
  const { perNetwork, total, store } = deps;
  const isRemembered = async (source: Source) =>
    (await store.getMarker(networkMarker(source)).catch(() => undefined)) !== undefined;

  const cancel: AttemptLimit['cancel'] = async (attempt) => {
    await Promise.all([
      perNetwork.giveBack(narrowSubject(attempt)),
      attempt.isInTotal ? total.giveBack(attempt.user) : undefined,
    ]);
  };

  return {
    async begin(username, network) {
      const source = { user: hashIdentifier('user name', userKey(username)), network };
      await perNetwork.take(narrowSubject(source));
      try {
        await total.take(source.user);
        return { ...source, isInTotal: true };
      } catch (error) {
        if (await isRemembered(source)) return { ...source, isInTotal: false };
        await perNetwork.giveBack(narrowSubject(source));
        throw error;
      }
    },

    async succeed(attempt) {
      // Without the marker the user is not recognised in this network, which matters only during an attack.
      const remembered = store.putMarker(networkMarker(attempt), '', REMEMBERED_MS).catch(() => undefined);
      await Promise.all([cancel(attempt), remembered]);
    },
    cancel,
  };
}

function narrowSubject({ user, network }: Source): string {
  return `${user} ${network}`;
}

function networkMarker({ user, network }: Source): MarkerSubject {
  return ['signed-in-from', user, network];
}
