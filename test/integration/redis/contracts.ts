import { afterEach, describe } from 'vitest';
import { describeStoreContract } from '../sessions/store-contract.ts';
import { describeGatewaysOn } from './gateway-contract.ts';
import { openStoreAt } from './store-at.ts';

/** Several Redis servers behind one address. */
type Deployment = {
  readonly url: string;
  /** Empties all of them. */
  flush(): Promise<unknown>;
};

/** What a store and two gateways do on one server, they do on `what`. */
export function describeContractsOn(what: string, redis: () => Deployment): void {
  describe(`the store on ${what}`, () => {
    afterEach(() => redis().flush());
    describeStoreContract(async () => openStoreAt(redis().url));
  });

  describe(`two gateways on ${what}`, () => {
    afterEach(() => redis().flush());
    describeGatewaysOn(() => redis().url);
  });
}
