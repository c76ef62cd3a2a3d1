import { BlockList, isIP } from 'node:net';
import type { ProxyEnvironment, ProxySetting } from '../../config/outgoing-proxy.ts';

/** Where a connection leads. An IPv6 host has no brackets. */
export type Target = { readonly protocol: string; readonly host: string; readonly port: number };

/** Gives the URL of the proxy for a target; undefined when the connection is direct. */
export type ProxyFor = (target: Target) => URL | undefined;

/**
 * An explicit proxy is for every target. Of the environment, `HTTPS_PROXY` is for https and `HTTP_PROXY` for http; loopback
 * hosts and those of `NO_PROXY` are connected to directly.
 */
export function createProxyFor(setting: ProxySetting): ProxyFor {
  switch (setting.kind) {
    case 'none':
      return () => undefined;
    case 'url': {
      const proxy = new URL(setting.url);
      return () => proxy;
    }
    case 'environment':
      return proxyOfEnvironment(setting);
  }
}

function proxyOfEnvironment({ httpsProxy, httpProxy, noProxy = '' }: ProxyEnvironment): ProxyFor {
  const secure = httpsProxy === undefined ? undefined : new URL(httpsProxy);
  const plain = httpProxy === undefined ? undefined : new URL(httpProxy);
  const exceptions = noProxy.split(/[,\s]+/).filter((entry) => entry !== '');
  const isDirect = exceptions.map(exceptionOf);
  return (target) => {
    const host = target.host.toLowerCase().replace(/\.$/, '');
    const isExempt = isLoopback(host) || isDirect.some((covers) => covers(host, target.port));
    return isExempt ? undefined : target.protocol === 'https:' ? secure : plain;
  };
}

type Covers = (host: string, port: number) => boolean;

/**
 * One entry of `NO_PROXY`: `*`, a host that stands for its subdomains too (with or without a leading dot or `*.`), an IP
 * address or a CIDR range; each may have a port.
 */
function exceptionOf(entry: string): Covers {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d+))?$/.exec(entry) ?? [
    undefined,
    undefined,
    entry,
    undefined,
  ];
  const covers = hostsOf((bracketed ?? plain ?? entry).toLowerCase());
  return (host, targetPort) => (port === undefined || Number(port) === targetPort) && covers(host);
}

function hostsOf(written: string): (host: string) => boolean {
  if (written === '*') return () => true;
  const [address = '', bits] = written.split('/');
  if (isIP(address) !== 0) {
    const prefix = Number(bits ?? (isIP(address) === 4 ? 32 : 128));
    const range = new BlockList();
    if (Number.isInteger(prefix) && prefix >= 0 && prefix <= (isIP(address) === 4 ? 32 : 128))
      range.addSubnet(address, prefix, familyOf(address));
    return (host) => isIP(host) !== 0 && range.check(host, familyOf(host));
  }
  const domain = written.replace(/^\*?\./, '').replace(/\.$/, '');
  return (host) => domain !== '' && (host === domain || host.endsWith(`.${domain}`));
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4';
}

function isLoopback(host: string): boolean {
  return (
    host === 'localhost' || host.endsWith('.localhost') || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
  );
}
