import { z } from 'zod';
import type { Envelopes } from '../crypto/envelope.ts';
import type { Session } from './session.ts';

/** Turns sessions into what the store may hold of them, and back. */
export type RecordCodec = {
  encode(session: Session, context: string): Buffer;
  /** Gives undefined for what was not written here, for this key, by a secret still known. */
  decode(record: Buffer, context: string): Session | undefined;
};

const accessToken = z.object({
  value: z.string(),
  obtainedAtMs: z.number(),
  expiresAtMs: z.number().optional(),
  scope: z.string().optional(),
});

const tokenSet = z.object({
  access: z.record(z.string(), accessToken),
  refreshToken: z.string().optional(),
  refreshExpiresAtMs: z.number().optional(),
  idToken: z.string().optional(),
});

const session = z.object({
  issuer: z.string(),
  subject: z.string(),
  providerSessionId: z.string().optional(),
  claims: z.record(z.string(), z.unknown()),
  tokens: tokenSet,
  createdAtMs: z.number(),
  absoluteExpiresAtMs: z.number(),
  refusedAtMs: z.array(z.number()).optional(),
});

/** Sessions as sealed JSON. The shape is checked on the way back, since an older version may have written it. */
export function createRecordCodec(envelopes: Envelopes): RecordCodec {
  return {
    encode: (value, context) => envelopes.seal(JSON.stringify(value), context),
    decode(record, context) {
      const text = envelopes.open(record, context);
      return text === undefined ? undefined : session.safeParse(JSON.parse(text)).data;
    },
  };
}
