import { startBank, statingLifetimes } from '../../testkit/providers/bank.ts';
import { createAccessTokens } from './access-tokens.ts';
import type { DemoProvider, DemoProviderOptions } from './demo-provider.ts';
import { loginPage } from './pages.ts';
import { createPeople } from './people.ts';

/** Starts the bank of the tests, with a sign-in page. Users sign in by redirect only. */
export async function startDemoBank(options: DemoProviderOptions): Promise<DemoProvider> {
  const { appUrl, clientId, clientSecret, audience, accessTokenTtl } = options;
  const people = createPeople();
  const bank = await startBank(Date.now, {
    ...createAccessTokens({ audience, lifetime: accessTokenTtl }),
    client: { id: clientId, secret: clientSecret },
    signInPage: {
      show(hint) {
        const { html, headers } = loginPage(people.offered, hint);
        return { status: 200, headers: { ...headers, 'Content-Type': 'text/html' }, body: html };
      },
      subjectOf(form) {
        const person = people.find(form.get('sub') ?? '') ?? people.named(form.get('name') ?? 'Somebody');
        return person.sub;
      },
    },
    nameOf: (subject) => people.find(subject)?.name ?? subject,
  });
  statingLifetimes(bank).lifeSeconds = accessTokenTtl;
  const redirectOnly = { login: 'redirect', decoupledEndpoint: undefined, decoupledTokenEndpoint: undefined };

  return {
    url: bank.url,
    close: () => void bank.close(),
    section: { ...bank.register(appUrl), ...redirectOnly },
    signIn: { by: 'redirect', isOpenId: false },
    advice: 'Sign in at the bank as Ada or Grace; there is no password.',
  };
}
