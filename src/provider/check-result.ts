/**
 * The result of one check: `ok`; `warning` for something that works and may surprise; `failed` when something will not work.
 * The detail contains no secret, and says what was expected and what to do unless the verdict is `ok`.
 */
export type CheckResult = {
  /** The name of the check, in a word. */
  readonly name: string;
  readonly verdict: 'ok' | 'warning' | 'failed';
  /** The facts, their consequence for this configuration, and what to do. */
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
