import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FakeProvider, startFakeProvider } from '../../../testkit/fake-provider/fake-provider.ts';
import { type Program, startProgram } from '../../../testkit/processes/program.ts';
import { type RedisServer, startRedis } from '../../../testkit/redis/redis-server.ts';
import { type Upstream, startUpstream } from '../../../testkit/upstream/upstream.ts';
import { requireToken } from '../../../testkit/upstream/behaviours.ts';
import { type UserAgent, createUserAgent } from '../../../testkit/user-agent/user-agent.ts';

/** The surroundings of the built program: a provider, an API and a real Redis. */
export type Fixture = {
  readonly provider: FakeProvider;
  /** Accepts the active access tokens of the provider, and echoes. */
  readonly upstream: Upstream;
  readonly redis: RedisServer;
  /** A directory for the files that a program reads or writes. It is removed with the fixture. */
  readonly folder: string;
  /** Starts a program on the Redis; a second one serves the base URL of the first by `replicaOf`. */
  start(options?: StartOptions): Promise<Program>;
  /** Opens a browser on a program, behind the base URL it serves, with the cookies of `like`. */
  browser(at: Program, options?: { like?: UserAgent }): UserAgent;
  /** Opens a browser and signs in, as Alice or by the hint. */
  signedIn(at: Program, loginHint?: string): Promise<UserAgent>;
  /** Ends every program and closes the provider, the API and Redis. */
  close(): Promise<void>;
};

/** Keys of the configuration that differ, and variables of the environment. */
export type StartOptions = {
  args?: readonly string[];
  config?: Record<string, unknown>;
  env?: Record<string, string>;
  replicaOf?: Program;
};

/** Opens the fixture; no program runs yet. */
export async function openFixture(): Promise<Fixture> {
  const [provider, upstream, redis] = await Promise.all([startFakeProvider(), startUpstream(), startRedis()]);
  const folder = await mkdtemp(join(tmpdir(), 'coatcheck-e2e-'));
  upstream.respond(requireToken(provider.isAccessTokenActive));
  const baseUrls = new Map<Program, string>();
  const agents: UserAgent[] = [];

  const browser: Fixture['browser'] = (at, { like } = {}) => {
    const connect = { host: '127.0.0.1', port: at.port };
    const agent = createUserAgent(baseUrls.get(at) ?? at.url, { connect, like });
    agents.push(agent);
    return agent;
  };

  return {
    provider,
    upstream,
    redis,
    folder,
    start: async ({ replicaOf, ...options } = {}) => {
      const baseUrl = replicaOf && (baseUrls.get(replicaOf) ?? replicaOf.url);
      const program = await startProgram({
        provider,
        upstream,
        store: redis.url,
        ...options,
        ...(baseUrl && { baseUrl }),
      });
      baseUrls.set(program, baseUrl ?? program.url);
      return program;
    },
    browser,
    signedIn: async (at, loginHint) => {
      const agent = browser(at);
      await agent.signIn('/', loginHint === undefined ? {} : { loginHint });
      return agent;
    },
    close: async () => {
      for (const agent of agents) agent.close();
      provider.faults.clear();
      await Promise.all([...baseUrls.keys()].map((program) => program.close()));
      await Promise.all([provider.close(), upstream.close(), redis.close()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
