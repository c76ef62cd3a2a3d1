/** A sign-in that waits for a user on another device. */
export type Approval = {
  readonly id: string;
  readonly loginHint: string | undefined;
  readonly bindingMessage: string | undefined;
  state: 'pending' | 'approved' | 'denied' | 'expired' | 'used';
  /** The shortest time between two polls, in milliseconds; five seconds longer after each `slow_down`. */
  intervalMs: number;
  /** Whether the next poll gets `slow_down`, although it is not too early. */
  wantsSlower: boolean;
  /** The times of its polls. */
  readonly askedAtMs: number[];
};

/** The pending sign-ins of an OpenID CIBA server in poll mode. */
export type Approvals = {
  /** In order of their start. */
  readonly all: Approval[];
  /** The interval of new sign-ins, in seconds. */
  intervalSeconds: number | undefined;
  begin(hints: { loginHint: string | undefined; bindingMessage: string | undefined }): Approval;
  /** Polls a sign-in: returns the approval and uses it up, or returns the error code of OpenID CIBA Core 1.0, section 11. */
  ask(id: string): Approval | string;
  /** The number of polls before their interval had passed. */
  tooEarly(): number;
};

/** Creates an empty list. `clock` is that of the server. */
export function createApprovals(name: string, clock: () => number): Approvals {
  const all: Approval[] = [];
  let tooEarly = 0;
  const slowDown = (approval: Approval) => {
    approval.intervalMs += 5_000;
    return 'slow_down';
  };
  const responses = {
    pending: 'authorization_pending',
    denied: 'access_denied',
    expired: 'expired_token',
    used: 'invalid_grant',
  };

  const own: Approvals = {
    all,
    intervalSeconds: 1,
    begin(hints) {
      const approval: Approval = {
        ...hints,
        id: `canary-${name}-approval-${all.length + 1}`,
        state: 'pending',
        intervalMs: (own.intervalSeconds ?? 5) * 1000,
        wantsSlower: false,
        askedAtMs: [],
      };
      all.push(approval);
      return approval;
    },
    ask(id) {
      const approval = all.find((each) => each.id === id);
      if (approval === undefined) return 'invalid_grant';
      const last = approval.askedAtMs.at(-1) ?? -Infinity;
      approval.askedAtMs.push(clock());
      if (clock() - last < approval.intervalMs) {
        tooEarly += 1;
        return slowDown(approval);
      }
      if (approval.wantsSlower) {
        approval.wantsSlower = false;
        return slowDown(approval);
      }
      if (approval.state !== 'approved') return responses[approval.state];
      approval.state = 'used';
      return approval;
    },
    tooEarly: () => tooEarly,
  };
  return own;
}
