import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { withTimeout } from '../src/concurrency/with-timeout.ts';
import { glibcVariables } from '../src/performance/glibc.ts';
import { v8Flags } from '../src/performance/v8-flags.ts';
import { DemoError } from './demo-error.ts';
import { type LogLine, parseLogLine } from './log-line.ts';

/** How to start the gateway. */
export interface GatewayOptions {
  /** The project's directory, which holds `dist` and `config`. */
  root: string;
  /** Its configuration file. */
  config: string;
  /** The variables that fill it in. */
  variables: Record<string, string>;
  /** Called with every line of the gateway's log. */
  onLog: (line: LogLine) => void;
}

/** The gateway, ready in its own process. */
export interface RunningGateway {
  /** The URL of the admin console. */
  adminUrl: string;
  /** Resolves with the exit of the process. */
  ended: Promise<string>;
  /** Stops the process, and kills it after three seconds. */
  stop(): Promise<void>;
}

/**
 * Starts the built gateway and waits until it is ready.
 * Throws {@link DemoError} when it ends before that, or cannot reach its store or its provider.
 */
export async function startGateway(options: GatewayOptions): Promise<RunningGateway> {
  const { root, config, variables, onLog } = options;
  const gateway = spawn(process.execPath, [...v8Flags, 'dist/main.js', '--config', config], {
    cwd: root,
    env: { ...glibcVariables, ...process.env, ...variables },
    stdio: ['ignore', 'pipe', 'inherit'],
    // Its own process group: Ctrl-C reaches this process alone, and a second signal would cut the drain short.
    detached: true,
  });
  const endWithThisProcess = () => gateway.kill('SIGKILL');
  process.once('exit', endWithThisProcess);
  const ended = describeEnd(gateway).finally(() => process.off('exit', endWithThisProcess));

  const admin = Promise.withResolvers<string>();
  createInterface({ input: gateway.stdout }).on('line', (written) => {
    const line = parseLogLine(written);
    onLog(line);
    if (line.message === 'admin listening' && line.url) admin.resolve(line.url);
  });

  async function stop(): Promise<void> {
    gateway.kill('SIGTERM');
    if ((await withTimeout(ended, 3000)) === undefined) gateway.kill('SIGKILL');
    await ended;
  }

  const unready = await Promise.race([
    ended.then((how) => `The gateway exited before it was ready: ${how}.`),
    admin.promise.then(waitUntilReady),
  ]);
  if (unready === undefined) return { adminUrl: await admin.promise, ended, stop };
  await stop();
  throw new DemoError(unready);
}

/** Waits at most five seconds; returns the dependencies that are still missing. */
async function waitUntilReady(adminUrl: string): Promise<string | undefined> {
  const giveUpAt = Date.now() + 5000;
  for (;;) {
    const report = await askReadiness(adminUrl);
    if (report.ready) return undefined;
    if (Date.now() > giveUpAt) return describeLack(report);
    await delay(50);
  }
}

/** The response of `GET /readyz`. */
interface Readiness {
  ready: boolean;
  checks: { name: string; ok: boolean; detail: string }[];
}

async function askReadiness(adminUrl: string): Promise<Readiness> {
  try {
    const response = await fetch(`${adminUrl}/readyz`);
    const { checks }: Pick<Readiness, 'checks'> = await response.json();
    return { ready: response.ok, checks };
  } catch {
    return { ready: false, checks: [{ name: 'it', ok: false, detail: 'does not respond' }] };
  }
}

function describeLack({ checks }: Readiness): string {
  const failing = checks.filter(({ ok }) => !ok);
  const lack = failing.map(({ name, detail }) => `${name} ${detail}`).join('; ');
  const advice = failing.some(({ name }) => name === 'store')
    ? ' Is the Redis at REDIS_URL running? Without REDIS_URL, sessions are stored in memory.'
    : '';
  return `The gateway is not ready: ${lack}.${advice}`;
}

async function describeEnd(gateway: ChildProcess): Promise<string> {
  try {
    const [code, signal] = await once(gateway, 'exit');
    return signal === null ? `exit code ${code}` : `ended by ${signal}`;
  } catch (error) {
    return error instanceof Error ? error.message : 'it could not start';
  }
}
