/** The ids of the rows that the pages in docs/security/ must have, each once. */
export const securityRows: readonly string[] = [
  ...range('A', 23),
  ...range('B', 23),
  ...range('C', 29),
  ...range('D', 24),
  ...range('E', 25),
  ...range('F', 33),
  ...range('G', 25),
  ...range('G-2.', 11),
  ...range('G-3.', 8),
  ...range('H', 15),
  ...openidModules(),
  ...fapiModules(),
  ...advisories(),
];

function range(letter: string, last: number): string[] {
  return Array.from({ length: last }, (_, at) => `${letter}${at + 1}`);
}

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}

/** The 57 modules for relying parties of the OpenID conformance suite. */
function openidModules(): string[] {
  const modules = words(`
    client-secret-basic idtoken-sig-rs256 idtoken-sig-none invalid-sig-rs256 invalid-sig-es256 invalid-sig-hs256
    invalid-iss invalid-aud missing-aud missing-sub missing-iat nonce-invalid nonce-unless-code-flow
    kid-absent-single-jwks kid-absent-multiple-jwks
    userinfo-bearer-header userinfo-bearer-body userinfo-invalid-sub userinfo-signed scope-userinfo-claims
    invalid-athash missing-athash invalid-chash missing-chash
    discovery-openid-config discovery-jwks-uri-keys discovery-issuer-mismatch
    discovery-webfinger-acct discovery-webfinger-url dynamic-registration
    signing-key-rotation signing-key-rotation-just-before-signing
    request-uri-signed-none request-uri-signed-rs256
    refresh-token refresh-token-invalid-issuer refresh-token-invalid-sub
    form-post-error aggregated-claims distributed-claims mtls-endpoint-aliases 3rd-party-init-login
    rp-init-logout rp-init-logout-no-state rp-init-logout-other-state
    rp-backchannel-rpinitlogout rp-backchannel-rpinitlogout-alg-none rp-backchannel-rpinitlogout-wrong-alg
    rp-backchannel-rpinitlogout-wrong-iss rp-backchannel-rpinitlogout-wrong-aud rp-backchannel-rpinitlogout-no-event
    rp-backchannel-rpinitlogout-wrong-event rp-backchannel-rpinitlogout-with-nonce
    rp-frontchannel-rpinitlogout rp-frontchannel-opinitlogout session-management`);
  return ['oidcc-client-test', ...modules.map((name) => `oidcc-client-test-${name}`)];
}

/** The 32 client modules of the final FAPI 2.0 security profile. */
function fapiModules(): string[] {
  const modules = words(`
    test-happy-path test-happy-path-no-dpop-nonce refresh-token-test test-discovery-issuer-mismatch
    test-token-endpoint-response-without-expires_in test-token-type-case-insensitivity
    test-rs-dpop-auth-scheme-case-insensitivity test-valid-aud-as-array
    test-invalid-aud test-invalid-secondary-aud test-invalid-iss test-invalid-missing-aud test-invalid-missing-exp
    test-invalid-missing-iss test-invalid-missing-nonce test-invalid-nonce test-invalid-expired-exp
    test-invalid-null-alg test-invalid-alternate-alg test-invalid-authorization-response-iss
    test-invalid-openbanking-intent-id test-remove-authorization-response-iss
    test-ensure-authorization-response-with-invalid-state-fails
    test-ensure-authorization-response-with-invalid-missing-state-fails
    test-ensure-jarm-signature-is-not-none test-ensure-jarm-with-expired-exp test-ensure-jarm-with-invalid-aud
    test-ensure-jarm-with-invalid-iss test-ensure-jarm-with-invalid-sig test-ensure-jarm-without-aud
    test-ensure-jarm-without-exp test-ensure-jarm-without-iss`);
  return modules.map((name) => `fapi2-security-profile-final-client-${name}`);
}

