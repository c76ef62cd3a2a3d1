import { z } from 'zod';
import type { SealedCookies } from '../crypto/sealed-cookie.ts';
import { GatewayError, type StepUpRequirement } from '../errors.ts';
import { STEP_UP_LINK_LIFETIME_MS } from '../timing.ts';
import type { SessionView } from './session.ts';
import { stepUpRequirement } from './step-up-requirement.ts';

/** The login URLs of `step_up_required`: what the sign-in must bring is sealed into them, for one session. */
export type StepUpLinks = {
  /** Gives a `step_up_required` of a session its login URL; any other error stays as it is. */
  complete(error: unknown, session: SessionView): Promise<unknown>;
  /** Opens the `stepUp` of a login URL; undefined once it has expired, and for any other text or session. */
  open(text: string, session: SessionView): Promise<StepUpRequirement | undefined>;
};

/** The name of the query parameter. */
export const STEP_UP_PARAMETER = 'stepUp';

/** SECURITY: a longer text is no seal of this gateway, and is not worth a key derivation. */
const MAX_LENGTH = 8_192;

const sealed = z.object({ session: z.string(), expiresAtMs: z.number(), stepUp: stepUpRequirement });

/** SECURITY: bound to the session, so that a link cannot make another user ask the provider for anything. */
export function createStepUpLinks(deps: {
  seals: SealedCookies;
  /** Undefined for a provider to which a sign-in cannot pass a requirement on. */
  redirectLoginUrl: string | undefined;
  clock: () => number;
}): StepUpLinks {
  const { seals, redirectLoginUrl, clock } = deps;
  return {
    async complete(error, { key }) {
      if (!(error instanceof GatewayError) || error.code !== 'step_up_required') return error;
      const { stepUp } = error.options;
      if (stepUp === undefined || redirectLoginUrl === undefined) return error;
      const content: z.infer<typeof sealed> = {
        session: key,
        expiresAtMs: clock() + STEP_UP_LINK_LIFETIME_MS,
        stepUp,
      };
      const query = new URLSearchParams({ [STEP_UP_PARAMETER]: await seals.seal(content, 0) });
      return new GatewayError(error.code, { ...error.options, loginUrl: `${redirectLoginUrl}?${query}` });
    },

    async open(text, { key }) {
      if (text.length > MAX_LENGTH) return undefined;
      const content = sealed.safeParse(await seals.unseal(text)).data;
      if (content === undefined || content.session !== key || clock() >= content.expiresAtMs)
        return undefined;
      return content.stepUp;
    },
  };
}
