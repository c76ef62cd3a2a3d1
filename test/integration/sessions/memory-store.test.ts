import { describe } from 'vitest';
import { createMemoryStore } from '../../../src/sessions/store/memory-store.ts';
import { describeStoreContract } from './store-contract.ts';

describe('the store in memory', () => {
  describeStoreContract(async () => createMemoryStore({ clock: Date.now }));
});
