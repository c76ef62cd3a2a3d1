import { expect, it } from 'vitest';
import { parseConfig } from '../../../../src/provider/read-config.ts';
import { readServerMetadata } from '../../../../src/provider/oidc/metadata-source.ts';
import { createCertificateAuthority } from '../../../../testkit/network/certificate-authority.ts';
import { minimal, openIdProviderOf } from '../../config/sample.ts';

const { issuer } = minimal.provider;
const endpointsAt = (origin: string) => ({
  token_endpoint: `${origin}/token`,
  revocation_endpoint: `${origin}/revoke`,
  userinfo_endpoint: `${origin}/userinfo`,
  pushed_authorization_request_endpoint: `${origin}/par`,
  backchannel_authentication_endpoint: `${origin}/backchannel`,
});
const usual = endpointsAt(issuer);
const aliases = endpointsAt('https://mtls.example.com');
const identity = createCertificateAuthority().issue();
const certificate = { tls: { certificate: identity.cert, key: identity.key } };

/** The metadata of a provider that announces these aliases, for a gateway with these keys of `provider`. */
async function read(keys: Record<string, unknown>, announced: Record<string, unknown> = aliases) {
  const config = openIdProviderOf(parseConfig({ ...minimal, provider: { ...minimal.provider, ...keys } }));
  const document = { issuer, jwks_uri: `${issuer}/jwks`, ...usual, mtls_endpoint_aliases: announced };
  return readServerMetadata(config, async () => Response.json(document));
}

it('each endpoint has the alias of the provider when the gateway has a client certificate (standards: H5)', async () => {
  expect(await read(certificate)).toMatchObject({ ...aliases, issuer, jwks_uri: `${issuer}/jwks` });
});

it('aliases are not used without a client certificate (standards: H5)', async () => {
  expect(await read({})).toMatchObject(usual);
});

it('an endpoint without an alias keeps its URL (standards: H5)', async () => {
  const { token_endpoint } = aliases;
  const announced = { token_endpoint, userinfo_endpoint: 7 };
  expect(await read(certificate, announced)).toMatchObject({ ...usual, token_endpoint });
});

it('an endpoint of the configuration takes the place of its alias (standards: H5)', async () => {
  const userinfo = `${issuer}/own-userinfo`;
  expect(await read({ ...certificate, endpoints: { userinfo } })).toMatchObject({
    ...aliases,
    userinfo_endpoint: userinfo,
  });
});
