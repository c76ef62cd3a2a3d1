import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { selfSignedForLocalhost } from '../../../testkit/network/self-signed.ts';
import { type ChildProcess, startChildProcess } from '../../../testkit/processes/child-process.ts';

/** Where a balancer listens on 127.0.0.1, and two replicas on 127.0.0.1 and 127.0.0.2. */
export type Ports = {
  readonly https: number;
  readonly http: number;
  readonly replica: number;
  readonly admin: number;
};

/** A program for which `deploy/` has a sample. */
export type Balancer = {
  readonly name: string;
  /** Long enough for its health checks to notice a stop; nginx has none. */
  readonly shutdownDelay: string;
  /** Writes the sample into `folder`, changed to listen on these ports only, and starts the program. */
  start(folder: string, ports: Ports): Promise<ChildProcess>;
};

const deploy = fileURLToPath(new URL('../../../deploy/', import.meta.url));

export const balancers: readonly Balancer[] = [
  {
    name: 'nginx',
    shutdownDelay: '0s',
    start: (folder, ports) =>
      startNginx(folder, ports, [
        ['10.0.0.11:3000', `127.0.0.1:${ports.replica}`],
        ['10.0.0.12:3000', `127.0.0.2:${ports.replica}`],
      ]),
  },
  {
    name: 'HAProxy',
    shutdownDelay: '2500ms',
    async start(folder, ports) {
      const sample = await adapt('haproxy/haproxy.cfg', [
        ['10.0.0.11:3000', `127.0.0.1:${ports.replica}`],
        ['10.0.0.12:3000', `127.0.0.2:${ports.replica}`],
        ['port 9464', `port ${ports.admin}`],
        ['bind :443', `bind 127.0.0.1:${ports.https}`],
        ['bind :80', `bind 127.0.0.1:${ports.http}`],
        ['/etc/ssl/coatcheck/tls.pem', join(folder, 'tls.pem')],
      ]);
      await writeFile(join(folder, 'haproxy.cfg'), sample);
      return startChildProcess(program('haproxy', 'HAPROXY', ['/usr/sbin/haproxy', '/usr/bin/haproxy']), [
        '-db',
        '-f',
        join(folder, 'haproxy.cfg'),
      ]);
    },
  },
  {
    name: 'Caddy',
    shutdownDelay: '2500ms',
    async start(folder, ports) {
      const sample = await adapt('caddy/Caddyfile', [
        ['10.0.0.11:3000', `127.0.0.1:${ports.replica}`],
        ['10.0.0.12:3000', `127.0.0.2:${ports.replica}`],
        ['health_port 9464', `health_port ${ports.admin}`],
        ...certificateIn(folder),
      ]);
      return startCaddy(folder, ports, sample);
    },
  },
];

/** nginx in front of one gateway on a Unix socket, as the comment in the sample says. */
export function startNginxBeforeSocket(
  folder: string,
  ports: Pick<Ports, 'https' | 'http'>,
  socketPath: string,
): Promise<ChildProcess> {
  return startNginx(folder, ports, [
    ['  server 10.0.0.11:3000 max_fails=0;', ''],
    ['  server 10.0.0.12:3000 max_fails=0;', ''],
    ['  #   server unix:/run/coatcheck/coatcheck.sock;', `  server unix:${socketPath};`],
  ]);
}

/** A proxy that asks the gateway on `gatewayPort` about each request, and forwards to an API on `apiPort`. */
export type AskingProxy = {
  readonly name: string;
  start(
    folder: string,
    ports: Pick<Ports, 'https' | 'http'> & { gateway: number; api: number },
  ): Promise<ChildProcess>;
};

/** Debian has no Traefik: it takes part where `TRAEFIK` names one. */
const traefik: AskingProxy = {
  name: 'Traefik',
  async start(folder, ports) {
    const sample = await adapt('traefik/forward-auth.yaml', [
      ...addressesOf(ports),
      ...certificateIn(folder),
    ]);
    await writeFile(join(folder, 'forward-auth.yaml'), sample);
    return startChildProcess(program('traefik', 'TRAEFIK', []), [
      `--entryPoints.websecure.address=127.0.0.1:${ports.https}`,
      `--providers.file.filename=${join(folder, 'forward-auth.yaml')}`,
    ]);
  },
};

