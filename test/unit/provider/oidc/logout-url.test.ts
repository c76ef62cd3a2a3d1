import { expect, it } from 'vitest';
import { fillLogoutUrl } from '../../../../src/provider/oidc/logout-url.ts';

const values = { clientId: 'a&b=$&', returnTo: 'https://app.example.com/bye?a=1&b={clientId}' };

it('fills in what a logout page is told, so that it arrives as it was', () => {
  const url = fillLogoutUrl('https://login.example.com/logout?id={clientId}&to={returnTo}&fixed=1', values);
  expect(Object.fromEntries(url.searchParams)).toEqual({
    id: values.clientId,
    to: values.returnTo,
    fixed: '1',
  });
});

it('leaves a URL without placeholders as it is', () => {
  expect(fillLogoutUrl('https://login.example.com/logout', values).href).toBe(
    'https://login.example.com/logout',
  );
});
