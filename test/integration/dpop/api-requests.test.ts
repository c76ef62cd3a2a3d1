import { describe, expect, it } from 'vitest';
import { echo, inSequence, status } from '../../../testkit/upstream/behaviours.ts';
import { until } from '../../../testkit/until.ts';
import { openDpopFixture } from './fixture.ts';

/** A challenge for another access token. */
const refuseToken = status(401, { 'www-authenticate': 'DPoP error="invalid_token"' });

describe('an API request of a session with DPoP', () => {
  it('has the token and a proof for the upstream, its method and its path (standards: H2)', async () => {
    const { agent, upstream, atUpstream } = await openDpopFixture();
    await agent.signIn('/');
    const response = await agent.fetch('/api/items?page=2', { method: 'DELETE' });
    expect(response.status).toBe(200);
    expect(upstream.requests.map(({ target, method }) => [method, target])).toEqual([
      ['DELETE', '/api/items?page=2'],
    ]);
    expect(atUpstream.thumbprints).toHaveLength(1);
  });

  it('has a proof of its own each time, with the one key of the session (standards: H2, H4)', async () => {
    const { agent, browser, atUpstream, atProvider } = await openDpopFixture();
    await agent.signIn('/');
    for (let count = 0; count < 3; count += 1) expect((await agent.fetch('/api/a')).status).toBe(200);
    expect(new Set([...atUpstream.thumbprints, ...atProvider.thumbprints]).size).toBe(1);

    const other = browser();
    await other.signIn('/');
    await other.fetch('/api/a');
    expect(new Set(atUpstream.thumbprints).size).toBe(2);
  });

  it('replaces the proof and the token that a client sends (standards: F9)', async () => {
    const { agent, upstream } = await openDpopFixture();
    await agent.signIn('/');
    const headers = { DPoP: 'canary', Authorization: 'DPoP canary' };
    expect((await agent.fetch('/api/a', { headers })).status).toBe(200);
    const [request] = upstream.requests;
    expect(request?.headers.filter(([name]) => name.toLowerCase() === 'dpop')).toHaveLength(1);
    expect(request?.header('dpop')).toMatch(/^ey/);
  });

  it('gets a new proof for the new token when it is sent again after a 401 (standards: H2, G8)', async () => {
    const { agent, atUpstream, protect, provider } = await openDpopFixture();
    await agent.signIn('/');
    protect(inSequence(refuseToken, echo));
    const response = await agent.fetch('/api/a', { method: 'POST', body: 'content' });
    expect(response.status).toBe(200);
    expect(provider.tokenCalls({ grant: 'refresh_token' })).toBe(1);
    expect(new Set(atUpstream.thumbprints).size).toBe(1);
    expect(atUpstream.thumbprints).toHaveLength(2);
  });

  it('has the bound token of its route, which the same key is for (standards: H9, H12)', async () => {
    const { agent, atUpstream, provider } = await openDpopFixture({
      routes: [{ path: '/api' }, { path: '/items', resource: ['https://items.example.test'] }],
    });
    await agent.signIn('/');
    expect((await agent.fetch('/api/a')).status).toBe(200);
    expect((await agent.fetch('/items/a')).status).toBe(200);
    expect(provider.tokenCalls({ grant: 'refresh_token' })).toBe(1);
    expect(atUpstream.thumbprints).toHaveLength(2);
    expect(new Set(atUpstream.thumbprints).size).toBe(1);
  });

  it('is sent without a token and without a proof on a route without authentication', async () => {
    const { agent, upstream, atUpstream } = await openDpopFixture();
    await agent.signIn('/');
    upstream.respond(echo);
    await agent.fetch('/public/a');
    expect(upstream.requests[0]?.header('dpop')).toBeUndefined();
    expect(upstream.requests[0]?.header('authorization')).toBeUndefined();
    expect(atUpstream.thumbprints).toEqual([]);
  });

  it('keeps its key after a reload that turns provider.dpop off', async () => {
    const fixture = await openDpopFixture();
    await fixture.agent.signIn('/');
    await fixture.agent.fetch('/api/a');
    await fixture.gateway.reload({ provider: { dpop: false } });
    expect((await fixture.agent.fetch('/api/a')).status).toBe(200);
    expect(new Set(fixture.atUpstream.thumbprints).size).toBe(1);
  });
});

