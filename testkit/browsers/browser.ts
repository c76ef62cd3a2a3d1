/** The common interface of the browsers in tests. A browser accepts any certificate. */
export type TestBrowser = {
  /** Opens a context with its own cookies and storage. */
  newContext(): Promise<BrowserContext>;
  close(): Promise<void>;
};

/** Cookies and storage, and the pages that share them. */
export type BrowserContext = {
  /** Opens a page and waits until it has loaded. */
  openPage(url: string): Promise<BrowserPage>;
  cookies(): Promise<BrowserCookie[]>;
  close(): Promise<void>;
};

/** A tab. */
export type BrowserPage = {
  goto(url: string): Promise<void>;
  reload(): Promise<void>;
  /** Runs a function in the page, with an argument and a result that are JSON values. */
  evaluate<Result>(run: () => Result): Promise<Awaited<Result>>;
  evaluate<Arg, Result>(run: (arg: Arg) => Result, arg: Arg): Promise<Awaited<Result>>;
  /** Runs a function that makes the page navigate, and waits until the page at `url` has loaded. */
  navigateBy<Arg>(url: string, run: (arg: Arg) => void, arg: Arg): Promise<void>;
  close(): Promise<void>;
};

/** A cookie as the browser stores it. */
export type BrowserCookie = {
  name: string;
  value: string;
  domain: string;
  path: string;
  secure: boolean;
  httpOnly: boolean;
  sameSite: 'strict' | 'lax' | 'none' | 'default';
  /** True for a session cookie, which has no expiry. */
  endsWithBrowser: boolean;
};
