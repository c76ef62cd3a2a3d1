import { describe, expect, it } from 'vitest';
import { minimal, problemsWith } from '../../config/sample.ts';

const problems = (keys: Record<string, unknown>) =>
  problemsWith({ provider: { ...minimal.provider, ...keys } });

describe('provider.par', () => {
  const url = (path: string) => `https://login.example.com/${path}`;
  const endpoints = {
    authorization: url('authorize'),
    token: url('token'),
    jwks: url('jwks'),
    userinfo: url('userinfo'),
    endSession: url('logout'),
    revocation: url('revoke'),
  };

  it('required needs metadata that name the endpoint', () => {
    expect(problems({ par: 'required', endpoints })).toEqual([
      expect.stringMatching(/^provider\.par: expected auto or off: with all of provider\.endpoints set/),
    ]);
    const { userinfo: _, ...others } = endpoints;
    expect(() => problems({ par: 'required', endpoints: others })).toThrow('was accepted');
    expect(() => problems({ par: 'auto', endpoints })).toThrow('was accepted');
  });
});