describe('an upstream that requires nonces', () => {
  it('gets a request once more with the nonce of its refusal, and later ones with the newest nonce (standards: H3)', async () => {
    const { agent, upstream, atUpstream } = await openDpopFixture();
    await agent.signIn('/');
    atUpstream.nonce = 'nonce-1';
    expect((await agent.fetch('/api/a', { method: 'POST', body: 'content' })).status).toBe(200);
    expect(upstream.requests.map(({ body }) => body.toString())).toEqual(['content', 'content']);
    expect((await agent.fetch('/api/b')).status).toBe(200);
    expect(atUpstream.nonceRefusals).toBe(1);
  });

  it('sends its next nonce with any response (standards: H3)', async () => {
    const { agent, atUpstream } = await openDpopFixture();
    await agent.signIn('/');
    let count = 0;
    atUpstream.nonce = 'nonce-0';
    atUpstream.afterProof = () => {
      count += 1;
      atUpstream.nonce = `nonce-${count}`;
    };
    for (let request = 0; request < 4; request += 1) expect((await agent.fetch('/api/a')).status).toBe(200);
    expect(atUpstream.nonceRefusals).toBe(1);
  });

  it.each(['dpop', 'DPOP'])('may write the scheme of its challenge %s (standards: H3)', async (scheme) => {
    const { agent, upstream } = await openDpopFixture();
    await agent.signIn('/');
    const headers = { 'www-authenticate': `${scheme} error="use_dpop_nonce"`, 'dpop-nonce': 'one' };
    upstream.respond(inSequence(status(401, headers), echo));
    expect((await agent.fetch('/api/a')).status).toBe(200);
    expect(upstream.requests).toHaveLength(2);
  });

  it('gets one repetition for a nonce, and its second refusal passes (standards: H3)', async () => {
    const { agent, upstream, provider } = await openDpopFixture();
    await agent.signIn('/');
    upstream.respond(
      status(401, { 'www-authenticate': 'DPoP error="use_dpop_nonce"', 'dpop-nonce': 'another' }),
    );
    const response = await agent.fetch('/api/a');
    expect(response.status).toBe(401);
    expect(response.header('dpop-nonce')).toBeUndefined();
    expect(upstream.requests).toHaveLength(2);
    expect(provider.tokenCalls({ grant: 'refresh_token' })).toBe(0);
  });

  it('gets a body that is too large to be sent again once; the next request has the nonce (standards: G10, H3)', async () => {
    const { agent, upstream, atUpstream } = await openDpopFixture({
      routes: [{ path: '/api', replayBody: 4 }],
    });
    await agent.signIn('/');
    atUpstream.nonce = 'nonce-1';
    expect((await agent.fetch('/api/a', { method: 'POST', body: 'content' })).status).toBe(401);
    expect(upstream.requests).toHaveLength(1);
    expect((await agent.fetch('/api/a', { method: 'POST', body: 'content' })).status).toBe(200);
  });

  it('gets a refreshed token and the nonce that it asks for with it (standards: G8, H3)', async () => {
    const { agent, upstream, provider, atUpstream, protect } = await openDpopFixture();
    await agent.signIn('/');
    atUpstream.nonce = 'nonce-1';
    protect(inSequence(refuseToken, echo));
    atUpstream.afterProof = () => {
      atUpstream.afterProof = undefined;
      atUpstream.nonce = 'nonce-2';
    };
    // Refusals: the first nonce, the token, and nothing else, because the refusal of the token had the second nonce.
    expect((await agent.fetch('/api/a')).status).toBe(200);
    expect(upstream.requests.map(({ status: code }) => code)).toEqual([401, 401, 200]);
    expect(provider.tokenCalls({ grant: 'refresh_token' })).toBe(1);
  });

  it('gets the replay with a refreshed token once more with the nonce that it asks for only then (standards: G8, H3)', async () => {
    const { agent, upstream, provider, atUpstream, protect } = await openDpopFixture();
    await agent.signIn('/');
    const refuseWithoutNonce: typeof refuseToken = (...request) => {
      atUpstream.nonce = 'nonce-1';
      return refuseToken(...request);
    };
    protect(inSequence(refuseWithoutNonce, echo));
    expect((await agent.fetch('/api/a', { method: 'POST', body: 'content' })).status).toBe(200);
    expect(upstream.requests.map(({ status: code, body }) => [code, body.toString()])).toEqual([
      [401, 'content'],
      [401, 'content'],
      [200, 'content'],
    ]);
    expect(atUpstream.nonceRefusals).toBe(1);
    expect(provider.tokenCalls({ grant: 'refresh_token' })).toBe(1);
  });

  it('never gets the nonce of another session in a repetition (standards: G25)', async () => {
    const { agent, browser, upstream, provider } = await openDpopFixture();
    const other = browser();
    await agent.signIn('/', { loginHint: 'alice' });
    await other.signIn('/', { loginHint: 'bob' });
    const subjectOf = (field: string) =>
      provider.families.find(({ accessTokens }) => accessTokens.some(({ token }) => field.endsWith(token)))
        ?.grant.subject;
    // Each session has nonces of its own here, which the standard allows.
    const given = new Map<string, string>();
    upstream.respond(async (_request, response, record) => {
      await record.readBody();
      const token = record.header('authorization') ?? '';
      const proof = JSON.parse(
        Buffer.from((record.header('dpop') ?? '').split('.')[1] ?? '', 'base64url').toString(),
      ) as { nonce?: string };
      const known = given.get(token);
      if (known !== undefined && proof.nonce === known) return void response.end(subjectOf(token));
      const nonce = `nonce-${given.size}`;
      given.set(token, nonce);
      response.writeHead(401, { 'www-authenticate': 'DPoP error="use_dpop_nonce"', 'dpop-nonce': nonce });
      // Both refusals are known before either repetition is sent.
      if (given.size < 2)
        await until('both sessions were refused', async () => given.size === 2 || undefined);
      response.end();
    });
    const [mine, theirs] = await Promise.all([agent.fetch('/api/a'), other.fetch('/api/a')]);
    expect([mine.status, theirs.status]).toEqual([200, 200]);
    expect([mine.text(), theirs.text()]).toEqual(['alice', 'bob']);
  });
});
