import { expect, it } from 'vitest';
import type { RequestBody } from '../../../../src/proxy/request/body.ts';
import { createAuthorizations } from '../../../../src/proxy/upstream/authorization.ts';
import { createNonceRepetition } from '../../../../src/proxy/upstream/nonce-repetition.ts';

const ORIGIN = 'https://api.example.com';
const body: RequestBody = { content: null, again: () => null };
const refusalWith = (nonce: string) => ({
  status: 401,
  headers: { 'www-authenticate': 'DPoP error="use_dpop_nonce"', 'dpop-nonce': nonce },
});

it('a repetition has the nonce of its own refusal once, although a newer one is known (standards: G25, H3)', () => {
  const authorizations = createAuthorizations(Date.now);
  const repetition = createNonceRepetition(body, authorizations);
  expect(repetition.actionOn(refusalWith('mine'), ORIGIN)).toBe('repeat');
  authorizations.learn(refusalWith('newer'), ORIGIN);
  expect(repetition.begin()).toBe(ORIGIN);
  expect(repetition.takeNonce('https://other.example.com')).toBeUndefined();
  expect(repetition.actionOn(refusalWith('again'), ORIGIN)).toBe('pass');
  expect(repetition.begin()).toBeUndefined();

  const second = createNonceRepetition(body, authorizations);
  second.actionOn(refusalWith('mine'), ORIGIN);
  expect([second.takeNonce(ORIGIN), second.takeNonce(ORIGIN)]).toEqual(['mine', undefined]);
});
