/**
 * A spend mark: written into the record of a session before its refresh token is sent to the provider, so that no other
 * process sends the same token, even if locks were lost or this process cannot write its result for a while.
 */
export type SpendMark = {
  readonly key: string;
  /** The version of the record that holds the refresh token. */
  readonly version: number;
  /** Unguessable and used for one refresh. */
  readonly owner: string;
  readonly lifetimeMs: number;
  /** The owner of an earlier mark that the caller has waited for: it may be replaced once it has ended. */
  readonly over?: string | undefined;
  /** How many earlier sendings of the refresh token may have been left without a response. */
  readonly unanswered: number;
};

/**
 * What is known of a marked sending. `answered`: the provider has responded, or nothing was sent. `unanswered`: the provider
 * may have used up the token.
 */
export type Sending = 'answered' | 'unanswered';

/**
 * The result of marking. `conflict`: the record has changed. `gone`: the session has ended. `taken`: another refresh has
 * marked the record; `remainingMs` is the rest of the lifetime of its mark, not positive if it is over. `unanswered`: more
 * sendings than allowed are without a response, `count` in all, the last one `lastMs` ago. Every result but an error and
 * `unanswered` shows that the store takes writes, as far as the record is still there.
 */
export type MarkResult =
  | { readonly kind: 'marked' | 'conflict' | 'gone' }
  | { readonly kind: 'taken'; readonly owner: string; readonly remainingMs: number }
  | { readonly kind: 'unanswered'; readonly count: number; readonly lastMs: number };
