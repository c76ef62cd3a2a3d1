import type { Config } from '../config/schema/schema.ts';
import type { Logger } from './log.ts';

/** A user at an issuer. */
export type Person = { readonly issuer: string; readonly subject: string };

/** Who or what ended a session. */
export type EndedBy = 'person' | 'provider' | 'operator' | 'limit' | 'gateway';

/** The request that caused an event. */
export type AuditedRequest = { readonly requestId: string; readonly clientAddress: string };

/**
 * What the audit records. The names and fields are public contract (docs/audit.md).
 *
 * SECURITY: no field holds a token, a cookie, a ticket or a claim other than the subject. A session is named by its key,
 * which gives no access. `reason` is a code, never a text of the provider or of a user.
 */
export type AuditEvent =
  | { event: 'sign_in'; person: Person; session: string; request: AuditedRequest }
  | { event: 'sign_in_refused'; reason: string; request: AuditedRequest }
  | { event: 'sign_out'; person: Person; session: string; request: AuditedRequest }
  | {
      event: 'session_ended';
      person: Person | undefined;
      session: string | undefined;
      by: EndedBy;
      reason: string;
    }
  | { event: 'step_up_met'; person: Person; session: string; formerSession: string; request: AuditedRequest }
  | { event: 'step_up_unmet'; request: AuditedRequest }
  | { event: 'refresh_rejected'; person: Person; session: string; result: 'session_ended' | 'session_kept' }
  | {
      event: 'admin_call';
      actor: string;
      method: string;
      path: string;
      status: number;
      person?: Person | undefined;
      session?: string | undefined;
      request: AuditedRequest;
    };

/** An event as it is written. */
export type AuditLine = {
  readonly event: AuditEvent['event'];
  readonly [field: string]: string | number | readonly string[] | undefined;
};

/** Records what an auditor must be able to reconstruct. */
export type Audit = {
  record(event: AuditEvent): void;
  /** The newest events of this process, the oldest first, with their times in ISO 8601. */
  recent(): readonly AuditLine[];
  /** Applies other settings to the events that follow. */
  configure(settings: Config['audit']): void;
};

/** Replaces an identifier by keyed hashes: see `crypto/pseudonyms.ts`. */
type Pseudonyms = (values: readonly string[], ownKey?: string) => readonly [string, ...string[]];

/** How many events a process keeps for the console. */
const MAX_RECENT = 100;

const messages: Readonly<Record<AuditEvent['event'], string>> = {
  sign_in: 'a user signed in',
  sign_in_refused: 'a sign-in was refused',
  sign_out: 'a user signed out',
  session_ended: 'a session ended',
  step_up_met: 'a step-up met its requirement',
  step_up_unmet: 'a step-up did not meet its requirement',
  refresh_rejected: 'the provider rejected a refresh',
  admin_call: 'an admin call',
};

export function createAudit(deps: {
  settings: Config['audit'];
  log: Logger;
  pseudonyms: Pseudonyms;
  clock: () => number;
}): Audit {
  const { pseudonyms, clock } = deps;
  let { settings } = deps;
  // A child with a level of its own: `log.level` must not silence the audit.
  const auditLog = deps.log.child({ audit: true }, { level: 'info' });
  const recent: AuditLine[] = [];

  /** While secrets are rotated, the hashes under the former ones link a user's lines before and after. */
  const namePerson = ({ issuer, subject }: Person) => {
    if (settings.subjects === 'plain') return { issuer, subject };
    const [current, ...former] = pseudonyms(['subject', issuer, subject], settings.key);
    return { issuer, subject: current, ...(former.length > 0 && { formerSubjects: former }) };
  };
  const lineOf = (given: AuditEvent): AuditLine => {
    const { event, person, request, ...fields } = {
      person: undefined,
      request: undefined,
      ...given,
    };
    return { event, ...(person && namePerson(person)), ...fields, ...request };
  };

  return {
    record(event) {
      if (settings.destination === 'off') return;
      const line = lineOf(event);
      auditLog.info(line, messages[event.event]);
      recent.push({ time: new Date(clock()).toISOString(), ...line });
      if (recent.length > MAX_RECENT) recent.shift();
    },
    recent: () => [...recent],
    configure(next) {
      settings = next;
    },
  };
}
