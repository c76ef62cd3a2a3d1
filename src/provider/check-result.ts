/**
 * The result of one check: `ok`; `note` for information that needs no action; `failed` when sign-in or refresh
 * will not work. The detail contains no secret.
 */
export type CheckResult = {
  /** The name of the check, in a word. */
  readonly name: string;
  readonly verdict: 'ok' | 'note' | 'failed';
  /** The facts, and their consequence for this configuration. */
  readonly detail: string;
};

export function checkResult(name: string, verdict: CheckResult['verdict'], detail: string): CheckResult {
  return { name, verdict, detail };
}

/** For servers without metadata: each token response shows whether refresh tokens rotate. */
export const rotationResult = checkResult(
  'refresh',
  'ok',
  'rotation is not announced: a refresh token in a response replaces the previous one',
);
