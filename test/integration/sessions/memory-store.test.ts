import { describe } from 'vitest';
import { createMemoryStore } from '../../../src/sessions/store/memory-store.ts';
import { describeStoreContract } from './store-contract.ts';

describe('the memory store', () => {
  describeStoreContract(async () => createMemoryStore({ clock: Date.now }));
});
