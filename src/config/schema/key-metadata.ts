import 'zod';

/**
 * What a declaration says of a key besides its type, default and check, in the argument of `meta`, the last call of a
 * declaration.
 */
declare module 'zod' {
  interface GlobalMeta {
    /** A phrase or two, in Markdown without links. */
    description?: string | undefined;
    /** Further sentences; the documentation has them below its table. */
    details?: string;
    /** A link for the documentation, in Markdown. */
    see?: string;
    /** `config/reference.yaml` shows it when there is no default, and editors suggest it. */
    example?: unknown;
    /** `config/reference.yaml` sets this optional key; it has the others as comments. */
    setInReference?: boolean;
    /** The value may hold a secret, so that no message shows it. */
    secret?: boolean;
    /** A secret URL of which only the credentials and the query are secret: `--print-config` shows the rest. */
    secretUrl?: boolean;
    /** The value is no secret, but people may write one in its place, so that no message shows it. */
    misplacedSecret?: boolean;
    /** A reload keeps the old value, since a new one needs a restart; it applies every other key. */
    needsRestart?: boolean;
    /** A URL, for which plain http to another machine needs `allowInsecureHttp`. */
    url?: boolean;
  }
}
