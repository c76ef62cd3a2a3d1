import { integer } from '../values/scalar.ts';
import { section } from './section.ts';

/** How often something may be done in a minute; 0 is no limit. It is counted in milliseconds, too coarse for more. */
export const perMinute = () => integer({ min: 0, max: 6_000 });

/** How often one client may ask the endpoints that anybody can ask. */
export const rateLimitSchema = section({
  login: perMinute().prefault(1_200).describe('How many sign-ins one address may begin in a minute.'),
  callback: perMinute()
    .prefault(1_200)
    .describe('How many sign-ins one address may come back from in a minute.'),
  attempts: perMinute()
    .prefault(60)
    .describe(
      'How often one address may try a user name and password, or have a person asked on another device, in a minute.',
    ),
  attemptsPerUser: perMinute()
    .prefault(10)
    .describe('The same for one user name, from all addresses together.'),
  backchannelLogout: perMinute()
    .prefault(6_000)
    .describe(
      'How many logout tokens, or front-channel logouts, one address may send in a minute; the provider sends all tokens.',
    ),
}).describe('Limits for each client address; 0 is no limit. An IPv6 address counts as its first 64 bits.');
