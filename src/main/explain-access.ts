import { compileRules, type AccessSubject } from '../access/rules.ts';
import { readBoundedFile } from '../config/bounded-file.ts';
import { ConfigError } from '../config/config-error.ts';
import type { AccessRule } from '../config/schema/access/rule.ts';
import type { Config } from '../config/schema/schema.ts';
import { GatewayError } from '../errors.ts';
import { parseTarget } from '../http/inbound/target.ts';
import { createRoutes, type Route } from '../proxy/routes.ts';

/** What the rules say about one request of a user with these claims. */
type Explanation = { readonly lines: readonly string[]; readonly isAllowed: boolean };

/**
 * Explains which route serves a path, and which rule decides. Rules over scopes are judged by the member `scope` of the claims, as
 * in an access token.
 */
export function explainAccess(config: Config, claims: Record<string, unknown>, path: string): Explanation {
  const route = routeOf(config, path);
  if (route instanceof GatewayError)
    return { lines: [`${path}  ${route.code}  ${route.message}`], isAllowed: false };
  if (route === undefined) return { lines: [`${path}  no route`], isAllowed: false };
  const index = config.routes.indexOf(route.config);
  const found = `${path}  routes[${index}] ${route.config.path}  auth: ${route.config.auth}`;
  if (route.config.auth === 'none') return { lines: [found, 'allowed  without a session'], isAllowed: true };
  const scope = claims['scope'];
  const subject = { claims, scope: typeof scope === 'string' ? scope : undefined };
  const verdicts = [
    ...judgeAll(config.login.require, 'login.require', subject),
    ...judgeAll(route.config.require, `routes[${index}].require`, subject),
  ];
  const deciding = verdicts.find(({ verdict }) => verdict !== 'holds');
  const result = deciding === undefined ? 'allowed' : `not_allowed  by ${deciding.name}`;
  const lines = verdicts.map(({ name, verdict }) => `${verdict.padEnd(7)}  ${name}`);
  return { lines: [found, ...lines, result], isAllowed: deciding === undefined };
}

/** The route of a path, or the error with which the gateway rejects the path. */
function routeOf({ routes }: Config, path: string): Route | GatewayError | undefined {
  try {
    return createRoutes(routes).match(parseTarget(path).path);
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
}

/** The longest file of claims, in bytes. */
const MAX_CLAIMS = 1_048_576;

/**
 * Reads the claims of a user: a JSON object, as in the payload of an ID token. Throws a {@link ConfigError}, without anything of
 * the file, when it has none.
 */
export function readClaims(file: string): Record<string, unknown> {
  const claims = parse(file);
  if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) throw invalidClaims();
  return { ...claims };
}

const invalidClaims = () =>
  new ConfigError([
    { path: '', message: 'expected a readable file of at most 1 MiB with claims as a JSON object' },
  ]);

function parse(file: string): unknown {
  try {
    return JSON.parse(readBoundedFile(file, MAX_CLAIMS));
  } catch {
    throw invalidClaims();
  }
}

function judgeAll(rules: readonly AccessRule[], list: string, subject: AccessSubject) {
  return rules.map((rule, index) => ({
    name: `${list}[${index}]`,
    verdict: compileRules([rule])?.(subject)?.verdict ?? 'holds',
  }));
}
