/** What a baseline is started with. */
export type BaselineOptions = { upstream: string; redisUrl: string };

/** A baseline reports its port and the cookie of a signed-in user. */
export type BaselineShape = { ready: { port: number; cookie: string }; commands: Record<string, never> };

/** A made-up access token of 1.1 kB, which a baseline sends unchanged. */
export const ACCESS_TOKEN = 'eyJhbGciOiJSUzI1NiJ9.'.padEnd(1100, 'QmVuY2htYXJr');
