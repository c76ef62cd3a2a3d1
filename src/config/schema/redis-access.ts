import { text } from '../values/scalar.ts';
import { section } from './declaration/section.ts';
import { checkKeyPair, clientTlsKeys, type ClientTls } from './tls.ts';

/** How to sign in at Redis and at its Sentinels, and TLS to them, besides what `session.store` has. */
export type RedisAccess = {
  readonly username?: string;
  readonly password?: string;
  readonly sentinelUsername?: string;
  readonly sentinelPassword?: string;
  readonly tls: ClientTls;
};

const tls = clientTlsKeys('Redis');

/** The keys of {@link RedisAccess}. The clients are opened once, so a change needs a restart. */
export const redisAccessKeys = {
  username: text('expected the name of a Redis user').exactOptional().meta({
    description: 'The Redis user, instead of one in `session.store`.',
    example: 'coatcheck',
    misplacedSecret: true,
    needsRestart: true,
  }),
  password: text('expected the password of the Redis user').exactOptional().meta({
    description: 'The password of the Redis user, not percent-encoded, instead of one in `session.store`.',
    example: '${file:/run/secrets/redis}',
    secret: true,
    needsRestart: true,
  }),
  sentinelUsername: text('expected the name of a Sentinel user').exactOptional().meta({
    description:
      'The user at the Sentinels. Without a user and a password, the gateway sends them no credentials.',
    example: 'coatcheck',
    misplacedSecret: true,
    needsRestart: true,
  }),
  sentinelPassword: text('expected the password of the Sentinel user').exactOptional().meta({
    description: 'The password at the Sentinels.',
    example: '${file:/run/secrets/sentinel}',
    secret: true,
    needsRestart: true,
  }),
  tls: section({
    ca: tls.ca.meta({ needsRestart: true }),
    certificate: tls.certificate.meta({ needsRestart: true }),
    key: tls.key.meta({ needsRestart: true }),
  })
    .superRefine(checkKeyPair)
    .prefault({})
    .meta({
      description: 'TLS to Redis and its Sentinels: a private CA, a client certificate. Only with `rediss`.',
      see: '[Redis with TLS](operations.md#connect-to-redis-with-tls-a-password-or-sentinel)',
    }),
};
