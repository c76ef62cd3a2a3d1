/** What a baseline is started with. */
export type BaselineOptions = { upstream: string; redisUrl: string };

/** A baseline says where it listens, and the cookie of somebody who is signed in there. */
export type BaselineShape = { hello: { port: number; cookie: string }; commands: Record<string, never> };

/** An access token of 1.1 kB, of no provider: a baseline sends it as it is. */
export const ACCESS_TOKEN = 'eyJhbGciOiJSUzI1NiJ9.'.padEnd(1100, 'QmVuY2htYXJr');
