import { createHash } from 'node:crypto';

/** A person who can sign in; the members are OpenID claims. */
export interface Person {
  sub: string;
  name: string;
  email: string;
}

/** The people of the demo: two known ones, and anyone who enters a name. */
export interface People {
  /** The two that the sign-in page offers. */
  offered: readonly Person[];
  /** The person of that name, known from now on. The same name, in any case, is the same person. */
  named(name: string): Person;
  find(sub: string): Person | undefined;
}

/** Creates the people, kept in memory. */
export function createPeople(): People {
  const offered = [
    { sub: 'ada', name: 'Ada Lovelace', email: 'ada@example.com' },
    { sub: 'grace', name: 'Grace Hopper', email: 'grace@example.com' },
  ];
  const known = new Map(offered.map((person) => [person.sub, person]));

  return {
    offered,
    named(name) {
      const key = name.toLowerCase();
      const same = offered.find((person) => person.name.toLowerCase() === key);
      if (same) return same;
      // A `sub` is ASCII (OpenID Connect Core, section 2); a name need not be.
      const sub = createHash('sha256').update(key).digest('hex').slice(0, 12);
      const person = { sub, name, email: `${sub}@example.com` };
      known.set(sub, person);
      return person;
    },
    find: (sub) => known.get(sub),
  };
}
