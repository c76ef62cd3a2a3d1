import { describe, expect, it } from 'vitest';
import { createPeopleSearch } from '../../../src/sessions/lifecycle/people.ts';
import type { SessionData } from '../../../src/sessions/session.ts';

const sessionOf = (subject: string, name: string, generation?: number) =>
  ({ issuer: 'https://login.example.com', subject, claims: { name }, generation }) as unknown as SessionData;

/** A search over batches of sessions. */
const searchIn = (batches: readonly (readonly SessionData[])[], generation = 0) =>
  createPeopleSearch({
    async scan(after = '0') {
      const at = Number(after);
      return {
        sessions: batches[at] ?? [],
        next: at + 1 < batches.length ? String(at + 1) : undefined,
      };
    },
    generation: () => generation,
  });

describe('the search for people', () => {
  it('lists a user with several sessions once', async () => {
    const search = searchIn([[sessionOf('a', 'Ada'), sessionOf('a', 'Ada')], [sessionOf('b', 'Bob')]]);
    expect(await search('AD')).toEqual({
      people: [{ subject: 'a', name: 'Ada' }],
      examined: 3,
      next: undefined,
    });
  });

  it('examines two thousand sessions in one call, and goes on from there in the next', async () => {
    const batch = Array.from({ length: 500 }, (_, n) => sessionOf(String(n), 'Ada'));
    const search = searchIn([...Array.from({ length: 4 }, () => batch), [sessionOf('last', 'Zoe')]]);
    const { examined, next, people } = await search('zoe');
    expect([examined, next, people]).toEqual([2_000, '4', []]);
    expect(await search('zoe', next)).toMatchObject({ people: [{ subject: 'last' }], next: undefined });
  });

  it('ends a call after fifty batches without sessions', async () => {
    expect(await searchIn(Array.from({ length: 80 }, () => []))('ada')).toMatchObject({ next: '50' });
  });

  it('leaves out the sessions of a generation that has ended', async () => {
    const search = searchIn([[sessionOf('a', 'Ada', 1), sessionOf('b', 'Adam', 2)]], 2);
    expect((await search('ada')).people.map(({ subject }) => subject)).toEqual(['b']);
  });
});
