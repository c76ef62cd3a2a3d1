import { afterEach, describe } from 'vitest';
import { describeStoreContract } from '../sessions/store-contract.ts';
import { describeGatewayContract } from './gateway-contract.ts';
import { openStoreAt } from './open-store.ts';

/** Several Redis servers behind one address. */
type Deployment = {
  readonly url: string;
  /** Deletes all keys on every server. */
  flush(): Promise<unknown>;
};

/** Runs the store contract and the gateway contract on a deployment. */
export function describeDeploymentContract(what: string, redis: () => Deployment): void {
  describe(`the store on ${what}`, () => {
    afterEach(() => redis().flush());
    describeStoreContract(async () => openStoreAt(redis().url));
  });

  describe(`two gateways on ${what}`, () => {
    afterEach(() => redis().flush());
    describeGatewayContract(() => redis().url);
  });
}
