/** A browser, as the tests that run in several browsers see it. It accepts any certificate. */
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
  /** Runs a function in the page, with an argument and a result that JSON can hold. */
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
  /** Whether it ends with the browser, which has no expiry for it. */
  endsWithBrowser: boolean;
};
