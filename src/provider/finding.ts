/**
 * One thing that was looked at, and what came of it: `ok`; a `note`, which is nothing to be afraid of but good to know;
 * or `failed`, with which sign-in or renewal will not work. No secret is in the detail.
 */
export type CheckResult = {
  /** What was looked at, in a word. */
  readonly name: string;
  readonly verdict: 'ok' | 'note' | 'failed';
  /** What was found, and what that means for this configuration. */
  readonly detail: string;
};
