import { once } from 'node:events';
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ChildExit } from '../processes/child-process.ts';
import {
  type FakeProvider,
  type FakeProviderOptions,
  startFakeProvider,
} from '../fake-provider/fake-provider.ts';
import { type Program, startProgram } from '../processes/program.ts';
import { merged } from './gateway-config.ts';
import { type RedisServer, startRedis } from '../redis/redis-server.ts';
import { type Upstream, startUpstream } from '../upstream/upstream.ts';
import { requireToken, status } from '../upstream/behaviours.ts';
import { createUserAgent } from '../user-agent/user-agent.ts';

/** One process of a cluster. */
export type Member = {
  readonly program: Program;
  /** True while the process should respond; afterwards its connections may be cut. */
  readonly isServing: boolean;
};

/** The result of a request; `cut` when the connection closed before the response was complete. */
export type ClusterResponse = {
  status: number | 'cut';
  headers: IncomingHttpHeaders;
  body: string;
  /** The code of a problem document (RFC 9457), if the response is one. */
  code: string | undefined;
};

/** A signed-in user who can call the API through any process. */
export type Visitor = {
  readonly name: string;
  /** Calls the API, at a path that ends in the visitor's name. */
  call(at: Member, path?: string): Promise<ClusterResponse>;
  /** Calls one of the gateway's own endpoints. */
  get(at: Member, path: string): Promise<ClusterResponse>;
  post(at: Member, path: string): Promise<ClusterResponse>;
};

/** Processes of the built gateway behind one base URL and on one store, with a provider and an upstream. */
export type ClusterOnStore = {
  readonly provider: FakeProvider;
  /** Accepts the active access tokens of the provider. */
  readonly upstream: Upstream;
  /** The processes that serve, in the order in which they were started. */
  readonly members: readonly Member[];
  /** The running process at this index, in the order of start. */
  member(at: number): Member;
  /** Starts one more process, with keys of the configuration that differ from those of the others. */
  add(changes?: Record<string, unknown>): Promise<Member>;
  /** Kills a process with SIGKILL, and settles when it has ended. */
  kill(member: Member): Promise<void>;
  /** Kills the supervisor of a process with workers, and settles when the last worker has ended by itself. */
  killSupervisor(member: Member): Promise<void>;
  /** Stops a process by SIGTERM and returns its exit. */
  stop(member: Member): Promise<ChildExit>;
  /** Signs users in, a few at a time and through all processes, and returns them in the same order. */
  signIn<Names extends readonly string[]>(names: Names): Promise<{ [At in keyof Names]: Visitor }>;
  /** Signs users in and resolves once their access tokens have expired; later tokens live five minutes. */
  signInWithTokensOver<Names extends readonly string[]>(
    names: Names,
  ): Promise<{ [At in keyof Names]: Visitor }>;
  /** The lifetime of a lock that is not renewed, in milliseconds. */
  readonly lockTtlMs: number;
  /** The value of a metric without labels in one process. */
  count(at: Member, name: string): Promise<number>;
  close(): Promise<void>;
};

/** A cluster on a Redis of its own. */
export type GatewayCluster = ClusterOnStore & {
  readonly redis: RedisServer;
  /** The refresh locks in Redis with their remaining TTL in milliseconds. */
  locks(): Promise<{ key: string; ttlMs: number }[]>;
};

export type ClusterOptions = {
  size: number;
  provider?: FakeProviderOptions;
  /** Starts the provider, where a fake of a certain product replaces the usual one. */
  openProvider?: () => Promise<FakeProvider>;
  lockTtlMs?: number;
  /** Keys of `refresh` that differ from the cluster's defaults. */
  refresh?: Record<string, string | number>;
  /** Other keys of the configuration that differ. */
  config?: Record<string, unknown>;
};

export type GatewayClusterOptions = ClusterOptions & {
  /** Arguments of redis-server. */
  redis?: readonly string[];
};

/** Nothing listens on this address: each call names its process. */
export const BASE_URL = 'http://localhost:8080';
/** Short lifetimes: half a minute of a deployment takes two seconds here. */
const REFRESH = { timeout: '1s', maxPerMinute: 10_000 };
const LOCK_TTL_MS = 2_000;
const SIGN_INS_AT_ONCE = 8;

/** Starts a cluster and its Redis. */
export async function openGatewayCluster(options: GatewayClusterOptions): Promise<GatewayCluster> {
  const redis = await startRedis({ args: options.redis ?? [] });
  try {
    const cluster = await openClusterOn(redis.url, options);
    return {
      ...cluster,
      redis,

      locks: async () => {
        const keys = (await redis.command('KEYS', 'coatcheck:lock:*')) as string[];
        const found = await Promise.all(
          keys.map(async (key) => ({ key, ttlMs: Number(await redis.command('PTTL', key)) })),
        );
        // Skip a lock that was released meanwhile.
        return found.filter(({ ttlMs }) => ttlMs !== -2);
      },

      close: async () => {
        await cluster.close();
        await redis.close();
      },
    };
  } catch (error) {
    await redis.close();
    throw error;
  }
}

