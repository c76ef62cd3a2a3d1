import { integer } from '../values/scalar.ts';
import { section } from './declaration/section.ts';

/** A number of uses per minute; 0 is no limit. The maximum exists because the limiter counts in milliseconds. */
export const perMinute = () => integer({ min: 0, max: 6_000 });

/** How often one client may call the endpoints that need no session. */
export const rateLimitSchema = section({
  login: perMinute().prefault(1_200).meta({
    description: 'How many sign-ins one address may start in a minute.',
  }),
  callback: perMinute().prefault(1_200).meta({
    description: 'How many callbacks from the provider one address may make in a minute.',
  }),
  attempts: perMinute().prefault(60).meta({
    description:
      'How many user names and passwords one address may try in a minute, and how many decoupled sign-ins it may start.',
    details: 'All users behind one address, such as an office, share the limit.',
  }),
  attemptsPerUser: perMinute().prefault(10).meta({
    description:
      'How many failed attempts for one user name, however it is written, one address may make in a minute.',
  }),
  attemptsPerUserTotal: perMinute().prefault(100).meta({
    description:
      'How many failed attempts for one user name all addresses together may make in a minute, not counting those from which the user has signed in before.',
    details:
      'Once the limit is reached, each block of addresses (IPv4 /24, IPv6 /48) still has three attempts a day.',
  }),
  backchannelLogout: perMinute().prefault(6_000).meta({
    description:
      'How many logout tokens one address may post in a minute, and how many front-channel logouts it may request.',
    details: 'The provider has one address, and posts a token for each session that it ends.',
  }),
  sessions: perMinute().prefault(120).meta({
    description: 'How often one user may list or end their own sessions in a minute.',
  }),
  admin: perMinute().prefault(1_200).meta({
    description:
      'How often one address may list sessions, users and events on the admin listener in a minute; ending sessions has no limit.',
  }),
}).meta({
  description:
    'Limits for each client address in a minute, at most 6000; 0 is no limit. An IPv6 address counts as its first 64 bits.',
});