/** The advisories of peers and of libraries, by every name they have. */
function advisories(): string[] {
  const names = words(`
    GHSA-r5rp-j6wh-rvv4 CVE-2025-67490 CVE-2026-40155 GHSA-xq8m-7c5p-c2r6 CVE-2024-51987 GHSA-7mr7-4f54-vcx5 CVE-2025-26620
    GHSA-qxj7-2x7w-3mpp CVE-2022-21673 GHSA-8wjh-59cw-9xh4 CVE-2022-31107 GHSA-mx47-6497-3fv2 CVE-2026-40574
    GHSA-c5c4-8r6x-56w3 CVE-2021-41230 GHSA-j6wp-3859-vxfg CVE-2026-16158 CVE-2025-48947 GHSA-f3fg-mf2q-fj3f
    CVE-2025-64762 GHSA-p8pf-44ff-93gf CVE-2026-116592 CVE-2026-120474 CVE-2026-116630 CVE-2026-109829
    CVE-2026-93748 CVE-2026-73548 GHSA-3vhp-c83q-jqc2 CVE-2021-41246 GHSA-7rg2-qxmf-hhx9 CVE-2023-29019
    CVE-2022-25896 CVE-2024-31999 GHSA-9wwp-q7wq-jx35 CVE-2025-46344 GHSA-pjr6-jx7r-j4r6 CVE-2024-21492
    CVE-2025-55162 GHSA-95j4-hw7f-v2rh tj/connect-redis#328 CVE-2026-86473 louketo-proxy#662 CVE-2026-18569
    CVE-2023-35941 GHSA-7mhv-gr67-hq55 CVE-2026-82469 CVE-2022-24794 GHSA-7p99-3798-f85c CVE-2021-43812
    GHSA-2mqv-4j3r-vjvp CVE-2020-5233 GHSA-qqxw-m5fj-f7gv CVE-2020-11053 GHSA-j7px-6hwj-hpjg CVE-2020-4037
    GHSA-5m6c-jp6f-2vcv CVE-2017-1000070 GHSA-jm34-xm8m-w958 CVE-2026-83589 CVE-2019-20479 CVE-2021-32786
    CVE-2022-23527 GHSA-q6f2-285m-gr53 CVE-2021-39191 GHSA-2pgf-8h6h-gqg2 CVE-2026-82464 CVE-2024-29041
    GHSA-rv95-896h-c2vc GHSA-qw6h-vgh9-j6wx CVE-2024-43796 GO-2022-0783 GHSA-7r7x-4c4q-c4qf CVE-2023-27490
    CVE-2026-73419 CVE-2026-81888 GHSA-fm3f-ch8h-qw8q GHSA-xc49-mgwh-9pjv CVE-2026-54599 GHSA-gr2w-m9v4-qm3v
    CVE-2026-82462 CVE-2025-67716 GHSA-mr6f-h57v-rpj5 CVE-2021-32702 GHSA-954c-jjx6-cxv7 CVE-2021-32792
    GHSA-458c-7pwg-3j7j CVE-2019-1010247 CVE-2022-31093 CVE-2023-27496 CVE-2025-31492 GHSA-59jp-rwph-878r
    GHSA-63jm-59jj-478j GHSA-wr5q-7wxw-x568 GHSA-hhqp-vx7f-5c6m CVE-2026-41059 GHSA-pxq7-h93f-9jrg GHSA-f24x-5g9q-753f
    GHSA-fv82-r8qv-ch4v CVE-2026-40575 GHSA-7x63-xv5r-3p2x CVE-2026-76835 CVE-2026-34457 GHSA-5hvv-m4w4-gf6v
    CVE-2025-54576 GHSA-7rh7-c77v-6434 CVE-2025-64484 GHSA-vjrc-mh2v-45x6 CVE-2026-88011 GHSA-rf44-j88r-hh8c
    CVE-2024-45410 GHSA-62c8-mh53-4cqv CVE-2021-32813 CVE-2025-48865 CVE-2026-35051 GHSA-6384-m2mw-rf54
    CVE-2024-21499 GHSA-vj36-3ccr-6563 CVE-2022-29226 CVE-2026-33494 GHSA-p224-6x5r-fjpm CVE-2026-48020
    GHSA-xf64-8mw2-4gr2 CVE-2021-21321 GHSA-qmw8-3v4g-gwj4 CVE-2021-21322 GHSA-c4qr-gmr9-v23w
    GHSA-2q7r-29rg-6m5h CVE-2026-16117 CVE-2026-15631 CVE-2026-85124 CVE-2026-120213 CVE-2026-55602
    GHSA-64mm-vxmg-q3vj CVE-2023-33189 GHSA-pvrc-wvj2-f59p CVE-2021-39206 CVE-2024-39315 GHSA-rrqr-7w59-637v
    CVE-2022-31130 GHSA-jv32-5578-pxjc CVE-2022-39201 GHSA-x744-mm8v-vpgr CVE-2026-41181 CVE-2026-111756
    GHSA-q3jh-wrc6-jgq8 CVE-2026-120415 GHSA-9v6h-8rgp-m69f CVE-2026-107318 CVE-2021-32791 CVE-2026-47775
    GHSA-hhhv-q57g-882q CVE-2022-24797 CVE-2024-27982 CVE-2025-23167 CVE-2022-35256 CVE-2022-32214
    CVE-2022-32215 CVE-2023-30589 CVE-2020-8201 CVE-2026-21710 CVE-2026-1525 CVE-2026-2833 CVE-2026-112085
    GHSA-cfqc-fj3v-j925 CVE-2026-126344 GHSA-7v5p-43qr-wch5 CVE-2026-55603 GHSA-gcq2-9pq2-cxqm CVE-2025-32997
    GHSA-9gqv-wp59-fq42 CVE-2025-32996 GHSA-4www-5p9h-95mh GHSA-c7qv-q95q-8v27 CVE-2024-21536 CVE-2024-24814
    GHSA-hxr6-w4gc-7vvv CVE-2025-3891 CVE-2026-1035 CVE-2026-53517 CVE-2026-50631 CVE-2026-110864`);
  return [...names, 'mod_auth_openidc 2.1.5'];
}
