import { expect, it } from 'vitest';
import { createResponse } from '../../../../src/provider/http/text-response.ts';

it.each([200, 201, 401])(
  'a response with status %i has its text, JSON and fields, and so has a clone',
  async (status) => {
    const fields = [
      ['content-type', 'application/json'],
      ['dpop-nonce', 'n1'],
    ] as const;
    const create = () =>
      createResponse(
        '{"a":1}',
        status,
        fields.map(([name, value]) => [name, value]),
      );
    for (const response of [create(), create().clone()]) {
      expect(response).toBeInstanceOf(Response);
      expect({ status: response.status, ok: response.ok }).toEqual({ status, ok: status < 300 });
      expect([...response.headers]).toEqual(fields);
    }
    for (const response of [create(), create().clone()]) expect(await response.text()).toBe('{"a":1}');
    for (const response of [create(), create().clone()]) expect(await response.json()).toEqual({ a: 1 });
  },
);

it('a response without a text has no body', async () => {
  expect(createResponse(null, 204, []).body).toBeNull();
  expect(await createResponse(null, 200, []).text()).toBe('');
});

it('a response whose text is no JSON says so', async () => {
  await expect(createResponse('<html>', 200, []).json()).rejects.toThrow(SyntaxError);
});
