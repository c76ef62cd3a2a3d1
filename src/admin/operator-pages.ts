import { GatewayError } from '../errors.ts';
import { onlyValue } from '../http/inbound/query.ts';
import type { PeopleSearch } from '../sessions/lifecycle/people.ts';
import { mergeActivity } from './activity.ts';
import { respondJson, type Pages } from './page.ts';
import { activitiesOf, type CollectSnapshots } from './snapshot.ts';

/** The shortest text that is searched for, in characters. */
const MIN_SEARCH_LENGTH = 2;

/** What an operator looks for besides sessions: recent events, and the people who have sessions. */
export function createOperatorPages(deps: { snapshots: CollectSnapshots; findPeople: PeopleSearch }): Pages {
  const { snapshots, findPeople } = deps;
  return {
    '/events': {
      async GET(response) {
        const { problems, audit } = mergeActivity(activitiesOf(await snapshots('probe')));
        respondJson(response, 200, { problems, audit });
      },
    },

    '/people': {
      async GET(response, query) {
        const text = onlyValue(query, 'search') ?? '';
        if (text.length < MIN_SEARCH_LENGTH)
          throw new GatewayError('bad_request', {
            detail: `"search" must have at least ${MIN_SEARCH_LENGTH} characters.`,
          });
        const after = query.has('next') ? (onlyValue(query, 'next') ?? '') : undefined;
        if (after !== undefined && !/^\d{1,4}\.\d{1,20}$/.test(after))
          throw new GatewayError('bad_request', {
            detail: '"next" must be the "next" of an earlier response, unchanged.',
          });
        respondJson(response, 200, await findPeople(text, after));
      },
    },
  };
}
