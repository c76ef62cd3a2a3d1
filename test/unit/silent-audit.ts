import type { Audit } from '../../src/observability/audit.ts';

/** An audit for tests that are not about it. */
export const silentAudit: Audit = { record: () => undefined, recent: () => [], configure: () => undefined };
