import type { BidiConnection } from './bidi.ts';
import type { BrowserContext, BrowserCookie, BrowserPage } from './browser.ts';

/** A cookie as WebDriver BiDi reports it. */
type BidiCookie = Omit<BrowserCookie, 'value' | 'endsWithBrowser'> & {
  value: { type: 'string' | 'base64'; value: string };
  expiry?: number;
};

/** Opens a context in Firefox. */
export async function createFirefoxContext(bidi: BidiConnection): Promise<BrowserContext> {
  const { userContext } = await bidi.send('browser.createUserContext');
  return {
    openPage: async (url) => {
      const { context } = await bidi.send('browsingContext.create', { type: 'tab', userContext });
      const page = createPage(bidi, context);
      await page.goto(url);
      return page;
    },
    cookies: async () => {
      const { cookies } = await bidi.send('storage.getCookies', {
        partition: { type: 'storageKey', userContext },
      });
      return (cookies as BidiCookie[]).map(({ value, expiry, ...cookie }) => ({
        ...cookie,
        value: value.value,
        endsWithBrowser: expiry === undefined,
      }));
    },
    close: async () => {
      await bidi.send('browser.removeUserContext', { userContext });
    },
  };
}

function createPage(bidi: BidiConnection, context: unknown): BrowserPage {
  const evaluate = async (expression: string) => {
    const { type, result, exceptionDetails } = await bidi.send('script.evaluate', {
      expression: `(async () => JSON.stringify(await (${expression})))()`,
      target: { context },
      awaitPromise: true,
      userActivation: true,
    });
    if (type === 'exception') throw new Error((exceptionDetails as { text: string }).text);
    const { value } = result as { value?: string };
    return value === undefined ? undefined : (JSON.parse(value) as unknown);
  };
  const call = (run: (arg: never) => unknown, arg: unknown) =>
    `(${run.toString()})(${JSON.stringify(arg) ?? ''})`;

  return {
    goto: async (url) => {
      await bidi.send('browsingContext.navigate', { context, url, wait: 'complete' });
    },
    reload: async () => {
      await bidi.send('browsingContext.reload', { context, wait: 'complete' });
    },
    evaluate: async <Result>(run: (arg: never) => Result, arg?: unknown) =>
      (await evaluate(call(run, arg))) as Awaited<Result>,
    navigateBy: async (url, run, arg) => {
      const loaded = bidi.waitForEvent(
        'browsingContext.load',
        (event) => event['context'] === context && event['url'] === url,
      );
      await evaluate(`void setTimeout(() => ${call(run, arg)})`);
      await loaded;
    },
    close: async () => {
      await bidi.send('browsingContext.close', { context });
    },
  };
}
