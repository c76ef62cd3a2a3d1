import assert from 'node:assert/strict';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { extent } from '../../testkit/fuzz.ts';
import { rawRequest } from '../../testkit/network/raw-client.ts';
import type { RawResponse } from '../../testkit/network/raw-response.ts';
import { type TestGateway, openTestGateway } from '../../testkit/gateway/test-gateway.ts';
import { status } from '../../testkit/upstream/behaviours.ts';
import { type Line, type Outcome, allOf, openLine } from './support/line.ts';
import { type Known, type Probe, probes } from './support/requests.ts';

/** The number of concurrent clients; each case has one request per client. */
const LINES = 16;

let testGateway: TestGateway;
let lines: Line[];
let known: Known;
const sent: string[] = [];

beforeAll(async () => {
  testGateway = await openTestGateway({
    config: { rateLimit: { login: 0, callback: 0 }, log: { level: 'debug' } },
  });
  testGateway.upstream.respond(status(200, { 'content-type': 'text/plain' }, 'served'));
  await testGateway.agent.signIn();
  const session = testGateway.agent.cookies.get('coatcheck');
  known = {
    host: new URL(testGateway.gateway.url).host,
    cookies: [
      `coatcheck=${session?.value}`,
      `coatcheck=${session?.value}; other=1`,
      'coatcheck=Fe26.2*1*a*b*c*d*e*f~2',
    ],
    paths: [
      '/',
      '/api',
      '/api/x',
      '/public/x',
      '/optional/x',
      '/socket',
      '/auth/login',
      '/auth/session',
      '/auth/logout',
      '/auth/callback',
    ],
  };
  lines = Array.from({ length: LINES }, () => openLine(testGateway.gateway.port));
});

afterAll(async () => {
  for (const line of lines) line.close();
  await testGateway.close();
});

/** Sends a probe on one of the lines. */
async function ask(at: number, { text, isWhole }: Probe): Promise<Outcome> {
  const line = lines[at];
  if (line === undefined) throw new Error(`there is no line ${at}`);
  return line.ask(text, isWhole);
}

/** Fails for a response that no request may cause. */
function assertHarmless(response: RawResponse): void {
  assert.ok(response.status < 500, `the status is ${response.status}`);
  if (response.header('content-type') !== 'application/problem+json' || response.body.length === 0) return;
  const problem = JSON.parse(response.body.toString()) as { status: number; code: string };
  assert.equal(problem.status, response.status);
  assert.match(problem.code, /^[a-z_]+$/);
}

/** Fails when the API receives another path, fields that belong to the gateway, or a request whose client got two responses. */
function assertCleanAtUpstream(asked: readonly Probe[]): void {
  // A request whose client did not wait for the response may arrive late.
  sent.push(...asked.map(({ text }) => text));
  sent.splice(0, sent.length - 50 * LINES);

  for (const { target, headers, bearer } of testGateway.upstream.requests.splice(0)) {
    assert.ok(
      sent.some((text) => text.includes(` ${target} `)),
      `nobody asked for ${target}`,
    );
    assert.match(target, /^\/(?:api|public|optional|socket)(?:[/?]|$)/);
    assert.doesNotMatch(target.replace(/\?.*/s, ''), /(?:^|\/)(?:\.|%2e){1,2}(?:[/;]|$)|\\|%5c|%00/i);
    const names = headers.map(([name]) => name.toLowerCase());
    assert.ok(names.filter((name) => name === 'authorization').length <= 1);
    const hostile = names.filter(
      (name) => name === 'cookie' || name === 'dpop' || !/^[a-z0-9-]+$/.test(name),
    );
    assert.deepEqual(hostile, []);
    if (target.startsWith('/public')) assert.equal(bearer, undefined);
    if (bearer !== undefined) assert.ok(testGateway.provider.isAccessTokenActive(bearer));
  }
}

describe('a fuzzed request', () => {
  it('gets a response other than 5xx and reaches an API only in the form that the guard checked (standards: F5, F6, F13, F15, F23)', async () => {
    await fc.assert(
      fc.asyncProperty(fc.tuple(...lines.map(() => probes(known))), async (asked) => {
        const outcomes = await allOf(asked.map((probe, at) => ask(at, probe)));
        for (const [at, outcome] of outcomes.entries()) {
          if (outcome !== 'ended') assertHarmless(outcome);
          else assert.equal(asked[at]?.isWhole, false);
        }
        assertCleanAtUpstream(asked);
      }),
      extent({ short: 50, long: 6_400 }),
    );
    const after = await rawRequest(
      testGateway.gateway.port,
      `GET /public/after HTTP/1.1\r\nHost: ${known.host}\r\n\r\n`,
    );
    expect(after.body.toString()).toBe('served');
    expect(testGateway.gateway.logs()).not.toContain('unexpected error');
  });
});
