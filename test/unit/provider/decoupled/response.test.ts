import { expect, it } from 'vitest';
import { readDecoupledResponse } from '../../../../src/provider/decoupled/response.ts';

const read = (answer: unknown): unknown => JSON.parse(readDecoupledResponse(JSON.stringify(answer)));

it.each([
  [
    { code: 'a', expires_in: 60, interval: 2 },
    { auth_req_id: 'a', expires_in: 60, interval: 2 },
  ],
  [
    { auth_req_id: 'a', expires_in: '60' },
    { auth_req_id: 'a', expires_in: 60 },
  ],
  [
    { code: 'a', interval: 0 },
    { auth_req_id: 'a', expires_in: 300 },
  ],
  [
    { code: 'a', expires_in: -1, interval: 'often' },
    { auth_req_id: 'a', expires_in: 300 },
  ],
])('converts the start of a decoupled sign-in %j', (answer, words) => {
  expect(read(answer)).toEqual(words);
});

it.each([{ error: 'authorization_pending', code: '17' }, { error: 'slow_down' }, { code: 400 }, []])(
  'leaves the decoupled response %j unchanged',
  (answer) => {
    expect(read(answer)).toEqual(answer);
  },
);

it('treats a response with tokens as a token response, whatever else it contains', () => {
  const tokens = { access_token: 'at', token_type: 'BEARER', code: 'x', expires_in: '300' };
  expect(read(tokens)).toMatchObject({ access_token: 'at', token_type: 'BEARER', expires_in: 300 });
});

it('leaves a response that is not JSON unchanged', () => {
  expect(readDecoupledResponse('<html>')).toBe('<html>');
});
