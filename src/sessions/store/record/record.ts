import { z } from 'zod';
import type { Envelopes } from '../../../crypto/envelope.ts';
import { readDpopKey } from '../../../dpop/key.ts';
import { createPacker, payloadOf, unpack } from './packing.ts';
import type { SessionData } from '../../session.ts';
import { stepUpRequirement } from '../../step-up-requirement.ts';

/** What a record is bound to: its key in the store, and the fields that stand beside it in the clear. */
export type RecordPlace = {
  readonly name: string;
  readonly version: number;
  /** The end of the session: see `sessionEndsAtMs`. */
  readonly endsAtMs: number;
};

/** Encrypts session data for the store. */
export type RecordCodec = {
  encode(data: SessionData, place: RecordPlace): Buffer;
  /** Gives undefined for bytes that `encode` did not produce for this place. Throws `UnknownKeyError`. */
  decode(record: Buffer, place: RecordPlace): SessionData | undefined;
  /** True if the record holds exactly this data. Throws `UnknownKeyError`. */
  holds(record: Buffer, data: SessionData, place: RecordPlace): boolean;
  /** True for a record of the format before this one, which authenticates nothing but its name. */
  isPreviousFormat(record: Buffer): boolean;
};

const packed = z.union([z.string(), z.array(z.number())]);

const accessToken = z.object({
  value: packed,
  obtainedAtMs: z.number(),
  expiresAtMs: z.number().optional(),
  scope: z.string().optional(),
});

const tokenSet = z.object({
  access: z.record(z.string(), accessToken),
  refreshToken: packed.optional(),
  refreshExpiresAtMs: z.number().optional(),
  idToken: packed.optional(),
});

const session = z.object({
  issuer: z.string(),
  subject: z.string(),
  providerSessionId: z.string().optional(),
  signedInAtSeconds: z.number().optional(),
  /** Absent if they equal the payload of the ID token exactly. */
  claims: z.record(z.string(), z.unknown()).optional(),
  tokens: tokenSet,
  dpopKey: z.string().transform(readDpopKey).optional(),
  flow: z.literal('decoupled').optional(),
  createdAtMs: z.number(),
  absoluteExpiresAtMs: z.number(),
  generation: z.number().optional(),
  userinfo: z.record(z.string(), z.unknown()).optional(),
  ticketKeyId: z.number().optional(),
  steppedUp: stepUpRequirement.omit({ maxAge: true }).optional(),
  renewals: z.record(z.string(), z.array(z.number())).optional(),
  upstreamRefusalsAtMs: z.array(z.number()).optional(),
  providerRefusals: z.object({ count: z.number(), firstAtMs: z.number(), lastAtMs: z.number() }).optional(),
});

/** Separates the JSON of a record from the bytes after it; `JSON.stringify` never emits one here. */
const LINE_FEED = '\n'.charCodeAt(0);

/**
 * Encrypted JSON followed by the packed tokens. Decoding checks the shape, because an older version may have written the
 * record.
 */
export function createRecordCodec(envelopes: Envelopes): RecordCodec {
  const associatedOf = ({ version, endsAtMs }: RecordPlace) => [version, endsAtMs];
  const open = (record: Buffer, place: RecordPlace) =>
    envelopes.openBytes(record, place.name, associatedOf(place));

  return {
    encode: (data, place) => envelopes.seal(write(data), place.name, associatedOf(place)),
    holds: (record, data, place) => open(record, place)?.equals(write(data)) ?? false,
    isPreviousFormat: envelopes.isPreviousFormat,

    decode(record, place) {
      const plaintext = open(record, place);
      if (plaintext === undefined) return undefined;
      const end = plaintext.indexOf(LINE_FEED);
      const json = plaintext.toString('utf8', 0, end === -1 ? plaintext.length : end);
      const bytes = plaintext.subarray(end === -1 ? plaintext.length : end + 1);
      const value = session.safeParse(JSON.parse(json)).data;
      if (value === undefined) return undefined;
      const { access, refreshToken, idToken, ...rest } = value.tokens;
      const claims = value.claims ?? parseClaims(payloadOf(idToken ?? '', bytes));
      if (claims === undefined) return undefined;
      return {
        ...value,
        claims,
        tokens: {
          ...rest,
          access: mapValues(access, (token) => ({ ...token, value: unpack(token.value, bytes) })),
          refreshToken: refreshToken === undefined ? undefined : unpack(refreshToken, bytes),
          idToken: idToken === undefined ? undefined : unpack(idToken, bytes),
        },
      };
    },
  };
}

/** The plaintext of a record. */
function write(data: SessionData): Buffer {
  const packer = createPacker();
  const packOptional = (text: string | undefined) => (text === undefined ? undefined : packer.pack(text));
  const { access, refreshToken, idToken, ...rest } = data.tokens;
  const tokens = {
    ...rest,
    access: mapValues(access, (token) => ({ ...token, value: packer.pack(token.value) })),
    refreshToken: packOptional(refreshToken),
    idToken: packOptional(idToken),
  };
  const bytes = packer.bytes();
  const isInIdToken = payloadOf(tokens.idToken ?? '', bytes) === JSON.stringify(data.claims);
  const claims = isInIdToken ? undefined : data.claims;
  return Buffer.concat([Buffer.from(`${JSON.stringify({ ...data, claims, tokens })}\n`), bytes]);
}

/** Needs no check: the claims are absent only if they equal the payload exactly. */
function parseClaims(payload: string | undefined): Record<string, unknown> | undefined {
  return payload === undefined ? undefined : JSON.parse(payload);
}

function mapValues<From, To>(
  record: Readonly<Record<string, From>>,
  map: (value: From) => To,
): Record<string, To> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}
