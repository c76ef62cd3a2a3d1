import { expect, it } from 'vitest';
import { fillLogoutUrl } from '../../../../src/provider/oidc/logout-url.ts';

const values = { clientId: 'a&b=$&', returnTo: 'https://app.example.com/bye?a=1&b={clientId}' };

it('fills the placeholders of a logout URL so that the values arrive unchanged', () => {
  const url = fillLogoutUrl('https://login.example.com/logout?id={clientId}&to={returnTo}&fixed=1', values);
  expect(Object.fromEntries(url.searchParams)).toEqual({
    id: values.clientId,
    to: values.returnTo,
    fixed: '1',
  });
});

it('leaves a logout URL without placeholders unchanged', () => {
  expect(fillLogoutUrl('https://login.example.com/logout', values).href).toBe(
    'https://login.example.com/logout',
  );
});
