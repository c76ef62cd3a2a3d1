import { hashIdentifier } from '../crypto/identifier.ts';
import { networkBlock } from '../http/inbound/client-network.ts';
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
  /** True if it passed as one of the few attempts that each block of addresses has beyond that limit. */
  readonly isReserved?: boolean | undefined;
};

/** Where an attempt comes from: a user name and a network. */
type Source = Pick<Attempt, 'user' | 'network'>;

/**
 * Limits the failed sign-in attempts for one user name: per network, and with a wider limit over all networks.
 *
 * SECURITY: an attacker elsewhere cannot lock a user out. A network has its own limit. Many networks together can exhaust the
 * wider limit, which does not apply to networks where the user has signed in before, and leaves a few attempts to each block
 * of addresses (decision 0031).
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

/** The attempts that a block of addresses has for one user name beyond the limit over all networks. */
export const RESERVED_ATTEMPTS = { uses: 3, windowMs: 86_400_000 };

export function createAttemptLimit(deps: {
  /** Counts attempts per user name and network. */
  perNetwork: RefundableLimit;
  /** Counts attempts per user name. */
  total: RefundableLimit;
  /** Counts the attempts beyond `total`, per user name and block of addresses. */
  reserved: RefundableLimit;
  store: Pick<SessionStore, 'getMarker' | 'putMarker'>;
}): AttemptLimit {
  const { perNetwork, total, reserved, store } = deps;
  const isRemembered = async (source: Source) =>
    (await store.getMarker(networkMarker(source)).catch(() => undefined)) !== undefined;

  const cancel: AttemptLimit['cancel'] = async (attempt) => {
    await Promise.all([
      perNetwork.giveBack(narrowSubject(attempt)),
      attempt.isInTotal ? total.giveBack(attempt.user) : undefined,
      attempt.isReserved ? reserved.giveBack(blockSubject(attempt)) : undefined,
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
        const isReserved = await reserved.take(blockSubject(source)).then(
          () => true,
          () => false,
        );
        if (isReserved) return { ...source, isInTotal: false, isReserved };
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

function blockSubject({ user, network }: Source): string {
  return `${user} ${networkBlock(network)}`;
}

function networkMarker({ user, network }: Source): MarkerSubject {
  return ['signed-in-from', user, network];
}
