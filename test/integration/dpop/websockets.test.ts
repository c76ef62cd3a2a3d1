import { describe, expect, it } from 'vitest';
import { UpgradeRefused } from '../../../testkit/user-agent/web-socket.ts';
import { openDpopFixture } from './fixture.ts';

describe('a WebSocket of a session with DPoP', () => {
  it('opens with the token and a proof for the upstream and the path (standards: H2)', async () => {
    const { agent, upstream, atUpstream } = await openDpopFixture();
    await agent.signIn('/');
    const socket = await agent.websocket('/socket/room?name=one');
    socket.send('hello');
    expect(await socket.next()).toBe('hello');
    socket.close();
    expect(upstream.upgrades.map(({ target }) => target)).toEqual(['/socket/room?name=one']);
    expect(atUpstream.thumbprints).toHaveLength(1);
  });

  it('opens with the nonce that the upstream asks for, after one repetition (standards: H3)', async () => {
    const { agent, upstream, atUpstream } = await openDpopFixture();
    await agent.signIn('/');
    atUpstream.nonce = 'nonce-1';
    for (const path of ['/socket/one', '/socket/two']) {
      const socket = await agent.websocket(path);
      socket.send('hello');
      expect(await socket.next()).toBe('hello');
      socket.close();
    }
    expect(upstream.upgrades.map(({ target }) => target)).toEqual([
      '/socket/one',
      '/socket/one',
      '/socket/two',
    ]);
  });

  it('shares the nonces of the upstream with requests (standards: H3)', async () => {
    const { agent, upstream, atUpstream } = await openDpopFixture();
    await agent.signIn('/');
    atUpstream.nonce = 'nonce-1';
    expect((await agent.fetch('/api/a')).status).toBe(200);
    (await agent.websocket('/socket/one')).close();
    expect(upstream.upgrades).toHaveLength(1);
  });

  it('is rejected as the upstream rejects it the second time (standards: H3)', async () => {
    const { agent, upstream } = await openDpopFixture();
    await agent.signIn('/');
    upstream.rejectUpgradesIf(async () => ({
      status: 401,
      headers: { 'WWW-Authenticate': 'DPoP error="use_dpop_nonce"', 'DPoP-Nonce': 'another' },
    }));
    await expect(agent.websocket('/socket/one')).rejects.toThrow(UpgradeRefused);
    expect(upstream.upgrades).toHaveLength(2);
    expect(agent.received()).not.toMatch(/dpop-nonce/i);
  });
});
