import type { Audit, AuditEvent } from './audit.ts';
import type { Metrics } from './metrics.ts';

/** Counts the sign-ins that pass through the audit, whether it is written or not. */
export function countSignIns(audit: Audit, metrics: Pick<Metrics, 'signIn'>): Audit {
  return {
    ...audit,
    record(event) {
      count(event, metrics);
      audit.record(event);
    },
  };
}

function count(event: AuditEvent, metrics: Pick<Metrics, 'signIn'>): void {
  switch (event.event) {
    case 'sign_in':
      return metrics.signIn('success', 'sign_in');
    case 'step_up_met':
      return metrics.signIn('success', 'step_up');
    case 'sign_in_refused':
      return metrics.signIn('failure', event.reason);
    case 'step_up_unmet':
      return metrics.signIn('failure', 'step_up_unmet');
    case 'sign_out':
    case 'session_ended':
    case 'refresh_rejected':
    case 'admin_call':
      return undefined;
  }
}
