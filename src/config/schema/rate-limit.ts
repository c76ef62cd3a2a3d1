import { integer } from '../values/scalar.ts';
import { section } from './section.ts';

/** How often something may be done in a minute; 0 is no limit. It is counted in milliseconds, too coarse for more. */
export const perMinute = () => integer({ min: 0, max: 6_000 });

/** How often one client may ask the endpoints that anybody can ask. */
export const rateLimitSchema = section({
  login: perMinute().prefault(1_200).describe('Sign-ins that one address may start per minute.'),
  callback: perMinute().prefault(1_200).describe('Login callbacks that one address may make per minute.'),
  attempts: perMinute()
    .prefault(60)
    .describe('Password attempts, and sign-ins on another device, that one address may start per minute.'),
  attemptsPerUser: perMinute()
    .prefault(10)
    .describe('Failed attempts for one user name that one address may make per minute.'),
  attemptsPerUserTotal: perMinute()
    .prefault(100)
    .describe(
      'Failed attempts for one user name per minute over all addresses, except those where the user has signed in before.',
    ),
  backchannelLogout: perMinute()
    .prefault(6_000)
    .describe(
      'Logout tokens, or front-channel logouts, that one address may send per minute; the provider sends every token.',
    ),
}).describe('Limits for each client address; 0 means no limit. An IPv6 address counts as its first 64 bits.');
