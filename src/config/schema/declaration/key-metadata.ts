import 'zod';

/**
 * The metadata of a key besides its type, default and check: the argument of `meta`, the last call of a
 * declaration.
 */
declare module 'zod' {
  interface GlobalMeta {
    /** A phrase or two, in Markdown without links. */
    description?: string | undefined;
    /** Further sentences, which the documentation shows below its table. */
    details?: string;
    /** A link for the documentation, in Markdown. */
    see?: string;
    /** `config/reference.yaml` shows it when there is no default, and editors suggest it. */
    example?: unknown;
    /** `config/reference.yaml` sets this optional key, or an item of this list; it has the others as comments. */
    setInReference?: boolean;
    /** The value may contain a secret, so no message shows it. */
    secret?: boolean;
    /** A secret URL of which only the credentials and the query are secret: `--print-config` shows the rest. */
    secretUrl?: boolean;
    /** The value is not a secret, but users may put one there by mistake, so no message shows it. */
    misplacedSecret?: boolean;
    /** A reload keeps the old value, since a new one needs a restart; it applies every other key. */
    needsRestart?: boolean;
    /** A URL, for which plain http to another machine needs `allowInsecureHttp`. */
    url?: boolean;
  }
}
