import type { RequestListener } from 'node:http';
import { createAdmin } from '../admin/admin.ts';
import { createCallAudit } from '../admin/call-audit.ts';
import { createOperatorPages } from '../admin/operator-pages.ts';
import { createSessionEndpoints } from '../admin/session-endpoints.ts';
import type { CollectSnapshots } from '../admin/snapshot.ts';
import { createTokenCheck } from '../admin/token-check.ts';
import { createPseudonyms } from '../crypto/pseudonyms.ts';
import { createClientAddress } from '../http/inbound/client-address.ts';
import { clientNetwork } from '../http/inbound/client-network.ts';
import { createAdminHostCheck } from '../http/inbound/host.ts';
import type { Provider } from '../provider/provider.ts';
import { createPeopleSearch } from '../sessions/lifecycle/people.ts';
import type { SessionStore } from '../sessions/store/store.ts';
import type { Sessions } from '../sessions/service.ts';
import type { Core } from './core.ts';
import type { SharedState } from './shared-state.ts';

/** The handler of the admin listener's requests. */
export function createAdminListener(deps: {
  core: Core;
  shared: SharedState;
  provider: Provider;
  sessions: Sessions;
  store: SessionStore;
  snapshots: CollectSnapshots;
}): RequestListener {
  const { core, shared, provider, sessions, store, snapshots } = deps;
  const { config, log, clock, metrics, audit, keyRing } = core;
  const { listen, token, allowedHosts } = config.admin;
  const clientAddress = createClientAddress(config.trustProxy, listen.socketPath);
  const limitReads = shared.rateLimits.synchronous('admin', config.rateLimit.admin);
  const pseudonyms = createPseudonyms(keyRing);
  /** Tells one admin token from another, so that an auditor sees which of them a call had. */
  const actor = () =>
    `admin-token:${pseudonyms(['admin-token', token ?? ''], config.audit.key)[0].slice(0, 8)}`;
  return createAdmin({
    snapshots,
    guarded: {
      ...createSessionEndpoints({
        sessions,
        issuer: provider.issuer,
        idleTimeout: config.session.idleTimeout,
      }),
      ...createOperatorPages({ snapshots, findPeople: createPeopleSearch(store) }),
    },
    hostCheck: createAdminHostCheck(listen.host, allowedHosts),
    tokenCheck:
      token === undefined
        ? undefined
        : createTokenCheck({ token, clientAddress, wrongTokens: shared.wrongAdminTokens, metrics, log }),
    limitReads: (request) => limitReads(clientNetwork(clientAddress(request))),
    callAudit: createCallAudit({ audit, clientAddress, issuer: provider.issuer, actor }),
    clock,
    log,
  });
}