export const askingProxies: readonly AskingProxy[] = [
  ...(process.env['TRAEFIK'] === undefined ? [] : [traefik]),
  {
    name: 'nginx',
    async start(folder, ports) {
      const sample = await adapt('nginx/forward-auth.conf', [
        ...addressesOf(ports),
        ['listen 443', `listen 127.0.0.1:${ports.https}`],
        ...certificateIn(folder),
      ]);
      return runNginx(folder, sample);
    },
  },
  {
    name: 'Caddy',
    async start(folder, ports) {
      const sample = await adapt('caddy/forward-auth.Caddyfile', [
        ...addressesOf(ports),
        ...certificateIn(folder),
      ]);
      return startCaddy(folder, ports, sample);
    },
  },
];

const addressesOf = ({ gateway, api }: { gateway: number; api: number }) =>
  [
    ['10.0.0.11:3000', `127.0.0.1:${gateway}`],
    ['10.0.0.21:8080', `127.0.0.1:${api}`],
  ] as const;

const certificateIn = (folder: string) =>
  [
    ['/etc/ssl/coatcheck/tls.crt', join(folder, 'tls.crt')],
    ['/etc/ssl/coatcheck/tls.key', join(folder, 'tls.key')],
  ] as const;

async function startCaddy(
  folder: string,
  ports: Pick<Ports, 'https' | 'http'>,
  sample: string,
): Promise<ChildProcess> {
  const options = `{\n admin off\n default_bind 127.0.0.1\n https_port ${ports.https}\n http_port ${ports.http}\n}\n`;
  await writeFile(join(folder, 'Caddyfile'), options + sample);
  return startChildProcess(
    program('caddy', 'CADDY', ['/usr/bin/caddy']),
    ['run', '--config', join(folder, 'Caddyfile'), '--adapter', 'caddyfile'],
    { env: { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder } },
  );
}

async function startNginx(
  folder: string,
  ports: Pick<Ports, 'https' | 'http'>,
  servers: readonly (readonly [string, string])[],
): Promise<ChildProcess> {
  const sample = await adapt('nginx/coatcheck.conf', [
    ...servers,
    ['listen 443', `listen 127.0.0.1:${ports.https}`],
    ['listen 80', `listen 127.0.0.1:${ports.http}`],
    ...certificateIn(folder),
  ]);
  return runNginx(folder, sample);
}

async function runNginx(folder: string, sample: string): Promise<ChildProcess> {
  await writeFile(join(folder, 'sample.conf'), sample);
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const temporary = kinds.map((kind) => `${kind}_temp_path ${join(folder, kind)};`).join('\n');
  // Outside the sample: what the nginx.conf of a distribution says, for a process of this user.
  const main = `daemon off; pid ${join(folder, 'pid')}; error_log stderr;
        events {} http { access_log off; ${temporary} include ${join(folder, 'sample.conf')}; }`;
  await writeFile(join(folder, 'nginx.conf'), main);
  const binary = program('nginx', 'NGINX', ['/usr/sbin/nginx', '/usr/bin/nginx']);
  return startChildProcess(binary, ['-p', folder, '-c', join(folder, 'nginx.conf')]);
}

/** Writes the certificate under the names of the samples. */
export async function writeCertificate(folder: string): Promise<void> {
  const { cert, key } = selfSignedForLocalhost;
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'tls.crt'), cert);
  await writeFile(join(folder, 'tls.key'), key);
  await writeFile(join(folder, 'tls.pem'), `${cert}\n${key}\n`);
}

/** The text of a sample with other ports and paths, each of which must occur in it. */
async function adapt(file: string, replacements: readonly (readonly [string, string])[]): Promise<string> {
  let text = await readFile(join(deploy, file), 'utf8');
  for (const [from, to] of replacements) {
    if (!text.includes(from)) throw new Error(`deploy/${file} does not contain ${from}`);
    text = text.replaceAll(from, to);
  }
  return text;
}

function program(name: string, variable: string, paths: readonly string[]): string {
  const found = process.env[variable] ?? paths.find((path) => existsSync(path));
  if (found === undefined)
    throw new Error(`There is no ${name}: install the package ${name}, or set ${variable}.`);
  return found;
}
