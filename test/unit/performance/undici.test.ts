import { expect, it } from 'vitest';
import * as undici from 'undici';
import { Agent, buildConnector, errors } from '../../../src/performance/undici.ts';

it('loads parts of undici that are the ones of the package', () => {
  expect(Agent).toBe(undici.Agent);
  expect(buildConnector).toBe(undici.buildConnector);
  expect(errors.ConnectTimeoutError).toBe(undici.errors.ConnectTimeoutError);
});
