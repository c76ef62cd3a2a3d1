import { oneOf } from '../../values/scalar.ts';
import { secretText } from '../../values/secrets/secret.ts';
import { section } from '../declaration/section.ts';

/** What is recorded about sign-ins, the ends of sessions and admin calls. */
export const auditSchema = section({
  destination: oneOf(['log', 'off']).prefault('log').meta({
    description: '`log` writes a line with `audit: true` for each event, whatever `log.level` is; `off`.',
    see: '[Audit](audit.md)',
  }),
  subjects: oneOf(['hashed', 'plain']).prefault('hashed').meta({
    description: 'Whether audit lines name users by a keyed hash of issuer and subject, or by the subject.',
    see: '[Subjects](audit.md#subjects)',
  }),
  key: secretText().exactOptional().meta({
    description:
      'The key of the hashes, random and at least 32 characters. Without `audit.key`, the gateway derives one from `session.secrets`, and the hashes change when you rotate these.',
    see: '[Subjects](audit.md#subjects)',
    example: '${AUDIT_KEY}',
    secret: true,
  }),
});
