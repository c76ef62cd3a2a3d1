import { expect, it } from 'vitest';
import { readDecoupledResponse } from '../../../../src/provider/decoupled/response.ts';

const read = (response: unknown): unknown => JSON.parse(readDecoupledResponse(JSON.stringify(response)));

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
])('converts the start of a decoupled sign-in %j', (response, expected) => {
  expect(read(response)).toEqual(expected);
});

it.each([{ error: 'authorization_pending', code: '17' }, { error: 'slow_down' }, { code: 400 }, []])(
  'leaves the decoupled response %j unchanged',
  (response) => {
    expect(read(response)).toEqual(response);
  },
);

it('treats a response with tokens as a token response, whatever else it contains', () => {
  const tokens = { access_token: 'at', token_type: 'BEARER', code: 'x', expires_in: '300' };
  expect(read(tokens)).toMatchObject({ access_token: 'at', token_type: 'BEARER', expires_in: 300 });
});

it('leaves a response that is not JSON unchanged', () => {
  expect(readDecoupledResponse('<html>')).toBe('<html>');
});
