import type { Configuration, ServerMetadata } from 'openid-client';

const metadata = new WeakMap<Configuration, Readonly<ServerMetadata>>();

/** The metadata of a client's server, which do not change. openid-client 6 copies all of them at each call. */
export function metadataOf(client: Configuration): Readonly<ServerMetadata> {
  const known = metadata.get(client);
  if (known !== undefined) return known;
  const copy = client.serverMetadata();
  metadata.set(client, copy);
  return copy;
}
