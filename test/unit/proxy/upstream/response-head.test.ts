import { describe, expect, it } from 'vitest';
import { readResponseHead } from '../../../../src/proxy/upstream/response-head.ts';

type Headers = Parameters<typeof readResponseHead>[1];
/** A repeated field is a list, whatever Node's type says of it. */
const read = (status: number, headers: Record<string, string | string[]>) =>
  readResponseHead(status, headers as Headers, Object.values(headers).some(Array.isArray));

describe('the head of an upstream response', () => {
  it('is unchanged when no field is repeated', () => {
    const headers = { 'content-type': 'text/plain', 'set-cookie': ['a=1', 'b=2'], vary: ['a', 'b'] };
    expect(read(200, headers)).toEqual({ status: 200, headers });
  });

  it('keeps the first value of a repeated field that cannot be a list', () => {
    const headers = { 'content-type': ['text/html', 'text/plain'], 'retry-after': ['1', '2'] };
    expect(read(503, headers)).toEqual({
      status: 503,
      headers: { 'content-type': 'text/html', 'retry-after': '1' },
    });
  });

  it.each<[string, number, Record<string, string | string[]>]>([
    ['two Locations', 302, { location: ['/a', '/b'] }],
    ['the same Location twice', 302, { location: ['/a', '/a'] }],
    ['a 204 with a length', 204, { 'content-length': '5' }],
  ])('is upstream_invalid_response with %s', (_what, status, headers) => {
    expect(() => read(status, headers)).toThrow(
      expect.objectContaining({ code: 'upstream_invalid_response' }),
    );
  });

  it('may be a 204 with a length of 0, which some servers send', () => {
    expect(read(204, { 'content-length': '0' }).status).toBe(204);
  });
});
