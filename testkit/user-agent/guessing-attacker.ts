/** The limits of one user name and of one network that an attacker has reached: how many attempts passed each. */
export type ReachedLimits = {
  /** From one address, for one user name. */
  readonly perNetwork: number;
  /** From the addresses of one block, for one user name, the first address included. */
  readonly perBlock: number;
  /** From each of several other blocks, at both replicas together, for the same user name. */
  readonly beyond: readonly number[];
  /** From one address, for many user names. */
  readonly perAddress: number;
};

/** An attempt of the attacker; gives the status of the response. */
export type Attempt = (replica: 0 | 1, username: string, address: string) => Promise<number>;

/** An attacker who has any number of addresses and knows the name of the user. */
export type GuessingAttacker = {
  /** Sends attempts until both replicas have rejected one for each limit there is. */
  reachEveryLimit(): Promise<ReachedLimits>;
  /** Sends attempts for the user name until both replicas reject them again, after the limits had room again. */
  reachLimitsOfName(): Promise<void>;
  /** One more attempt at each replica, from a block of addresses that has been used up. */
  tryAgain(): Promise<number[]>;
};

const TOO_MANY = 429;
const OTHER_BLOCKS = 5;

/** Creates an attacker of `username`. */
export function createGuessingAttacker(username: string, attempt: Attempt): GuessingAttacker {
  let blocks = 0;
  let used = { block: '', hosts: 0 };
  const nextBlock = () => {
    blocks += 1;
    used = { block: `198.18.${blocks}`, hosts: 0 };
  };
  const nextAddress = () => `${used.block}.${1 + ((used.hosts += 1) % 250)}`;

  /** Gives the number of attempts that passed before the first rejected one. */
  const untilRejected = async (send: (time: number) => Promise<number>) => {
    let passed = 0;
    while ((await send(passed)) !== TOO_MANY) passed += 1;
    return passed;
  };
  const fromAddress = (replica: 0 | 1, address: string) =>
    untilRejected(() => attempt(replica, username, address));

  /** Uses up address after address of one block, until a fresh one is rejected at once. */
  const fromBlock = async (replica: 0 | 1) => {
    nextBlock();
    const passed: number[] = [];
    do passed.push(await fromAddress(replica, nextAddress()));
    while (passed.at(-1) !== 0);
    return passed;
  };

  return {
    async reachEveryLimit() {
      const [perNetwork = 0, ...others] = await fromBlock(0);
      await fromBlock(1);
      const usedUp = used;
      const beyond: number[] = [];
      for (let n = 0; n < OTHER_BLOCKS; n += 1) {
        nextBlock();
        const address = nextAddress();
        beyond.push((await fromAddress(0, address)) + (await fromAddress(1, address)));
      }
      nextBlock();
      const one = nextAddress();
      const perAddress = await untilRejected((time) => attempt(0, `user-${time}`, one));
      used = usedUp;
      return { perNetwork, perBlock: others.reduce((sum, n) => sum + n, perNetwork), beyond, perAddress };
    },
    async reachLimitsOfName() {
      await fromBlock(0);
      await fromBlock(1);
    },
    tryAgain: async () => [
      await attempt(0, username, nextAddress()),
      await attempt(1, username, nextAddress()),
    ],
  };
}
