import { once } from 'node:events';
import { Agent, type IncomingMessage, request as httpRequest } from 'node:http';
import { Agent as SecureAgent, request as httpsRequest } from 'node:https';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { canaries } from '../secrets/canaries.ts';
import { type HeaderList, headerListOf, valueOf, valuesOf } from '../network/header-list.ts';

/** Header fields to send; undefined omits a field, even one that is sent by default. */
export type SentHeaders = Record<string, string | string[] | undefined>;

/** A request to send. */
export type Sent = {
  method: string;
  headers: SentHeaders;
  body?: string | Buffer | Readable | undefined;
  signal?: AbortSignal | undefined;
};

/** A response whose header section has arrived. */
export type ResponseHead = {
  url: string;
  status: number;
  headers: HeaderList;
  /** The value of a field; several are joined by a comma. */
  header(name: string): string | undefined;
  setCookies: string[];
};

/** A response whose body is still arriving; destroying `body` cancels it. */
export type OpenResponse = ResponseHead & { body: IncomingMessage };

/** A complete response. */
export type AgentResponse = ResponseHead & { body: Buffer; text(): string; json(): unknown };

/** HTTP over plain TCP, with a record of all received bytes. */
export type Transport = {
  /** Sends a request and returns the response as soon as its header section has arrived. */
  send(url: URL, sent: Sent): Promise<OpenResponse>;
  /** Records text that an origin sent on another connection. */
  record(origin: string, text: string): void;
  /** Everything received from one or all origins: status lines, header fields and bodies, as latin1. */
  received(origin?: string): string;
  /** The address that connections for a URL use. */
  addressOf(url: URL): Address;
  close(): void;
};

/** A host and port to connect to. */
export type Address = { host: string; port: number };

/**
 * Creates a transport. Connections for `base` go to `connect`, if given; all others follow their URL, and https ones trust the
 * authority `ca`.
 */
export function createTransport(base: URL, connect: Address | undefined, ca?: string): Transport {
  const agent = new Agent({ keepAlive: true });
  const secureAgent = new SecureAgent({ keepAlive: true, ca });
  const records: { origin: string; text: string }[] = [];

  const record = (origin: string, text: string) => {
    records.push({ origin, text });
    if (origin === base.origin) canaries.seeFrom(addressOf(base).port, text);
  };
  const recordHead = (origin: string, { httpVersion, statusCode, statusMessage, rawHeaders }: Head) => {
    const fields = headerListOf(rawHeaders).map(([name, value]) => `${name}: ${value}\r\n`);
    record(origin, `HTTP/${httpVersion} ${statusCode} ${statusMessage}\r\n${fields.join('')}\r\n`);
  };
  const addressOf = (url: URL): Address => {
    if (connect !== undefined && url.origin === base.origin) return connect;
    if (url.protocol !== 'http:' && ca === undefined)
      throw new Error(`${url.origin} needs \`connect\`: only plain TCP is spoken here`);
    return { host: url.hostname, port: Number(url.port || (url.protocol === 'http:' ? 80 : 443)) };
  };

  return {
    record,
    addressOf,
    received: (origin) =>
      records
        .filter((entry) => origin === undefined || entry.origin === origin)
        .map(({ text }) => text)
        .join(''),
    close: () => {
      agent.destroy();
      secureAgent.destroy();
    },

    send: async (url, { method, headers, body, signal }) => {
      const isSecure = url.protocol === 'https:' && url.origin !== base.origin;
      const outgoing = (isSecure ? httpsRequest : httpRequest)({
        ...addressOf(url),
        agent: isSecure ? secureAgent : agent,
        method,
        path: url.pathname + url.search,
        headers: { host: url.host, ...definedHeaders(headers) },
        ...(signal && { signal }),
      });
      outgoing.on('information', (head) => recordHead(url.origin, head));
      const responded = once(outgoing, 'response');
      // After a response, an error while sending the rest of the body does not matter.
      outgoing.on('error', () => {});
      if (body instanceof Readable) body.pipe(outgoing);
      else outgoing.end(body);

      const [incoming] = (await responded) as [IncomingMessage];
      recordHead(url.origin, incoming);
      incoming.on('data', (chunk: Buffer) => record(url.origin, chunk.toString('latin1')));
      incoming.pause();
      incoming.once('end', () => record(url.origin, trailersOf(incoming)));
      const list = headerListOf(incoming.rawHeaders);
      return {
        url: url.href,
        status: incoming.statusCode ?? 0,
        headers: list,
        header: (name) => valueOf(list, name),
        setCookies: valuesOf(list, 'set-cookie'),
        body: incoming,
      };
    },
  };
}

/** Reads the body of a response to its end. */
export async function complete(response: OpenResponse): Promise<AgentResponse> {
  const body = await buffer(response.body);
  const text = () => body.toString();
  return { ...response, body, text, json: () => JSON.parse(text()) };
}

type Head = Pick<IncomingMessage, 'httpVersion' | 'rawHeaders'> & {
  statusCode?: number | undefined;
  statusMessage?: string | undefined;
};

function trailersOf({ rawTrailers }: IncomingMessage): string {
  return headerListOf(rawTrailers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
}

/** The header fields without those that are undefined. */
export function definedHeaders(headers: SentHeaders): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(headers).filter((entry): entry is [string, string | string[]] => entry[1] !== undefined),
  );
}
