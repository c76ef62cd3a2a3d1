import { isOutdated, personOf, type SessionData } from '../session.ts';
import type { SessionStore } from '../store/store.ts';

/** A user who has a session, with what names them. */
export type FoundPerson = {
  readonly subject: string;
  readonly name?: string;
  readonly email?: string;
  readonly username?: string;
};

/** The people of a part of all sessions. Those of the next part follow with `next`. */
export type PeoplePage = {
  readonly people: readonly FoundPerson[];
  /** How many sessions this part has. */
  readonly examined: number;
  readonly next: string | undefined;
};

/**
 * Finds people by a part of their subject, name, e-mail address or user name, in any case. Reads and decrypts the sessions, a
 * bounded number in one call.
 */
export type PeopleSearch = (text: string, after?: string) => Promise<PeoplePage>;

/** How many sessions one call examines, and how many batches it asks the store for: the store may hold other things. */
const EXAMINED_AT_ONCE = 2_000;
const BATCHES_AT_ONCE = 50;

export function createPeopleSearch(store: Pick<SessionStore, 'scan' | 'generation'>): PeopleSearch {
  return async (text, after) => {
    const wanted = text.toLowerCase();
    const found = new Map<string, FoundPerson>();
    let examined = 0;
    let batches = 0;
    let next = after;
    do {
      const page = await store.scan(next);
      for (const data of page.sessions) {
        const person = describePerson(data);
        const isMatch = Object.values(person).some((value) => value.toLowerCase().includes(wanted));
        if (isMatch && !isOutdated(data, store.generation()))
          found.set(JSON.stringify(personOf(data)), person);
      }
      examined += page.sessions.length;
      batches += 1;
      next = page.next;
    } while (next !== undefined && examined < EXAMINED_AT_ONCE && batches < BATCHES_AT_ONCE);
    return { people: [...found.values()], examined, next };
  };
}

function describePerson({ subject, claims, userinfo }: SessionData): FoundPerson {
  const known = { ...userinfo, ...claims };
  const { name, email, preferred_username: username } = known;
  return {
    subject,
    ...(typeof name === 'string' && { name }),
    ...(typeof email === 'string' && { email }),
    ...(typeof username === 'string' && { username }),
  };
}
