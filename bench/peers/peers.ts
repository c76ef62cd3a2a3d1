import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../testkit/network/free-port.ts';
import { startChildProcess } from '../../testkit/processes/child-process.ts';
import { createUserAgent } from '../../testkit/user-agent/user-agent.ts';
import { ACCESS_TOKEN } from '../baselines/baseline.ts';
import type { Fixture } from '../fixture.ts';

/** Another program, from the PATH, and how it is started and used. */
type PeerSpec = {
  readonly config: string;
  readonly args: (file: string) => readonly string[];
  readonly versionArgs: readonly string[];
  /** How to get it when it is missing. */
  readonly install: string;
  /** Gives the cookie of a user who has signed in; undefined for a program without sessions. */
  readonly signIn: ((baseUrl: string) => Promise<string>) | undefined;
};

/** The programs that `--peer` names. */
export const peers = {
  nginx: {
    config: 'nginx.conf',
    args: (file) => ['-c', file],
    versionArgs: ['-v'],
    install: 'apt-get install nginx',
    signIn: undefined,
  },
  'oauth2-proxy': {
    config: 'oauth2-proxy.cfg',
    args: (file) => ['--config', file],
    versionArgs: ['--version'],
    // Without the flag, it does not know its version.
    install:
      'go install -ldflags "-X github.com/oauth2-proxy/oauth2-proxy/v7/pkg/version.VERSION=v7.15.6" github.com/oauth2-proxy/oauth2-proxy/v7@v7.15.6',
    signIn: signInAtOauth2Proxy,
  },
} as const satisfies Record<string, PeerSpec>;
export type PeerName = keyof typeof peers;

const START_TIMEOUT_MS = 60_000;
const POLL_INTERVAL_MS = 20;

/** A sentence about each of these programs that is not on the PATH. */
export function missingPeers(names: readonly PeerName[]): string[] {
  return names
    .filter((name) => pathOf(name) === undefined)
    .map((name) => `${name} is not on the PATH; install it, such as by: ${peers[name].install}`);
}

/** The version that the program reports. */
export function peerVersion(name: PeerName): string {
  const text = execFileSync('/bin/sh', ['-c', '"$@" 2>&1', 'sh', name, ...peers[name].versionArgs], {
    encoding: 'utf8',
  });
  return `${name} ${/\d+\.\d+\.\d+/.exec(text)?.[0] ?? 'of an unknown version'}`;
}

/** Starts a peer in front of the fixture's API and signs users in. Its log goes to /dev/null, as Coatcheck's does. */
export async function startPeer(
  name: PeerName,
  { provider, upstream, redis, directory }: Fixture,
  people: number,
): Promise<{ pid: number; port: number; cookies: string[]; close(): Promise<void> }> {
  const spec: PeerSpec = peers[name];
  const port = await freePort();
  const baseUrl = `http://127.0.0.1:${port}`;
  await provider.ask('register', baseUrl);
  const own = join(directory, `${name}-${port}`);
  await mkdir(own);
  const values: Readonly<Record<string, string | number>> = {
    port,
    directory: own,
    upstream: `127.0.0.1:${upstream.ready.port}`,
    token: ACCESS_TOKEN,
    redisUrl: redis.rootUrl,
    ...provider.ready,
  };
  const template = await readFile(fileURLToPath(new URL(spec.config, import.meta.url)), 'utf8');
  const file = join(own, spec.config);
  await writeFile(
    file,
    template.replaceAll(/\{(\w+)\}/g, (whole, key: string) => String(values[key] ?? whole)),
  );

  const child = startChildProcess('/bin/sh', ['-c', 'exec "$@" >/dev/null', 'sh', name, ...spec.args(file)]);
  let ended = false;
  void child.exit.then(() => (ended = true));
  const deadlineMs = performance.now() + START_TIMEOUT_MS;
  while (!(await isListening(baseUrl))) {
    if (ended || performance.now() > deadlineMs) {
      await child.terminate(0);
      throw new Error(`${name} is not ready\n${child.stderr()}`);
    }
    await sleep(POLL_INTERVAL_MS);
  }
  const cookies: string[] = [];
  for (let at = 0; at < people; at += 1) cookies.push((await spec.signIn?.(baseUrl)) ?? 'theme=dark');
  return { pid: child.pid, port, cookies, close: async () => void (await child.terminate(3000)) };
}

async function signInAtOauth2Proxy(baseUrl: string): Promise<string> {
  const browser = createUserAgent(baseUrl);
  try {
    await browser.navigate('/auth/start?rd=%2Fapi%2Fitems');
    const cookie = browser.cookies.get('_oauth2_proxy')?.value;
    if (cookie === undefined) throw new Error('the sign-in at oauth2-proxy failed');
    return `_oauth2_proxy=${cookie}`;
  } finally {
    browser.close();
  }
}

async function isListening(baseUrl: string): Promise<boolean> {
  try {
    await (await fetch(baseUrl, { redirect: 'manual' })).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

function pathOf(program: string): string | undefined {
  const files = (process.env['PATH'] ?? '').split(delimiter).map((directory) => join(directory, program));
  return files.find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