/** Starts a cluster on a store that the caller closes, as in `session.store`. */
export async function openClusterOn(store: string, options: ClusterOptions): Promise<ClusterOnStore> {
  const { lockTtlMs = LOCK_TTL_MS, openProvider = () => startFakeProvider(options.provider) } = options;
  const [provider, upstream] = await Promise.all([openProvider(), startUpstream()]);
  upstream.respond(requireToken(provider.isAccessTokenActive, status(200)));
  const agent = new Agent({ keepAlive: true });
  const members: { program: Program; isServing: boolean }[] = [];

  const add = async (changes: Record<string, unknown> = {}) => {
    const program = await startProgram({
      provider,
      upstream,
      store,
      baseUrl: BASE_URL,
      config: merged(
        {
          refresh: { ...REFRESH, lockTtl: `${lockTtlMs}ms`, ...options.refresh },
          provider: { timeout: REFRESH.timeout },
          log: { level: 'info' },
        },
        merged(options.config ?? {}, changes),
      ),
    });
    const member = { program, isServing: true };
    members.push(member);
    return member;
  };
  const dismiss = async (member: Member, end: (program: Program) => void) => {
    const at = members.findIndex(({ program }) => program === member.program);
    for (const dismissed of members.splice(at, 1)) dismissed.isServing = false;
    end(member.program);
    return member.program.exit;
  };

  const send = async (at: Member, method: string, path: string, cookie: string): Promise<ClusterResponse> => {
    const { host, origin } = new URL(BASE_URL);
    const headers = {
      host,
      cookie,
      'sec-fetch-site': 'same-origin',
      'sec-fetch-mode': 'cors',
      ...(method === 'POST' && { origin }),
    };
    try {
      const outgoing = request({ host: '127.0.0.1', port: at.program.port, agent, method, path, headers });
      const responded = once(outgoing, 'response');
      outgoing.end();
      const [incoming] = await responded;
      const body = await text(incoming);
      const isProblem = incoming.headers['content-type'] === 'application/problem+json';
      const { code } = (isProblem ? JSON.parse(body) : {}) as { code?: string };
      return { status: incoming.statusCode, headers: incoming.headers, body, code };
    } catch {
      return { status: 'cut', headers: {}, body: '', code: undefined };
    }
  };

  const admit = async (name: string, at: Member): Promise<Visitor> => {
    const browser = createUserAgent(BASE_URL, { connect: { host: '127.0.0.1', port: at.program.port } });
    await browser.signIn('/', { loginHint: name });
    const cookie = `coatcheck=${browser.cookies.get('coatcheck')?.value}`;
    browser.close();
    return {
      name,
      call: (member, path = '/api/') => send(member, 'GET', path + name, cookie),
      get: (member, path) => send(member, 'GET', path, cookie),
      post: (member, path) => send(member, 'POST', path, cookie),
    };
  };
  const signIn: ClusterOnStore['signIn'] = async (names) => {
    const visitors: Visitor[] = [];
    const queue = names.entries();
    const work = async () => {
      for (const [at, name] of queue) {
        const member = members[at % members.length];
        if (member !== undefined) visitors[at] = await admit(name, member);
      }
    };
    await Promise.all(Array.from({ length: SIGN_INS_AT_ONCE }, work));
    return visitors as { [At in keyof typeof names]: Visitor };
  };

  try {
    await Promise.all(Array.from({ length: options.size }, () => add()));
  } catch (error) {
    await Promise.all([provider.close(), upstream.close()]);
    throw error;
  }

  return {
    provider,
    upstream,
    members,
    lockTtlMs,
    member: (at) => {
      const member = members[at];
      if (member === undefined) throw new Error(`${members.length} processes serve`);
      return member;
    },
    add,
    signIn,
    kill: async (member) => void (await dismiss(member, (program) => program.signal('SIGKILL'))),
    killSupervisor: async (member) => void (await dismiss(member, (program) => program.killAlone())),
    stop: (member) => dismiss(member, (program) => program.signal('SIGTERM')),

    signInWithTokensOver: async (names) => {
      provider.accessTokenLifetime = 1;
      const visitors = await signIn(names);
      await sleep(1_000);
      provider.accessTokenLifetime = 300;
      return visitors;
    },

    count: async ({ program }, name) => {
      const metrics = await (await fetch(`${program.adminUrl}/metrics`)).text();
      return Number(new RegExp(`^coatcheck_${name} (.+)$`, 'm').exec(metrics)?.[1]);
    },

    close: async () => {
      agent.destroy();
      provider.faults.clear();
      await Promise.all(members.map(({ program }) => program.close()));
      await Promise.all([provider.close(), upstream.close()]);
    },
  };
}

/** Numbered names: `visitor-1`, `visitor-2` … */
export function visitorNames(count: number, kind = 'visitor'): string[] {
  return Array.from({ length: count }, (_, at) => `${kind}-${at + 1}`);
}
