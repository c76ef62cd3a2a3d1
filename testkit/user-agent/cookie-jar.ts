/** A cookie in the jar. */
export type Cookie = {
  name: string;
  value: string;
  /** The origin that set it, and the only one that receives it: see `createCookieJar`. */
  origin: string;
  path: string;
  secure: boolean;
  httpOnly: boolean;
  sameSite: 'strict' | 'lax' | 'none';
  expiresAtMs: number;
};

/** The properties of a request that matter for `SameSite`. */
export type CookieContext = { crossSite: boolean; topLevelGet: boolean };

/** The cookies of one browser. */
export type CookieJar = {
  /** Stores one `Set-Cookie` line from `url`, or drops it where a browser would. */
  store(url: URL, line: string): void;
  /** The `Cookie` header for a request, or undefined when it has none. */
  header(url: URL, context: CookieContext): string | undefined;
  /** The cookie of this name that was set last. */
  get(name: string): Cookie | undefined;
  all(): Cookie[];
  /** What `document.cookie` reads on a page at `url`. */
  visibleToScripts(url: URL): string;
  clear(): void;
  /** Every received `Set-Cookie` line, stored or dropped. */
  readonly lines: { origin: string; line: string }[];
};

/**
 * Opens an empty jar, after RFC 6265bis: `Path`, `Max-Age`, `Expires`, `Secure` (a loopback host counts as secure),
 * `HttpOnly`, `SameSite` (Lax where absent) and the name prefixes.
 *
 * It is stricter than a browser in one way: each origin is its own site and host. The provider and the
 * gateway of a test share 127.0.0.1 and would share cookies and site, which they never do in a deployment.
 */
export function createCookieJar(clock: () => number = Date.now): CookieJar {
  const kept = new Map<string, Cookie>();
  const lines: CookieJar['lines'] = [];

  const live = () => [...kept.values()].filter(({ expiresAtMs }) => expiresAtMs > clock());
  const sentTo = (url: URL) => live().filter((cookie) => isFor(cookie, url));

  return {
    lines,
    store: (url, line) => {
      lines.push({ origin: url.origin, line });
      const cookie = parseCookie(url, line, clock());
      if (cookie === undefined) return;
      const key = [cookie.origin, cookie.path, cookie.name].join(' ');
      kept.delete(key);
      if (cookie.expiresAtMs > clock()) kept.set(key, cookie);
    },
    header: (url, { crossSite, topLevelGet }) => {
      const sent = sentTo(url)
        .filter(({ sameSite }) => !crossSite || sameSite === 'none' || (sameSite === 'lax' && topLevelGet))
        .toSorted((a, b) => b.path.length - a.path.length);
      return sent.length === 0 ? undefined : sent.map(({ name, value }) => `${name}=${value}`).join('; ');
    },
    get: (name) => live().findLast((cookie) => cookie.name === name),
    all: live,
    visibleToScripts: (url) =>
      sentTo(url)
        .filter(({ httpOnly }) => !httpOnly)
        .map(({ name, value }) => `${name}=${value}`)
        .join('; '),
    clear: () => kept.clear(),
  };
}

function parseCookie(url: URL, line: string, nowMs: number): Cookie | undefined {
  const [pair = '', ...rest] = line.split(';');
  const equals = pair.indexOf('=');
  if (equals < 1) return undefined;
  const attributes = new Map(
    rest.map((attribute) => {
      const [name = '', ...value] = attribute.split('=');
      return [name.trim().toLowerCase(), value.join('=').trim()];
    }),
  );
  const path = attributes.get('path') ?? '';
  const cookie: Cookie = {
    name: pair.slice(0, equals).trim(),
    value: pair.slice(equals + 1).trim(),
    origin: url.origin,
    path: path.startsWith('/') ? path : url.pathname.replace(/\/[^/]*$/, '') || '/',
    secure: attributes.has('secure'),
    httpOnly: attributes.has('httponly'),
    sameSite: sameSiteOf(attributes.get('samesite')),
    expiresAtMs: expiryOf(attributes, nowMs),
  };
  if (cookie.secure && !isSecure(url)) return undefined;
  return keepsPrefix(cookie, attributes) ? cookie : undefined;
}

function sameSiteOf(value: string | undefined): Cookie['sameSite'] {
  const given = value?.toLowerCase();
  return given === 'strict' || given === 'none' ? given : 'lax';
}

/** `Max-Age` takes precedence over `Expires`; without either the cookie ends with the browser. */
function expiryOf(attributes: ReadonlyMap<string, string>, nowMs: number): number {
  const maxAge = attributes.get('max-age');
  if (maxAge !== undefined && /^-?\d+$/.test(maxAge)) return nowMs + Number(maxAge) * 1000;
  const expires = Date.parse(attributes.get('expires') ?? '');
  return Number.isNaN(expires) ? Infinity : expires;
}

/** The requirements of a name prefix (RFC 6265bis, section 4.1.3, and the `Http` prefixes). */
function keepsPrefix(
  { name, path, secure, httpOnly }: Cookie,
  attributes: ReadonlyMap<string, string>,
): boolean {
  const isHost = /^__host-/i.test(name);
  if ((isHost || /^__(secure|http)-/i.test(name)) && !secure) return false;
  if (isHost && (path !== '/' || !attributes.has('path') || attributes.has('domain'))) return false;
  return httpOnly || !/^__(host-)?http-/i.test(name);
}

function isFor({ origin, path, secure }: Cookie, url: URL): boolean {
  if (origin !== url.origin || (secure && !isSecure(url))) return false;
  return url.pathname === path || url.pathname.startsWith(path.endsWith('/') ? path : `${path}/`);
}

function isSecure({ protocol, hostname }: URL): boolean {
  return (
    protocol === 'https:' || hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.')
  );
}
